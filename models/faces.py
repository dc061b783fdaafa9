"""Where are the faces in a picture, which of them are small, and which pixels do they cover?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.detectors import DETECTORS, detector
from models.errors import WeightsError
from models.packages import data_file
from models.picture import Picture

DEFAULT = DETECTORS[0].name
SCORE = DETECTORS[0].score
OVERLAP = 0.3  # intersection over union from which the weaker of two boxes goes
INSIDE = 0.7  # share of the smaller of two boxes inside the other from which the weaker goes
WORK_PIXELS = 2_000_000  # what the network sees at most: larger pictures are reduced to it
ENLARGEMENT = 2.0  # of smaller pictures, for faces under 20 pixels
COARSE_SIDE = 480  # longer side of a second look, for faces that fill the picture

# Small is what a codec has few cells of 16 pixels for, and what does not fill the picture: six cells, and
# a fifth of the shorter side, which are the same for the smallest pictures HFLIC is trained on (480).
SMALL_SIDE = 96.0
SMALL_SHARE = 0.2

Shape = Literal["ellipse", "box"]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Face:
    """box: left, top, right, bottom in pixels, inside the picture; score: 0..1; landmarks: eyes, nose and
    corners of the mouth as (x, y) pixels; small: whether it counts as small, see `is_small`.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: tuple[tuple[float, float], ...]
    small: bool


def missing(name: str = DEFAULT, weights: Path | None = None) -> str:
    """Why a detector cannot be used here and what to do, "" where it can."""
    if data_file("cv2", "__init__.py") is None:
        return "the package OpenCV is missing: run make setup, or pip install opencv-python-headless"
    return detector(name).missing(weights)


def detect(
    picture: Picture, score: float | None = None, name: str = DEFAULT, weights: Path | None = None
) -> list[Face]:
    """The faces of a picture, most certain first; `score` is the lowest one that counts, 0..1.

    name: of the detector, see models.detectors; weights: its file, where it is not the usual one.
    Raises WeightsError where the detector is not installed, CodecError for an unknown one.
    """
    if reason := missing(name, weights):
        raise WeightsError(reason)
    finder = detector(name)
    least = finder.score if score is None else score
    scales = working_scales(picture.width, picture.height)
    looks = [finder.look(picture.pixels, scale, least, weights) for scale in scales]
    boxes = np.concatenate([look.boxes for look in looks])
    scores = np.concatenate([look.scores for look in looks])
    landmarks = np.concatenate([look.landmarks for look in looks])
    boxes[:, 0::2] = (boxes[:, 0::2] * picture.width).clip(0, picture.width)
    boxes[:, 1::2] = (boxes[:, 1::2] * picture.height).clip(0, picture.height)
    landmarks *= (picture.width, picture.height)
    faces = []
    for at in suppress(boxes, scores):
        left, top, right, bottom = (float(v) for v in boxes[at])
        if right - left < 1 or bottom - top < 1:
            continue
        box = (left, top, right, bottom)
        points = tuple((float(x), float(y)) for x, y in landmarks[at])
        faces.append(Face(box, float(scores[at]), points, is_small(box, picture.width, picture.height)))
    return faces


def is_small(box: tuple[float, float, float, float], width: int, height: int) -> bool:
    """Whether a face's longer side is under SMALL_SIDE pixels and SMALL_SHARE of the shorter side."""
    side = max(box[2] - box[0], box[3] - box[1])
    return side < min(SMALL_SIDE, SMALL_SHARE * min(width, height))


def mask(
    size: tuple[int, int], faces: Sequence[Face], feather: float = 0.0, shape: Shape = "ellipse"
) -> Floats:
    """What faces cover, (height, width) of `size` = (width, height), 0..1: their boxes or ellipses in them.

    feather: share of the radius over which it fades out beyond its edge; 0 gives zeros and ones, as training
    takes it.
    """
    width, height = size
    covered = np.zeros((height, width), np.float32)
    for face in faces:
        left, top, right, bottom = face.box
        reach_x, reach_y = ((b - a) / 2 * (1 + feather) for a, b in ((left, right), (top, bottom)))
        x0, y0 = (left + right) / 2, (top + bottom) / 2
        columns = slice(max(math.floor(x0 - reach_x), 0), max(math.ceil(x0 + reach_x), 0))
        rows = slice(max(math.floor(y0 - reach_y), 0), max(math.ceil(y0 + reach_y), 0))
        part = covered[rows, columns]
        if not part.size:
            continue
        x = (np.arange(part.shape[1]) + columns.start + 0.5 - x0) / max((right - left) / 2, 1e-6)
        y = (np.arange(part.shape[0]) + rows.start + 0.5 - y0) / max((bottom - top) / 2, 1e-6)
        across, down = np.abs(x)[None, :], np.abs(y)[:, None]
        radius = np.hypot(across, down) if shape == "ellipse" else np.maximum(across, down)
        inside = (radius <= 1) if feather <= 0 else ((1 + feather - radius) / feather).clip(0, 1)
        np.maximum(part, inside, out=part)
    return covered


def working_scales(width: int, height: int) -> list[float]:
    """By how much a picture is enlarged or reduced for each look of the network at it."""
    fine = min(ENLARGEMENT, math.sqrt(WORK_PIXELS / (width * height)))
    coarse = COARSE_SIDE / max(width, height)
    return [fine, coarse] if coarse < 0.7 * fine else [fine]


def suppress(boxes: Floats, scores: Floats) -> list[int]:
    """Which of (N, 4) boxes stay, best score first: each takes away those OVERLAP and INSIDE name."""
    order = list(np.argsort(-scores, kind="stable"))
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    while order:
        best, rest = int(order[0]), np.array(order[1:], dtype=np.intp)
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = (high - low).clip(0).prod(axis=1)
        union = areas[best] + areas[rest] - shared
        smaller = np.minimum(areas[best], areas[rest])
        order = list(rest[(shared <= OVERLAP * union) & (shared <= INSIDE * smaller)])
    return kept
