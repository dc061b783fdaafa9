"""Do the tensors that a weights file lists fit its network, asked before any is read; and their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import eight_bit
from models.eight_bit import STEP
from models.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

    from models.networks.base import CompressionNetwork

TABLE_PREFIX = "entropy_data."
ENTROPY_TENSORS = {"medians": "float64", "thresholds": "int32"} | {
    f"{kind}.{part}": "int32" for kind in "yz" for part in ("counts", "lengths", "first")
}
FLOATS = ("float16", "float32")
_MOST_ENTRIES = 4 << 20  # of a table; the largest of any network here has a hundredth of that
# safetensors' names of types.
_TYPES = {"BOOL": "bool", "BF16": "bfloat16"} | {
    f"{short}{bits}": f"{long}{bits}"
    for short, long in (("F", "float"), ("I", "int"), ("U", "uint"))
    for bits in (8, 16, 32, 64)
}


@dataclass(frozen=True)
class Listed:
    """A tensor of a file. kind: NumPy's name of its type."""

    kind: str
    shape: tuple[int, ...]

    @property
    def values(self) -> int:
        """How many."""
        return prod(self.shape)


def listed(path: Path) -> dict[str, Listed]:
    """What a safetensors file holds, by name, from its header alone. Raises WeightsError for a damaged one.

    The reader compares what the header promises with the file's length.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  (it is no mapping)
            return {
                name: Listed(_TYPES.get(part.get_dtype(), part.get_dtype()), tuple(part.get_shape()))
                for name, part in slices.items()
            }
    except (SafetensorError, OSError, KeyError, TypeError) as error:
        raise WeightsError(f"{path.name} is damaged: fetch it again ({error})") from error


def check(
    network: CompressionNetwork, masks: Mapping[str, Any], found: Mapping[str, Listed], name: str
) -> None:
    """Raises WeightsError that names the first tensor of the file `name` that is not as the network needs it.

    masks: of `weights.checkerboards`; of their weights only the used taps are stored.
    """
    for key, kind in ENTROPY_TENSORS.items():
        table = found.get(TABLE_PREFIX + key)
        if table is None:
            raise WeightsError(f"{name} has no table '{key}'")
        if table.kind != kind or len(table.shape) != 1 or table.values > _MOST_ENTRIES:
            raise WeightsError(f"{name}: table '{key}' has a wrong type or shape")
    wanted = {key: tuple(value.shape) for key, value in network.named_parameters()}
    steps = {key + STEP for key in wanted if key in found and found[key].kind == "int8"}
    tables = {TABLE_PREFIX + key for key in ENTROPY_TENSORS}
    if unknown := sorted(found.keys() - wanted.keys() - steps - tables):
        raise WeightsError(f"{name} has the tensor {unknown[0]}, unknown to its network")
    for key, shape in wanted.items():
        if key not in found:
            raise WeightsError(f"{name} lacks the tensor {key}")
        if key + STEP in steps and key not in masks:
            if found.get(key + STEP) != Listed("float32", shape[:1]):
                raise WeightsError(f"{name}: the steps of {key} are missing or of a wrong type or shape")
        elif found[key].kind not in FLOATS:
            raise WeightsError(f"{name}: {key} is of type {found[key].kind}, not a float")
        stored = (*shape[:2], int(masks[key].sum())) if key in masks else shape
        if found[key].shape != stored:
            raise WeightsError(f"{name}: {key} has the shape {found[key].shape}, not {stored}")


def parameters(
    network: CompressionNetwork, tensors: dict[str, Any], masks: dict[str, Any]
) -> dict[str, Tensor]:
    """The parameters in the file, of checked shapes, with zeros where a checkerboard has no taps."""
    import torch

    state = {}
    for key, value in network.named_parameters():
        steps = tensors.get(key + eight_bit.STEP)
        whole = tensors[key]
        stored = torch.from_numpy(whole).float() if steps is None else eight_bit.unpacked(whole, steps)
        if key in masks:
            full = torch.zeros(*value.shape[:2], len(masks[key]))
            full[:, :, masks[key]] = stored
            stored = full.view(value.shape)
        state[key] = stored
    return state
