"""How does a foreign checkpoint become a network of this program, tensor by tensor?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models.errors import WeightsError
from models.importing.families import BESIDE, Family, renewed
from models.importing.layout import Layout, recognise
from models.importing.reading import Checkpoint, read
from models.networks.base import CompressionNetwork
from models.networks.builders import build
from models.networks.complexity import kmac_per_pixel
from models.networks.context import CheckerboardConv
from models.networks.stored import skeleton


@dataclass(frozen=True)
class Converted:
    """A checkpoint as a network of ours, with what was found in it."""

    layout: Layout
    network: CompressionNetwork

    def describe(self) -> str:
        """Family, groups, widths, parameters and cost in one line."""
        config = self.layout.config
        stages = "-".join(str(stage.width) for stage in config.stages)
        groups = "+".join(map(str, config.context.groups))
        parameters = sum(p.numel() for p in self.network.parameters()) / 1e6
        kmac = kmac_per_pixel(config, side=64).total
        return (
            f"{self.layout.name}: {len(config.context.groups)} channel groups {groups}, widths {stages} to "
            f"{config.latent}, bottlenecks x{config.expansion:g}, {parameters:.2f} M parameters, "
            f"{kmac:.0f} kMAC/px"
        )


def convert(path: Path) -> Converted:
    """Read, recognise and convert a checkpoint file. Raises WeightsError in one line."""
    return converted(read(path))


def converted(checkpoint: Checkpoint) -> Converted:
    """See `convert`. Every tensor of the file is used, or known to be no weight; nothing is made up."""
    tensors = _renewed(checkpoint)
    layout = recognise(checkpoint.name, tensors)
    _check_names(checkpoint.name, layout, tensors)
    network = build(layout.config)
    state = {
        ours: _as_ours(ours, tensors[layout.family.of(ours)].float(), network, layout)
        for ours, _ in network.named_parameters()
    }
    network.load_state_dict(state, strict=False)
    return Converted(layout, network.eval())


def _renewed(checkpoint: Checkpoint) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for key, tensor in checkpoint.tensors.items():
        name = renewed(key)
        if name in tensors:
            raise WeightsError(f"{checkpoint.name} has the tensor {name} under an old and a new name")
        tensors[name] = tensor
    return tensors


def _check_names(file: str, layout: Layout, tensors: Mapping[str, Tensor]) -> None:
    """Compare every name and shape before any memory is taken for the network."""
    outline = skeleton(layout.config)
    wanted = {
        layout.family.of(ours): _their_shape(ours, tuple(value.shape), layout.family)
        for ours, value in outline.named_parameters()
    }
    for name, shape in wanted.items():
        if name not in tensors:
            raise WeightsError(f"{file} lacks the tensor {name} of {layout.name}")
        if tuple(tensors[name].shape) != shape:
            raise WeightsError(
                f"{file}: {name} has the shape {tuple(tensors[name].shape)}, not {shape} as in {layout.name}"
            )
        if not tensors[name].is_floating_point():
            raise WeightsError(f"{file}: {name} is of type {tensors[name].dtype}, not a float")
    masks = {
        layout.family.of(f"{name}.mask"): module.kernel_size[0]
        for name, module in outline.named_modules()
        if isinstance(module, CheckerboardConv)
    }
    for name, tensor in tensors.items():
        if name in masks:
            if not _is_checkerboard(tensor, masks[name]):
                raise WeightsError(f"{file}: {name} is not the checkerboard of {layout.name}")
        elif name not in wanted and not BESIDE.search(name):
            raise WeightsError(f"{file} has the tensor {name[:80]}, which {layout.name} has not")


def _is_checkerboard(mask: Tensor, kernel: int) -> bool:
    cells = torch.arange(kernel)
    odd = ((cells[:, None] + cells[None, :]) % 2 == 1).float()
    return mask.shape[-2:] == odd.shape and bool((mask.float() == odd).all())


def _last_hyper(ours: str, family: Family) -> bool:
    return family.last_hyper_conv and ours == "h_s.4.weight"


def _their_shape(ours: str, shape: tuple[int, ...], family: Family) -> tuple[int, ...]:
    return (shape[1], shape[0], *shape[2:]) if _last_hyper(ours, family) else shape


def _as_ours(ours: str, tensor: Tensor, network: CompressionNetwork, layout: Layout) -> Tensor:
    """One tensor in our layout."""
    family = layout.family
    if _last_hyper(ours, family):  # a convolution is a transposed one with the kernel turned around
        return tensor.transpose(0, 1).flip(2, 3)
    module = network.get_submodule(ours.rpartition(".")[0])
    if isinstance(module, CheckerboardConv) and ours.endswith(".weight"):
        return tensor * module.mask
    if family.means_first and _ends_parameters(ours, layout):
        means, scales = tensor.chunk(2)
        return torch.cat([scales, means])
    return tensor


def _ends_parameters(ours: str, layout: Layout) -> bool:
    """Whether a parameter belongs to the last layer of a parameter net."""
    parts = ours.split(".")
    if parts[0] != "context" or parts[3] not in {"anchor", "non_anchor"}:
        return False
    widths = layout.config.context.parameter_widths[int(parts[2])]
    return int(parts[4]) == 2 * len(widths[0 if parts[3] == "anchor" else 1])
