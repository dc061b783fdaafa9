"""The faces' card: numbers of both sides inside and outside the mask, and every face cut out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.face_numbers import MeasureFaces
from app.panels.face_card import CUT, MOST
from app.panels.metrics import BETTER
from app.session import Session
from app.state import Side
from app.tasks import FindFaces
from app.window import Window
from models.codec import Rate
from models.face_metrics import FaceMetrics, Part
from models.faces import Face
from tests.app.conftest import shown
from tests.app.engines import InlineEngine
from tests.app.test_faces import LARGE, SMALL, open_photo


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine) -> Iterator[Window]:
    inline.held = (FindFaces, MeasureFaces)
    session = Session(inline, "webp", "jpeg", Rate(bpp=1.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        yield made


def numbers(psnr: float, lpips: float | None, faces: int = 2) -> FaceMetrics:
    part = Part(psnr, lpips)
    return FaceMetrics(part, Part(psnr - 5, lpips), (part,) * faces)


def marked(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable, faces: tuple[Face, ...]
) -> None:
    open_photo(qtbot, window, photo())
    qtbot.keyClick(window.canvas, Qt.Key.Key_F)
    inline.answer(FindFaces, faces)


def cells(window: Window, side: Side) -> list[str]:
    card = window.inspector.faces
    return [card.cells[at, side].text() for at in range(4)]


def test_nothing_is_measured_before_faces_are_wanted_and_found(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable
) -> None:
    open_photo(qtbot, window, photo())
    assert window.inspector.faces.isHidden()
    qtbot.keyClick(window.canvas, Qt.Key.Key_F)
    assert not inline.tasks(MeasureFaces)
    inline.answer(FindFaces, ())
    assert not inline.tasks(MeasureFaces)
    assert window.inspector.faces.isHidden()


def test_both_sides_are_measured_and_the_better_one_is_marked(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable
) -> None:
    marked(qtbot, window, inline, photo, (LARGE, SMALL))
    card = window.inspector.faces
    assert not card.isHidden()
    assert [row.face for row in card.rows] == [SMALL, LARGE]  # the small ones first
    heads = [card._grid.itemAtPosition(0, column).widget().text() for column in (1, 2)]
    assert heads == ["A", "B"]
    waiting = inline.tasks(MeasureFaces)
    assert len(waiting) == 2
    assert {job.task.picture for job in waiting} == {
        view.raster.digest for side in Side if (view := window.session.view(side)).raster
    }
    assert cells(window, Side.LEFT) == ["\N{HORIZONTAL ELLIPSIS}"] * 4
    assert window.session.working
    by_side = {window.session.view(side).raster.digest: side for side in Side}  # type: ignore[union-attr]
    for job in waiting:
        side = by_side[job.task.picture]
        inline.finished.emit(job.id, numbers(*((30.0, 0.1) if side is Side.LEFT else (31.5, None))))
    assert cells(window, Side.LEFT) == ["30.00 dB", "25.00 dB", "0.1000", "0.1000"]
    dash = "\N{EN DASH}"
    assert cells(window, Side.RIGHT) == [f"{BETTER} 31.50 dB", f"{BETTER} 26.50 dB", dash, dash]
    assert not window.session.working
    assert "31.5 dB" in card.rows[0].accessibleName()
    qtbot.keyClick(window.canvas, Qt.Key.Key_F)
    assert card.isHidden()
    qtbot.keyClick(window.canvas, Qt.Key.Key_F)
    assert not card.isHidden()
    assert len(inline.tasks(MeasureFaces)) == 2  # known by now


def test_a_picture_one_comes_back_to_is_measured_in_its_own_faces(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable
) -> None:
    one, two = photo("one.png"), photo("two.png", seed=5)
    open_photo(qtbot, window, one)
    qtbot.keyClick(window.canvas, Qt.Key.Key_F)
    inline.answer(FindFaces, (SMALL,))
    open_photo(qtbot, window, two)  # before the numbers of the first are there
    inline.answer(FindFaces, (LARGE,))
    open_photo(qtbot, window, one)
    picture = window.session.picture
    assert picture is not None
    waiting = [job.task for job in inline.tasks(MeasureFaces)]
    assert {task.reference for task in waiting} == {picture.digest}
    assert [task.faces for task in waiting] == [(SMALL,), (SMALL,)]


def test_a_click_on_a_face_brings_it_to_the_middle(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable
) -> None:
    marked(qtbot, window, inline, photo, (SMALL,))
    (row,) = window.inspector.faces.rows
    qtbot.mouseClick(row, Qt.MouseButton.LeftButton)
    assert (window.viewport.centre.x(), window.viewport.centre.y()) == (30, 25)
    assert window.viewport.scale > 1


def test_a_row_shows_the_original_and_both_sides(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable
) -> None:
    marked(qtbot, window, inline, photo, (SMALL,))
    (row,) = window.inspector.faces.rows
    qtbot.waitUntil(lambda: row.height() > CUT)
    image = row.grab().toImage()
    picture = window.session.picture
    assert picture is not None
    middle = image.pixelColor(CUT // 2, CUT // 2)
    red, green, blue = picture.colour_at(30, 25) or (0, 0, 0)
    assert abs(middle.red() - red) + abs(middle.green() - green) + abs(middle.blue() - blue) < 90
    assert row.sizeHint().width() < window.inspector.width() - 40


def test_many_faces_are_counted_and_cancel_is_heard(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable
) -> None:
    faces = tuple(Face((8.0 * at, 5, 8.0 * at + 7, 14), 0.9, (), small=True) for at in range(MOST + 3))
    marked(qtbot, window, inline, photo, faces)
    card = window.inspector.faces
    assert len(card.rows) == MOST
    assert card.findChildren(type(card._more))[-1].text() == "and 3 more"
    window.session.cancel()
    assert not window.session.face_numbers.working
    assert card.cells[0, Side.LEFT].toolTip() == "The measurement was stopped."
    assert window.actions_by_id["retry"].isEnabled()
    window.show_faces(False)
    assert not window.session.face_numbers.failed  # nobody looks at faces: there is nothing to try again
    window.show_faces(True)
    window.session.retry()
    assert not window.actions_by_id["retry"].isEnabled()
    window.session.face_numbers.show(window.session.picture, [window.session.view(side) for side in Side])
    assert window.session.face_numbers.working
