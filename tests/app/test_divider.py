"""The split line across: A above, B below, dragged up and down."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.canvas import Canvas, Label
from app.viewport import Mode
from tests.app.test_canvas import HIGH, WIDE, canvas, flat, load, painted

__all__ = ["canvas"]


def turned(canvas: Canvas) -> Canvas:
    load(canvas, flat((200, 0, 0), WIDE, HIGH), flat((0, 0, 200), WIDE, HIGH))
    canvas.viewport.turn_split()
    return canvas


def test_turned_the_line_divides_above_from_below(canvas: Canvas) -> None:
    turned(canvas).viewport.set_split(0.25)
    pixels = painted(canvas)
    line = round(HIGH * 0.25)
    assert (pixels[: line - 2] == (200, 0, 0)).all()
    assert (pixels[line + 3 :] == (0, 0, 200)).all()
    assert (pixels[line] == 255).all()
    canvas.viewport.turn_split()
    assert (painted(canvas)[:, 3 * WIDE // 4] == (0, 0, 200)).all()


def test_turning_chooses_the_split_mode(canvas: Canvas) -> None:
    canvas.viewport.set_mode(Mode.SIDE)
    turned(canvas)
    assert canvas.viewport.mode is Mode.SPLIT


def test_the_turned_line_is_dragged_up_and_down(canvas: Canvas, qtbot: QtBot) -> None:
    turned(canvas)
    qtbot.mouseMove(canvas, QPoint(50, HIGH // 2 + 3))
    assert canvas.cursor().shape() is Qt.CursorShape.SplitVCursor
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(50, HIGH // 2 + 4))
    qtbot.mouseMove(canvas, QPoint(90, HIGH // 4))
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(90, HIGH // 4))
    assert canvas.viewport.split == pytest.approx(0.25)
    QTest.keyClick(canvas, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert canvas.viewport.split == pytest.approx(0.27)


def test_labels_of_a_turned_split_stand_at_the_top_of_their_parts(canvas: Canvas) -> None:
    canvas.resize(500, 400)
    load(canvas, flat((90, 90, 90), 500, 400), flat((90, 90, 90), 500, 400))
    canvas.viewport.turn_split()
    bare = painted(canvas)
    canvas.show_label("left", Label("A  HFLIC", "0.250 bpp"))
    canvas.show_label("right", Label("B  JPEG", "0.253 bpp"))
    canvas.set_chrome(True)
    changed = np.abs(painted(canvas).astype(int) - bare).max(axis=2) > 0
    changed[180:220] = False  # the line and its handle
    rows = np.nonzero(changed.any(axis=1))[0]
    assert {*rows[rows < 200] // 100, *rows[rows > 200] // 100} == {0, 2}
    assert not changed[:, 250:].any()
    canvas.viewport.set_split(0.97)  # no room for B: its label would stand in A's part or outside
    left = np.abs(painted(canvas).astype(int) - bare).max(axis=2) > 0
    left[195:205] = False  # where the line was before
    assert not left[80:370].any()
