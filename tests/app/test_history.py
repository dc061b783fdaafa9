"""Undo and redo: what is one step, what is none, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.columns import Column
from app.crops import Crop
from app.history import History
from app.kinds import Kind
from app.session import Session
from app.state import FILE, ORIGINAL, Choice, Side
from app.tasks import Compress, OpenCoded, OpenFile
from app.viewport import Mode, Viewport
from app.window import Window
from models.codec import CATALOGUE, Rate
from tests.app.conftest import shown
from tests.app.engines import HandEngine, InlineEngine
from tests.app.test_session import coded, raster

CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def session(qapp: object, hand: HandEngine) -> Iterator[Session]:
    made = Session(hand, "webp", "jpeg", Rate(bpp=0.5))  # type: ignore[arg-type]
    made.start()
    hand.all_usable()
    yield made
    made.close()


@pytest.fixture
def view() -> Viewport:
    return Viewport()


@pytest.fixture
def history(session: Session, view: Viewport, hand: HandEngine) -> Iterator[History]:
    made = History(session, view, session)
    session.open([Path("photo.png")])
    hand.answer(OpenFile, raster())
    view.set_picture(48, 32)
    made.end_turn()
    yield made
    made.stop()


def choices(session: Session) -> list[str]:
    return [session.choice(side).codec for side in Side]


def test_opening_a_picture_is_no_step(history: History) -> None:
    assert history.undo_name == ""
    history.undo()
    assert history.redo_name == ""


def test_a_codec_is_taken_back_and_chosen_again(session: Session, history: History) -> None:
    session.choose(Side.RIGHT, "avif")
    assert history.undo_name == "the codec"
    history.undo()
    assert choices(session) == ["webp", "jpeg"]
    assert not session.insisted(Side.RIGHT)  # nobody had asked for JPEG
    history.redo()
    assert choices(session) == ["webp", "avif"]
    assert session.insisted(Side.RIGHT)


def test_each_kind_of_change_is_a_step(session: Session, view: Viewport, history: History) -> None:
    session.choose(Side.LEFT, "jxl")
    history.end_turn()
    session.swap()
    history.end_turn()
    view.set_mode(Mode.SIDE)
    history.end_turn()
    session.set_rate(Side.LEFT, Rate(bpp=0.3))
    history.end_turn()
    session.set_locked(False)
    history.end_turn()
    view.zoom_to(3.0)
    names = []
    while history.undo_name:
        names.append(history.undo_name)
        history.undo()
    assert names == ["the zoom", "the lock", "the size", "the mode", "the swap", "the codec"]
    assert choices(session) == ["webp", "jpeg"]
    assert (session.rate, session.locked) == (Rate(bpp=0.5), True)
    assert view.mode is Mode.SPLIT
    assert view.fitted


def test_dragging_a_slider_and_panning_are_one_step_each(
    session: Session, view: Viewport, history: History
) -> None:
    for bpp in (0.51, 0.52, 0.6):
        session.set_rate(Side.LEFT, Rate(bpp=bpp), settle=True)
        history.end_turn()
    view.zoom_to(2.0)
    history.end_turn()
    for _ in range(5):
        view.pan(QPointF(1, 2))
        history.end_turn()
    history.undo()
    assert view.fitted
    assert history.undo_name == "the size"
    history.undo()
    assert {session.choice(side).rate for side in Side} == {Rate(bpp=0.5)}
    assert history.undo_name == ""


def test_after_a_pause_the_same_change_is_a_new_step(qtbot: QtBot, view: Viewport, history: History) -> None:
    view.zoom_to(2.0)
    qtbot.waitUntil(lambda: not history._pause.isActive(), timeout=5000)
    view.zoom_to(4.0)
    history.undo()
    assert view.scale == 2.0


def test_a_new_change_forgets_what_was_taken_back(session: Session, history: History) -> None:
    session.choose(Side.RIGHT, "avif")
    history.undo()
    session.choose(Side.RIGHT, "jxl")
    assert history.redo_name == ""


def test_a_codec_that_merely_stands_in_is_no_step(qapp: object, hand: HandEngine) -> None:
    session = Session(hand, "hflic", "jpeg")  # type: ignore[arg-type]
    history = History(session, Viewport(), session)
    session.start()
    hand.all_usable()
    reasons = {line.id: "no weights" if line.learned else "" for line in CATALOGUE}
    session.catalogue._learn(reasons)
    assert session.choice(Side.LEFT).codec != "hflic"
    assert history.undo_name == ""
    history.stop()


def test_steps_of_another_picture_s_view_are_passed_over(
    session: Session, view: Viewport, history: History, hand: HandEngine
) -> None:
    session.choose(Side.RIGHT, "avif")
    history.end_turn()
    view.zoom_to(5.0)
    history.end_turn()
    session.open([Path("other.png")])
    hand.answer(OpenFile, raster(64, 40, seed=3))
    view.set_picture(64, 40)
    history.end_turn()
    history.undo()
    assert choices(session) == ["webp", "jpeg"]
    assert view.fitted


def test_refinement_does_not_come_back_on_another_picture(
    session: Session, view: Viewport, history: History, hand: HandEngine
) -> None:
    for codec in ("hflic-mse", "hflic-mse~100"):
        session.choose(Side.LEFT, codec)
        history.end_turn()
    view.zoom_to(5.0)
    history.end_turn()
    session.open([Path("other.png")])
    hand.answer(OpenFile, raster(seed=3))
    history.end_turn()
    assert choices(session) == ["hflic-mse", "jpeg"]
    history.undo()
    assert choices(session) == ["webp", "jpeg"]
    history.redo()
    assert choices(session) == ["hflic-mse", "jpeg"]


def test_a_swap_with_an_opened_file_is_taken_back(
    session: Session, history: History, hand: HandEngine
) -> None:
    session.open([Path("a.webp")], Side.LEFT)
    hand.answer(OpenCoded, coded("webp"))
    history.end_turn()
    session.swap()
    assert choices(session) == ["jpeg", FILE]
    history.end_turn()
    history.undo()
    assert choices(session) == [FILE, "jpeg"]
    assert session.file(Side.LEFT) is not None
    history.undo()
    assert choices(session) == ["webp", "jpeg"]


def test_a_file_that_is_gone_does_not_come_back(session: Session) -> None:
    rate = Rate(bpp=0.5)
    sides = {Side.LEFT: (Choice(FILE, rate), True), Side.RIGHT: (Choice("jxl", rate), True)}
    session.restore(sides, rate, True)
    assert choices(session) == ["webp", "jxl"]


def test_boxes_come_back(session: Session, history: History) -> None:
    session.crops.add(4, 4, 16, 16, "eye")
    assert history.undo_name == "the boxes"
    history.undo()
    assert session.crops.all() == ()
    history.redo()
    assert [crop.name for crop in session.crops.all()] == ["eye"]


def test_a_box_taken_away_comes_back_selected_and_proposals_stay_proposals(
    session: Session, history: History
) -> None:
    crops = session.crops
    crops.propose([Crop("Place 1", 2, 2, 10, 10), Crop("Place 2", 20, 2, 10, 10)])
    history.end_turn()
    history._paused()
    crops.select("Place 2")
    history.end_turn()
    crops.remove("Place 2")
    history.end_turn()
    history._paused()
    crops.place("Place 1", 3, 3, 10, 10)
    assert not crops.proposed("Place 1")
    history.undo()
    assert crops.proposed("Place 1")
    history.undo()
    assert crops.selected == Crop("Place 2", 20, 2, 10, 10)
    history.undo()
    assert crops.all() == ()


def test_line_difference_and_columns_are_steps(session: Session, view: Viewport, history: History) -> None:
    view.set_split(0.2)
    history.end_turn()
    view.set_split(0.3)  # the same drag
    history.end_turn()
    view.turn_split()
    history.end_turn()
    view.set_mode(Mode.DIFFERENCE)
    history.end_turn()
    view.set_gain(8)
    history.end_turn()
    view.set_kind(Kind.SIGNED)
    history.end_turn()
    session.columns.choose(Column.THIRD, "webp")
    history.end_turn()
    session.columns.choose(Column.THIRD, ORIGINAL)
    names = []
    told: list[Kind] = []
    view.mode_changed.connect(lambda: told.append(view.kind))
    while history.undo_name:
        names.append(history.undo_name)
        history.undo()
    assert names == [
        "the columns", "the columns", "the kind of difference", "the amplification", "the mode",
        "the turn of the split line", "the split line",
    ]  # fmt: skip
    assert told[0] is Kind.ABSOLUTE  # whoever computes differences hears of it
    assert (view.split, view.across, view.kind, view.gain) == (0.5, False, Kind.ABSOLUTE, 4)
    assert session.columns.codec(Column.THIRD) == ""
    while history.redo_name:
        history.redo()
    assert (view.split, view.across, view.kind, view.gains) == (0.3, True, Kind.SIGNED, (8, 4, 1))
    assert session.columns.codec(Column.THIRD) == ORIGINAL


def test_taking_back_computes_nothing_again(session: Session, history: History, hand: HandEngine) -> None:
    hand.answer(Compress, coded("webp"), at=0)
    hand.answer(Compress, coded("jpeg"), at=1)
    session.choose(Side.RIGHT, "avif")
    hand.answer(Compress, coded("avif"))
    count = len([given for given in hand.given if isinstance(given.task, Compress)])
    history.undo()
    assert session.view(Side.RIGHT).coded is not None
    assert not session.view(Side.RIGHT).stale
    assert len([given for given in hand.given if isinstance(given.task, Compress)]) == count


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine) -> Iterator[Window]:
    made = Session(inline, "webp", "jpeg", Rate(bpp=1.0))  # type: ignore[arg-type]
    with shown(qtbot, made) as window:
        yield window


def test_keys_and_wheel_are_taken_back_in_the_window(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    window.commands.open_paths([photo("big.png", 400, 300)])
    qtbot.waitUntil(lambda: window.session.picture is not None and window.session.idle, timeout=20000)
    undo, redo = window.actions_by_id["undo"], window.actions_by_id["redo"]
    assert not undo.isEnabled()
    at = QPointF(window.canvas.rect().center())
    for _ in range(3):
        wheel = QWheelEvent(
            at, window.canvas.mapToGlobal(at), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(window.canvas, wheel)
    assert not window.viewport.fitted
    qtbot.keyClick(window.canvas, Qt.Key.Key_X)
    assert choices(window.session) == ["jpeg", "webp"]
    assert undo.isEnabled()
    qtbot.keyClick(window.canvas, Qt.Key.Key_Z, CTRL)
    assert choices(window.session) == ["webp", "jpeg"]
    qtbot.keyClick(window.canvas, Qt.Key.Key_Z, CTRL)
    assert window.viewport.fitted
    assert not undo.isEnabled()
    qtbot.keyClick(window.canvas, Qt.Key.Key_Z, CTRL | SHIFT)
    qtbot.keyClick(window.canvas, Qt.Key.Key_Z, CTRL | SHIFT)
    assert not redo.isEnabled()
    assert choices(window.session) == ["jpeg", "webp"]
