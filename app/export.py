"""How does what is seen become a file? The crop in view, in the picture's own pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from app.kinds import Kind, coloured
from app.lanes import FILES
from models.errors import OutputError
from models.picture import Picture

if TYPE_CHECKING:
    from app.worker import Bench

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
    """Write a crop of one picture, of two divided at a column, or of two beside each other -> the path.

    `at`: the picture column where the second picture begins; None puts both crops beside each other.
    `gain`, `kind`: for differences, in whose colours the pixels are written.
    """

    path: Path
    crop: Crop
    digests: tuple[str, ...]
    at: int | None = None
    gain: int = 1
    kind: Kind = Kind.ABSOLUTE
    lane: ClassVar[str] = FILES

    def run(self, bench: Bench) -> Path:
        """Raises OutputError for an unwritable place or an empty crop."""
        if self.crop.empty:
            raise OutputError("nothing of the picture is in view: move it back into the window first")
        box = np.s_[self.crop.top : self.crop.bottom, self.crop.left : self.crop.right]
        crops = [bench.picture(digest).pixels[box] for digest in self.digests]
        if len(crops) == 1:
            made = crops[0]
        elif self.at is None:
            gap = np.full((crops[0].shape[0], GAP, 3), 255, np.uint8)
            made = np.concatenate([crops[0], gap, crops[1]], axis=1)
        else:
            column = min(max(self.at - self.crop.left, 0), crops[0].shape[1])
            made = np.concatenate([crops[0][:, :column], crops[1][:, column:]], axis=1)
        if self.gain > 1 or self.kind is not Kind.ABSOLUTE:
            made = coloured(made, self.kind, self.gain)
        Picture(np.ascontiguousarray(made)).save(self.path)
        return self.path
