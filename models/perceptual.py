"""How do LPIPS and DISTS compare two pictures of any size in bounded memory?

Both average over the maps of a classifier. A large picture goes through it in tiles that overlap by more
than the reach of its convolutions, and each tile contributes only the cells its core owns: up to rounding
the result is that of the whole picture at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.errors import WeightsError
from models.packages import data_file
from models.trunks import Trunk, TrunkName, as_tensor, trunk
from models.watch import QUIET, Watch

CORE: dict[TrunkName, int] = {"alex": 1536, "vgg": 512}  # side of a tile's core: about 1 GB at the worst
WHOLE = 3  # cores: up to here a picture goes through in one piece
HALO = 112  # half the reach of either trunk, 98 with max- and 106 with L2-pooling, rounded up to its stride

_loading = threading.Lock()


@dataclass(frozen=True)
class Tile:
    """A core [low, high) and the cut [start, stop) around it, rows then columns, in pixels."""

    start: tuple[int, int]
    stop: tuple[int, int]
    low: tuple[int, int]
    high: tuple[int, int]
    ends: tuple[bool, bool]

    def cut(self, pixels: NDArray[np.uint8]) -> Tensor:
        """The tile of (H, W, 3) bytes as (1, 3, h, w) in 0..1."""
        rows, columns = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return as_tensor(pixels[rows, columns])

    def own(self, features: Tensor, stride: int) -> Tensor:
        """The cells of a map of the cut that belong to the core; the last tile owns the rest."""
        spans = []
        for start, low, high, last in zip(self.start, self.low, self.high, self.ends, strict=True):
            spans.append(slice((low - start) // stride, None if last else (high - start) // stride))
        return features[:, :, spans[0], spans[1]]


def tiles(height: int, width: int, core: int) -> list[Tile]:
    """Tiles whose cores, a multiple of 16 wide, cover the picture once; one for a picture of WHOLE cores."""
    if height * width <= WHOLE * core**2:
        return [Tile((0, 0), (height, width), (0, 0), (height, width), (True, True))]
    made = []
    for top in range(0, height, core):
        for left in range(0, width, core):
            low, high = (top, left), (min(top + core, height), min(left + core, width))
            start = (max(top - HALO, 0), max(left - HALO, 0))
            stop = (min(high[0] + HALO, height), min(high[1] + HALO, width))
            made.append(Tile(start, stop, low, high, (high[0] == height, high[1] == width)))
    return made


def lpips(name: TrunkName, a: NDArray[np.uint8], b: NDArray[np.uint8], watch: Watch = QUIET) -> float:
    """LPIPS v0.1 of two (H, W, 3) pictures (Zhang et al. 2018). Raises WeightsError, Cancelled."""
    sums, counts = [0.0] * 5, [0] * 5
    for _, maps in distances(name, a, b, watch):
        for at, distance in enumerate(maps):
            sums[at] += float(distance.sum(dtype=torch.float64))
            counts[at] += distance.numel()
    return sum(total / count for total, count in zip(sums, counts, strict=True))


def distances(
    name: TrunkName, a: NDArray[np.uint8], b: NDArray[np.uint8], watch: Watch = QUIET
) -> Iterator[tuple[Tile, list[Tensor]]]:
    """LPIPS before averaging: each tile, in rows, with the (h, w) distances of the cells it owns of each map.

    Raises WeightsError, Cancelled.
    """
    network = _trunk(name)
    strides = network.layout.strides
    for tile in _watched(tiles(a.shape[0], a.shape[1], CORE[name]), watch):
        with torch.inference_mode():
            pairs = zip(network.features(tile.cut(a)), network.features(tile.cut(b)), strict=True)
            found = []
            for at, maps in enumerate(pairs):
                f, g = (_made_unit(tile.own(m, strides[at])) for m in maps)
                found.append(torch.einsum("bchw,c->bhw", f.sub_(g).square_(), network.heads[at])[0])
        yield tile, found


def lpips_over(
    name: TrunkName,
    a: NDArray[np.uint8],
    b: NDArray[np.uint8],
    weights: Sequence[NDArray[np.float32]],
    watch: Watch = QUIET,
) -> list[float]:
    """LPIPS averaged with weights (H, W) >= 0 of the pixels instead of evenly, for each of them.

    A cell of a map counts as much as the pixels under it; weights of one everywhere give LPIPS, weights of
    zero everywhere NaN. Raises WeightsError, Cancelled.
    """
    network = _trunk(name)
    strides = network.layout.strides
    sums, counts = (np.zeros((len(weights), len(strides))) for _ in range(2))
    with torch.inference_mode():
        for tile in _watched(tiles(a.shape[0], a.shape[1], CORE[name]), watch):
            pairs = zip(network.features(tile.cut(a)), network.features(tile.cut(b)), strict=True)
            rows, columns = (slice(low, high) for low, high in zip(tile.start, tile.stop, strict=True))
            shares = torch.from_numpy(np.stack([w[rows, columns] for w in weights]))[None]
            for at, maps in enumerate(pairs):
                cells = (maps[0].shape[2], maps[0].shape[3])
                under = tile.own(functional.adaptive_avg_pool2d(shares, cells), strides[at])
                f, g = (_made_unit(tile.own(m, strides[at])) for m in maps)
                distance = torch.einsum("bchw,c->bhw", f.sub_(g).square_(), network.heads[at])
                sums[:, at] += (distance * under[0]).sum(dim=(1, 2), dtype=torch.float64).numpy()
                counts[:, at] += under[0].sum(dim=(1, 2), dtype=torch.float64).numpy()
    with np.errstate(invalid="ignore"):
        return [float(value) for value in (sums / counts).sum(axis=1)]


def dists(a: NDArray[np.uint8], b: NDArray[np.uint8], watch: Watch = QUIET) -> float:
    """DISTS of two (H, W, 3) pictures at their own size (Ding et al. 2020). Raises WeightsError, Cancelled.

    Its authors scale pictures to 256 pixels first; codecs are compared without that.
    """
    network, (alpha, beta) = _trunk("vgg"), _dists_weights()
    strides = (1, *network.layout.strides)
    moments: list[Tensor | None] = [None] * len(strides)
    counts = [0] * len(strides)
    with torch.inference_mode():
        for tile in _watched(tiles(a.shape[0], a.shape[1], CORE["vgg"]), watch):
            x, y = tile.cut(a), tile.cut(b)
            pairs = zip(
                [x, *_reference.features(network, x)], [y, *network.features(y, l2_pool)], strict=True
            )
            for at, maps in enumerate(pairs):
                f, g = (tile.own(m, strides[at]) for m in maps)
                found = _moments(f, g)
                known = moments[at]
                moments[at] = found if known is None else known + found
                counts[at] += f.shape[2] * f.shape[3]
        similar = torch.zeros((), dtype=torch.float64)
        for sums, count, w_mean, w_structure in zip(moments, counts, alpha, beta, strict=True):
            assert sums is not None
            mean_x, mean_y, xx, yy, xy = sums / count
            var_x, var_y = xx - mean_x.square(), yy - mean_y.square()
            texture = (2 * mean_x * mean_y + 1e-6) / (mean_x.square() + mean_y.square() + 1e-6)
            structure = (2 * (xy - mean_x * mean_y) + 1e-6) / (var_x + var_y + 1e-6)
            similar += (w_mean * texture).sum() + (w_structure * structure).sum()
    return max(0.0, 1 - float(similar))


class _Reference:
    """DISTS's maps of the picture that several are compared with, for whom it is worth their memory."""

    def __init__(self) -> None:
        self.most = 0  # bytes kept
        self._known: tuple[Tensor, list[Tensor]] | None = None

    def features(self, network: Trunk, x: Tensor) -> list[Tensor]:
        """The maps of x, which nobody may change, made anew unless it is what was asked for last."""
        known = self._known
        if known is not None and torch.equal(known[0], x):
            return known[1]
        self._known = None
        maps = network.features(x, l2_pool)
        if sum(m.numel() * m.element_size() for m in maps) <= self.most:
            self._known = (x, maps)
        return maps


_reference = _Reference()


def keep_reference(most: int = 256 << 20) -> None:
    """From now on keep the maps of DISTS's first picture between calls where they take up to `most` bytes.

    It halves the time for one picture against many, as in an evaluation; 0 forgets them.
    """
    _reference.most = most
    if not most:
        _reference._known = None


def l2_pool(x: Tensor) -> Tensor:
    """Root of the Hann-weighted mean of squares, 3x3 with step 2 (Ding et al. 2020, eq. 3).

    The window (1, 2, 1) / 4 is that of two means of neighbours, far quicker than a depthwise convolution.
    """
    squares = functional.pad(x.square(), (1, 1, 1, 1))
    return (functional.avg_pool2d(functional.avg_pool2d(squares, 2, 1), 2, 2) + 1e-12).sqrt_()


def _moments(f: Tensor, g: Tensor) -> Tensor:
    """Sums of f, g, f^2, g^2 and fg over the cells, (5, C) in float64."""
    parts = (f, g, f.square, g.square, lambda: f * g)  # products are made one at a time: maps are large
    sums = [(p if isinstance(p, Tensor) else p()).sum(dim=(0, 2, 3), dtype=torch.float64) for p in parts]
    return torch.stack(sums)


def _made_unit(features: Tensor) -> Tensor:
    """Unit length over the channels, in place."""
    return features.div_(torch.linalg.vector_norm(features, dim=1, keepdim=True).add_(1e-10))


def _watched(parts: list[Tile], watch: Watch) -> Iterator[Tile]:
    for at, part in enumerate(parts):
        watch.step("measuring", at / len(parts))
        yield part


@lru_cache(maxsize=2)
def _cached_trunk(name: TrunkName) -> Trunk:
    return trunk(name).to(memory_format=torch.channels_last)


def _trunk(name: TrunkName) -> Trunk:
    with _loading:
        return _cached_trunk(name)


@lru_cache(maxsize=1)
def _dists_weights() -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """DISTS's alpha and beta for the picture and the five maps, (C_l,) float64; all of them sum to 1."""
    path = data_file("DISTS_pytorch", "weights.pt")
    if path is None:
        raise WeightsError(
            "the weights of DISTS are not installed: run make setup, or pip install DISTS-pytorch==0.1"
        )
    stored = torch.load(path, map_location="cpu", weights_only=True)
    alpha, beta = (stored[key].detach().flatten().double() for key in ("alpha", "beta"))
    total = alpha.sum() + beta.sum()
    widths = [3, *(stage[-1].outputs for stage in _trunk("vgg").layout.stages)]
    return (alpha / total).split(widths), (beta / total).split(widths)
