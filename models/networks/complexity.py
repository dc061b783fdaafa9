"""How many multiply-accumulates a network spends on each pixel, part by part."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.networks.base import CompressionNetwork
from models.networks.builders import NetworkConfig, build
from models.networks.context import CheckerboardConv, GroupContext

# The first name of a layer's path that appears here says which part it belongs to.
_PARTS = {
    "g_a": "analysis",
    "a_shortcut": "analysis",
    "g_s": "synthesis",
    "s_shortcut": "synthesis",
    "h_a": "hyper_analysis",
    "h_s": "hyper_synthesis",
    "h_s_scale": "hyper_synthesis",
    "h_s_mean": "hyper_synthesis",
    "channel": "channel_context",
    "spatial": "spatial_context",
    "anchor": "parameters",
    "non_anchor": "parameters",
    "joint": "parameters",
}
# These see every latent, and each group's anchors and the others apart.
_AT_LATENTS = ("spatial_context", "parameters")


@dataclass(frozen=True)
class Complexity:
    """Thousands of multiply-accumulates a pixel of the picture."""

    analysis: float
    synthesis: float
    hyper_analysis: float
    hyper_synthesis: float
    channel_context: float
    spatial_context: float
    parameters: float
    spared: float  # of the spatial context and the parameters, by who computes no place in vain

    @property
    def entropy(self) -> float:
        """What leads to the coding parameters, needed on both sides."""
        return self.hyper_synthesis + self.channel_context + self.spatial_context + self.parameters

    @property
    def entropy_done(self) -> float:
        """What coding computes of `entropy`: anchors and others where they are, of taps those there are."""
        return self.entropy - self.spared

    @property
    def encode(self) -> float:
        """All an encoder runs."""
        return self.analysis + self.hyper_analysis + self.entropy

    @property
    def decode(self) -> float:
        """All a decoder runs."""
        return self.synthesis + self.entropy

    @property
    def total(self) -> float:
        """Every part once, as published tables count."""
        return self.analysis + self.hyper_analysis + self.entropy + self.synthesis


def _part(path: str) -> str:
    for name in path.split("."):
        if name in _PARTS:
            return _PARTS[name]
    raise ValueError(f"the layer {path} belongs to no part of the network")


def _group(network: CompressionNetwork, path: str) -> GroupContext | None:
    """The group whose parameters a layer helps to tell, None for other layers."""
    group, _, rest = path.replace(".non_anchor.", ".anchor.").partition(".anchor.")
    nets = network.get_submodule(group) if rest else None
    return nets if isinstance(nets, GroupContext) else None


def _passes(network: CompressionNetwork, path: str) -> int:
    """How often a layer of the context sees the plane: twice where anchors and others share a net."""
    nets = _group(network, path)
    return 2 if nets is not None and nets.anchor is None else 1


def _done(network: CompressionNetwork, path: str) -> float:
    """The share of a context's layer that has to be computed, of the plane or planes it is counted with."""
    layer = network.get_submodule(path)
    if isinstance(layer, CheckerboardConv):
        return len(layer.taps) / layer.mask.numel() / 2
    return 0.5 if _group(network, path) is not None else 1.0


def _macs(layer: nn.Module, inputs: Tensor, output: Tensor) -> int:
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    # Each weight meets every output position of a convolution, every input position of a transposed
    # one (borders count as if they were inside).
    positions = output if isinstance(layer, nn.Conv2d) else inputs
    return layer.weight.numel() * positions.shape[0] * positions.shape[2] * positions.shape[3]


def kmac_per_pixel(network: CompressionNetwork | NetworkConfig, side: int = 256) -> Complexity:
    """Count the convolutions of one side x side picture (a multiple of 64) on its way there and back.

    The convention of the published tables: convolutions and transposed convolutions alone, biases
    and activations free; checkerboard convolutions at their full 5x5 taps; every context and
    parameter net over the whole plane, those of anchors and of non-anchors each once. Given a
    configuration instead of a network, nothing is allocated (meta device).
    """
    if not isinstance(network, CompressionNetwork):
        with torch.device("meta"):
            network = build(network)
    counts: Counter[str] = Counter()

    def counter(path: str) -> torch.utils.hooks.RemovableHandle:
        def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            counts[_part(path)] += _macs(layer, inputs[0], output)

        return network.get_submodule(path).register_forward_hook(count)

    layers = {
        path: layer
        for path, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    }
    handles = [counter(path) for path in layers if _part(path) not in _AT_LATENTS]
    first = next(network.parameters())
    try:
        with torch.no_grad():
            y = network.analyse(torch.zeros(1, 3, side, side, device=first.device), None)
            y_hat, _, _ = network.predict(y, network.h_a(y))
            network.synthesise(y_hat, None)
    finally:
        for handle in handles:
            handle.remove()
    spared = 0.0
    for path, layer in layers.items():
        if (part := _part(path)) in _AT_LATENTS:
            macs = layer.weight.numel() * y.shape[2] * y.shape[3] * _passes(network, path)
            counts[part] += macs
            spared += macs * (1 - _done(network, path))
    share = {part: counts[part] / (side * side) / 1000 for part in set(_PARTS.values())}
    return Complexity(**share, spared=spared / (side * side) / 1000)
