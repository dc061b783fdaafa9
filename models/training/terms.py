"""What a decoded picture is judged by in training for the eye: the terms, and which of them take part."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from models.distortion import masked_fake
from models.networks.base import NetworkOutput


@dataclass(frozen=True)
class Terms:
    """The weighted terms of a batch, each (); their sum is what the network follows."""

    rate: Tensor
    mse: Tensor
    charbonnier: Tensor
    lpips: Tensor
    style: Tensor
    gan: Tensor
    face: Tensor
    grid: Tensor

    @property
    def loss(self) -> Tensor:
        """The sum."""
        return torch.stack([getattr(self, f.name) for f in fields(self)]).sum()

    def scalars(self) -> dict[str, float]:
        """Term by name, for TensorBoard."""
        return {f.name: getattr(self, f.name).item() for f in fields(self)}


@dataclass(frozen=True)
class Joined:
    """Which of the terms that begin later take part."""

    style: bool = True
    adversary: bool = True


EVERYTHING = Joined()


def judged(x: Tensor, output: NetworkOutput, mask: Tensor | None) -> Tensor:
    """What the losses of the whole picture see: x_hat with the small faces of x."""
    return output.x_hat if mask is None else masked_fake(x, output.x_hat, mask)
