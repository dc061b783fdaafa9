"""Which networks there are by name, and how one is built from its configuration."""

from __future__ import annotations

from collections.abc import Callable

from models.networks.balle import Balle, BalleConfig
from models.networks.base import CompressionNetwork
from models.networks.elic import (
    ELIC,
    GROUPS_5,
    GROUPS_10,
    LITE_GROUPS_5,
    LITE_GROUPS_10,
    ElicConfig,
    lite_config,
    paper_config,
)
from models.networks.hflic import hflic_lite, hflic_paper
from models.networks.hific import HiFiC, HificConfig, hific_lite, hific_paper

NetworkConfig = ElicConfig | HificConfig | BalleConfig

BUILDERS: dict[str, Callable[[], NetworkConfig]] = {
    "elic-paper": lambda: paper_config(GROUPS_10),
    "elic-5-paper": lambda: paper_config(GROUPS_5),
    "hflic-paper": hflic_paper,
    "hific-paper": hific_paper,
    "elic-lite": lambda: lite_config(LITE_GROUPS_10),
    "elic-5-lite": lambda: lite_config(LITE_GROUPS_5),
    "hflic-lite": hflic_lite,
    "hific-lite": hific_lite,
}


def config(name: str) -> NetworkConfig:
    """The configuration of a name in BUILDERS. Raises KeyError for another one."""
    return BUILDERS[name]()


def build(configuration: NetworkConfig) -> CompressionNetwork:
    """A fresh network of a configuration, on the default device."""
    if isinstance(configuration, HificConfig):
        return HiFiC(configuration)
    if isinstance(configuration, BalleConfig):
        return Balle(configuration)
    return ELIC(configuration)
