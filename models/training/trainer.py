"""One resumable run of a recipe: steps, schedule, averages, checkpoints, validation, stopping."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from models.errors import HflicError
from models.networks.base import CompressionNetwork
from models.networks.builders import build
from models.training.data import Batch, PhotoCrops
from models.training.losses import rate_distortion
from models.training.recipes import Recipe, Round
from models.training.threads import ThreadGovernor
from models.training.validation import decibels, validate

log = logging.getLogger(__name__)

CHECKPOINT = "last.ckpt"


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
    """torch.save that leaves either the old or the new file, whenever it is killed."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint written by `atomic_save`; nothing but tensors and plain values is unpickled."""
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


class Trainer:
    """Trains one recipe in a folder: checkpoints, TensorBoard events and validation rows live there."""

    def __init__(
        self,
        recipe: Recipe,
        data: Path,
        out: Path,
        *,
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
        self.crops = PhotoCrops(data, seed=recipe.seed)
        self.validation = validation
        self.validate_every = validate_every
        self.minutes_between_checkpoints = minutes_between_checkpoints
        self.governor = ThreadGovernor(threads)
        self.config = recipe.network()
        self.network = build(self.config).to(memory_format=torch.channels_last)
        quantiles = [p for n, p in self.network.named_parameters() if n.endswith("quantiles")]
        self.weights = [p for n, p in self.network.named_parameters() if self._trainable(n)]
        self.optimizer = torch.optim.Adam([{"params": self.weights}, {"params": quantiles}], lr=1e-3)
        self.ema = Ema(self.network, recipe.ema)
        self.step = 0
        self.seconds = 0.0
        self._stop = False
        self.scalars: dict[str, float] = {}
        self._add_parts()
        if (out / CHECKPOINT).exists():
            self._resume(load_checkpoint(out / CHECKPOINT))
        elif start is not None and (published := start()) is not None:
            weights, self.step, self.seconds = published
            self.network.load_state_dict(weights, strict=False)
            self.ema = Ema(self.network, recipe.ema)
            log.info("continuing %s from the published weights at step %d", recipe.name, self.step)

    def _trainable(self, name: str) -> bool:
        """Whether a parameter of the network follows the recipe's loss."""
        return not name.endswith("quantiles")

    def _add_parts(self) -> None:
        """Whatever a kind of training has beside the network; called before a checkpoint is read."""

    def _resume(self, state: dict[str, Any]) -> None:
        if state["recipe"] != self.recipe.name:
            raise TrainingError(f"{self.out} holds a run of {state['recipe']}: choose another --out")
        own = self.network.state_dict()
        # CompressAI's bottleneck, which earlier checkpoints were made with, has buffers of its own
        self.network.load_state_dict({k: v for k, v in state["network"].items() if k in own})
        self.ema.shadow = state["ema"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]

    def save(self) -> None:
        """Write the checkpoint."""
        atomic_save(self._state(), self.out / CHECKPOINT)

    def _state(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe.name,
            "network": self.network.state_dict(),
            "ema": self.ema.shadow,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Finish the step under way, save and return from `run`."""
        self._stop = True

    def train_step(self) -> tuple[float, float, float]:
        """One step; returns loss, bits per pixel and PSNR of the batch.

        Every random number comes from (seed, step), so a resumed run repeats an uninterrupted one.
        """
        part, inner, batch, position = self._begin_step()
        assert self.config.ladder is not None
        weight = torch.tensor([self.config.ladder.weight(p) for p in position.tolist()])
        hard = inner >= part.steps * (1 - part.hard)
        output = self.network(batch.x, position, hard=hard)
        terms = rate_distortion(batch.x, output, weight, self.recipe.lambda_reference)
        self._finish_step(terms.loss + self.network.entropy_bottleneck.loss())
        return terms.loss.item(), terms.bpp.mean().item(), decibels(terms.mse)

    def _begin_step(self) -> tuple[Round, int, Batch, Tensor]:
        """The step's round, its number there, the crops and their positions on the rate ladder."""
        part, inner = self.recipe.at(self.step)
        plan = replace(self.recipe.plan, side=part.side)
        batch = self.crops.batch(self.step, part.batch, plan)
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)
        assert self.config.ladder is not None, "every recipe trains a network with gain units"
        self.optimizer.param_groups[0]["lr"] = part.learning_rate(inner)
        return part, inner, batch, batch.uniform * self.config.ladder.top

    def _finish_step(self, loss: Tensor) -> None:
        """Backward, clip, move, average. Raises TrainingError for a gradient that is not finite."""
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.weights, self.recipe.clip)
        if not torch.isfinite(norm):
            raise TrainingError(
                f"the gradient is not finite at step {self.step}; the last good checkpoint is in {self.out}"
            )
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
        writer = SummaryWriter(str(self.out), purge_step=self.step)
        saved = time.monotonic()
        running: list[tuple[float, float, float]] = []
        mark, mark_step = time.monotonic(), self.step
        try:
            while self.step < goal and not self._stop:
                self.governor.adjust(self.step)
                begin = time.monotonic()
                running.append(self.train_step())
                self.seconds += time.monotonic() - begin
                if self.step % 50 == 0:
                    loss, bpp, psnr = np.mean(running, axis=0).tolist()
                    running.clear()
                    now = time.monotonic()
                    pace = (now - mark) / max(self.step - mark_step, 1)
                    mark, mark_step = now, self.step
                    rate = self.optimizer.param_groups[0]["lr"]
                    seen = {"loss": loss, "bpp": bpp, "psnr": psnr, "rate": rate, **self.scalars}
                    for name, value in seen.items():
                        writer.add_scalar(f"train/{name}", value, self.step)
                    if report is not None:
                        report(Progress(self.step, goal, loss, bpp, psnr, pace, rate))
                if time.monotonic() - saved > self.minutes_between_checkpoints * 60:
                    self.save()
                    saved = time.monotonic()
                if self.validation is not None and self.step % self.validate_every == 0:
                    self._validate(writer)
                    mark, mark_step = time.monotonic(), self.step
            self.save()
        finally:
            torch.set_flush_denormal(False)
            writer.close()
            for number, handler in previous.items():
                signal.signal(number, handler)
        return self.step >= goal

    def _validate(self, writer: SummaryWriter) -> None:
        assert self.validation is not None and self.config.ladder is not None
        rows = validate(averaged(self.network, self.ema), self.validation, self.config.ladder.top)
        for row in rows:
            level = round(row.position)
            writer.add_scalar(f"validation/psnr@{level}", row.psnr, self.step)
            writer.add_scalar(f"validation/bpp@{level}", row.bpp, self.step)
        with (self.out / "validation.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": self.step, "rows": [asdict(r) for r in rows]}) + "\n")

    def close(self) -> None:
        """Stop the data thread."""
        self.crops.close()


def averaged(network: CompressionNetwork, ema: Ema) -> CompressionNetwork:
    """A copy of the network with the averaged weights, in evaluation mode."""
    copy = deepcopy(network)
    copy.load_state_dict({**network.state_dict(), **ema.shadow})
    return copy.eval()
