"""ELIC: uneven grouping and space-channel context (He et al. 2022), and the family configured from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import Tensor, nn

from models.networks.base import CompressionNetwork, last_conv
from models.networks.context import ContextConfig, SpaceChannelContext
from models.networks.factorized import EntropyBottleneck
from models.networks.layers import (
    AttentionBlock,
    DctAnalysis,
    DctSynthesis,
    ResidualBottleneck,
    Shift,
    Transform,
    conv,
    deconv,
    init_unit_variance,
)
from models.networks.rate import GainUnit, RateLadder

GROUPS_5 = (16, 16, 32, 64, 192)
GROUPS_10 = (8, 8, 8, 8, 16, 16, 32, 32, 96, 96)


@dataclass(frozen=True)
class Stage:
    """One resolution of a transform: its width, residual bottlenecks, and attention after them or not."""

    width: int
    blocks: int = 3
    attention: bool = False


@dataclass(frozen=True)
class ElicConfig:
    """Everything that tells one network of the family from another.

    `stem` is the factor of the first stage: 2 is the published strided convolution, 4 a pixel-unshuffle
    by 4 with a 3x3 convolution. Stages and the last layer to the latents divide by 16 together.
    `expansion`: hidden over outer width of the bottlenecks (0.5 ELIC, 2 HFLIC). `log_scale`: the
    parameter nets give the logarithm of the scale instead of the scale. `shortcut` adds the linear DCT
    path beside both transforms. `centred`: the convolutions see pixels around zero; those of other
    projects see 0..1, whose zero padding is black.
    """

    stages: tuple[Stage, ...]
    latent: int
    expansion: float
    hyper_widths: tuple[int, int, int]
    context: ContextConfig
    stem: int = 2
    latent_attention: bool = True
    shortcut: bool = False
    log_scale: bool = False
    ladder: RateLadder | None = field(default=None)
    centred: bool = True

    def __post_init__(self) -> None:
        if self.stem * 2 ** len(self.stages) != 16:
            raise ValueError("the stem, the stages and the latent layer must divide by 16 together")
        if sum(self.context.groups) != self.latent:
            raise ValueError("channel groups must add up to the latent channels")

    @property
    def hyper_latent(self) -> int:
        """Channels of the hyper-latent z."""
        return self.hyper_widths[0]


def _stage(config: ElicConfig, stage: Stage) -> list[nn.Module]:
    hidden = round(stage.width * config.expansion)
    return [ResidualBottleneck(stage.width, hidden) for _ in range(stage.blocks)]


def _attention(stage: Stage) -> list[nn.Module]:
    return [AttentionBlock(stage.width)] if stage.attention else []


def analysis(config: ElicConfig) -> Transform:
    """g_a: (B, 3, H, W) to (B, M, H/16, W/16), read top to bottom as the paper's figure."""
    first = config.stages[0].width
    layers: list[nn.Module] = (
        [conv(3, first)]
        if config.stem == 2
        else [nn.PixelUnshuffle(config.stem), conv(3 * config.stem**2, first, 3, 1)]
    )
    if not config.centred:
        layers.insert(0, Shift(0.5))
    for index, stage in enumerate(config.stages):
        if index:
            layers.append(conv(config.stages[index - 1].width, stage.width))
        layers += _stage(config, stage) + _attention(stage)
    layers.append(conv(config.stages[-1].width, config.latent))
    if config.latent_attention:
        layers.append(AttentionBlock(config.latent))
    return Transform(*layers)


def synthesis(config: ElicConfig) -> Transform:
    """g_s: (B, M, H/16, W/16) to (B, 3, H, W), the mirror of g_a with attention before the blocks."""
    layers: list[nn.Module] = [AttentionBlock(config.latent)] if config.latent_attention else []
    width = config.latent
    for stage in reversed(config.stages):
        layers += [deconv(width, stage.width), *_attention(stage), *_stage(config, stage)]
        width = stage.width
    if config.stem == 2:
        layers.append(deconv(width, 3))
    else:
        layers += [conv(width, 3 * config.stem**2, 3, 1), nn.PixelShuffle(config.stem)]
    if not config.centred:
        layers.append(Shift(-0.5))
    return Transform(*layers)


def hyper_analysis(config: ElicConfig) -> nn.Sequential:
    """h_a: (B, M, H/16, W/16) to z: (B, C_z, H/64, W/64)."""
    width = config.hyper_latent
    return nn.Sequential(
        conv(config.latent, width, 3, 1),
        nn.ReLU(inplace=True),
        conv(width, width),
        nn.ReLU(inplace=True),
        conv(width, width),
    )


def hyper_synthesis(config: ElicConfig) -> nn.Sequential:
    """h_s: z_hat (B, C_z, H/64, W/64) to (B, hyper_channels, H/16, W/16)."""
    width, second, third = config.hyper_widths
    return nn.Sequential(
        deconv(width, second),
        nn.ReLU(inplace=True),
        deconv(second, third),
        nn.ReLU(inplace=True),
        deconv(third, config.context.hyper_channels, 3, 1),
    )


class ELIC(CompressionNetwork):
    """A network of the family. Fixed point, tables and files live in `models.bitstream`."""

    def __init__(self, config: ElicConfig) -> None:
        super().__init__()
        self.config = config
        self.g_a = analysis(config)
        self.g_s = synthesis(config)
        self.h_a = hyper_analysis(config)
        self.h_s = hyper_synthesis(config)
        self.context = SpaceChannelContext(config.context)
        self.entropy_bottleneck = EntropyBottleneck(config.hyper_latent)
        self.gain = GainUnit(config.ladder, config.latent) if config.ladder else None
        for part in (self.g_a, self.g_s, self.h_a, self.h_s, self.context):
            init_unit_variance(part)
        if config.shortcut:
            self.a_shortcut: DctAnalysis | None = DctAnalysis(config.latent)
            self.s_shortcut: DctSynthesis | None = DctSynthesis(config.latent)
            last_conv(self.g_a).weight.data.mul_(0.05)
            last_conv(self.g_s).weight.data.mul_(0.05)
        else:
            self.a_shortcut = self.s_shortcut = None
        if config.log_scale:  # start from the scale 1 and the mean 0, whatever the latents look like
            for nets, _ in self.context.slices():
                for net in (nets.anchor, nets.non_anchor):
                    if net is not None:
                        last_conv(net).weight.data.mul_(0.1)
        self._register_bounds(log_scale=config.log_scale)

    def told(self, z_hat: Tensor) -> tuple[Tensor, ...]:
        """The hyper parameters, (B, hyper_channels, h, w)."""
        return (self.h_s(z_hat),)

    def predict_from(self, y: Tensor, told: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """Space-channel context: see `SpaceChannelContext.forward`."""
        predicted: tuple[Tensor, Tensor, Tensor] = self.context(y, *told)
        return predicted


def paper_config(groups: tuple[int, ...] = GROUPS_10, expansion: float = 0.5) -> ElicConfig:
    """N=192, M=320 with JiangWeibeta's layout: separate parameter nets, hyper-synthesis 320-480-640."""
    return ElicConfig(
        stages=(Stage(192), Stage(192, attention=True), Stage(192)),
        latent=320,
        expansion=expansion,
        hyper_widths=(192, 320, 480),
        context=ContextConfig(groups=groups, hyper_channels=640),
    )


def _lite_ladder(*levels: float) -> RateLadder:
    return RateLadder(tuple(3e-4 * 2.25**level for level in levels))


# 0.03 to 1.6 bpp on photographs; a factor of 2.25 from one rate to the next, its root at the ends.
LITE_LADDER = _lite_ladder(-0.5, *range(9), 8.5, 9)
# What lite networks were published with before.
EARLIER_LADDERS = (
    _lite_ladder(*range(9)),
    _lite_ladder(*range(9), 8.5),
    _lite_ladder(*range(9), 8.5, 9),
)
LITE_GROUPS_5 = (16, 16, 32, 48, 208)
LITE_GROUPS_10 = (8, 8, 8, 8, 16, 16, 24, 24, 40, 168)
EARLIER_LATENT = 192  # of lite networks before their last group grew


def narrower(config: ElicConfig) -> ElicConfig:
    """A lite network's configuration from before its last channel group grew."""
    *groups, last = config.context.groups
    context = replace(config.context, groups=(*groups, last - (config.latent - EARLIER_LATENT)))
    return replace(config, latent=EARLIER_LATENT, context=context)


def lite_config(groups: tuple[int, ...] = LITE_GROUPS_10, expansion: float = 0.5) -> ElicConfig:
    """The same topology for a laptop's CPU: widths 48 and 96 from a quarter of the size on, M=320."""
    return ElicConfig(
        stages=(Stage(48, blocks=1), Stage(96, blocks=3)),
        latent=sum(groups),
        expansion=expansion,
        hyper_widths=(64, 96, 128),
        context=ContextConfig(
            groups=groups,
            hyper_channels=192,
            channel_hidden=(64,),
            channel_kernels=(5, 3),
            rule="fixed",
            parameter_hidden=(128, 96),
            separate=False,
        ),
        stem=4,
        latent_attention=False,
        shortcut=True,
        log_scale=True,
        ladder=LITE_LADDER,
    )
