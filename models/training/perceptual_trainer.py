"""One resumable run of a perceptual recipe: the trainer's steps, judged by features and a discriminator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from models.distortion import Features, charbonnier, face_mse, lpips_distance, weighed
from models.networks.base import CompressionNetwork, NetworkOutput
from models.networks.discriminator import Discriminator
from models.realism import DECODER_PARTS
from models.training.data import Photographs, Place
from models.training.perceptual import (
    grid_pattern,
    hinge_discriminator,
    hinge_generator,
    nonsaturating_discriminator,
    nonsaturating_generator,
    rate_multiplexer,
    style_loss,
)
from models.training.perceptual_recipes import PerceptualRecipe
from models.training.processes import Processes
from models.training.terms import EVERYTHING, Joined, Terms, judged
from models.training.trainer import CHECKPOINT, Ema, Trainer, TrainingError, averaged, log
from models.training.validation import read, spread
from models.trunks import TrunkName, trunk

VALIDATION_PICTURES, VALIDATION_SIDE = 8, 256
LEAST_BASE_BPP = 0.05  # a flat crop's rate counts as this much, so that it does not dominate


@dataclass(frozen=True)
class Continued:
    """What a run without a checkpoint goes on from.

    weights, steps, seconds: of the recipe itself; base: the weights of its base that belong to them, or the
    nearest to those there are, and base_steps how far they were trained. None for a recipe that is not
    measured against one, or where its base's are gone: it is measured against its own weights of today, and
    never follows another base. begun_with: {"recipe", "steps"} of the decoder that the recipe began with, {}
    where it began without.
    """

    weights: dict[str, Tensor]
    steps: int
    seconds: float
    base: Mapping[str, Tensor] | None
    base_steps: int | None = None
    begun_with: dict[str, Any] = field(default_factory=dict)


Masks = Callable[[Sequence[Place], int], Tensor]


class PerceptualTrainer(Trainer):
    """`base` gives the weights of the squared-error stage, and `base_steps` how far those were trained;
    `masks` the small faces of crops, where wanted.

    A checkpoint carries the discriminator and the base too, so that resuming needs neither again.
    """

    recipe: PerceptualRecipe

    def __init__(
        self,
        recipe: PerceptualRecipe,
        data: Path | Photographs,
        out: Path,
        *,
        base: Callable[[], Mapping[str, Tensor] | None],
        base_steps: Callable[[], int | None] = lambda: None,
        trunk: Callable[[TrunkName], Features] = trunk,
        masks: Masks | None = None,
        processes: Processes | None = None,
        validation: Path | None = None,
        start: Callable[[], Continued | None] | None = None,
        threads: int | None = None,
        minutes_between_checkpoints: float = 3.0,
        validate_every: int = 2000,
    ) -> None:
        self._weights_of_base, self._steps_of_base = base, base_steps
        self.base_steps: int | None = None
        self.begun_with: dict[str, Any] = {}
        there = (out / CHECKPOINT).exists()
        self._continued = start() if start is not None and not there else None
        self._alone = self._continued is not None and self._continued.base is None
        self._masks = masks
        names = {recipe.weights.lpips_trunk, recipe.weights.style_trunk}
        self._trunks = {name: trunk(name) for name in sorted(names)}
        super().__init__(
            recipe,
            data,
            out,
            processes=processes,
            validation=validation,
            start=self._published,
            threads=threads,
            minutes_between_checkpoints=minutes_between_checkpoints,
            validate_every=validate_every,
        )
        self._continued = None  # the weights are in their places

    def _published(self) -> tuple[dict[str, Tensor], int, float] | None:
        found = self._continued
        return (found.weights, found.steps, found.seconds) if found is not None else None

    def _settle(self) -> None:
        if self._alone and self.recipe.base and self.recipe.target is None:
            log.info("%s goes on without %s, which is not published", self.recipe.name, self.recipe.base)
        self._go_over()

    def _trainable(self, name: str) -> bool:
        decoder = name.startswith(DECODER_PARTS)  # freezing the rest keeps every bitstream as it was
        return super()._trainable(name) and (decoder or not self.recipe.decoder_only)

    def _add_parts(self) -> None:
        recipe = self.recipe
        if recipe.decoder_only:
            for name, parameter in self.network.named_parameters():
                parameter.requires_grad_(self._trainable(name))
        device = self.processes.device
        self.discriminator = Discriminator(self.config.latent, recipe.discriminator_width).to(device)
        for module in self._trunks.values():
            if isinstance(module, nn.Module):
                module.to(device)
        self.d_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), lr=recipe.discriminator_rate, betas=recipe.momenta
        )
        self.gan_from = round(recipe.gan_from * recipe.steps)
        self.style_from = round(recipe.styled_from * recipe.steps)
        # A rate measured by its own target needs no base beside it.
        self.base = deepcopy(self.network).requires_grad_(False) if recipe.target is None else None
        if recipe.base and not (self.out / CHECKPOINT).exists():
            known = self._continued
            weights = known.base or known.weights if known is not None else self._weights_of_base()
            self.base_steps = known.base_steps if known is not None else self._steps_of_base()
            self.begun_with = known.begun_with if known is not None else {}
            if weights is None:
                raise TrainingError(
                    f"{recipe.name} begins from the weights of {recipe.base}: train those first "
                    f"(hflic train {recipe.base})"
                )
            self.network.load_state_dict(weights, strict=False)
            if self.base is not None:
                self.base.load_state_dict(weights, strict=False)
            self.ema = Ema(self.network, recipe.ema)

    def _beginning(self) -> list[Tensor]:
        others = [m for m in (self.discriminator, self.base) if m is not None]
        return super()._beginning() + [v for module in others for v in module.state_dict().values()]

    def _state(self) -> dict[str, Any]:
        return super()._state() | {
            "discriminator": self.discriminator.state_dict(),
            "d_optimizer": self.d_optimizer.state_dict(),
            "base": self.base.state_dict() if self.base is not None else {},
            "base_steps": self.base_steps,
            "alone": self._alone,
            "begun_with": self.begun_with,
        }

    def _resume(self, state: dict[str, Any]) -> None:
        super()._resume(state)
        self.discriminator.load_state_dict(state["discriminator"])
        self.d_optimizer.load_state_dict(state["d_optimizer"])
        if self.base is not None:
            self.base.load_state_dict(state["base"])
        self.base_steps = state.get("base_steps")
        self._alone = state.get("alone", False)
        self.begun_with = state.get("begun_with", {})
        self._go_over()

    def _go_over(self) -> None:
        """Follow the base where it has learned more: a decoder alone at any time, else before a round."""
        if self.base is None or self._alone or not (self.recipe.decoder_only or self._at_a_round()):
            return
        if (weights := self._weights_of_base()) is not None:
            self._follow(weights)

    def _at_a_round(self) -> bool:
        """Whether the next step is the first of a round."""
        return self.step < self.recipe.steps and self.recipe.at(self.step)[1] == 0

    @torch.no_grad()
    def _follow(self, weights: Mapping[str, Tensor]) -> None:
        """Go over to other weights of the base, as of a later round.

        What is trained moves as the base's own did, so what it has learned for the eye is kept; the files of
        a decoder alone are made with the base as it is published.
        """
        assert self.base is not None
        old = dict(self.base.named_parameters())
        moves = {k: (weights[k].to(v.device) - v) for k, v in old.items() if k in weights}
        moves = {k: move for k, move in moves.items() if move.any()}
        if not moves:
            return
        log.info("%s goes over to its base's present weights", self.recipe.name)
        for name, value in self.network.named_parameters():
            if name in moves:
                for own in (value, self.ema.shadow[name]):
                    # what is frozen is taken as it is: a sum would differ in the last bit
                    frozen = self.recipe.decoder_only and not name.startswith(DECODER_PARTS)
                    own.copy_(weights[name] if frozen else own + moves[name])
        self.base.load_state_dict(dict(weights), strict=False)
        self.base_steps = self._steps_of_base()

    def train_step(self) -> tuple[float, float, float]:
        """One step of the network and, once it has joined, one of the discriminator."""
        part, inner, batch, position = self._begin_step()
        hard = self.recipe.decoder_only or inner >= part.steps * (1 - part.hard)
        joined = Joined(style=self.step >= self.style_from, adversary=self.step >= self.gan_from)
        if self.step in (self.gan_from, self.style_from):
            self.watch.reset()
        mask = self._masks(batch.places, part.side).to(batch.x) if self._masks is not None else None
        with self.processes.noise():
            output = self.network(batch.x, position, hard=hard)
        latents = self.network.unscale(output.y_hat, position).detach()
        self.discriminator.requires_grad_(False)
        terms = self.terms(batch.x, output, latents, position, mask, joined, hard=hard)
        loss = terms.loss
        self._finish_step(loss if self.recipe.decoder_only else loss + self.network.entropy_bottleneck.loss())
        self.scalars = terms.scalars()
        if joined.adversary and self.recipe.weights.gan:
            self._discriminator_step(batch.x, judged(batch.x, output, mask).detach(), latents)
        bpp = (output.y_bits + output.z_bits) / (part.side * part.side)
        return self._over_all(loss, bpp, (output.x_hat.detach() - batch.x).square())

    def judge(
        self, network: CompressionNetwork, x: Tensor, output: NetworkOutput, position: Tensor
    ) -> dict[str, float]:
        """Every term, style and discriminator too, without masks: as in validation."""
        self.discriminator.eval()
        latents = network.unscale(output.y_hat, position)
        terms = self.terms(x, output, latents, position, None)
        self.discriminator.train()
        return terms.scalars() | {"loss": terms.loss.item()}

    def _discriminator_step(self, real: Tensor, fake: Tensor, latents: Tensor) -> None:
        self.discriminator.requires_grad_(True)
        hinge = self.recipe.weights.adversarial == "hinge"
        loss_of = hinge_discriminator if hinge else nonsaturating_discriminator
        loss = loss_of(*self.discriminator.compare(real, fake, latents))
        loss.backward()  # type: ignore[no-untyped-call]
        parameters = list(self.discriminator.parameters())
        self.processes.average_gradients(parameters)
        if not torch.isfinite(nn.utils.clip_grad_norm_(parameters, self.recipe.clip)):
            raise TrainingError(
                f"the discriminator's gradient is not finite at step {self.step}; {self._kept()}"
            )
        self.d_optimizer.step()
        self.d_optimizer.zero_grad(set_to_none=True)
        self.scalars["discriminator"] = loss.item()

    def terms(
        self,
        x: Tensor,
        output: NetworkOutput,
        latents: Tensor,
        position: Tensor,
        mask: Tensor | None,
        joined: Joined = EVERYTHING,
        *,
        hard: bool = True,
    ) -> Terms:
        """The recipe's terms; training and validation both come through here, with the same weights.

        x: (B, 3, H, W) in 0..1; latents: (B, M, H/16, W/16) unscaled; mask: small faces, (B, 1, H, W);
        joined: which of style and discriminator take part; hard: whether the output's bits are those of
        rounded latents.
        """
        weights = self.recipe.weights
        fake = judged(x, output, mask)
        zero = x.new_zeros(())
        pull = self._pull(position, x.device)
        lpips, style = self._feature_terms(x, fake, pull, styled=joined.style)
        gan = zero
        if joined.adversary and weights.gan:
            hinge = weights.adversarial == "hinge"
            gan = (hinge_generator if hinge else nonsaturating_generator)(self.discriminator(fake, latents))
        return Terms(
            rate=zero if self.recipe.decoder_only else self._rate_term(x, output, position, hard=hard),
            mse=weights.mse * 255.0**2 * weighed((fake - x).square(), pull).mean(),
            charbonnier=weights.charbonnier * charbonnier(fake, x, pull),
            lpips=weights.lpips * lpips,
            style=weights.style * style,
            gan=weights.gan * gan,
            face=zero if mask is None else self._face_term(x, output.x_hat, mask, pull),
            grid=weights.grid * grid_pattern(x, fake, self.processes.mean) if weights.grid else zero,
        )

    def _pull(self, position: Tensor, device: torch.device) -> Tensor | None:
        """What the distortions of each crop weigh, (B,): its lambda in proportion, to the recipe's power."""
        if not self.recipe.pull:
            return None
        return (self._lambdas(position, device) / self.recipe.pull_reference) ** self.recipe.pull

    def _face_term(self, x: Tensor, x_hat: Tensor, mask: Tensor, pull: Tensor | None) -> Tensor:
        cells = self.processes.mean(mask.sum())
        return self.recipe.weights.face * face_mse(x, x_hat, mask, cells, pull)

    def _feature_terms(
        self, x: Tensor, fake: Tensor, pull: Tensor | None, *, styled: bool
    ) -> tuple[Tensor, Tensor]:
        weights = self.recipe.weights
        styled = styled and bool(weights.style)
        window = weights.style_side
        depth: dict[TrunkName, int] = {}
        if styled and not window:
            depth[weights.style_trunk] = max(weights.style_layers) + 1
        if weights.lpips:
            depth[weights.lpips_trunk] = len(self._trunks[weights.lpips_trunk].heads)
        place = self._shifted(x, weights.shift)
        x, fake = x[place], fake[place]
        with torch.no_grad():
            real_maps = {n: self._maps(n, x, count) for n, count in depth.items()}
        fake_maps = {n: self._maps(n, fake, count) for n, count in depth.items()}
        lpips = style = x.new_zeros(())
        if weights.lpips:
            name = weights.lpips_trunk
            distances = lpips_distance(real_maps[name], fake_maps[name], self._trunks[name].heads)
            lpips = weighed(distances, pull).mean()
        if styled:
            name, layers = weights.style_trunk, weights.style_layers
            real, made = real_maps.get(name, ()), fake_maps.get(name, ())
            if window:
                count = max(layers) + 1
                place = self._style_window(x, window)
                with torch.no_grad():
                    real = self._maps(name, x[place], count)
                made = self._maps(name, fake[place], count)
            style = style_loss([real[i] for i in layers], [made[i] for i in layers], weights=pull)
        return lpips, style

    def _maps(self, name: TrunkName, x: Tensor, count: int) -> list[Tensor]:
        with self.network.reduced(x.device):
            maps = self._trunks[name].features(x, count=count)
        return [m.float() for m in maps]

    def _shifted(self, x: Tensor, most: int) -> tuple[slice, ...]:
        """The pictures without up to `most - 1` of their first rows and columns, another number each step."""
        rng = np.random.default_rng([self.recipe.seed, self.step, 1])
        top, left = (int(rng.integers(most)) if most else 0 for _ in range(2))
        return (slice(None), slice(None), slice(top, None), slice(left, None))

    def _style_window(self, x: Tensor, side: int) -> tuple[slice, ...]:
        """A square of the crops for the step's style term, the same in all of them."""
        rng = np.random.default_rng([self.recipe.seed, self.step])
        top, left = (int(rng.integers(max(size - side, 0) + 1)) for size in x.shape[2:])
        return (slice(None), slice(None), slice(top, top + side), slice(left, left + side))

    def _rate_term(self, x: Tensor, output: NetworkOutput, position: Tensor, *, hard: bool) -> Tensor:
        """Mean of lambda(R, R*) R / R*, where R* is what the squared-error model spends on the same crop.

        Each crop is held to what its own place on the ladder costs, and both rates are those of rounded
        latents (`hard`) or of noisy ones: a mean over crops would let low rates overspend at the cost of
        high ones. With a target of its own lambda(R, R*) R, both in bits per pixel (Mentzer et al. 2020).
        """
        recipe = self.recipe
        eased = self.step < recipe.easing.steps
        above = recipe.rate_above * (recipe.easing.above if eased else 1.0)
        if self.base is None:
            assert recipe.target is not None
            wanted = recipe.target * (recipe.easing.target if eased else 1.0)
            bpp = ((output.y_bits + output.z_bits) / (x.shape[2] * x.shape[3])).mean()
            return rate_multiplexer(self.processes.mean(bpp), wanted, above, recipe.rate_below) * bpp
        with torch.no_grad(), self.processes.noise():
            _, y_bits, z_bits = self.base.code(x, position, hard=hard)
            target = (y_bits + z_bits).clamp(min=LEAST_BASE_BPP * x.shape[2] * x.shape[3])
        share = (output.y_bits + output.z_bits) / target
        return (rate_multiplexer(share, 1.0, above, recipe.rate_below) * share).mean()

    def _validate(self, writer: SummaryWriter) -> None:
        super()._validate(writer)
        assert self.validation is not None
        assert self.config.ladder is not None
        network = averaged(self.network, self.ema)
        self.discriminator.eval()
        sums: dict[str, float] = {}
        paths = spread(self.validation, VALIDATION_PICTURES)
        for index, path in enumerate(paths):
            x = read(path, VALIDATION_SIDE).to(self.processes.device)
            position = x.new_tensor([self.config.ladder.top * (index + 0.5) / len(paths)])
            with torch.no_grad():
                output = network(x, position, hard=True)
                latents = network.unscale(output.y_hat, position)
                terms = self.terms(x, output, latents, position, None)
            for name, value in terms.scalars().items():
                sums[name] = sums.get(name, 0.0) + value / len(paths)
        self.discriminator.train()
        for name, value in (sums | {"loss": sum(sums.values())}).items():
            writer.add_scalar(f"validation/{name}", value, self.step)
