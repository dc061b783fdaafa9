"""Where do two pictures look different? LPIPS as a map over the picture instead of one number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.metrics import MetricAbsent
from models.perceptual import distances
from models.picture import Picture
from models.trunks import LAYOUTS, TrunkName
from models.watch import QUIET, Watch

CELL = 4  # pixels a side of a cell of the map: the finest that AlexNet sees

Map = NDArray[np.float32]


def lpips_map(a: Picture, b: Picture, watch: Watch = QUIET, name: TrunkName = "alex") -> Map:
    """LPIPS v0.1 by place (Zhang et al. 2018): (ceil(H / CELL), ceil(W / CELL)), 0 where both look alike.

    Each cell is the sum of the five maps' distances there, put where the middle of their receptive fields
    is; the mean over the picture is LPIPS but for the borders. Raises MetricAbsent for a picture too small,
    WeightsError, Cancelled. The pictures must be of one size.
    """
    smallest = LAYOUTS[name].smallest
    if min(a.width, a.height) < smallest:
        raise MetricAbsent(f"The perceptual map needs {smallest} pixels a side, the picture is smaller.")
    rows: list[list[list[Map]]] = []  # by tile row, by map, by tile column
    for tile, maps in distances(name, a.pixels, b.pixels, watch):
        if tile.low[1] == 0:
            rows.append([[] for _ in maps])
        for at, distance in enumerate(maps):
            rows[-1][at].append(distance.numpy())
    size = (-(-a.height // CELL), -(-a.width // CELL))
    total = np.zeros(size, np.float32)
    for at, (first, step) in enumerate(_places(name)):
        whole = np.concatenate([np.concatenate(row[at], axis=1) for row in rows], axis=0)
        total += _spread(whole, first, step, size)
    return total


def _places(name: TrunkName) -> list[tuple[float, int]]:
    """Each map's first cell's middle and the step between cells, in pixels from the picture's edge."""
    layout, first, step, found = LAYOUTS[name], 0.5, 1, []
    for stage, pooled in zip(layout.stages, layout.pooled, strict=True):
        if pooled:
            first, step = first + (layout.window - 1) / 2 * step, step * 2
        for layer in stage:
            first += ((layer.kernel - 1) / 2 - layer.padding) * step
            step *= layer.stride
        found.append((first, step))
    return found


def _spread(cells: Map, first: float, step: int, size: tuple[int, int]) -> Map:
    """Interpolate a map linearly at the middles of the cells of CELL pixels; the borders are continued."""
    for axis, count in enumerate(size):
        at = (((np.arange(count) + 0.5) * CELL - first) / step).clip(0, cells.shape[axis] - 1)
        low = np.floor(at).astype(np.intp)
        high = np.minimum(low + 1, cells.shape[axis] - 1)
        share = (at - low).astype(np.float32).reshape((-1, 1) if axis == 0 else (1, -1))
        cells = cells.take(low, axis) * (1 - share) + cells.take(high, axis) * share
    return cells
