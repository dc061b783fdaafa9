"""Which projects' checkpoints are known, and what do they call the tensors of our network?

Every family has ELIC's layout and other names for it. Facts about each: the order of means and scales in a
parameter net's output, the checkerboard's parity, shared or separate parameter nets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True)
class Family:
    """Names and conventions of one project.

    signature: a tensor only this family has. The other texts are name templates: {i} counts the layers of a
    transform, {k} the channel groups, {j} the same from 0 for the second group. block: what follows a
    residual bottleneck's name, for its three convolutions. anchor is "" where one net serves all positions.
    """

    name: str
    source: str
    signature: str
    analysis: str
    synthesis: str
    block: tuple[str, str, str]
    hyper_analysis: str
    hyper_synthesis: str
    channel: str
    spatial: str
    non_anchor: str
    anchor: str
    bottleneck: str
    anchor_parity: int
    means_first: bool = False
    reach: Literal["all", "ends"] = "all"
    last_hyper_conv: bool = False

    def of(self, ours: str) -> str:
        """The family's name of a parameter of our network (with its shift first in g_a)."""
        part, _, rest = ours.partition(".")
        if part in {"g_a", "g_s"}:
            index, _, rest = rest.partition(".")
            at = int(index) - (part == "g_a")
            template = self.analysis if part == "g_a" else self.synthesis
            return template.format(i=at) + "." + self._layer(rest)
        if part == "h_a":
            return f"{self.hyper_analysis}.{rest}"
        if part == "h_s":
            return f"{self.hyper_synthesis}.{rest}"
        if part == "entropy_bottleneck":
            return f"{self.bottleneck}.{rest}"
        _, group, net, rest = rest.split(".", 3)
        template = {
            "channel": self.channel,
            "spatial": self.spatial,
            "non_anchor": self.non_anchor,
            "anchor": self.anchor,
        }[net]
        return template.format(k=group, j=int(group) - 1) + "." + rest

    def _layer(self, rest: str) -> str:
        if attention := in_attention(rest):
            return attention
        block = re.fullmatch(r"branch\.(\d)\.(\w+)", rest)
        if block is not None:
            return f"{self.block[int(block[1]) // 2]}.{block[2]}"
        return rest


def in_attention(rest: str) -> str:
    """The name of a parameter in one of our attention blocks as CompressAI has it, "" for one elsewhere."""
    found = re.fullmatch(r"(trunk|mask)\.(\d)\.(?:block\.branch\.(\d)\.)?(\w+)", rest)
    if found is None:
        return ""
    side, unit, layer, kind = found.groups()
    inner = f"conv_{'a' if side == 'trunk' else 'b'}.{unit}"
    return f"{inner}.conv.{layer}.{kind}" if layer else f"{inner}.{kind}"


_CONVS = ("conv1", "conv2", "conv3")

JIANG = Family(
    name="JiangWeibeta/ELIC",
    source="github.com/JiangWeibeta/ELIC",
    signature="g_a.analysis_transform.0.weight",
    analysis="g_a.analysis_transform.{i}",
    synthesis="g_s.synthesis_transform.{i}",
    block=("branch.0", "branch.2", "branch.4"),
    hyper_analysis="h_a.reduction",
    hyper_synthesis="h_s.increase",
    channel="channel_context.{k}.fushion",
    spatial="local_context.{k}",
    non_anchor="entropy_parameters_nonanchor.{k}.fusion",
    anchor="entropy_parameters_anchor.{k}.fusion",
    bottleneck="entropy_bottleneck",
    anchor_parity=1,
)

CHANDELIER = Family(
    name="VincentChandelier/ELiC",
    source="github.com/VincentChandelier/ELiC-ReImplemetation",
    signature="ParamAggregation.0.0.weight",
    analysis="g_a.{i}",
    synthesis="g_s.{i}",
    block=_CONVS,
    hyper_analysis="h_a",
    hyper_synthesis="h_s",
    channel="cc_transforms.{j}",
    spatial="context_prediction.{k}",
    non_anchor="ParamAggregation.{k}",
    anchor="",
    bottleneck="entropy_bottleneck",
    anchor_parity=0,
    means_first=True,
    reach="ends",
    last_hyper_conv=True,
)


def _compressai(name: str, *, chandelier: bool) -> Family:
    groups = "latent_codec.y.latent_codec.y{k}"
    return Family(
        name=name,
        source="github.com/InterDigitalInc/CompressAI",
        signature="latent_codec.y.latent_codec.y0.context_prediction.weight",
        analysis="g_a.{i}",
        synthesis="g_s.{i}",
        block=_CONVS,
        hyper_analysis="latent_codec.hyper.h_a",
        hyper_synthesis="latent_codec.hyper.h_s",
        channel="latent_codec.y.channel_context.y{k}",
        spatial=f"{groups}.context_prediction",
        non_anchor=f"{groups}.entropy_parameters",
        anchor="",
        bottleneck="latent_codec.hyper.entropy_bottleneck",
        anchor_parity=0,
        means_first=chandelier,
        reach="ends" if chandelier else "all",
        last_hyper_conv=chandelier,
    )


COMPRESSAI_OFFICIAL = _compressai("CompressAI Elic2022Official", chandelier=False)
COMPRESSAI_CHANDELIER = _compressai("CompressAI Elic2022Chandelier", chandelier=True)

FAMILIES = (JIANG, CHANDELIER, COMPRESSAI_OFFICIAL, COMPRESSAI_CHANDELIER)

# What a checkpoint of CompressAI's modules holds beside its weights: bounds and tables that `update` made.
BESIDE = re.compile(
    r"(^|\.)(_offset|_quantized_cdf|_cdf_length|target|scale_table|scale_bound"
    r"|(likelihood_lower_bound|lower_bound_scale)\.bound"
    r"|(beta|gamma)_reparam\.(pedestal|lower_bound\.bound))$"
)
_OLD_BOTTLENECK = re.compile(r"(^|\.)_(matri|bias|factor)(?:x|ces|es|s)?\.?(\d)$")
_NEW_BOTTLENECK = {"matri": "matrices", "bias": "biases", "factor": "factors"}


def renewed(key: str) -> str:
    """A name as CompressAI writes it since 1.2.5; other names as they are."""
    key = key.replace(".downsample.", ".skip.")
    return _OLD_BOTTLENECK.sub(lambda found: f"{found[1]}{_NEW_BOTTLENECK[found[2]]}.{found[3]}", key)


def family_of(tensors: Mapping[str, Tensor]) -> Family | None:
    """The family a file's names belong to, None for none."""
    for family in FAMILIES:
        if family.signature not in tensors:
            continue
        if family is COMPRESSAI_OFFICIAL and _last_hyper_is_conv(family, tensors):
            return COMPRESSAI_CHANDELIER
        return family
    return None


def _last_hyper_is_conv(family: Family, tensors: Mapping[str, Tensor]) -> bool:
    """Whether h_s ends in a convolution: its inputs, those the layer before gives, are then second."""
    before, last = (tensors.get(f"{family.hyper_synthesis}.{layer}.weight") for layer in (2, 4))
    if before is None or last is None or before.dim() != 4 or last.dim() != 4:
        return False
    return last.shape[1] == before.shape[1] and last.shape[0] != before.shape[1]
