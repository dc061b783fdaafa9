"""What do all recognised checkpoints have in common? Names, shapes, and how a tensor becomes ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from models.errors import WeightsError
from models.networks.builders import NetworkConfig

MOST = 64  # layers of a transform, groups, layers of a net

Shape = tuple[int, ...]


class Translation(Protocol):
    """How one project writes the parameters of our network."""

    def theirs(self, ours: str) -> str | None:
        """Their name of a parameter of ours; None where they have none and the fresh value is right."""

    def shape(self, ours: str, shape: Shape) -> Shape:
        """The shape their tensor has where ours has `shape`."""

    def tensor(self, ours: str, tensor: Tensor, module: nn.Module) -> Tensor:
        """Their tensor, floats, as the parameter `ours` of `module`, a layer of our network."""

    def beside(self, name: str) -> bool:
        """Whether a tensor of theirs is known to be no weight of the codec, and never used."""


@dataclass(frozen=True)
class Layout:
    """A recognised checkpoint.

    name, source: the project it is from; codec: the id it serves by itself; facts: its sizes for a person.
    """

    name: str
    source: str
    codec: str
    config: NetworkConfig
    translation: Translation
    facts: str


class Shapes:
    """The shapes of a checkpoint's tensors, asked for by name."""

    def __init__(self, file: str, project: str, tensors: Mapping[str, Tensor]) -> None:
        self.file, self.project, self.tensors = file, project, tensors

    def of(self, key: str) -> tuple[int, int, int, int]:
        """The shape of a convolution's weight. Raises WeightsError where it is absent or none."""
        name = f"{key}.weight"
        if name not in self.tensors:
            raise WeightsError(f"{self.file} lacks the tensor {name} of {self.project}")
        shape = tuple(self.tensors[name].shape)
        if len(shape) != 4 or 0 in shape or shape[2] != shape[3] or shape[2] % 2 == 0:
            raise WeightsError(f"{self.file}: {name} has the shape {shape}, which no layer there has")
        return (shape[0], shape[1], shape[2], shape[3])

    def has(self, key: str) -> bool:
        """Whether a layer of this name has a weight."""
        return f"{key}.weight" in self.tensors

    def count(self, name: Callable[[int], str]) -> int:
        """How many layers there are of those that are called `name` of 0, 1 and so on."""
        return next((n for n in range(MOST) if not self.has(name(n))), MOST)

    def stack(self, prefix: str) -> list[tuple[int, int, int, int]]:
        """The shapes of a stack of convolutions with activations between: layers 0, 2, 4 and so on."""
        count = self.count(lambda n: f"{prefix}.{2 * n}")
        return [self.of(f"{prefix}.{2 * n}") for n in range(max(count, 1))]
