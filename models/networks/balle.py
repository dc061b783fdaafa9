"""The networks before ELIC, as CompressAI publishes them: Balle, Minnen and Cheng, 2018 to 2020.

Transforms with divisive normalisation (Balle et al. 2018) or residual blocks (Cheng et al. 2020), and four
ways to tell the latents' distributions. They have one rate each and no weights of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from models.networks.base import CompressionNetwork
from models.networks.causal import CausalContext
from models.networks.factorized import EntropyBottleneck
from models.networks.layers import AttentionBlock, Shift, conv, deconv
from models.networks.rate import RateLadder
from models.networks.rounding import round_around

# No hyper-latent; scales; scales and means; both, and a context of latents coded before.
Prior = Literal["factorized", "scale", "mean-scale", "context"]
Transforms = Literal["gdn", "residual", "attention"]


@dataclass(frozen=True)
class BalleConfig:
    """Everything that tells one network from another.

    `width`, `latent`: CompressAI's N and M; the networks with residual blocks have M = N. `transforms`: with
    divisive normalisation between 5x5 convolutions, with residual blocks, or with those and attention.
    `joint`: hidden widths of the nets behind a context.
    """

    width: int
    latent: int
    prior: Prior
    transforms: Transforms = "gdn"
    joint: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.transforms != "gdn" and (self.latent != self.width or self.prior != "context"):
            raise ValueError(
                "networks of residual blocks have a context, and latents as wide as their layers"
            )

    @property
    def ladder(self) -> RateLadder | None:
        """One rate."""
        return None


class DivisiveNorm(nn.Module):
    """x / sqrt(beta + gamma x^2) over the channels of a place; `inverse` multiplies (Balle et al. 2016)."""

    def __init__(self, channels: int, *, inverse: bool = False) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.ones(channels))
        self.gamma = nn.Parameter(0.1 * torch.eye(channels))
        self.inverse = inverse

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        energy = nn.functional.conv2d(x * x, self.gamma[:, :, None, None], self.beta)
        return x * (torch.sqrt(energy) if self.inverse else torch.rsqrt(energy))


class Magnitude(nn.Module):
    """|x|."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return x.abs()


class Expansion(nn.Sequential):
    """A 3x3 convolution to twice the size, by pixel shuffle."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(conv(inputs, 4 * outputs, 3, 1), nn.PixelShuffle(2))


class Residual(nn.Module):
    """x + leaky(W2 leaky(W1 x))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv(channels, channels, 3, 1), conv(channels, channels, 3, 1)
        self.leaky = nn.LeakyReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        out: Tensor = x + self.leaky(self.conv2(self.leaky(self.conv1(x))))
        return out


class StridedResidual(nn.Module):
    """skip(x) + norm(W2 leaky(W1 x)) at half the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv(inputs, outputs, 3, 2), conv(outputs, outputs, 3, 1)
        self.leaky = nn.LeakyReLU()
        self.norm = DivisiveNorm(outputs)
        self.skip = conv(inputs, outputs, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H/2, W/2)."""
        out: Tensor = self.norm(self.conv2(self.leaky(self.conv1(x)))) + self.skip(x)
        return out


class ExpandedResidual(nn.Module):
    """skip(x) + norm(W2 leaky(W1 x)) at twice the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expand, self.conv = Expansion(channels, channels), conv(channels, channels, 3, 1)
        self.leaky = nn.LeakyReLU()
        self.norm = DivisiveNorm(channels, inverse=True)
        self.skip = Expansion(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, 2H, 2W)."""
        out: Tensor = self.norm(self.conv(self.leaky(self.expand(x)))) + self.skip(x)
        return out


def analysis(config: BalleConfig) -> nn.Sequential:
    """g_a: (B, 3, H, W) around zero, which it moves to 0..1, to (B, M, H/16, W/16)."""
    n = config.width
    if config.transforms == "gdn":
        layers: list[nn.Module] = [conv(3, n), DivisiveNorm(n), conv(n, n), DivisiveNorm(n)]
        layers += [conv(n, n), DivisiveNorm(n), conv(n, config.latent)]
    else:
        seen: list[nn.Module] = [AttentionBlock(n)] if config.transforms == "attention" else []
        ends: list[nn.Module] = [AttentionBlock(n)] if config.transforms == "attention" else []
        layers = [StridedResidual(3, n), Residual(n), StridedResidual(n, n), *seen, Residual(n)]
        layers += [StridedResidual(n, n), Residual(n), conv(n, n, 3, 2), *ends]
    return nn.Sequential(Shift(0.5), *layers)


def synthesis(config: BalleConfig) -> nn.Sequential:
    """g_s: (B, M, H/16, W/16) to (B, 3, H, W) around zero."""
    n = config.width
    if config.transforms == "gdn":
        layers: list[nn.Module] = [deconv(config.latent, n), DivisiveNorm(n, inverse=True)]
        layers += [deconv(n, n), DivisiveNorm(n, inverse=True), deconv(n, n), DivisiveNorm(n, inverse=True)]
        layers.append(deconv(n, 3))
    else:
        starts: list[nn.Module] = [AttentionBlock(n)] if config.transforms == "attention" else []
        seen: list[nn.Module] = [AttentionBlock(n)] if config.transforms == "attention" else []
        layers = [*starts, Residual(n), ExpandedResidual(n), Residual(n), ExpandedResidual(n), *seen]
        layers += [Residual(n), ExpandedResidual(n), Residual(n), Expansion(n, 3)]
    return nn.Sequential(*layers, Shift(-0.5))


def hyper_analysis(config: BalleConfig) -> nn.Module:
    """h_a: (B, M, H/16, W/16) to z: (B, C_z, H/64, W/64); without a hyperprior the latents themselves."""
    n, m = config.width, config.latent
    if config.prior == "factorized":
        return nn.Identity()
    if config.transforms != "gdn":
        layers: list[nn.Module] = []
        for stride in (1, 1, 2, 1, 2):
            layers += [conv(n, n, 3, stride), nn.LeakyReLU()]
        return nn.Sequential(*layers[:-1])
    if config.prior == "scale":
        start: list[nn.Module] = [Magnitude(), conv(m, n, 3, 1), nn.ReLU(), conv(n, n), nn.ReLU()]
    else:
        start = [conv(m, n, 3, 1), nn.LeakyReLU(), conv(n, n), nn.LeakyReLU()]
    return nn.Sequential(*start, conv(n, n))


def hyper_synthesis(config: BalleConfig) -> nn.Sequential:
    """h_s: z_hat (B, N, H/64, W/64) to (B, M or 2M, H/16, W/16). Not for the factorised prior."""
    n, m = config.width, config.latent
    if config.transforms != "gdn":
        wide = n * 3 // 2
        return nn.Sequential(
            conv(n, n, 3, 1), nn.LeakyReLU(), Expansion(n, n), nn.LeakyReLU(), conv(n, wide, 3, 1),
            nn.LeakyReLU(), Expansion(wide, wide), nn.LeakyReLU(), conv(wide, 2 * n, 3, 1),
        )  # fmt: skip
    if config.prior == "scale":
        return nn.Sequential(deconv(n, n), nn.ReLU(), deconv(n, n), nn.ReLU(), conv(n, m, 3, 1), nn.ReLU())
    wide = m * 3 // 2
    return nn.Sequential(
        deconv(n, m), nn.LeakyReLU(), deconv(m, wide), nn.LeakyReLU(), conv(wide, 2 * m, 3, 1)
    )


class Balle(CompressionNetwork):
    """A network of the zoo."""

    def __init__(self, config: BalleConfig) -> None:
        super().__init__()
        self.config = config
        self.prior = config.prior
        self.g_a, self.g_s = analysis(config), synthesis(config)
        self.h_a = hyper_analysis(config)
        hyper = config.prior != "factorized"
        self.h_s = hyper_synthesis(config) if hyper else None
        self.context = CausalContext(config.latent, 5, config.joint) if config.prior == "context" else None
        self.entropy_bottleneck = EntropyBottleneck(config.width if hyper else config.latent)
        self.gain = None
        self.a_shortcut = self.s_shortcut = None
        self._register_bounds(log_scale=False)

    def told(self, z_hat: Tensor) -> tuple[Tensor, ...]:
        """What the hyper-synthesis makes of it; without a hyperprior z_hat itself."""
        return (z_hat if self.h_s is None else self.h_s(z_hat),)

    def predict_from(self, y: Tensor, told: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """See CompressionNetwork. Without a hyperprior z_hat is y_hat, and scales are below all tables."""
        (found,) = told
        if self.h_s is None:
            return found, torch.full_like(found, -1.0), found
        if self.context is not None:
            predicted: tuple[Tensor, Tensor, Tensor] = self.context(y, found)
            return predicted
        if self.prior == "scale":
            mean = torch.zeros_like(found)
            return round_around(y, mean), found, mean
        raw, mean = found.chunk(2, dim=1)
        return round_around(y, mean), raw, mean

    def gaussian_bits(self, offset: Tensor, sigma: Tensor) -> Tensor:
        """See CompressionNetwork; none where the factorised prior has counted all."""
        return torch.zeros_like(offset) if self.h_s is None else super().gaussian_bits(offset, sigma)
