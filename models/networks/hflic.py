"""HFLIC's network: five-group ELIC with inverted bottlenecks of twice the width (Ning et al. 2023)."""

from __future__ import annotations

from dataclasses import replace

from models.networks.elic import GROUPS_5, LITE_GROUPS_5, ElicConfig, lite_config, paper_config

EXPANSION = 2.0  # hidden over outer width of every residual bottleneck, in g_a and g_s alike


def hflic_paper(groups: tuple[int, ...] = GROUPS_5) -> ElicConfig:
    """The published layout: N=192, M=320, narrow parameter nets with a deeper first one."""
    config = paper_config(groups, EXPANSION)
    return replace(config, context=replace(config.context, rule="narrow"))


def hflic_lite(groups: tuple[int, ...] = LITE_GROUPS_5) -> ElicConfig:
    """ELIC-lite's widths, context and rates, so that the expansion is the only difference."""
    return lite_config(groups, EXPANSION)
