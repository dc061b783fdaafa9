"""Where the small faces of training photographs are: found once, kept with data and runs, cut like crops."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.errors import OutputError
from models.files import write_file
from models.picture import Picture
from models.training.data import Photographs, Place

log = logging.getLogger(__name__)

CACHE = "small-faces.json"
SAVE_EVERY = 20  # newly searched photographs; a killed run searches at most these again

Box = tuple[float, float, float, float]


def detect_small(pixels: NDArray[np.uint8]) -> list[Box]:
    """Boxes x0, y0, x1, y1 in pixels of the small faces of (H, W, 3) pixels, by `models.faces`."""
    from models.faces import detect

    return [face.box for face in detect(Picture(np.ascontiguousarray(pixels))) if face.small]


def ellipses(boxes: Sequence[Box], side: int) -> NDArray[np.float32]:
    """(side, side), 1 inside the ellipse of any box, 0 elsewhere: a hard mask, as HFLIC's is."""
    centres = np.arange(side) + 0.5
    mask = np.zeros((side, side), dtype=bool)
    for x0, y0, x1, y1 in boxes:
        across = (centres - (x0 + x1) / 2) / max((x1 - x0) / 2, 1e-6)
        down = (centres - (y0 + y1) / 2) / max((y1 - y0) / 2, 1e-6)
        mask |= across[None, :] ** 2 + down[:, None] ** 2 <= 1
    return mask.astype(np.float32)


def in_crop(box: Box, place: Place, side: int) -> Box:
    """A box of a photograph in the pixels of the crop cut at `place` and scaled to `side`."""
    scale = side / place.size
    left, right = (box[0] - place.left) * scale, (box[2] - place.left) * scale
    if place.mirrored:
        left, right = side - right, side - left
    return left, (box[1] - place.top) * scale, right, (box[3] - place.top) * scale


class SmallFaces:
    """The small faces of photographs by number, searched when first asked for.

    What is found is kept beside the photographs and, where given, in the folder `runs` too: the data may be
    read-only, or fetched anew.
    """

    def __init__(
        self,
        photographs: Photographs,
        *,
        runs: Path | None = None,
        detect: Callable[[NDArray[np.uint8]], list[Box]] = detect_small,
    ) -> None:
        self._photographs = photographs
        self._detect = detect
        self._files = [folder / CACHE for folder in (runs, photographs.folder) if folder is not None]
        self._known: dict[str, list[Box]] = {}
        for file in self._files:
            self._known |= self._load(file)
        self._unsaved = 0

    @staticmethod
    def _load(file: Path) -> dict[str, list[Box]]:
        try:
            stored = json.loads(file.read_text(encoding="utf-8"))
            return {key: [(x0, y0, x1, y1) for x0, y0, x1, y1 in boxes] for key, boxes in stored.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.warning("%s cannot be read, the faces are searched again: %s", file, error)
            return {}

    def save(self) -> None:
        """Write what is known; a folder that cannot be written only costs the search next time."""
        for file in self._files:
            self._known = self._load(file) | self._known  # another process keeps what it finds there too
            try:
                write_file(file, json.dumps(self._known).encode())
            except OutputError as error:
                log.warning("the faces found are not kept: %s", error)
        self._unsaved = 0

    def boxes(self, photo: int) -> list[Box]:
        """The small faces of a photograph."""
        path = self._photographs.paths[photo]
        key = f"{path.relative_to(self._photographs.folder).as_posix()}:{path.stat().st_size}"
        if key not in self._known:
            pixels = self._photographs.photo(photo)
            self._known[key] = self._detect(pixels) if pixels is not None else []
            self._unsaved += 1
            if self._unsaved >= SAVE_EVERY or len(self._known) >= len(self._photographs.paths):
                self.save()
        return self._known[key]

    def masks(self, places: Sequence[Place], side: int) -> Tensor:
        """(B, 1, side, side) for the crops cut at `places`."""
        cut = [
            ellipses([in_crop(box, place, side) for box in self.boxes(place.photo)], side) for place in places
        ]
        return torch.from_numpy(np.stack(cut)[:, None])
