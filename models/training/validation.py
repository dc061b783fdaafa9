"""How good a network is on photographs it was not trained on, by estimated rates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from models.networks.base import CompressionNetwork, NetworkOutput
from models.training.data import CropPlan, PhotoCrops, Photographs, photo_paths

FIXED_CROPS, FIXED_BATCH = 64, 8
FIXED_SEED = 0x5EED  # of crops that training never saw as they are

# A network, x: (B, 3, H, W), what it made of that, and positions (B,) to the terms of a loss by name.
Judge = Callable[[CompressionNetwork, Tensor, NetworkOutput, Tensor], dict[str, float]]


@dataclass(frozen=True)
class ValidationRow:
    """Estimated bits and PSNR at one position of the rate ladder, averaged over pictures."""

    position: float
    bpp: float
    psnr: float


def decibels(square_errors: Tensor) -> float:
    """PSNR of square errors in [0, 1] pixel units, of any shape."""
    return -10 * math.log10(square_errors.mean().item())


def spread(folder: Path, count: int) -> list[Path]:
    """At most `count` photographs spread over the folder, always the same ones."""
    paths = photo_paths(folder)
    return paths[:: max(len(paths) // count, 1)][:count]


def read(path: Path, most: int | None = None) -> Tensor:
    """(1, 3, H, W) in 0..1, cut to multiples of 64 from the top left, or to the middle `most` pixels."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    height, width = (side // 64 * 64 for side in pixels.shape[:2])
    top = left = 0
    if most is not None:
        height, width = min(height, most), min(width, most)
        top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    cut = pixels[top : top + height, left : left + width].copy()
    return torch.from_numpy(cut).permute(2, 0, 1)[None].float() / 255


@torch.inference_mode()
def validate(network: CompressionNetwork, folder: Path, top: float, pictures: int = 8) -> list[ValidationRow]:
    """Estimated rate and PSNR of `pictures` photographs at five positions from 0 to `top`."""
    chosen = spread(folder, pictures)
    device = next(network.parameters()).device
    rows = []
    for position in np.linspace(0, top, 5):
        bpps, psnrs = [], []
        for path in chosen:
            x = read(path).to(device)
            output = network(x, torch.tensor([position], dtype=torch.float32, device=device), hard=True)
            bpps.append(((output.y_bits + output.z_bits) / (x.shape[2] * x.shape[3])).item())
            decoded = (output.x_hat.clamp(0, 1) * 255).round() / 255
            psnrs.append(decibels((decoded - x).square()))
        rows.append(ValidationRow(float(position), float(np.mean(bpps)), float(np.mean(psnrs))))
    return rows


def fixed_losses(
    network: CompressionNetwork, photographs: Photographs, plan: CropPlan, top: float, judge: Judge
) -> dict[str, float]:
    """A loss on FIXED_CROPS crops, cut like training's, always the same ones: means of what `judge` gives.

    The crops' positions are spread evenly from 0 to `top`. Called with photographs of training and with
    others, it says how much a network owes to knowing its pictures (their contents differ too: look at
    how the gap grows). Raises DataError where the photographs are too small for the plan.
    """
    crops = PhotoCrops(photographs, seed=FIXED_SEED)
    device = next(network.parameters()).device
    batches = FIXED_CROPS // FIXED_BATCH
    sums: dict[str, float] = {}
    for index in range(batches):
        x = crops.cut(index, FIXED_BATCH, plan).x.to(device)
        numbers = torch.arange(index, FIXED_CROPS, batches, device=device)  # every batch meets all rates
        position = (numbers + 0.5) / FIXED_CROPS * top
        with torch.inference_mode():
            terms = judge(network, x, network(x, position, hard=True), position)
        for name, value in terms.items():
            sums[name] = sums.get(name, 0.0) + value / batches
    return sums
