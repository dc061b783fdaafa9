"""What nobody expected: one dialog from any thread, and libraries loaded beforehand."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QDialog, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.log import catch_faults
from app.panels.faults import FaultTeller
from app.preload import Preloader
from app.session import Session
from tests.app.engines import HandEngine


@pytest.fixture
def window(qtbot: QtBot) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def caught(window: QWidget) -> Iterator[None]:
    hooks = sys.excepthook, threading.excepthook
    undo = catch_faults(FaultTeller(window).tell)
    yield
    undo()
    assert (sys.excepthook, threading.excepthook) == hooks


def dialogs(window: QWidget) -> list[QDialog]:
    return [each for each in window.findChildren(QDialog) if each.isVisible()]


def fail(words: str) -> None:
    try:
        raise KeyError(words)
    except KeyError as error:
        sys.excepthook(type(error), error, error.__traceback__)


def test_many_faults_open_one_dialog(window: QWidget, caught: None) -> None:
    for number in range(3):
        fail(f"bug {number}")
    (dialog,) = dialogs(window)
    assert any("bug 0" in label.text() for label in dialog.findChildren(QLabel))
    assert dialog.windowTitle() == "Details (2 more faults in the log)"
    dialog.close()
    fail("another")
    (again,) = dialogs(window)
    assert again.windowTitle() == "Details"
    defaults = [button.text() for button in again.findChildren(QPushButton) if button.isDefault()]
    assert [text.replace("&", "") for text in defaults] == ["Close"]  # not Copy, which Return would do unseen
    again.close()


def test_a_fault_in_a_thread_is_shown_by_the_interface_thread(
    qtbot: QtBot, window: QWidget, caught: None
) -> None:
    def work() -> None:
        raise ValueError("in a thread")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert dialogs(window) == []  # not from over there
    qtbot.waitUntil(lambda: len(dialogs(window)) == 1)
    (dialog,) = dialogs(window)
    assert dialog.thread() is window.thread()
    assert any("in a thread" in label.text() for label in dialog.findChildren(QLabel))
    dialog.close()


def test_a_library_is_loaded_once_when_the_first_work_is_done(
    qapp: object, hand: HandEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, bool]] = []

    def load(name: str) -> None:
        asked.append((name, threading.current_thread() is threading.main_thread()))

    monkeypatch.setattr("app.preload.importlib.import_module", load)
    session = Session(hand, "webp", "jpeg")  # type: ignore[arg-type]
    preloader = Preloader(session, parent=session)
    session.start()
    assert asked == []
    hand.all_usable()
    session.settled.emit()
    preloader.wait()
    assert asked == [("pyqtgraph", False)]


def test_a_library_that_does_not_load_beforehand_is_no_fault(qapp: object, hand: HandEngine) -> None:
    session = Session(hand, "webp", "jpeg")  # type: ignore[arg-type]
    preloader = Preloader(session, "no_such_library", session)
    session.settled.emit()
    preloader.wait()
    assert preloader.thread_of is not None
    assert not preloader.thread_of.is_alive()
