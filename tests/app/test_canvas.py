"""The canvas: what is painted where, pixel by pixel, and what the mouse does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QImage, QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.canvas import Canvas, Label
from app.raster import Raster, from_picture
from app.viewport import Mode, Viewport
from models.picture import Picture
from tests.app.conftest import scene

WIDE, HIGH = 400, 300


def flat(colour: tuple[int, int, int], width: int = 100, height: int = 80) -> Raster:
    return from_picture(Picture(np.full((height, width, 3), colour, np.uint8)))


@pytest.fixture
def canvas(qtbot: QtBot) -> Iterator[Canvas]:
    made = Canvas(Viewport())
    qtbot.addWidget(made)
    made.setMinimumSize(1, 1)
    made.resize(WIDE, HIGH)
    made.surround = QColor(10, 20, 30)
    made.set_chrome(False)
    made.show()
    yield made


def load(canvas: Canvas, left: Raster, right: Raster, original: Raster | None = None) -> None:
    canvas.show_raster("left", left)
    canvas.show_raster("right", right)
    canvas.show_raster("original", original)
    canvas.viewport.set_picture(left.width, left.height)


def painted(canvas: Canvas) -> np.ndarray:
    """What paintEvent draws: (H, W, 3) red, green, blue."""
    image = QImage(canvas.size(), QImage.Format.Format_RGB32)
    canvas.render(image)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows.reshape(image.height(), -1, 4)[:, : image.width(), 2::-1].copy()


def picture_at(canvas: Canvas, at: QPointF) -> QPointF:
    frame = QRectF(QPointF(), QSizeF(canvas.size()))
    return canvas.viewport.to_picture(at, frame)


def wheel(canvas: Canvas, at: QPoint, steps: float) -> None:
    event = QWheelEvent(
        QPointF(at), QPointF(canvas.mapToGlobal(at)), QPoint(), QPoint(0, round(120 * steps)),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(canvas, event)


def test_split_shows_left_and_right_of_the_line(canvas: Canvas) -> None:
    red, blue = flat((200, 30, 30), WIDE, HIGH), flat((30, 30, 200), WIDE, HIGH)
    load(canvas, red, blue)
    canvas.viewport.set_split(0.25)
    seen = painted(canvas)
    assert (seen[:, : WIDE // 4 - 3] == (200, 30, 30)).all()
    assert (seen[:, WIDE // 4 + 3 :] == (30, 30, 200)).all()


def test_at_100_percent_every_pixel_is_the_picture_s_own(canvas: Canvas) -> None:
    pixels = scene(120, 90)
    raster = from_picture(Picture(pixels))
    load(canvas, raster, raster)
    canvas.viewport.show_side(right=False)
    canvas.viewport.zoom_to(1.0)
    seen = painted(canvas)
    top, left = (HIGH - 90) // 2, (WIDE - 120) // 2
    np.testing.assert_array_equal(seen[top : top + 90, left : left + 120], pixels)
    assert (seen[0, 0] == (10, 20, 30)).all()


def test_above_100_percent_pixels_are_squares(canvas: Canvas) -> None:
    pixels = scene(40, 30)
    raster = from_picture(Picture(pixels))
    load(canvas, raster, raster)
    canvas.viewport.show_side(right=True)
    canvas.viewport.zoom_to(4.0)
    seen = painted(canvas)
    top, left = (HIGH - 120) // 2, (WIDE - 160) // 2
    np.testing.assert_array_equal(
        seen[top : top + 120, left : left + 160], pixels.repeat(4, axis=0).repeat(4, axis=1)
    )


def test_far_below_100_percent_texture_is_averaged_not_aliased(canvas: Canvas) -> None:
    board = np.indices((1600, 1600)).sum(axis=0) % 2 * 255
    raster = from_picture(Picture(np.repeat(board[..., None], 3, axis=2).astype(np.uint8)))
    load(canvas, raster, raster)
    canvas.viewport.show_side(right=False)
    for scale in (1 / 8, 1 / 7, 0.11):
        canvas.viewport.zoom_to(scale)
        middle = painted(canvas)[HIGH // 2 - 50 : HIGH // 2 + 50, WIDE // 2 - 50 : WIDE // 2 + 50]
        assert np.abs(middle.astype(int) - 128).max() <= 2, scale


def test_both_sides_are_drawn_at_the_same_place(canvas: Canvas) -> None:
    """The same picture on both sides shows no seam, wherever the line and the view are."""
    raster = from_picture(Picture(scene(640, 480)))
    load(canvas, raster, raster)
    for scale, centre in (
        (1.0, (320, 240)),
        (0.37, (300.3, 222.2)),
        (3.3, (100.7, 90.1)),
        (0.9, (311.5, 240)),
    ):
        canvas.viewport.zoom_to(scale)
        canvas.viewport.look_at(QPointF(*centre))
        canvas.viewport.show_side(right=False)
        whole = painted(canvas).astype(int)
        canvas.viewport.set_mode(Mode.SPLIT)
        canvas.viewport.set_split(0.5)
        split = painted(canvas).astype(int)
        away = np.abs(np.arange(WIDE) - WIDE // 2) > 3
        assert np.abs(whole - split)[:, away].max() <= 1, scale


def test_side_by_side_shows_the_same_place_twice(canvas: Canvas) -> None:
    raster = from_picture(Picture(scene(640, 480)))
    load(canvas, raster, raster)
    canvas.viewport.set_mode(Mode.SIDE)
    canvas.viewport.zoom_to(2.0)
    seen = painted(canvas)
    np.testing.assert_array_equal(seen[:, 3 : WIDE // 2 - 3], seen[:, WIDE // 2 + 3 : -3])


def test_difference_is_amplified_by_the_gain(canvas: Canvas) -> None:
    load(canvas, flat((0, 0, 0)), flat((0, 0, 0)))
    canvas.show_raster("difference", flat((5, 20, 0)))
    canvas.viewport.set_mode(Mode.DIFFERENCE)
    for gain in (1, 4, 16):
        canvas.viewport.set_gain(gain)
        assert tuple(painted(canvas)[HIGH // 2, WIDE // 2]) == (5 * gain, min(20 * gain, 255), 0)


def test_holding_shows_the_original_in_every_mode(canvas: Canvas) -> None:
    load(canvas, flat((200, 0, 0)), flat((0, 0, 200)), flat((0, 200, 0)))
    for mode in Mode:
        canvas.viewport.set_mode(mode)
        canvas.viewport.hold_original(True)
        quarter = painted(canvas)[HIGH // 2, [WIDE // 4 + 25, WIDE // 2 + 40, 3 * WIDE // 4 - 25]]
        middle = [1] if mode is not Mode.SIDE else [0, 2]
        assert (quarter[middle] == (0, 200, 0)).all(), mode
        canvas.viewport.hold_original(False)


def test_a_missing_side_leaves_its_room_to_the_other(canvas: Canvas) -> None:
    canvas.show_raster("left", flat((200, 0, 0), WIDE, HIGH))
    canvas.viewport.set_picture(WIDE, HIGH)
    assert (painted(canvas) == (200, 0, 0)).all()


def test_labels_stand_in_the_corners_and_leave_the_middle_free(canvas: Canvas) -> None:
    canvas.resize(700, 400)
    load(canvas, flat((90, 90, 90), 700, 400), flat((90, 90, 90), 700, 400))
    bare = painted(canvas)
    canvas.show_label("left", Label("A  HFLIC", "0.250 bpp"))
    canvas.show_label("right", Label("B  JPEG", "0.253 bpp"))
    canvas.viewport.set_split(0.5)
    canvas.set_chrome(True)
    changed = np.abs(painted(canvas).astype(int) - bare).max(axis=2) > 0
    changed[:, 350 - 20 : 350 + 20] = False  # the line and its handle
    assert np.nonzero(changed)[0].max() < 80
    assert changed[:, :300].any()
    assert changed[:, 400:].any()
    assert not changed[:, 200:500].any()


def test_a_title_too_wide_for_its_column_is_cut_and_stays_in_it(canvas: Canvas) -> None:
    grey = flat((90, 90, 90), 400, 400)
    load(canvas, grey, grey)
    canvas.show_raster("third", grey)
    canvas.viewport.set_extra(("third",))
    canvas.viewport.set_mode(Mode.SIDE)
    canvas.set_chrome(True)
    bare = painted(canvas)
    for which, letter in (("left", "A"), ("right", "B"), ("third", "C")):
        canvas.show_label(which, Label(f"{letter}  {'HFLIC (MSE) ' * 4}", "0.250 bpp"))
        changed = np.abs(painted(canvas).astype(int) - bare).max(axis=2) > 0
        begin, end = {"left": (0, 133), "right": (133, 267), "third": (267, 400)}[which]
        assert changed[:, begin:end].any(), which
        assert not changed[:, :begin].any() and not changed[:, end:].any(), which
        canvas.show_label(which, Label())


def test_dragging_near_the_line_moves_it(canvas: Canvas, qtbot: QtBot) -> None:
    load(canvas, flat((200, 0, 0)), flat((0, 0, 200)))
    canvas.viewport.set_split(0.5)
    before = QPointF(canvas.viewport.centre)
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(WIDE // 2 + 4, 50))
    qtbot.mouseMove(canvas, QPoint(WIDE // 4, 50))
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(WIDE // 4, 50))
    assert canvas.viewport.split == pytest.approx(0.25)
    assert canvas.viewport.centre == before


def test_dragging_elsewhere_moves_the_picture_with_the_cursor(canvas: Canvas, qtbot: QtBot) -> None:
    raster = from_picture(Picture(scene(800, 600)))
    load(canvas, raster, raster)
    canvas.viewport.zoom_to(1.0)
    under = picture_at(canvas, QPointF(80, 60))
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(80, 60))
    qtbot.mouseMove(canvas, QPoint(120, 95))
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(120, 95))
    assert picture_at(canvas, QPointF(120, 95)) == under
    assert canvas.viewport.split == 0.5


@pytest.mark.parametrize("steps", [1, -1, 3, -2])
def test_wheel_keeps_the_point_under_the_cursor(canvas: Canvas, steps: int) -> None:
    raster = from_picture(Picture(scene(800, 600)))
    load(canvas, raster, raster)
    at = QPoint(130, 200)
    scale = canvas.viewport.scale
    under = picture_at(canvas, QPointF(at))
    wheel(canvas, at, steps)
    now = picture_at(canvas, QPointF(at))
    assert (canvas.viewport.scale > scale) == (steps > 0)
    assert now.x() == pytest.approx(under.x(), abs=0.01)
    assert now.y() == pytest.approx(under.y(), abs=0.01)


def test_zooming_passes_through_exactly_100_percent(canvas: Canvas) -> None:
    raster = from_picture(Picture(scene(1777, 1333)))
    load(canvas, raster, raster)
    scales = []
    for _ in range(12):
        wheel(canvas, QPoint(200, 150), 1)
        scales.append(canvas.viewport.scale)
    assert 1.0 in scales


@pytest.mark.parametrize("turn", [1 / 120, 2 / 120, 8 / 120, 0.5])
@pytest.mark.parametrize("way", [1, -1])
def test_a_fine_wheel_stops_at_100_percent_and_goes_on(canvas: Canvas, turn: float, way: int) -> None:
    raster = from_picture(Picture(scene(1777, 1333)))
    load(canvas, raster, raster)
    canvas.viewport.zoom_to(0.99 if way > 0 else 1.01)
    scales = [canvas.viewport.scale]
    for _ in range(20):
        wheel(canvas, QPoint(200, 150), way * turn)
        scales.append(canvas.viewport.scale)
    assert scales.count(1.0) == 1
    assert sorted(scales, reverse=way < 0) == scales
    assert len(set(scales)) == len(scales)
    assert abs(scales[-1] - 1) > 0.02


def test_zoom_and_centre_survive_every_mode_and_result(canvas: Canvas) -> None:
    raster = from_picture(Picture(scene(800, 600)))
    load(canvas, raster, raster)
    canvas.viewport.zoom_to(2.5)
    canvas.viewport.look_at(QPointF(333, 222))
    for mode in (*Mode, Mode.SPLIT):
        canvas.viewport.set_mode(mode)
        canvas.show_raster("right", from_picture(Picture(scene(800, 600, 3))))
        canvas.viewport.set_picture(800, 600)
        assert canvas.viewport.scale == 2.5
        assert canvas.viewport.centre == QPointF(333, 222)


def test_fit_follows_the_window_until_someone_zooms(canvas: Canvas) -> None:
    raster = from_picture(Picture(scene(800, 600)))
    load(canvas, raster, raster)
    assert canvas.viewport.scale == pytest.approx(0.5)
    canvas.resize(200, 150)
    assert canvas.viewport.scale == pytest.approx(0.25)
    canvas.viewport.zoom_to(2.0)
    canvas.resize(WIDE, HIGH)
    assert canvas.viewport.scale == 2.0


def test_double_click_goes_between_fit_and_100_percent(canvas: Canvas, qtbot: QtBot) -> None:
    raster = from_picture(Picture(scene(800, 600)))
    load(canvas, raster, raster)
    qtbot.mouseDClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(50, 50))
    assert canvas.viewport.scale == 1.0
    qtbot.mouseDClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(50, 50))
    assert canvas.viewport.fitted
    canvas.viewport.set_split(0.3)
    qtbot.mouseDClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(round(0.3 * WIDE), 50))
    assert canvas.viewport.split == 0.5


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (500, 1), (3, 7)])
def test_tiny_pictures_are_drawn(canvas: Canvas, size: tuple[int, int]) -> None:
    raster = flat((200, 0, 0), *size)
    load(canvas, raster, raster)
    canvas.viewport.show_side(right=False)
    assert (painted(canvas) == (200, 0, 0)).all(axis=2).any()


def test_hover_tells_the_picture_pixel(canvas: Canvas, qtbot: QtBot) -> None:
    raster = flat((1, 2, 3), WIDE, HIGH)
    load(canvas, raster, raster)
    with qtbot.waitSignal(canvas.hovered) as told:
        qtbot.mouseMove(canvas, QPoint(33, 44))
    assert told.args == [QPoint(33, 44)]
    assert raster.colour_at(33, 44) == (1, 2, 3)
    assert raster.colour_at(-1, 0) is None
