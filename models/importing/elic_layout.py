"""What does a checkpoint of the ELIC family look like, and how do its tensors become ours?

Every width is inferred from the shapes of the tensors.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, cat, nn

from models.errors import WeightsError
from models.importing.families import BESIDE, JIANG, Family
from models.importing.shapes import MOST, Layout, Shape, Shapes
from models.networks.context import CheckerboardConv, ContextConfig
from models.networks.elic import ElicConfig, Stage


def elic_layout(file: str, family: Family, tensors: Mapping[str, Tensor]) -> Layout:
    """The layout of named tensors of a family. Raises WeightsError that names the first that does not fit."""
    config = _config(Shapes(file, family.name, tensors), family)
    name, source = family.name, family.source
    if family is JIANG and _narrow(config):
        name, source = "beiluo97/HFLIC", "github.com/beiluo97/HFLIC"
    return Layout(
        name, source, _codec(family, config), config, ElicTranslation(family, config), _facts(config)
    )


def _facts(config: ElicConfig) -> str:
    stages = "-".join(str(stage.width) for stage in config.stages)
    groups = "+".join(map(str, config.context.groups))
    return (
        f"{len(config.context.groups)} channel groups {groups}, widths {stages} to {config.latent}, "
        f"bottlenecks x{config.expansion:g}"
    )


class ElicTranslation:
    """The ELIC family's tensors; see `Translation`."""

    def __init__(self, family: Family, config: ElicConfig) -> None:
        self.family, self.config = family, config

    def theirs(self, ours: str) -> str:
        """See Translation."""
        return self.family.of(ours)

    def shape(self, ours: str, shape: Shape) -> Shape:
        """See Translation."""
        return (shape[1], shape[0], *shape[2:]) if self._last_hyper(ours) else shape

    def tensor(self, ours: str, tensor: Tensor, module: nn.Module) -> Tensor:
        """See Translation."""
        if self._last_hyper(ours):  # a convolution is a transposed one with the kernel turned around
            return tensor.transpose(0, 1).flip(2, 3)
        if isinstance(module, CheckerboardConv) and ours.endswith(".weight"):
            return tensor * module.mask
        if self.family.means_first and self._ends_parameters(ours):
            means, scales = tensor.chunk(2)
            return cat([scales, means])
        return tensor

    def beside(self, name: str) -> bool:
        """See Translation."""
        return BESIDE.search(name) is not None

    def _last_hyper(self, ours: str) -> bool:
        return self.family.last_hyper_conv and ours == "h_s.4.weight"

    def _ends_parameters(self, ours: str) -> bool:
        """Whether a parameter belongs to the last layer of a parameter net."""
        parts = ours.split(".")
        if parts[0] != "context" or parts[3] not in {"anchor", "non_anchor"}:
            return False
        widths = self.config.context.parameter_widths[int(parts[2])]
        return int(parts[4]) == 2 * len(widths[0 if parts[3] == "anchor" else 1])


def _narrow(config: ElicConfig) -> bool:
    """Whether the network is of HFLIC's repository: wide bottlenecks, or a deeper first parameter net."""
    depths = [len(non_anchor) for _, non_anchor in config.context.parameter_widths]
    return config.expansion >= 1 or depths[0] > min(depths)


def _codec(family: Family, config: ElicConfig) -> str:
    if family is JIANG and _narrow(config):
        return "hflic" if config.expansion >= 1 else "po-elic"
    return "elic-5" if len(config.context.groups) <= 5 else "elic"


def _config(shapes: Shapes, family: Family) -> ElicConfig:
    stages, latent, expansion, attention = _transform(shapes, family)
    first, second, last = (shapes.of(f"{family.hyper_synthesis}.{layer}") for layer in (0, 2, 4))
    hyper = last[0] if family.last_hyper_conv else last[1]
    try:
        return ElicConfig(
            stages=stages,
            latent=latent,
            expansion=expansion,
            hyper_widths=(first[0], second[0], last[1] if family.last_hyper_conv else last[0]),
            context=_context(shapes, family, hyper),
            latent_attention=attention,
            centred=False,
        )
    except ValueError as error:
        raise WeightsError(f"{shapes.file} has parts of different networks: {error}") from error


def _transform(shapes: Shapes, family: Family) -> tuple[tuple[Stage, ...], int, float, bool]:
    """Stages, latent channels, expansion and attention on the latents, from the analysis."""
    widths: list[int] = []
    blocks: list[int] = []
    attentions: list[bool] = []
    expansion = 0.5
    for index in range(MOST):
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


def _context(shapes: Shapes, family: Family, hyper: int) -> ContextConfig:
    spatial: list[tuple[int, int, int, int]] = []
    while len(spatial) < MOST and shapes.has(family.spatial.format(k=len(spatial))):
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
