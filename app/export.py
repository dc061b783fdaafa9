"""How does what is seen become a file? The crop in view, in the picture's own pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from app.kinds import Kind, coloured
from app.lanes import FILES
from models.errors import OutputError
from models.picture import Picture

if TYPE_CHECKING:
    from app.worker import Bench

Pixels = NDArray[np.uint8]  # (H, W, 3)
GAP = 8  # white pixels between crops that lie beside each other


@dataclass(frozen=True)
class Crop:
    """A rectangle of picture pixels: left, top, right and bottom, the last two excluded."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.right <= self.left or self.bottom <= self.top


@dataclass(frozen=True)
class ExportCrop:
    """Write a crop of one picture, of two divided by a line, or of several beside each other -> the path.

    `at`: the picture column where the second picture begins, or with `across` the row; None puts all crops
    beside each other. `gain`, `kind`: for differences, in whose colours the pixels are written.
    """

    path: Path
    crop: Crop
    digests: tuple[str, ...]
    at: int | None = None
    gain: int = 1
    kind: Kind = Kind.ABSOLUTE
    across: bool = False
    lane: ClassVar[str] = FILES

    def run(self, bench: Bench) -> Path:
        """Raises OutputError for an unwritable place or an empty crop."""
        if self.crop.empty:
            raise OutputError("nothing of the picture is in view: move it back into the window first")
        box = np.s_[self.crop.top : self.crop.bottom, self.crop.left : self.crop.right]
        crops = [bench.picture(digest).pixels[box] for digest in self.digests]
        made = _beside(crops) if self.at is None else self._divided(crops[0], crops[1], self.at)
        if self.gain > 1 or self.kind is not Kind.ABSOLUTE:
            made = coloured(made, self.kind, self.gain)
        Picture(np.ascontiguousarray(made)).save(self.path)
        return self.path

    def _divided(self, first: Pixels, second: Pixels, at: int) -> Pixels:
        """The first crop up to the line, the second from there on."""
        if self.across:
            row = max(at - self.crop.top, 0)
            return np.concatenate([first[:row], second[row:]], axis=0)
        column = max(at - self.crop.left, 0)
        return np.concatenate([first[:, :column], second[:, column:]], axis=1)


def _beside(crops: list[Pixels]) -> Pixels:
    """All crops in a row, with a gap between neighbours."""
    gap = np.full((crops[0].shape[0], GAP, 3), 255, np.uint8)
    parts = [crops[0]]
    for crop in crops[1:]:
        parts += [gap, crop]
    return np.concatenate(parts, axis=1)
