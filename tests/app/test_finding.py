"""Finding commands: which one a few letters mean, in which order, and why one is not possible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.action import Facts
from app.actions import ACTIONS, action
from app.finding import _UNFIT, find, fit, reason_against
from app.panels.palette import Palette
from app.session import Session
from app.viewport import Mode
from app.window import Window
from models.codec import Rate
from tests.app.conftest import shown
from tests.app.engines import InlineEngine

OPEN = Facts(picture=True, original=True)
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def ids(words: str, facts: Facts = OPEN, recent: tuple[str, ...] = ()) -> list[str]:
    return [found.action.id for found in find(words, facts, recent)]


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("swap", "swap"),
        ("sws", "swap"),
        ("diff", "difference"),
        ("sbs", "side"),
        ("zoom o", "zoom_out"),
        ("thd", "theme_dark"),
        ("0.15", "preset_0.15"),
        ("FIT", "fit"),
        ("  keys ", "shortcuts"),
    ],
)
def test_a_few_letters_find_the_command(words: str, first: str) -> None:
    assert ids(words)[0] == first


def test_letters_that_fit_nothing_find_nothing() -> None:
    assert ids("qqqzzz") == []


def test_a_word_of_the_explanation_finds_too_but_later() -> None:
    found = ids("spreadsheets")
    assert found == ["copy_numbers"]
    assert find("spreadsheets", OPEN)[0].hits == ()


def test_places_of_letters_are_told_and_starts_of_words_win() -> None:
    match = fit("sw", "Rows and sides, swap")
    assert match is not None
    assert match[1] == (16, 17)
    assert fit("ba", "ab") is None


def test_without_letters_recent_ones_come_first_then_the_table() -> None:
    listed = find("", OPEN, ("fit", "swap"))
    assert [found.action.id for found in listed[:2]] == ["fit", "swap"]
    assert [found.recent for found in listed[:3]] == [True, True, False]
    assert len(listed) == sum(not line.held for line in ACTIONS)


def test_impossible_ones_come_last_with_the_reason() -> None:
    listed = find("", Facts())
    first_grey = next(at for at, found in enumerate(listed) if found.reason)
    assert all(found.reason for found in listed[first_grey:])
    assert reason_against(action("swap"), Facts()) == "Open a picture first"
    assert reason_against(action("blind"), Facts()) == "Open a picture first"
    assert reason_against(action("faces"), Facts(picture=True)) == "Open the photo itself first"
    assert reason_against(action("blind"), OPEN) == "Wait until both sides are done"
    assert reason_against(action("undo"), OPEN) == "There is nothing to take back"
    assert reason_against(action("swap"), OPEN) == ""


@pytest.mark.parametrize("line", ACTIONS, ids=lambda line: line.id)
def test_every_action_that_is_not_possible_can_say_why(line: object) -> None:
    assert reason_against(line, Facts()) != _UNFIT  # type: ignore[arg-type]


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine) -> Iterator[Window]:
    with shown(qtbot, Session(inline, "webp", "jpeg", Rate(bpp=1.0))) as made:  # type: ignore[arg-type]
        made.activateWindow()
        made.canvas.setFocus()
        yield made


def palette(window: Window) -> Palette | None:
    found = [each for each in window.findChildren(Palette) if each.isVisible()]
    return found[0] if found else None


def test_a_command_is_run_with_the_keyboard_alone(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    window.commands.open_paths([photo()])
    qtbot.waitUntil(lambda: window.session.picture is not None and window.session.idle, timeout=20000)
    window.canvas.setFocus()
    qtbot.keyClick(window.canvas, Qt.Key.Key_K, CTRL)
    opened = palette(window)
    assert opened is not None
    assert opened.field.hasFocus()
    qtbot.keyClicks(opened.field, "side by")
    assert opened.current is not None
    assert opened.current.action.id == "side"
    qtbot.keyClick(opened.field, Qt.Key.Key_Return)
    assert palette(window) is None
    assert window.viewport.mode is Mode.SIDE
    assert window.settings.commands == ("side",)
    assert window.canvas.hasFocus()
    qtbot.keyClick(window.canvas, Qt.Key.Key_P, CTRL | SHIFT)
    again = palette(window)
    assert again is not None
    assert again.found[0].action.id == "side"
    qtbot.keyClick(again.field, Qt.Key.Key_Down)
    assert again.list.currentIndex().row() == 1
    qtbot.keyClick(again.field, Qt.Key.Key_Up)
    qtbot.keyClick(again.field, Qt.Key.Key_Up)
    assert again.list.currentIndex().row() == len(again.found) - 1
    qtbot.keyClick(again.field, Qt.Key.Key_Escape)
    assert palette(window) is None


def test_a_resting_mouse_marks_no_line(qtbot: QtBot, window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines move below it while somebody types."""
    at = [QPoint(50, 50)]
    monkeypatch.setattr(QCursor, "pos", lambda: at[0])
    qtbot.keyClick(window.canvas, Qt.Key.Key_K, CTRL)
    opened = palette(window)
    assert opened is not None
    third = opened.list.model().index(2, 0)
    opened.list.entered.emit(third)
    assert opened.list.currentIndex().row() == 0
    at[0] = QPoint(50, 60)
    opened.list.entered.emit(third)
    assert opened.list.currentIndex().row() == 2


def test_an_impossible_command_stays_and_says_why(qtbot: QtBot, window: Window) -> None:
    opened = window.working.find_command()
    qtbot.keyClicks(opened.field, "swap")
    assert opened.current is not None
    assert opened.current.reason == "Open a picture first"
    qtbot.keyClick(opened.field, Qt.Key.Key_Return)
    assert palette(window) is opened
    assert "Open a picture first" in opened.list.model().index(0, 0).data()


def test_letters_typed_there_are_no_keys_of_the_window(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    window.commands.open_paths([photo()])
    qtbot.waitUntil(lambda: window.session.picture is not None and window.session.idle, timeout=20000)
    before = [window.session.choice(side).codec for side in window.inspector.sides]
    opened = window.working.find_command()
    qtbot.keyClicks(opened.field, "x d 1 qqq")
    assert opened.field.text() == "x d 1 qqq"
    assert [window.session.choice(side).codec for side in window.inspector.sides] == before
    assert window.viewport.mode is Mode.SPLIT
    assert "Nothing fits" in opened.list.model().index(0, 0).data()
    opened.grab()  # the line without a command is drawn


def test_a_press_beside_it_closes_it(qtbot: QtBot, window: Window) -> None:
    opened = window.working.find_command()
    opened.grab()
    QApplication.processEvents()
    qtbot.mouseClick(window.status, Qt.MouseButton.LeftButton, pos=QPoint(5, 5))
    assert palette(window) is None


def test_in_a_low_window_the_list_of_commands_scrolls(window: Window) -> None:
    window.resize(window.minimumSizeHint())
    opened = window.working.find_command()
    assert window.rect().contains(opened.geometry())
    assert opened.list.verticalScrollBar().maximum() > 0
    opened.hide()
