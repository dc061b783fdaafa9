"""One resumable run of a recipe: steps, schedule, averages, checkpoints, validation, stopping."""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from models.errors import HflicError, OutputError
from models.networks.base import CompressionNetwork, NetworkOutput
from models.networks.builders import build
from models.networks.rate import GAINS
from models.training.board import Means, add_samples, add_scalars, add_validation
from models.training.data import CACHE_BYTES, Batch, DataError, PhotoCrops, Photographs
from models.training.divergence import LossWatch
from models.training.losses import RateDistortion, rate_distortion
from models.training.precision import reduced_precision
from models.training.processes import Processes
from models.training.recipes import Recipe, Round, began_so
from models.training.threads import ThreadGovernor
from models.training.validation import FIXED_CROPS, decibels, fixed_losses, validate

log = logging.getLogger(__name__)

CHECKPOINT = "last.ckpt"
VALIDATION = "validation.jsonl"
REPORT_EVERY = 50  # steps


class TrainingError(HflicError):
    """Training cannot go on; the text says why and what is kept."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands, for a progress bar."""

    step: int
    steps: int
    loss: float
    bpp: float
    psnr: float
    seconds_per_step: float
    learning_rate: float


class Ema:
    """An exponential moving average of every parameter, quick to follow at first."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.shadow = {k: v.detach().clone() for k, v in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Move towards the module's parameters after `step` steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in module.named_parameters():
            self.shadow[name].lerp_(value, 1 - decay)


def atomic_save(state: dict[str, Any], path: Path) -> None:
    """torch.save that leaves either the old or the new file, whenever it is killed.

    Raises OutputError where it cannot be written, and then leaves nothing half-written.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        # torch's writer says "unexpected pos" of a full disk; the system's own words are behind that
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        temporary.unlink(missing_ok=True)
        raise OutputError(
            f"cannot write {path}: {cause.strerror or cause}; what was saved before is kept, "
            "go on from it with --resume"
        ) from error


def load_checkpoint(path: Path, *, mapped: bool = False) -> dict[str, Any]:
    """A checkpoint written by `atomic_save`; nothing but tensors and plain values is unpickled.

    `mapped` reads tensors only when they are looked at, for who wants the other values. Raises TrainingError
    for a damaged one.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise TrainingError(
            f"{path} is damaged: move it away, and the next run begins again from what is published"
        ) from error
    return state


def load_run(recipe: Recipe, run: Path) -> dict[str, Any]:
    """A recipe's checkpoint. Raises TrainingError where it is another recipe's or has other rates."""
    state = load_checkpoint(run / CHECKPOINT)
    if state["recipe"] != recipe.name:
        raise TrainingError(f"{run} holds a run of {state['recipe']}: choose another --out")
    config = recipe.network()
    gains = [v for k, v in state["network"].items() if k.startswith(GAINS)]
    if config.ladder is not None:
        wanted = (len(config.ladder.lambdas), config.latent)
        if any(tuple(table.shape) != wanted for table in gains):
            raise TrainingError(
                f"{run} holds a run with another number of rates or latents: move it away, and the next one "
                "begins again from what is published"
            )
    check_beginning(recipe, run, state)
    return state


def check_beginning(recipe: Recipe, run: Path, state: dict[str, Any]) -> None:
    """Raises TrainingError for the checkpoint of a run that did not begin as the recipe does now."""
    if not began_so(recipe, state.get("begun_with")):
        raise TrainingError(
            f"{run} holds a run that did not begin with the decoder of {recipe.begins_with or 'nothing'}, as "
            f"{recipe.name} does now: move it away, and a new one begins"
        )


class Trainer:
    """Trains one recipe in a folder: checkpoints, TensorBoard events and validation rows live there.

    Several processes may train one recipe together, each with a trainer of its own: the first one
    saves, validates and reports.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: Path | Photographs,
        out: Path,
        *,
        processes: Processes | None = None,
        validation: Path | None = None,
        start: Callable[[], tuple[dict[str, Tensor], int, float] | None] | None = None,
        threads: int | None = None,
        minutes_between_checkpoints: float = 3.0,
        validate_every: int = 2000,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.out = out
        self.out.mkdir(parents=True, exist_ok=True)
        self.processes = processes or Processes()
        count, device = self.processes.count, self.processes.device
        self.crops = PhotoCrops(data, seed=recipe.seed, cache_bytes=CACHE_BYTES // count)
        self.validation = validation
        self.validate_every = validate_every
        self.minutes_between_checkpoints = minutes_between_checkpoints
        self.governor = ThreadGovernor(threads, processes=count)
        self.config = recipe.network()
        self.network = build(self.config).to(device).to(memory_format=torch.channels_last)
        self.network.transform_precision = reduced_precision(device, self.processes.mean)
        quantiles = [p for n, p in self.network.named_parameters() if n.endswith("quantiles")]
        self.weights = [p for n, p in self.network.named_parameters() if self._trainable(n)]
        # One pass over the memory instead of a dozen: a quarter of the plain optimizer's time on a processor.
        self.optimizer = torch.optim.Adam(
            [{"params": self.weights}, {"params": quantiles}], lr=1e-3, fused=True
        )
        self.ema = Ema(self.network, recipe.ema)
        self.step = 0
        self.seconds = 0.0
        self.begun = (0, 0.0)  # steps and seconds of other machines, or of an earlier run here
        self.watch = LossWatch()
        self._stop = False
        self.scalars: dict[str, float] = {}
        self._add_parts()
        if (out / CHECKPOINT).exists():
            self._resume(load_run(recipe, out))
        elif start is not None and (published := start()) is not None:
            weights, self.step, self.seconds = published
            self.begun = (self.step, self.seconds)
            self.network.load_state_dict(weights, strict=False)
            self.ema = Ema(self.network, recipe.ema)
            log.info("beginning %s at step %d with given weights", recipe.name, self.step)
            self._settle()
        self.processes.agree(self._beginning())
        self._agree_on_the_step()

    def _agree_on_the_step(self) -> None:
        """Weights may be published between one process's look at them and another's."""
        at = torch.tensor([self.step, self.seconds], dtype=torch.float64, device=self.processes.device)
        self.processes.agree([at])
        self.step, self.seconds = int(at[0]), float(at[1])

    def _trainable(self, name: str) -> bool:
        """Whether a parameter of the network follows the recipe's loss."""
        return not name.endswith("quantiles")

    def _beginning(self) -> list[Tensor]:
        """What every process has to begin with alike."""
        return [*self.network.state_dict().values(), *self.ema.shadow.values()]

    def _add_parts(self) -> None:
        """Whatever a kind of training has beside the network; called before a checkpoint is read."""

    def _settle(self) -> None:
        """Whatever else follows from given weights; called before all processes agree on them."""

    def _resume(self, state: dict[str, Any]) -> None:
        own = self.network.state_dict()
        # CompressAI's bottleneck, which earlier checkpoints were made with, has buffers of its own
        self.network.load_state_dict({k: v for k, v in state["network"].items() if k in own})
        self.ema.shadow = {k: v.to(self.processes.device) for k, v in state["ema"].items()}
        for group in state["optimizer"]["param_groups"]:
            group["fused"] = True  # which checkpoints of earlier versions do not say
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        step, seconds = state.get("begun", (0, 0.0))
        self.begun = (int(step), float(seconds))
        self.watch = LossWatch(state.get("losses", ()))

    def save(self) -> None:
        """Write the checkpoint. Raises TrainingError instead where a weight is not finite."""
        if not all(torch.isfinite(p).all() for p in self.network.parameters()):
            raise TrainingError(f"a weight is not finite at step {self.step}; {self._kept()}")
        if self.processes.first:
            atomic_save(self._state(), self.out / CHECKPOINT)

    def _kept(self) -> str:
        path = self.out / CHECKPOINT
        if not path.exists():
            return "there is no checkpoint yet: lower the recipe's rate and begin again"
        step = load_checkpoint(path, mapped=True)["step"]
        return f"the last good checkpoint, of step {step}, stays in {self.out}: lower the recipe's rate"

    def _state(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe.name,
            "network": self.network.state_dict(),
            "ema": self.ema.shadow,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "begun": self.begun,
            "losses": list(self.watch.losses),
        }

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Finish the step under way, save and return from `run`."""
        self._stop = True

    def train_step(self) -> tuple[float, float, float]:
        """One step; returns loss, bits per pixel and PSNR of the batch.

        Every random number comes from (seed, step), so a resumed run repeats an uninterrupted one.
        """
        part, inner, batch, position = self._begin_step()
        hard = inner >= part.steps * (1 - part.hard)
        with self.processes.noise():
            output = self.network(batch.x, position, hard=hard)
        terms = self._rate_distortion(batch.x, output, position)
        quantiles = self.network.entropy_bottleneck.loss()
        self._finish_step(terms.loss + quantiles)
        self.scalars = {
            "rate": terms.rate.item(),
            "distortion": terms.distortion.item(),
            "quantiles": quantiles.item(),
        }
        return self._over_all(terms.loss, terms.bpp, terms.mse)

    def _rate_distortion(self, x: Tensor, output: NetworkOutput, position: Tensor) -> RateDistortion:
        return rate_distortion(x, output, self._lambdas(position, x.device), self.recipe.lambda_reference)

    def _lambdas(self, position: Tensor, device: torch.device) -> Tensor:
        """Of the places on the rate ladder, (B,)."""
        assert self.config.ladder is not None
        return torch.tensor([self.config.ladder.weight(p) for p in position.tolist()], device=device)

    def _over_all(self, loss: Tensor, bpp: Tensor, square_errors: Tensor) -> tuple[float, float, float]:
        """Loss, bits per pixel and PSNR of the whole batch from this process's share."""
        means = self.processes.mean(torch.stack([t.detach().mean() for t in (loss, bpp, square_errors)]))
        return means[0].item(), means[1].item(), decibels(means[2])

    def judge(
        self, _network: CompressionNetwork, x: Tensor, output: NetworkOutput, position: Tensor
    ) -> dict[str, float]:
        """The recipe's loss and its parts for what a network made of x, for measurements beside training."""
        terms = self._rate_distortion(x, output, position)
        return {
            "loss": terms.loss.item(),
            "rate": terms.rate.item(),
            "distortion": terms.distortion.item(),
        }

    def _begin_step(self) -> tuple[Round, int, Batch, Tensor]:
        """The step's round, its number there, the crops and their positions on the rate ladder."""
        part, inner = self.recipe.at(self.step)
        plan = replace(self.recipe.plan, side=part.side)
        batch = self.processes.share(self.crops.batch(self.step, part.batch, plan))
        if inner == 0:
            self.watch.reset()
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)
        assert self.config.ladder is not None, "every recipe trains a network with gain units"
        self.optimizer.param_groups[0]["lr"] = part.learning_rate(inner)
        return part, inner, batch, self.config.ladder.equally(batch.uniform)

    def _finish_step(self, loss: Tensor) -> None:
        """Backward, clip, move, average. Raises TrainingError for a gradient that is not finite."""
        loss.backward()  # type: ignore[no-untyped-call]
        self.processes.average_gradients([p for g in self.optimizer.param_groups for p in g["params"]])
        norm = nn.utils.clip_grad_norm_(self.weights, self.recipe.clip)
        if not torch.isfinite(norm):
            raise TrainingError(f"the gradient is not finite at step {self.step}; {self._kept()}")
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.ema.update(self.network, self.step)

    def run(self, until: int | None = None, report: Callable[[Progress], None] | None = None) -> bool:
        """Train up to `until` (default: all rounds). True when reached, False when stopped by a signal."""
        goal = min(until or self.recipe.steps, self.recipe.steps)
        if self.step >= goal:
            return True
        torch.set_flush_denormal(True)  # denormals cost this loop several times its speed
        previous = {s: signal.signal(s, self.stop) for s in (signal.SIGTERM, signal.SIGINT)}
        writer = SummaryWriter(str(self.out), purge_step=self.step) if self.processes.first else None
        try:
            self._loop(goal, writer, report)
            self._finish(goal)
        finally:
            torch.set_flush_denormal(False)
            if writer is not None:
                writer.close()
            for number, handler in previous.items():
                signal.signal(number, handler)
        return self.step >= goal

    def _loop(
        self, goal: int, writer: SummaryWriter | None, report: Callable[[Progress], None] | None
    ) -> None:
        saved = time.monotonic()
        means = Means()
        mark, mark_step = time.monotonic(), self.step
        while self.step < goal and not self.processes.any(self._stop):
            self.governor.adjust(self.step)
            begin = time.monotonic()
            loss, bpp, psnr = self.train_step()
            self.seconds += time.monotonic() - begin
            self._watch(loss)
            means.add({"loss": loss, "bpp": bpp, "psnr": psnr, **self.scalars})
            if self.step % REPORT_EVERY == 0:
                seen, now = means.take(), time.monotonic()
                pace = (now - mark) / max(self.step - mark_step, 1)
                mark, mark_step = now, self.step
                rate = self.optimizer.param_groups[0]["lr"]
                if writer is not None:
                    add_scalars(writer, "train", seen | {"learning_rate": rate}, self.step)
                if report is not None:
                    report(Progress(self.step, goal, seen["loss"], seen["bpp"], seen["psnr"], pace, rate))
            if time.monotonic() - saved > self.minutes_between_checkpoints * 60 and self.watch.settled:
                self.save()
                saved = time.monotonic()
            if writer is not None and self.validation is not None and self.step % self.validate_every == 0:
                with self.processes.apart():
                    self._validate(writer)
                mark, mark_step = time.monotonic(), self.step

    def _watch(self, loss: float) -> None:
        """Raises TrainingError where the loss has run away."""
        self.watch.add(loss)
        if self.watch.diverged:
            usual = f", usually {self.watch.usual:.3g}" if self.watch.usual is not None else ""
            raise TrainingError(f"the loss diverges ({loss:.3g} at step {self.step}{usual}); {self._kept()}")

    def _finish(self, goal: int) -> None:
        """Keep the state the loop ended with, unless its loss is on its way up."""
        if self.watch.settled:
            self.save()
        elif self.step >= goal:
            raise TrainingError(f"the loss was rising when step {self.step} was reached; {self._kept()}")
        else:
            log.warning("stopped while the loss was rising, so nothing is saved; %s", self._kept())

    def _validate(self, writer: SummaryWriter) -> None:
        assert self.validation is not None and self.config.ladder is not None
        network = averaged(self.network, self.ema)
        rows = validate(network, self.validation, self.config.ladder.top)
        add_validation(writer, rows, self.step)
        add_samples(writer, network, self.validation, self.config.ladder.top, self.step)
        record: dict[str, Any] = {"step": self.step, "rows": [asdict(r) for r in rows]}
        try:
            record["losses"] = losses = self.losses()
        except DataError as error:
            log.warning("no losses on fixed crops: %s", error)
        else:
            for side in ("train", "validation"):
                add_scalars(writer, f"fixed crops ({side})", losses[side], self.step)
        with (self.out / VALIDATION).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def losses(self) -> dict[str, Any]:
        """The recipe's loss on fixed crops of training and of validation photographs, averaged weights.

        {"step", "crops", "train": parts by name, "validation": the same}: side by side they show
        overfitting. Raises DataError where photographs are too small.
        """
        assert self.validation is not None and self.config.ladder is not None
        network = averaged(self.network, self.ema)
        part, _ = self.recipe.at(self.step)
        plan = replace(self.recipe.plan, side=part.side)
        sides = {"train": self.crops.photographs, "validation": Photographs(self.validation, cache_bytes=0)}
        parts = {
            name: fixed_losses(network, photographs, plan, self.config.ladder.top, self.judge)
            for name, photographs in sides.items()
        }
        return {"step": self.step, "crops": FIXED_CROPS, **parts}

    def close(self) -> None:
        """Stop the data thread."""
        self.crops.close()


def averages(state: dict[str, Any]) -> dict[str, Tensor]:
    """Everything of a checkpoint's network by name, averaged over the steps where averages are kept."""
    return {**state["network"], **state["ema"]}


def averaged(network: CompressionNetwork, ema: Ema) -> CompressionNetwork:
    """A copy of the network with the averaged weights, in evaluation mode and float32."""
    copy = deepcopy(network)
    copy.load_state_dict({**network.state_dict(), **ema.shadow})
    copy.transform_precision = torch.float32
    return copy.eval()
