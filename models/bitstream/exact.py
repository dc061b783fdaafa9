"""Which exact entropy model does a network have?"""

from __future__ import annotations

from models.bitstream.latents import ContextEntropyModel, EntropyData, ExactEntropyModel
from models.bitstream.priors import (
    FactorizedEntropyModel,
    HyperpriorEntropyModel,
    JointHyperpriorEntropyModel,
    SerialEntropyModel,
)
from models.errors import WeightsError
from models.networks.balle import Balle
from models.networks.base import CompressionNetwork
from models.networks.elic import ELIC
from models.networks.hific import HiFiC


def entropy_model(network: CompressionNetwork, data: EntropyData) -> ExactEntropyModel:
    """The exact entropy model of a network. Raises WeightsError where it cannot be exact."""
    if isinstance(network, ELIC):
        return ContextEntropyModel(network.h_s, network.context, data)
    if isinstance(network, HiFiC):
        return HyperpriorEntropyModel(network.h_s_scale, network.h_s_mean, data)
    if isinstance(network, Balle):
        if network.h_s is None:
            return FactorizedEntropyModel(data)
        if network.context is not None:
            return SerialEntropyModel(network.h_s, network.context, data)
        return JointHyperpriorEntropyModel(network.h_s, data, means=network.prior == "mean-scale")
    raise WeightsError(f"no exact entropy model for {type(network).__name__}")
