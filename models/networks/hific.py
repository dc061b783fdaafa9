"""HiFiC: a generator behind a mean-scale hyperprior (Mentzer et al. 2020), published and laptop size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from models.networks.base import CompressionNetwork, last_conv
from models.networks.elic import LITE_LADDER
from models.networks.factorized import FILTERS, EntropyBottleneck
from models.networks.layers import (
    DctAnalysis,
    DctSynthesis,
    ReflectedConv,
    Scaled,
    Shift,
    Transform,
    conv,
    deconv,
    init_unit_variance,
)
from models.networks.rate import GainUnit, RateLadder
from models.networks.rounding import round_around


@dataclass(frozen=True)
class HificConfig:
    """Everything that tells one HiFiC from another.

    `widths`: channels of the encoder's stages, each after the first at half the size of the one
    before; the generator mirrors them. `stem`: 1 is the published 7x7 convolution on pixels, 4 a
    pixel-unshuffle by 4 with a 3x3 convolution. `blocks`: residual blocks of the generator.
    `shortcut`, `log_scale`, `ladder`: as in `ElicConfig`. Of others' networks: `pixels` are seen and given
    around zero, in 0..1 ("unit"), or in -1..1 with a tanh at the end ("signed"); `padding` is that of the
    transforms; `likelihood` is the latents' distribution; `prior` are the hidden widths of that of the
    hyper-latents, and `bent_prior` says whether it has a bend at its end.
    """

    widths: tuple[int, ...]
    latent: int
    hyper_width: int
    blocks: int = 9
    stem: int = 1
    shortcut: bool = False
    log_scale: bool = False
    ladder: RateLadder | None = field(default=None)
    pixels: Literal["centred", "unit", "signed"] = "centred"
    padding: Literal["zeros", "reflect"] = "zeros"
    likelihood: Literal["gaussian", "logistic"] = "gaussian"
    prior: tuple[int, ...] = FILTERS
    bent_prior: bool = False

    def __post_init__(self) -> None:
        if self.stem * 2 ** (len(self.widths) - 1) != 16:
            raise ValueError("the stem and the stages must divide by 16 together")

    @property
    def hyper_latent(self) -> int:
        """Channels of the hyper-latent z."""
        return self.hyper_width


class ChannelNorm(nn.Module):
    """Normalises every pixel over its channels, with the unbiased variance (Mentzer et al. 2020, A.4)."""

    def __init__(self, channels: int, eps: float = 1e-3) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W).

        gamma (x - mean) / sqrt(var + eps) + beta with var over C - 1, written as the biased layer norm
        that PyTorch runs in one pass: both the eps and the result are scaled by the same ratio.
        """
        channels = x.shape[1]
        ratio = (channels - 1) / channels
        gamma = self.gamma.flatten() * math.sqrt(ratio)
        last = x.permute(0, 2, 3, 1)
        normed = nn.functional.layer_norm(last, (channels,), gamma, self.beta.flatten(), self.eps * ratio)
        return normed.permute(0, 3, 1, 2)


Layer = Callable[[int, int, int, int], nn.Conv2d]  # inputs, outputs, kernel, stride


class NormedResidualBlock(nn.Module):
    """x + CN(W2 relu(CN(W1 x))) with dense 3x3 convolutions, made by `layer`."""

    def __init__(self, channels: int, layer: Layer = conv) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            layer(channels, channels, 3, 1),
            ChannelNorm(channels),
            nn.ReLU(inplace=True),
            layer(channels, channels, 3, 1),
            ChannelNorm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        out: Tensor = x + self.branch(x)
        return out


def _normed(layer: nn.Module, channels: int) -> list[nn.Module]:
    return [layer, ChannelNorm(channels), nn.ReLU(inplace=True)]


def _layer(config: HificConfig) -> Layer:
    return ReflectedConv if config.padding == "reflect" else conv


def encoder(config: HificConfig) -> Transform:
    """E: (B, 3, H, W) to (B, M, H/16, W/16)."""
    first, layer = config.widths[0], _layer(config)
    entry: dict[str, list[nn.Module]] = {"centred": [], "unit": [Shift(0.5)], "signed": [Scaled(2.0)]}
    layers = entry[config.pixels] + (
        _normed(layer(3, first, 7, 1), first)
        if config.stem == 1
        else [nn.PixelUnshuffle(config.stem), *_normed(layer(3 * config.stem**2, first, 3, 1), first)]
    )
    for before, width in pairwise(config.widths):
        layers += _normed(layer(before, width, 3, 2), width)
    return Transform(*layers, layer(config.widths[-1], config.latent, 3, 1))


class Generator(nn.Module):
    """G: (B, M, H/16, W/16) to (B, 3, H, W): head, residual blocks under one long skip, upsampling, tail."""

    def __init__(self, config: HificConfig) -> None:
        super().__init__()
        deepest, layer = config.widths[-1], _layer(config)
        self.head = nn.Sequential(
            ChannelNorm(config.latent), layer(config.latent, deepest, 3, 1), ChannelNorm(deepest)
        )
        self.blocks = nn.Sequential(*(NormedResidualBlock(deepest, layer) for _ in range(config.blocks)))
        layers: list[nn.Module] = []
        rising = config.widths[::-1]
        for width, after in pairwise(rising):
            layers += _normed(deconv(width, after, 3), after)
        self.up = nn.Sequential(*layers)
        first = config.widths[0]
        tail: list[nn.Module] = (
            [layer(first, 3, 7, 1)]
            if config.stem == 1
            else [layer(first, 3 * config.stem**2, 3, 1), nn.PixelShuffle(config.stem)]
        )
        end: dict[str, list[nn.Module]] = {
            "centred": [],
            "unit": [Shift(-0.5)],
            "signed": [nn.Tanh(), Scaled(0.5)],
        }
        self.tail = Transform(*tail, *end[config.pixels])

    def forward(self, y_hat: Tensor) -> Tensor:
        """y_hat: (B, M, H/16, W/16); x: (B, 3, H, W) around zero."""
        head = self.head(y_hat)
        x: Tensor = self.tail(self.up(head + self.blocks(head)))
        return x


def hyper_analysis(config: HificConfig) -> nn.Sequential:
    """h_a: (B, M, H/16, W/16) to z: (B, C_z, H/64, W/64)."""
    width = config.hyper_width

    def halved() -> nn.Conv2d:
        if config.padding == "reflect":
            return ReflectedConv(width, width, 5, 2, edges=(2, 2, 2, 2))
        return conv(width, width)

    return nn.Sequential(
        conv(config.latent, width, 3, 1), nn.ReLU(inplace=True), halved(), nn.ReLU(inplace=True), halved()
    )


def hyper_synthesis(config: HificConfig) -> nn.Sequential:
    """One of the two h_s: z_hat (B, C_z, H/64, W/64) to means or raw scales (B, M, H/16, W/16)."""
    width = config.hyper_width
    return nn.Sequential(
        deconv(width, width),
        nn.ReLU(inplace=True),
        deconv(width, width),
        nn.ReLU(inplace=True),
        conv(width, config.latent, 3, 1),
    )


class HiFiC(CompressionNetwork):
    """Encoder, generator and mean-scale hyperprior; the latents have no context beyond z."""

    def __init__(self, config: HificConfig) -> None:
        super().__init__()
        self.config = config
        self.g_a = encoder(config)
        self.g_s = Generator(config)
        self.h_a = hyper_analysis(config)
        self.h_s_scale = hyper_synthesis(config)
        self.h_s_mean = hyper_synthesis(config)
        self.entropy_bottleneck = EntropyBottleneck(
            config.hyper_latent, config.prior, bent_end=config.bent_prior
        )
        self.logistic = config.likelihood == "logistic"
        self.gain = GainUnit(config.ladder, config.latent) if config.ladder else None
        for part in (self.g_a, self.g_s, self.h_a, self.h_s_scale, self.h_s_mean):
            init_unit_variance(part)
        for block in self.g_s.blocks:
            assert isinstance(block, NormedResidualBlock)
            norm = block.branch[-1]
            assert isinstance(norm, ChannelNorm)
            nn.init.constant_(norm.gamma, 0.3)  # a fresh stack of blocks stays close to the identity
        self.a_shortcut = DctAnalysis(config.latent) if config.shortcut else None
        self.s_shortcut = DctSynthesis(config.latent) if config.shortcut else None
        if config.shortcut:
            for transform in (self.g_a, self.g_s):
                last_conv(transform).weight.data.mul_(0.05)
        if config.log_scale:  # start from the scale 1 and the mean 0, whatever the latents look like
            for net in (self.h_s_scale, self.h_s_mean):
                last_conv(net).weight.data.mul_(0.1)
        self._register_bounds(log_scale=config.log_scale)

    def told(self, z_hat: Tensor) -> tuple[Tensor, ...]:
        """Raw scales and means, both (B, M, h, w), from z_hat: (B, C_z, h/4, w/4) alone."""
        return self.h_s_scale(z_hat), self.h_s_mean(z_hat)

    def predict_from(self, y: Tensor, told: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """Nothing but the hyperprior: y_hat, raw scales and means."""
        raw, mean = told
        return round_around(y, mean), raw, mean


def hific_paper() -> HificConfig:
    """The published network: encoder 60 to 960 channels, 220 latents, nine residual blocks."""
    return HificConfig(widths=(60, 120, 240, 480, 960), latent=220, hyper_width=320)


def hific_lite() -> HificConfig:
    """The same topology for a laptop's CPU; front end, shortcut and rates as in the other lite networks."""
    return HificConfig(
        widths=(48, 96, 192),
        latent=192,
        hyper_width=64,
        blocks=9,
        stem=4,
        shortcut=True,
        log_scale=True,
        ladder=LITE_LADDER,
    )
