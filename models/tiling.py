"""How do large pictures go through the transforms within a budget of memory? In tiles that overlap."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.bitstream.latents import ExactEntropyModel
from models.footprint import BLOCK, TILE_BYTES, Footprint, Plan
from models.memory import give_back, refusal
from models.networks import fused
from models.networks.base import CompressionNetwork
from models.watch import Watch

# The largest and the smallest tile, in blocks a side.
_LARGEST_TILE, _SMALLEST_TILE = 128, 8
_COPIES = 2.0  # of a layer's inputs and outputs: oneDNN keeps reordered ones beside them


class Planner:
    """Knows what one network takes, and chooses the quickest way within the budget."""

    def __init__(self, network: CompressionNetwork, entropy: ExactEntropyModel) -> None:
        pixel = (
            _COPIES
            * max(
                _bytes_per_block(network.g_a, 3, analysis=True),
                _bytes_per_block(network.g_s, entropy.latent, analysis=False),
            )
            / BLOCK**2
        )
        self.footprint = Footprint(
            pixel,
            entropy.bytes_per_latent(lean=False),
            entropy.bytes_per_latent(lean=True),
            entropy.latent,
            3.0 * sum(p.numel() * 4 for p in network.parameters()),
            _tile(pixel, halo(network.g_a), halo(network.g_s)),
        )

    def plan(self, width: int, height: int) -> Plan:
        """The way for a picture of this size, whether it fits the budget or not."""
        return self.footprint.plan(width, height)

    def refusal(self, width: int, height: int, *, refine: bool = False) -> str:
        """Why a picture is over the budget and what to do, "" where it is not."""
        return refusal(partial(self.footprint.memory, refine=refine), width, height)


def _tile(pixel: float, analysis: int, synthesis: int) -> int:
    """Blocks a side of a tile, without its halo; the halos of both transforms in their own inputs."""
    with_halo = int(math.sqrt(TILE_BYTES / (pixel * BLOCK**2)))
    edge = max(-(-analysis // BLOCK), synthesis)
    return min(max(with_halo - 2 * edge, _SMALLEST_TILE), _LARGEST_TILE)


def halo(transform: nn.Module) -> int:
    """How far an output may look beyond its own place, in samples of the input; never too small.

    Branches beside each other are counted one after the other, but for those called `skip`, which see less
    than what they go around. Raises TypeError for a layer whose reach is not known.
    """
    reach, scale = 0.0, 1.0
    for name, layer in transform.named_modules():
        if "skip" in name.split("."):
            continue
        if isinstance(layer, nn.Conv2d):
            reach += (layer.kernel_size[0] // 2) * scale
            scale *= layer.stride[0]
        elif isinstance(layer, nn.ConvTranspose2d):
            reach += -(-(layer.kernel_size[0] // 2) // layer.stride[0]) * scale
            scale /= layer.stride[0]
        elif isinstance(layer, nn.PixelUnshuffle):
            scale *= layer.downscale_factor
        elif isinstance(layer, nn.PixelShuffle):
            scale /= layer.upscale_factor
        elif isinstance(layer, nn.modules.batchnorm._NormBase | nn.AdaptiveAvgPool2d):
            raise TypeError(f"{type(layer).__name__} looks at the whole picture")
    return math.ceil(reach)


def run_watched(
    transform: nn.Module,
    shape: tuple[int, ...],
    weigh: Callable[[nn.Module, tuple[Tensor, ...], Tensor], None],
) -> None:
    """Run zeros of a shape through a transform; `weigh` is shown each layer with its inputs and output."""
    hooks = [layer.register_forward_hook(weigh) for layer in transform.modules()]
    try:
        with torch.inference_mode():
            transform(torch.zeros(shape, device=next(transform.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()


def _bytes_per_block(transform: nn.Module, channels: int, *, analysis: bool) -> float:
    """Bytes of the largest layer's input and output and the largest block's input, for one latent.

    Weighed while a few blocks go through. Not on the "meta" device: there, torch loads its compiler first,
    for more than a second.
    """
    side = 4
    shape = (1, channels, side * BLOCK, side * BLOCK) if analysis else (1, channels, side, side)
    most = held = 0

    def weigh(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal most, held
        size = inputs[0].numel() + output.numel()
        if next(layer.children(), None) is None:
            most = max(most, size)
        elif not isinstance(layer, nn.Sequential):
            held = max(held, inputs[0].numel())

    run_watched(transform, shape, weigh)
    return 4.0 * (most + held) / side**2


@dataclass(frozen=True)
class _Span:
    """Part of one axis in blocks: what is wanted and what is looked at."""

    start: int
    stop: int
    first: int
    last: int

    @property
    def inner(self) -> slice:
        """What is wanted, counted from what is looked at."""
        return slice(self.start - self.first, self.stop - self.first)


def _spans(count: int, tile: int, edge: int) -> list[_Span]:
    return [
        _Span(at, min(at + tile, count), max(at - edge, 0), min(at + tile + edge, count))
        for at in range(0, count, tile)
    ]


def _tiles(
    height: int, width: int, tile: int, edge: int, watch: Watch, stage: str
) -> Iterator[tuple[_Span, _Span]]:
    downs, acrosses = _spans(height, tile, edge), _spans(width, tile, edge)
    for index, down in enumerate(downs):
        for number, across in enumerate(acrosses):
            watch.step(stage, (index * len(acrosses) + number) / (len(downs) * len(acrosses)))
            yield down, across


def analyse(
    network: CompressionNetwork, pixels: NDArray[np.uint8], tile: int, device: torch.device, watch: Watch
) -> Tensor:
    """(H, W, 3) bytes to the latents before any gain, (1, M, ceil(H/16), ceil(W/16)), tile by tile.

    Each tile sees all that the whole picture's transform sees, so that the results are the same up to the
    rounding of floating-point sums; the file says which symbols they became, and is valid either way.
    """
    height, width = (-(-side // BLOCK) for side in pixels.shape[:2])
    edge = -(-halo(network.g_a) // BLOCK)
    out: Tensor | None = None
    for down, across in _tiles(height, width, tile, edge, watch, "analysing"):
        rows, columns = (slice(span.first * BLOCK, span.last * BLOCK) for span in (down, across))
        x = torch.from_numpy(pixels[rows, columns]).to(device).permute(2, 0, 1)[None].float().div_(255)
        x = functional.pad(x, (0, -x.shape[3] % BLOCK, 0, -x.shape[2] % BLOCK), mode="replicate")
        x = x.contiguous(memory_format=torch.channels_last).sub_(0.5)
        y = fused.run(network.g_a, x, own=False)
        if network.a_shortcut is not None:
            y = y + network.a_shortcut(x)
        if out is None:
            out = y.new_empty(1, y.shape[1], height, width)
        out[:, :, down.start : down.stop, across.start : across.stop] = y[:, :, down.inner, across.inner]
    give_back()
    assert out is not None
    return out


def synthesise(
    network: CompressionNetwork,
    y_hat: Tensor,
    position: Tensor | None,
    size: tuple[int, int],
    tile: int,
    device: torch.device,
    watch: Watch,
) -> NDArray[np.uint8]:
    """y_hat (M, h, w) float64 to `size` (height, width) pixels of three bytes, tile by tile."""
    pixels: NDArray[np.uint8] = np.empty((*size, 3), np.uint8)
    edge = halo(network.g_s)
    height, width = y_hat.shape[1:]
    for down, across in _tiles(height, width, tile, edge, watch, "synthesising"):
        part = y_hat[None, :, down.first : down.last, across.first : across.last].float().to(device)
        y = network.unscale(part.contiguous(memory_format=torch.channels_last), position)
        x = fused.run(network.g_s, y, own=False)
        if network.s_shortcut is not None:
            x = x + network.s_shortcut(y)
        inner = (slice(span.inner.start * BLOCK, span.inner.stop * BLOCK) for span in (down, across))
        target = pixels[down.start * BLOCK : down.stop * BLOCK, across.start * BLOCK : across.stop * BLOCK]
        target[:] = to_bytes(x[0][:, *inner])[: target.shape[0], : target.shape[1]]
    watch.step("synthesising", 1.0)
    return pixels


def to_bytes(x: Tensor) -> NDArray[Any]:
    """(3, H, W) around zero to (H, W, 3) bytes; x is used up."""
    levels = x.add_(0.5).mul_(255).round_().clamp_(0, 255).to(torch.uint8)
    return np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy())
