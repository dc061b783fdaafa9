"""How many of the faces that people marked does a detector find, by their size?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import PictureError
from models.faces import DEFAULT, Face, detect, is_small
from models.picture import Picture
from models.watch import QUIET, Watch

OVERLAP = 0.4  # intersection over union from which a box is the face
SIZES = (0.0, 16.0, 24.0, 32.0, 48.0, 64.0, 96.0, 128.0, 256.0)  # longer sides in pixels where classes begin

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Found:
    """A marked face. side: its longer one in pixels; small: as HFLIC means it; found: by the detector."""

    image: str
    side: float
    small: bool
    found: bool


@dataclass(frozen=True)
class Recall:
    """All marked faces, and the boxes that are none of them: `others` by picture, with their scores."""

    faces: tuple[Found, ...]
    others: dict[str, tuple[float, ...]]

    @property
    def false(self) -> int:
        """Boxes where nobody marked a face."""
        return sum(map(len, self.others.values()))

    def classes(self) -> list[tuple[float, float | None, list[Found]]]:
        """Faces by side: lowest, highest (None: no limit) and the faces; empty classes are left out."""
        made = []
        for low, high in zip(SIZES, (*SIZES[1:], None), strict=True):
            faces = [f for f in self.faces if f.side >= low and (high is None or f.side < high)]
            if faces:
                made.append((low, high, faces))
        return made


def read_boxes(path: Path) -> dict[str, list[Box]]:
    """Pictures' names and their boxes: JSON, {"boxes": {"a.jpg": [[left, top, right, bottom], ...]}}.

    Raises PictureError where it is something else.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PictureError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise PictureError(f"{path} is no JSON ({error})") from error
    marked = told.get("boxes") if isinstance(told, dict) else None
    if not isinstance(marked, dict) or not marked:
        raise PictureError(f'{path} names no boxes: it must be {{"boxes": {{"a.jpg": [[l, t, r, b], ...]}}}}')
    for name, boxes in marked.items():
        if not isinstance(boxes, list):
            raise PictureError(f"{path}: {name} has no list of boxes")
    return {name: [_box(path, name, box) for box in boxes] for name, boxes in marked.items()}


def _box(path: Path, name: str, box: Any) -> Box:
    try:
        left, top, right, bottom = (float(value) for value in box)
    except (TypeError, ValueError):
        raise PictureError(f"{path}: {name} has a box that is not four numbers: {box}") from None
    if right <= left or bottom <= top:
        raise PictureError(f"{path}: {name} has a box without pixels: {box}")
    return left, top, right, bottom


def recall(
    folder: Path,
    boxes: dict[str, list[Box]],
    score: float | None = None,
    name: str = DEFAULT,
    weights: Path | None = None,
    watch: Watch = QUIET,
) -> Recall:
    """Look for faces in every picture that has an entry, none marked included, and compare.

    Raises PictureError for a picture that is not there or damaged, WeightsError, CodecError, Cancelled.
    """
    faces: list[Found] = []
    others: dict[str, tuple[float, ...]] = {}
    for index, (image, marked) in enumerate(boxes.items()):
        watch.step(image, index / len(boxes))
        picture = Picture.open(folder / image)
        found = detect(picture, score, name, weights)
        pairs = matched(marked, found)
        for at, box in enumerate(marked):
            small = is_small(box, picture.width, picture.height)
            faces.append(Found(image, max(box[2] - box[0], box[3] - box[1]), small, at in pairs))
        rest = tuple(f.score for at, f in enumerate(found) if at not in pairs.values())
        if rest:
            others[image] = rest
    watch.step("done", 1.0)
    return Recall(tuple(faces), others)


def matched(marked: Sequence[Box], found: Sequence[Face]) -> dict[int, int]:
    """Which marked box is which found one: the nearest pairs first, each box once, from OVERLAP on."""
    near = [(overlap(m, f.box), i, j) for i, m in enumerate(marked) for j, f in enumerate(found)]
    pairs: dict[int, int] = {}
    for shared, i, j in sorted(near, reverse=True):
        if shared >= OVERLAP and i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union
