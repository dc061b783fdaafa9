"""What does a checkpoint's network look like? Every width is inferred from the shapes of its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from models.errors import WeightsError
from models.importing.families import FAMILIES, JIANG, Family, family_of
from models.networks.context import ContextConfig
from models.networks.elic import ElicConfig, Stage

_MOST = 64  # layers of a transform, groups, layers of a net


@dataclass(frozen=True)
class Layout:
    """A recognised checkpoint. name, source: the project it is from; codec: the id it serves by itself."""

    name: str
    source: str
    codec: str
    family: Family
    config: ElicConfig


class _Shapes:
    """The shapes of a checkpoint's tensors, asked for by name."""

    def __init__(self, file: str, family: Family, tensors: Mapping[str, Tensor]) -> None:
        self.file, self.family, self.tensors = file, family, tensors

    def of(self, key: str) -> tuple[int, int, int, int]:
        """The shape of a convolution's weight. Raises WeightsError where it is absent or none."""
        name = f"{key}.weight"
        if name not in self.tensors:
            raise WeightsError(f"{self.file} lacks the tensor {name} of {self.family.name}")
        shape = tuple(self.tensors[name].shape)
        if len(shape) != 4 or 0 in shape or shape[2] != shape[3] or shape[2] % 2 == 0:
            raise WeightsError(f"{self.file}: {name} has the shape {shape}, which no layer there has")
        return (shape[0], shape[1], shape[2], shape[3])

    def has(self, key: str) -> bool:
        return f"{key}.weight" in self.tensors

    def stack(self, prefix: str) -> list[tuple[int, int, int, int]]:
        """The shapes of a stack of convolutions with activations between: layers 0, 2, 4 and so on."""
        count = next((n for n in range(_MOST) if not self.has(f"{prefix}.{2 * n}")), _MOST)
        return [self.of(f"{prefix}.{2 * n}") for n in range(max(count, 1))]


def recognise(file: str, tensors: Mapping[str, Tensor]) -> Layout:
    """The layout of named tensors. Raises WeightsError that names the first thing that does not fit."""
    family = family_of(tensors)
    if family is None:
        key = next(iter(tensors))
        known = ", ".join(family.name for family in FAMILIES)
        raise WeightsError(
            f"{file} is of no known family: it begins with {key[:60]} {tuple(tensors[key].shape)}; "
            f"known are {known}, beiluo97/HFLIC"
        )
    config = _config(_Shapes(file, family, tensors))
    name, source = family.name, family.source
    if family is JIANG and _narrow(config):
        name, source = "beiluo97/HFLIC", "github.com/beiluo97/HFLIC"
    return Layout(name, source, _codec(family, config), family, config)


def _narrow(config: ElicConfig) -> bool:
    """Whether the network is of HFLIC's repository: wide bottlenecks, or a deeper first parameter net."""
    depths = [len(non_anchor) for _, non_anchor in config.context.parameter_widths]
    return config.expansion >= 1 or depths[0] > min(depths)


def _codec(family: Family, config: ElicConfig) -> str:
    if family is JIANG and _narrow(config):
        return "hflic" if config.expansion >= 1 else "po-elic"
    return "elic-5" if len(config.context.groups) <= 5 else "elic"


def _config(shapes: _Shapes) -> ElicConfig:
    family = shapes.family
    stages, latent, expansion, attention = _transform(shapes)
    first, second, last = (shapes.of(f"{family.hyper_synthesis}.{layer}") for layer in (0, 2, 4))
    hyper = last[0] if family.last_hyper_conv else last[1]
    try:
        return ElicConfig(
            stages=stages,
            latent=latent,
            expansion=expansion,
            hyper_widths=(first[0], second[0], last[1] if family.last_hyper_conv else last[0]),
            context=_context(shapes, hyper),
            latent_attention=attention,
            centred=False,
        )
    except ValueError as error:
        raise WeightsError(f"{shapes.file} has parts of different networks: {error}") from error


def _transform(shapes: _Shapes) -> tuple[tuple[Stage, ...], int, float, bool]:
    """Stages, latent channels, expansion and attention on the latents, from the analysis."""
    family = shapes.family
    widths: list[int] = []
    blocks: list[int] = []
    attentions: list[bool] = []
    expansion = 0.5
    for index in range(_MOST):
        layer = family.analysis.format(i=index)
        if shapes.has(layer):
            widths.append(shapes.of(layer)[0])
            blocks.append(0)
            attentions.append(False)
        elif not widths:
            break
        elif shapes.has(f"{layer}.{family.block[0]}"):
            hidden, outer = shapes.of(f"{layer}.{family.block[0]}")[:2]
            expansion = hidden / outer if not any(blocks) else expansion
            blocks[-1] += 1
        elif shapes.has(f"{layer}.conv_a.0.conv.0"):
            attentions[-1] = True
        else:
            break
    if len(widths) != 4:
        start = family.analysis.format(i=0)
        raise WeightsError(
            f"{shapes.file}: the analysis from {start} on has {len(widths)} strided layers, not 4"
        )
    stages = tuple(
        Stage(width, count, attention)
        for width, count, attention in zip(widths[:-1], blocks[:-1], attentions[:-1], strict=True)
    )
    return stages, widths[-1], expansion, attentions[-1]


def _context(shapes: _Shapes, hyper: int) -> ContextConfig:
    family = shapes.family
    spatial: list[tuple[int, int, int, int]] = []
    while len(spatial) < _MOST and shapes.has(family.spatial.format(k=len(spatial))):
        spatial.append(shapes.of(family.spatial.format(k=len(spatial))))
    if not spatial:
        shapes.of(family.spatial.format(k=0))
    numbers = range(len(spatial))
    hidden: tuple[int, ...] = (224, 128)
    kernels: tuple[int, ...] = (5, 5, 5)
    if len(spatial) > 1:
        channel = shapes.stack(family.channel.format(k=1, j=0))
        hidden, kernels = tuple(s[0] for s in channel[:-1]), tuple(s[2] for s in channel)

    def widths(template: str, group: int) -> tuple[int, ...]:
        return tuple(s[0] for s in shapes.stack(template.format(k=group))[:-1]) if template else ()

    return ContextConfig(
        groups=tuple(shape[1] for shape in spatial),
        hyper_channels=hyper,
        channel_hidden=hidden,
        channel_kernels=kernels,
        rule="listed",
        separate=bool(family.anchor),
        anchor_parity=family.anchor_parity,
        spatial_kernel=spatial[0][2],
        parameter_widths=tuple((widths(family.anchor, k), widths(family.non_anchor, k)) for k in numbers),
        channel_reach=family.reach,
    )
