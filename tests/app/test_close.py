"""Looking closely: the magnifier, the grid and numbers over large pixels, the legend of a difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.canvas import Canvas
from app.kinds import ZERO, Kind, colours
from app.layers import Layer
from app.legend import Legend
from app.loupe import REACH, TIMES, Loupe
from app.pixel_grid import GRID_FROM, VALUES_FROM, PixelGrid, values_text
from app.raster import Raster, from_picture
from app.session import Session
from app.viewport import Viewport
from app.window import Window
from models.codec import Rate
from models.picture import Picture
from tests.app.conftest import scene, shown
from tests.app.engines import InlineEngine

WIDE, HIGH = 600, 400


def raster(width: int = 100, height: int = 80, seed: int = 0) -> Raster:
    return from_picture(Picture(scene(width, height, seed)))


@pytest.fixture
def canvas(qtbot: QtBot) -> Iterator[Canvas]:
    made = Canvas(Viewport())
    qtbot.addWidget(made)
    made.setMinimumSize(1, 1)
    made.resize(WIDE, HIGH)
    made.show()
    for which, seed in (("left", 0), ("right", 1), ("original", 2)):
        made.show_raster(which, raster(seed=seed))
    made.viewport.set_picture(100, 80)
    yield made


def painted(canvas: Canvas, chrome: bool = True) -> np.ndarray:
    """What is drawn: (H, W, 3) red, green, blue."""
    image = canvas.render_view(labels=chrome)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows.reshape(image.height(), image.width(), 4)[..., 2::-1].copy()


def changed(canvas: Canvas, layer: Layer) -> np.ndarray:
    """Where a layer draws."""
    canvas.layers.remove(layer)
    without = painted(canvas)
    canvas.layers.append(layer)
    return (painted(canvas) != without).any(axis=-1)


def move(qtbot: QtBot, canvas: Canvas, at: QPoint) -> None:
    """Move the cursor there; a move to where it is already would be none."""
    qtbot.mouseMove(canvas, canvas.rect().center() + QPoint(7, 5))
    qtbot.mouseMove(canvas, at)


# The magnifier


def test_the_magnifier_shows_both_sides_pixels_as_squares(qtbot: QtBot, canvas: Canvas) -> None:
    loupe = Loupe(canvas)
    canvas.viewport.zoom_to(2.0)
    move(qtbot, canvas, QPoint(320, 190))
    assert loupe.squares() == {}
    loupe.set_shown(True)
    seen, squares = painted(canvas), loupe.squares()
    assert squares["A"].right() < 320  # beside the cursor, not over it
    point = canvas.viewport.to_picture(QPointF(320, 190), canvas.frame_at(QPointF(320, 190)))
    x, y = int(point.x()), int(point.y())
    for letter, which in (("A", "left"), ("B", "right")):
        shown_raster = canvas.raster(which)
        assert shown_raster is not None
        for across, down in ((-5, 3), (4, -4), (7, 7)):
            left = int(squares[letter].left()) + (across + REACH) * TIMES
            top = int(squares[letter].top()) + (down + REACH) * TIMES
            assert (
                seen[top : top + TIMES, left : left + TIMES] == shown_raster.colour_at(x + across, y + down)
            ).all()


def test_it_stays_in_the_canvas_and_goes_with_the_cursor(qtbot: QtBot, canvas: Canvas) -> None:
    loupe = Loupe(canvas)
    loupe.set_shown(True)
    for corner in ((3, 3), (WIDE - 3, 3), (3, HIGH - 3), (WIDE - 3, HIGH - 3)):
        move(qtbot, canvas, QPoint(*corner))
        where = np.argwhere(changed(canvas, canvas.layers[-1]))
        assert np.ptp(where[:, 0]) > (2 * REACH + 1) * TIMES
        assert np.ptp(where[:, 1]) > 2 * (2 * REACH + 1) * TIMES
    QApplication.sendEvent(canvas, QEvent(QEvent.Type.Leave))
    assert not changed(canvas, canvas.layers[-1]).any()


# The grid


def test_lines_begin_at_sixteen_and_divide_pixels(canvas: Canvas) -> None:
    grid = PixelGrid(canvas)
    canvas.layers.append(grid)
    view = canvas.viewport
    view.show_side(right=False)
    view.zoom_to(GRID_FROM / 1.2)
    view.look_at(QPointF(50, 40))
    assert not changed(canvas, grid).any()
    view.zoom_to(GRID_FROM)
    drawn = changed(canvas, grid)
    columns = np.flatnonzero(drawn.mean(axis=0) > 0.9)
    first = view.to_widget(QPointF(50, 40), QRectF(QPointF(), QSizeF(WIDE, HIGH))).x()
    assert {int(column - first) % 16 for column in columns} == {15, 0}  # the last and first of each pixel
    inside = drawn[:, np.setdiff1d(np.arange(WIDE), columns)]
    assert inside.mean() < 0.2
    grid.shown = False
    assert not changed(canvas, grid).any()


def test_values_stand_in_the_pixels_of_both_sides(canvas: Canvas) -> None:
    grid = PixelGrid(canvas)
    canvas.layers.append(grid)
    view = canvas.viewport
    view.zoom_to(GRID_FROM * 1.5)
    view.look_at(QPointF(50, 40))
    lines = changed(canvas, grid).mean()
    view.zoom_to(VALUES_FROM * 1.5)
    numbers = changed(canvas, grid)
    assert numbers[:, : WIDE // 2 - 2].mean() > lines
    assert numbers[:, WIDE // 2 + 2 :].mean() > lines
    assert not (painted(canvas, chrome=False) != painted(canvas, chrome=False)).any()


@pytest.mark.parametrize("scale", [32.0, 45.25, 64.0])
def test_equal_pixels_have_equal_numbers_and_others_not(canvas: Canvas, scale: float) -> None:
    pixels = np.full((20, 20, 3), 40, np.uint8)
    pixels[10, 10] = (141, 40, 40)
    for which in ("left", "right"):
        canvas.show_raster(which, from_picture(Picture(pixels)))
    canvas.viewport.set_picture(20, 20)
    canvas.viewport.show_side(right=False)
    grid = PixelGrid(canvas)
    canvas.layers.append(grid)
    canvas.viewport.zoom_to(scale)
    canvas.viewport.look_at(QPointF(10, 10))
    seen = painted(canvas)
    frame = QRectF(QPointF(), QSizeF(WIDE, HIGH))

    def cell(x: int, y: int) -> np.ndarray:
        corner = canvas.viewport.to_widget(QPointF(x, y), frame)
        left, top = int(np.ceil(corner.x())) + 2, int(np.ceil(corner.y())) + 2
        return seen[top : top + int(scale) - 5, left : left + int(scale) - 5].astype(int)

    grey = cell(8, 9)
    assert (grey.max(axis=(0, 1)) > 200).all()  # white numbers on a dark pixel
    if scale == int(scale):
        assert (cell(9, 8) == grey).all()
    top = slice(0, int(scale) // 3)
    assert (cell(10, 10)[top, :, 1:] != grey[top, :, 1:]).any()  # another red: another first line
    if scale == int(scale):
        assert (cell(10, 10)[top.stop + 2 :, :, 1:] == grey[top.stop + 2 :, :, 1:]).all()


def test_a_difference_is_told_in_its_own_terms() -> None:
    grey = np.zeros((2, 3, 3), np.uint8)
    grey[0] = [[ZERO - 3] * 3, [ZERO] * 3, [ZERO + 12] * 3]
    made = from_picture(Picture(grey))
    assert [values_text(made, x, 0, Kind.SIGNED) for x in range(3)] == ["\N{MINUS SIGN}3", "0", "+12"]
    assert values_text(made, 1, 0, Kind.PERCEPTUAL) == ".50"
    assert values_text(made, 2, 0, Kind.ABSOLUTE) == "140 140 140"
    assert values_text(made, 3, 0, Kind.ABSOLUTE) == ""


# The legend


@pytest.mark.parametrize("kind", list(Kind))
def test_the_legend_has_the_colours_of_the_scale(canvas: Canvas, kind: Kind) -> None:
    legend = Legend(canvas)
    canvas.layers.append(legend)
    assert not changed(canvas, legend).any()
    canvas.viewport.set_kind(kind)
    assert not changed(canvas, legend).any()  # nothing to explain yet
    canvas.show_raster("difference", from_picture(Picture(np.zeros((80, 100, 3), np.uint8))))
    where = np.argwhere(changed(canvas, legend))
    assert where[:, 0].min() > HIGH / 2
    assert where[:, 1].max() < WIDE / 2
    seen = painted(canvas).reshape(-1, 3)
    table = colours(kind, canvas.viewport.gain)
    for byte in (100, 160, 200) if kind is Kind.PERCEPTUAL else (ZERO + 20,):
        assert (abs(seen.astype(int) - table[byte]).max(axis=1) <= 4).any()


# In the window


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine, photo: Callable[..., Path]) -> Iterator[Window]:
    session = Session(inline, "original", "jpeg", Rate(bpp=1.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        made.commands.open_paths([photo("photo.png", 160, 120)])
        qtbot.waitUntil(lambda: session.picture is not None and session.idle, timeout=20000)
        yield made


def test_m_takes_the_magnifier_up_and_puts_it_away(qtbot: QtBot, window: Window) -> None:
    def seen() -> QImage:
        return window.canvas.grab().toImage()

    move(qtbot, window.canvas, window.canvas.rect().center())
    before = seen()
    qtbot.keyClick(window.canvas, Qt.Key.Key_M)
    assert window.actions_by_id["loupe"].isChecked()
    assert seen() != before
    qtbot.keyClick(window.canvas, Qt.Key.Key_M)
    assert not window.actions_by_id["loupe"].isChecked()
    assert seen() == before


def test_the_grid_is_on_until_it_is_switched_off(qtbot: QtBot, window: Window) -> None:
    assert window.actions_by_id["grid"].isChecked()
    window.viewport.zoom_to(32.0)
    with_grid = window.canvas.grab().toImage()
    window.actions_by_id["grid"].trigger()
    assert not window.actions_by_id["grid"].isChecked()
    assert window.canvas.grab().toImage() != with_grid


def test_hidden_chrome_hides_the_layers(qtbot: QtBot, window: Window) -> None:
    window.viewport.zoom_to(32.0)
    window.canvas.setFocus()
    qtbot.keyClick(window.canvas, Qt.Key.Key_Tab)
    assert window.looking.strip.isHidden()
    assert not window.canvas.chrome
    plain = window.canvas.render_view()
    drawn = QImage(window.canvas.size(), QImage.Format.Format_RGB32)
    painter = QPainter(drawn)
    window.canvas.render(painter, QPoint())
    painter.end()
    assert drawn == plain
