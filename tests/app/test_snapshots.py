"""The canvas as it was looked at once: stored pictures of fixed size for every mode.

HFLIC_SNAPSHOTS=update pytest tests/app/test_snapshots.py writes them anew; look at them before committing.
No letters are drawn: fonts differ between machines.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPointF, QSizeF
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QApplication

from app import theme
from app.canvas import Canvas
from app.kinds import Kind
from app.marks import Box
from app.pixel_grid import PixelGrid
from app.raster import from_picture
from app.viewport import Mode, Viewport
from models.picture import Picture
from tests.app.conftest import scene

FOLDER = Path(__file__).parent / "snapshots"
SIZE = (320, 200)
SAME = 0.995  # of the pixels within a level: rasterisers round differently at edges

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="stored on Linux")


def _grid(canvas: Canvas) -> None:
    canvas.layers.append(PixelGrid(canvas))
    canvas.viewport.zoom_to(20.0)


def _small(canvas: Canvas) -> None:
    canvas.viewport.set_split(0.6)
    canvas.viewport.zoom_to(0.37)


def _box(canvas: Canvas) -> None:
    canvas.show_boxes((Box(20, 10, 60, 40, True), Box(50, 30, 90, 60, False)))


STATES: dict[str, Callable[[Canvas], object]] = {
    "split": lambda canvas: canvas.viewport.set_split(0.3),
    "split-across": lambda canvas: canvas.viewport.set_line(0.7, across=True),
    "split-small": _small,
    "side": lambda canvas: canvas.viewport.set_mode(Mode.SIDE),
    "right": lambda canvas: canvas.viewport.show_side(right=True),
    "held": lambda canvas: (canvas.viewport.hold_original(True), canvas.set_chrome(False)),
    "absolute": lambda canvas: canvas.viewport.set_kind(Kind.ABSOLUTE),
    "zoomed": lambda canvas: (canvas.viewport.zoom_to(5.0), canvas.viewport.look_at(QPointF(70, 30))),
    "grid": _grid,
    "boxes": _box,
}


@pytest.mark.parametrize("name", STATES)
def test_the_canvas_looks_as_it_did(qapp: QApplication, name: str) -> None:
    theme.apply(qapp, "light")
    canvas = Canvas(Viewport())
    canvas.resize(*SIZE)
    canvas.viewport.set_canvas(QSizeF(*SIZE), 1.0)
    pixels = [scene(96, 64, seed) for seed in range(3)]
    pixels[1] = np.roll(pixels[1], 9, axis=1)  # the sides differ in more than noise
    for which, each in zip(("original", "left", "right"), pixels, strict=True):
        canvas.show_raster(which, from_picture(Picture(each)))
    apart = np.maximum(pixels[1], pixels[2]) - np.minimum(pixels[1], pixels[2])
    canvas.show_raster("difference", from_picture(Picture(apart)))
    canvas.viewport.set_picture(96, 64)
    STATES[name](canvas)
    seen = _drawn(canvas)
    path = FOLDER / f"{name}.png"
    if os.environ.get("HFLIC_SNAPSHOTS") == "update":
        FOLDER.mkdir(exist_ok=True)
        Image.fromarray(seen).save(path, optimize=True)
    stored = np.asarray(Image.open(path).convert("RGB"), int)
    assert stored.shape == seen.shape
    near = np.abs(stored - seen).max(axis=2) <= 1
    assert near.mean() >= SAME, f"{1 - near.mean():.1%} of the pixels differ from {path}"


def _drawn(canvas: Canvas) -> np.ndarray:
    """(H, W, 3): with boxes, lines and handle; labels have no words here."""
    image = QImage(*SIZE, QImage.Format.Format_RGB888)
    painter = QPainter(image)
    canvas.render(painter, canvas.rect().topLeft())
    painter.end()
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(SIZE[1], image.bytesPerLine())
    return rows[:, : SIZE[0] * 3].reshape(SIZE[1], SIZE[0], 3).copy()


def test_a_change_of_the_drawing_is_noticed(qapp: QApplication) -> None:
    """Two of the stored pictures are never taken for one another."""
    stored = {name: np.asarray(Image.open(FOLDER / f"{name}.png").convert("RGB"), int) for name in STATES}
    for one in STATES:
        for other in STATES:
            if one < other:
                near = np.abs(stored[one] - stored[other]).max(axis=2) <= 1
                assert near.mean() < SAME, f"{one} and {other}"
