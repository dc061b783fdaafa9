"""What does TensorBoard show of a run? Losses by part as means over steps, validation, a few crops."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from models.networks.base import CompressionNetwork
from models.training.validation import ValidationRow, read, spread

SAMPLES, SAMPLE_SIDE = 3, 128
SAMPLE_RATES = (0.0, 0.5, 1.0)  # shares of the rate ladder


class Means:
    """Means of named numbers since they were last taken."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, float]) -> None:
        """One step's numbers; a name may be missing from some steps."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """The means, and begin anew."""
        means = {name: value / self._counts[name] for name, value in self._sums.items()}
        self._sums.clear()
        self._counts.clear()
        return means


def add_scalars(writer: SummaryWriter, group: str, values: Mapping[str, float], step: int) -> None:
    """Numbers by name into one group of charts."""
    for name, value in values.items():
        writer.add_scalar(f"{group}/{name}", value, step)


def add_validation(writer: SummaryWriter, rows: list[ValidationRow], step: int) -> None:
    """Rate and distortion at each position."""
    for row in rows:
        level = round(row.position)
        writer.add_scalar(f"validation/psnr@{level}", row.psnr, step)
        writer.add_scalar(f"validation/bpp@{level}", row.bpp, step)


@torch.inference_mode()
def sample_strip(network: CompressionNetwork, x: Tensor, top: float) -> Tensor:
    """x: (1, 3, H, W) and its decodes at SAMPLE_RATES beside each other: (3, H, (1 + rates) W) in 0..1."""
    first = next(network.parameters())
    positions = top * torch.tensor(SAMPLE_RATES, device=first.device)
    decoded = network(x.to(first.device).expand(len(positions), -1, -1, -1), positions, hard=True).x_hat
    return torch.cat([x[0], *decoded.clamp(0, 1).cpu()], dim=2)


def add_samples(
    writer: SummaryWriter, network: CompressionNetwork, folder: Path, top: float, step: int
) -> None:
    """Strips of SAMPLES photographs: the original, then low to high rate."""
    for index, path in enumerate(spread(folder, SAMPLES)):
        strip = sample_strip(network, read(path, SAMPLE_SIDE), top)
        writer.add_image(f"samples/{index}", (strip * 255).round().byte(), step)
