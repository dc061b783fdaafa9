"""What can a codec process tell about where two pictures differ? Tasks as in `app.tasks`."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from app.kinds import ZERO
from app.lanes import LEARNED, PLAIN
from app.raster import Raster, from_picture
from models.metrics import LUMA
from models.picture import Picture

if TYPE_CHECKING:
    from app.worker import Bench
    from models.places import Box, Place

COUNT = 5  # places proposed
_KEPT = 4
_maps: OrderedDict[tuple[str, str], NDArray[np.float32]] = OrderedDict()  # of this process


@dataclass(frozen=True)
class SignedDifference:
    """How much brighter the left picture is -> Raster, grey, ZERO for equal; beyond 127 it is cut."""

    left: str
    right: str
    lane: ClassVar[str] = PLAIN

    def run(self, bench: Bench) -> Raster:
        """Raises nothing for people: the sizes are equal by construction."""
        weights = np.array(LUMA, np.float32)
        left, right = bench.picture(self.left).pixels, bench.picture(self.right).pixels
        grey = np.empty(left.shape[:2], np.uint8)
        for top in range(0, left.shape[0], 256):  # a large picture in floats would need much memory
            rows = np.s_[top : top + 256]
            brighter = (left[rows].astype(np.float32) - right[rows]) @ weights
            grey[rows] = ZERO + np.rint(brighter).clip(-127, 127)
        return _grey(grey)


@dataclass(frozen=True)
class PerceptualMap:
    """LPIPS of two pictures by place -> Raster, grey, 255 for 1."""

    left: str
    right: str
    lane: ClassVar[str] = LEARNED

    def run(self, bench: Bench) -> Raster:
        """Raises MetricAbsent for pictures too small, WeightsError where the network is not installed."""
        from PIL import Image

        cells = _map(bench, self.left, self.right)
        from models.spatial import CELL

        picture = bench.picture(self.left)
        bytes_ = Image.fromarray(np.rint(cells * 255).clip(0, 255).astype(np.uint8))
        box = (0, 0, picture.width / CELL, picture.height / CELL)
        whole = bytes_.resize((picture.width, picture.height), Image.Resampling.BILINEAR, box)
        return _grey(np.asarray(whole))


@dataclass(frozen=True)
class FindPlaces:
    """Where two pictures differ most to the eye -> tuple of models.places.Place, faces first."""

    left: str
    right: str
    faces: tuple[Box, ...] = ()
    lane: ClassVar[str] = LEARNED

    def run(self, bench: Bench) -> tuple[Place, ...]:
        """Raises MetricAbsent for pictures too small, WeightsError where the network is not installed."""
        from models.places import most_different
        from models.spatial import CELL

        cells = _map(bench, self.left, self.right)
        picture = bench.picture(self.left)
        return most_different(cells, CELL, picture.width, picture.height, COUNT, self.faces)


def _map(bench: Bench, left: str, right: str) -> NDArray[np.float32]:
    """The map of two pictures, once for both tasks that need it; it is the same both ways round."""
    from models.spatial import lpips_map

    pair = (min(left, right), max(left, right))
    if pair not in _maps:
        bench.watch.step("comparing", 0.0)
        _maps[pair] = lpips_map(bench.picture(left), bench.picture(right), bench.watch)
        while len(_maps) > _KEPT:
            _maps.popitem(last=False)
    _maps.move_to_end(pair)
    return _maps[pair]


def _grey(values: NDArray[np.uint8]) -> Raster:
    return from_picture(Picture(np.repeat(values[..., None], 3, axis=-1)))
