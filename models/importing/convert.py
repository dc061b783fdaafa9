"""How does a foreign checkpoint become a network of this program, tensor by tensor?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models.errors import WeightsError
from models.importing.families import renewed
from models.importing.layout import recognise
from models.importing.reading import Checkpoint, read
from models.importing.shapes import Layout
from models.networks.base import CompressionNetwork
from models.networks.builders import build
from models.networks.causal import CausalConv
from models.networks.complexity import kmac_per_pixel
from models.networks.context import CheckerboardConv
from models.networks.stored import skeleton


@dataclass(frozen=True)
class Converted:
    """A checkpoint as a network of ours, with what was found in it."""

    layout: Layout
    network: CompressionNetwork

    def describe(self) -> str:
        """Project, sizes, parameters and cost in one line."""
        parameters = sum(p.numel() for p in self.network.parameters()) / 1e6
        kmac = kmac_per_pixel(self.layout.config, side=64).total
        return f"{self.layout.name}: {self.layout.facts}, {parameters:.2f} M parameters, {kmac:.0f} kMAC/px"


def convert(path: Path) -> Converted:
    """Read, recognise and convert a checkpoint file. Raises WeightsError in one line."""
    return converted(read(path))


def converted(checkpoint: Checkpoint) -> Converted:
    """See `convert`. Every tensor of the file is used, or known to be no weight; nothing is made up."""
    tensors = _renewed(checkpoint)
    layout = recognise(checkpoint.name, tensors, checkpoint.beside)
    _check_names(checkpoint.name, layout, tensors)
    network = build(layout.config)
    state: dict[str, Tensor] = {}
    for ours, _ in network.named_parameters():
        name = layout.translation.theirs(ours)
        if name is not None:
            module = network.get_submodule(ours.rpartition(".")[0])
            state[ours] = layout.translation.tensor(ours, tensors[name].float(), module)
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
    translation = layout.translation
    wanted = {
        name: translation.shape(ours, tuple(value.shape))
        for ours, value in outline.named_parameters()
        if (name := translation.theirs(ours)) is not None
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
        translation.theirs(f"{name}.mask"): module
        for name, module in outline.named_modules()
        if isinstance(module, CheckerboardConv | CausalConv)
    }
    for name, tensor in tensors.items():
        if name in masks:
            if not _is_mask(tensor, masks[name]):
                kind = "checkerboard" if isinstance(masks[name], CheckerboardConv) else "mask"
                raise WeightsError(f"{file}: {name} is not the {kind} of {layout.name}")
        elif name not in wanted and not translation.beside(name):
            raise WeightsError(f"{file} has the tensor {name[:80]}, which {layout.name} has not")


def _is_mask(mask: Tensor, layer: CheckerboardConv | CausalConv) -> bool:
    """Whether a mask is that of a layer, which may be on the meta device and know only its size."""
    cells = torch.arange(layer.kernel_size[0])
    if isinstance(layer, CheckerboardConv):
        right = (cells[:, None] + cells[None, :]) % 2 == 1
    else:
        right = cells[:, None] * len(cells) + cells[None, :] < len(cells) ** 2 // 2
    return mask.shape[-2:] == right.shape and bool((mask.float() == right.float()).all())
