"""Which places of two pictures should a person look at? Those where a map of their difference is highest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SMALLEST, LARGEST = 48, 192  # pixels a side of a proposed place
_SHARE = 6  # a place is a sixth of the shorter side
_FACE_ROOM = 1.3  # a face with a little of what is around it
_OTHERS = 2  # places kept for what is no face, whatever the number of faces
_FAINT = 0.05  # of the highest score: less is not worth a look

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


@dataclass(frozen=True)
class Place:
    """A box in pixels, the mean of the map in it, and whether it is there for a face."""

    x: int
    y: int
    width: int
    height: int
    score: float
    face: bool = False

    def meets(self, other: Place) -> bool:
        """Whether both share a pixel."""
        across = self.x < other.x + other.width and other.x < self.x + self.width
        return across and self.y < other.y + other.height and other.y < self.y + self.height


def side_for(width: int, height: int) -> int:
    """The side of a proposed place in a picture of this size, in pixels."""
    shorter = min(width, height)
    return min(max(shorter // _SHARE // 8 * 8, SMALLEST), LARGEST, shorter)


def most_different(
    disagreement: NDArray[np.float32],
    cell: int,
    width: int,
    height: int,
    count: int = 5,
    faces: Sequence[Box] = (),
) -> tuple[Place, ...]:
    """Up to `count` places that share no pixel: faces first, then the others, each by falling score.

    disagreement: not negative, one value for each `cell` x `cell` pixels of a `width` x `height` picture.
    Where both pictures are alike nothing is proposed.
    """
    side = side_for(width, height)
    sums = _sums(disagreement)
    found: list[Place] = []
    for place in sorted(_around(faces, side, width, height, sums, cell), key=lambda p: -p.score):
        if len(found) < max(count - _OTHERS, 1) and place.score > 0 and not any(map(place.meets, found)):
            found.append(place)
    cells = max(side // cell, 1)
    means = _means(sums, cells)
    for place in found:
        _rule_out(means, place, cells, cell)
    faint = max(float(means.max()), *(place.score for place in found), 0.0) * _FAINT
    while len(found) < count:
        row, column = np.unravel_index(int(means.argmax()), means.shape)
        score = float(means[row, column])
        if score <= faint:
            break
        x, y = min(int(column) * cell, width - side), min(int(row) * cell, height - side)
        place = Place(x, y, side, side, score)
        _rule_out(means, place, cells, cell)
        if not any(map(place.meets, found)):  # moved in from the border it may
            found.append(place)
    return tuple(found)


def _around(
    faces: Sequence[Box], side: int, width: int, height: int, sums: NDArray[np.float64], cell: int
) -> list[Place]:
    made = []
    for left, top, right, bottom in faces:
        wanted = max(side, round(max(right - left, bottom - top) * _FACE_ROOM))
        across = min(wanted, width, height)
        x = min(max(round((left + right - across) / 2), 0), width - across)
        y = min(max(round((top + bottom - across) / 2), 0), height - across)
        made.append(Place(x, y, across, across, _mean(sums, x, y, across, cell), face=True))
    return made


def _sums(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """(H + 1, W + 1): the sum of all values above and to the left."""
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    np.cumsum(np.cumsum(values, axis=0, dtype=np.float64), axis=1, out=sums[1:, 1:])
    return sums


def _means(sums: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
    """The mean of every square of `cells` cells a side, by its first cell. Never below 0."""
    down, across = (min(cells, count - 1) for count in sums.shape)
    whole = sums[down:, across:] - sums[:-down, across:] - sums[down:, :-across] + sums[:-down, :-across]
    means = np.asarray(whole / (down * across), np.float64)
    means[means < 1e-9 * max(float(sums[-1, -1]), 1.0)] = 0.0
    return means


def _mean(sums: NDArray[np.float64], x: int, y: int, side: int, cell: int) -> float:
    left, top = x // cell, y // cell
    right, bottom = max((x + side) // cell, left + 1), max((y + side) // cell, top + 1)
    total = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return float(total) / ((right - left) * (bottom - top))


def _rule_out(means: NDArray[np.float64], place: Place, cells: int, cell: int) -> None:
    """No other place may meet this one."""
    top, left = max(place.y // cell - cells, 0), max(place.x // cell - cells, 0)
    means[top : (place.y + place.height) // cell + 1, left : (place.x + place.width) // cell + 1] = -1.0
