"""What every network of the program shares: the training pass around transforms and hyperprior."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from models.networks.factorized import EntropyBottleneck, LowerBound
from models.networks.layers import DctAnalysis, DctSynthesis
from models.networks.noise import uniform_like
from models.networks.rate import GainUnit, RateLadder

SCALE_MIN, SCALE_MAX, SCALE_LEVELS = 0.11, 256.0, 64  # Balle et al. 2018; every codec of the family


@dataclass(frozen=True)
class NetworkOutput:
    """What training looks at.

    x_hat: (B, 3, H, W) in 0..1, unclamped; y_hat: (B, M, H/16, W/16), scaled by the gain; y_bits,
    z_bits: (B,) estimated bits of each picture.
    """

    x_hat: Tensor
    y_hat: Tensor
    y_bits: Tensor
    z_bits: Tensor


class NetworkShape(Protocol):
    """What every network's configuration tells."""

    @property
    def ladder(self) -> RateLadder | None:
        """The rates of the gain unit, None for a single rate."""

    @property
    def latent(self) -> int:
        """Channels of the latents."""


class CompressionNetwork(nn.Module):
    """Analysis and synthesis transforms with a hyperprior; a network says what its parts are and `predict`.

    A network registers its parts in its own order: optimizer states of running trainings depend on it.
    `transform_precision`: what the transforms compute in, but for their last layers and the shortcuts;
    training may lower it, the entropy model never follows.
    """

    config: NetworkShape
    g_a: nn.Module
    g_s: nn.Module
    h_a: nn.Module
    entropy_bottleneck: EntropyBottleneck
    gain: GainUnit | None
    a_shortcut: DctAnalysis | None
    s_shortcut: DctSynthesis | None
    log_scale: bool
    transform_precision = torch.float32
    logistic = False  # the latents' distribution; else Gaussian

    def _register_bounds(self, *, log_scale: bool) -> None:
        self.log_scale = log_scale
        self._bound = LowerBound(math.log(SCALE_MIN) if log_scale else SCALE_MIN)
        self._likelihood_bound = LowerBound(1e-9)

    def told(self, z_hat: Tensor) -> tuple[Tensor, ...]:
        """What z_hat: (B, C_z, h/4, w/4) says of every latent: one or more (B, C, h, w)."""
        raise NotImplementedError

    def predict_from(self, y: Tensor, told: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """y: (B, M, h, w) and what is `told` of it, or parts of both, to y_hat, raw scales and means like y.

        y_hat is rounded around the mean, with the gradient passed straight through.
        """
        raise NotImplementedError

    def predict(self, y: Tensor, z_hat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`predict_from` what z_hat: (B, C_z, h/4, w/4) tells."""
        return self.predict_from(y, self.told(z_hat))

    def reduced(self, device: torch.device) -> AbstractContextManager[object]:
        """Where convolutions compute in `transform_precision`."""
        precision = self.transform_precision
        return nullcontext() if precision == torch.float32 else torch.autocast(device.type, dtype=precision)

    def analyse(self, x: Tensor, position: Tensor | None) -> Tensor:
        """x: (B, 3, H, W) in 0..1 to the scaled latents y: (B, M, H/16, W/16)."""
        centred = x - 0.5
        with self.reduced(x.device):
            y: Tensor = self.g_a(centred)
        if self.a_shortcut is not None:
            y = y + self.a_shortcut(centred)
        return y * self.gain.gain(position) if self.gain is not None and position is not None else y

    def unscale(self, y_hat: Tensor, position: Tensor | None) -> Tensor:
        """Scaled y_hat: (B, M, h, w) to the size the synthesis takes, alike at every rate."""
        return (
            y_hat * self.gain.inverse(position) if self.gain is not None and position is not None else y_hat
        )

    def synthesise(self, y_hat: Tensor, position: Tensor | None) -> Tensor:
        """Scaled y_hat: (B, M, H/16, W/16) to x_hat: (B, 3, H, W) in 0..1, unclamped."""
        y_hat = self.unscale(y_hat, position)
        with self.reduced(y_hat.device):
            x: Tensor = self.g_s(y_hat)
        if self.s_shortcut is not None:
            x = x + self.s_shortcut(y_hat)
        return x + 0.5

    def scale(self, raw: Tensor) -> Tensor:
        """The raw scale to sigma, in SCALE_MIN..SCALE_MAX."""
        bounded: Tensor = self._bound(raw)
        if self.log_scale:
            return bounded.clamp(max=math.log(SCALE_MAX)).exp()
        return bounded.clamp(max=SCALE_MAX)

    def hyper_round(self, z: Tensor) -> Tensor:
        """Straight-through rounding of z around the bottleneck's medians."""
        medians: Tensor = self.entropy_bottleneck.quantiles[:, 0, 1].detach()[None, :, None, None]
        offset = z - medians
        return z + (offset.round() - offset).detach()

    def gaussian_bits(self, offset: Tensor, sigma: Tensor) -> Tensor:
        """-log2 of the mass of N(0, sigma^2) in the unit bin around `offset`, shaped like it.

        Of the logistic distribution of that scale where the network's latents are `logistic`.
        """
        distance = offset.abs()
        if self.logistic:
            mass = torch.sigmoid((0.5 - distance) / sigma) - torch.sigmoid((-0.5 - distance) / sigma)
            logistic_bits: Tensor = -torch.log2(self._likelihood_bound(mass))
            return logistic_bits
        upper = torch.erfc((distance - 0.5) / (sigma * math.sqrt(2)))
        lower = torch.erfc((distance + 0.5) / (sigma * math.sqrt(2)))
        bits: Tensor = -torch.log2(self._likelihood_bound(0.5 * (upper - lower)))
        return bits

    def code(self, x: Tensor, position: Tensor | None, *, hard: bool) -> tuple[Tensor, Tensor, Tensor]:
        """All but the synthesis: y_hat and the estimated y_bits, z_bits of `NetworkOutput`."""
        y = self.analyse(x, position)
        z = self.h_a(y)
        _, z_likelihood = self.entropy_bottleneck(z, training=not hard)
        y_hat, raw, mean = self.predict(y, self.hyper_round(z))
        offset = y_hat - mean if hard else y - mean + uniform_like(y, 0.0, 1.0) - 0.5
        y_bits = self.gaussian_bits(offset, self.scale(raw))
        return y_hat, y_bits.flatten(1).sum(1), -torch.log2(z_likelihood).flatten(1).sum(1)

    def forward(self, x: Tensor, position: Tensor | None = None, *, hard: bool = False) -> NetworkOutput:
        """Mixed quantisation: noise for the rate, straight-through rounding for synthesis and contexts.

        x: (B, 3, H, W) in 0..1, H and W multiples of 64; position: (B,) on the rate ladder.
        `hard` takes the rounded latents for the rate too (validation, last part of training).
        """
        y_hat, y_bits, z_bits = self.code(x, position, hard=hard)
        return NetworkOutput(self.synthesise(y_hat, position), y_hat, y_bits, z_bits)


def last_conv(module: nn.Module) -> nn.Conv2d | nn.ConvTranspose2d:
    """The last convolution of a stack."""
    return [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)][-1]
