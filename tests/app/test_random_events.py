"""A monkey at the keyboard and the mouse: whatever it does, nothing breaks and nothing hangs.

`make soak` lets it do 5,000 things (HFLIC_EVENTS).
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QDesktopServices, QWheelEvent
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from app.session import Session
from app.window import Window
from models.codec import Rate
from tests.app.conftest import shown
from tests.app.engines import InlineEngine
from tests.app.hands import drop, files, open_photo, settle

EVENTS = int(os.environ.get("HFLIC_EVENTS", "300"))
SEED = 2
_LEFT_OUT = {"quit", "log"}  # the end of the program, and another program
_KEYS = (
    *(Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Tab, Qt.Key.Key_Return),
    *(Qt.Key.Key_Escape, Qt.Key.Key_Space, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Home),
    *(Qt.Key(code) for code in range(Qt.Key.Key_0, Qt.Key.Key_9 + 1)),
    *(Qt.Key(code) for code in range(Qt.Key.Key_A, Qt.Key.Key_Z + 1)),
)


@pytest.fixture
def window(
    qtbot: QtBot, inline: InlineEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Window]:
    """Dialogs that would wait for a person give up at once."""
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_, **__: ([], ""))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: ("", ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, **__: "")
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda *_: True)
    session = Session(inline, "webp", "jpeg", Rate(bpp=1.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        yield made


class Monkey:
    """Seeded: the same number does the same things."""

    def __init__(self, qtbot: QtBot, window: Window, paths: list[Path], seed: int) -> None:
        self.qtbot, self.window, self.paths = qtbot, window, paths
        self.random = random.Random(seed)
        self.done: list[str] = []

    def act(self) -> None:
        """One thing."""
        deeds = (
            self.action,
            self.action,
            self.key,
            self.click,
            self.drag,
            self.wheel,
            self.drop,
            self.resize,
        )
        deed = self.random.choice(deeds)
        self.done.append(deed.__name__)
        deed()
        QApplication.processEvents()
        for dialog in self.window.findChildren(QDialog):
            if dialog.isVisible() and self.random.random() < 0.5:
                dialog.reject()

    def action(self) -> None:
        ids = [i for i, a in self.window.actions_by_id.items() if a.isEnabled() and i not in _LEFT_OUT]
        id = self.random.choice(sorted(ids))
        self.done[-1] = id
        self.window.actions_by_id[id].trigger()

    def key(self) -> None:
        self.qtbot.keyClick(self.target(), self.random.choice(_KEYS))

    def target(self) -> QWidget:
        focus = QApplication.focusWidget()
        return focus if focus is not None and self.random.random() < 0.5 else self.window.canvas

    def place(self) -> QPoint:
        size = self.window.canvas.size()
        return QPoint(
            self.random.randrange(max(size.width(), 1)), self.random.randrange(max(size.height(), 1))
        )

    def click(self) -> None:
        twice = self.random.random() < 0.3
        click = self.qtbot.mouseDClick if twice else self.qtbot.mouseClick
        click(self.window.canvas, Qt.MouseButton.LeftButton, pos=self.place())

    def drag(self) -> None:
        canvas = self.window.canvas
        self.qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=self.place())
        for _ in range(self.random.randrange(4)):
            self.qtbot.mouseMove(canvas, self.place())
        self.qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=self.place())

    def wheel(self) -> None:
        at, turn = QPointF(self.place()), QPoint(0, self.random.choice((-360, -120, 120, 360)))
        modifier = self.random.choice((Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier))
        canvas = self.window.canvas
        where = QPointF(canvas.mapToGlobal(at.toPoint()))
        event = QWheelEvent(
            *(
                at,
                where,
                QPoint(),
                turn,
                Qt.MouseButton.NoButton,
                modifier,
                Qt.ScrollPhase.NoScrollPhase,
                False,
            )
        )
        QApplication.sendEvent(canvas, event)

    def drop(self) -> None:
        count = self.random.randrange(1, 3)
        share = (self.random.uniform(0.05, 0.95), self.random.uniform(0.05, 0.95))
        drop(self.window, files(*self.random.sample(self.paths, count)), share)

    def resize(self) -> None:
        self.window.resize(self.random.randrange(300, 1500), self.random.randrange(200, 1000))


@pytest.mark.timeout(300 + 3 * EVENTS)  # seconds of the clock, on however busy a machine: a hang
def test_whatever_is_done_nothing_breaks(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    paths = [photo(f"{n}.png", 40 + 30 * n, 64, n) for n in range(3)]
    (tmp_path / "garbage.png").write_bytes(b"no picture at all")
    (tmp_path / "garbage.hflic").write_bytes(b"\x8bHFL and no more")
    monkey = Monkey(qtbot, window, [*paths, *tmp_path.glob("garbage.*")], SEED)
    open_photo(qtbot, window, paths[0])
    for number in range(EVENTS):
        if number % 500 == 0:
            logging.getLogger(__name__).info("%d of %d", number, EVENTS)
        monkey.act()  # what is raised in a slot or an event handler fails the test, by pytest-qt
        assert window.isVisible(), f"event {number}: {monkey.done[-3:]}"
    for dialog in window.findChildren(QDialog):
        dialog.reject()
    settle(qtbot, window)
    assert len(set(monkey.done)) > 20
    open_photo(qtbot, window, paths[1])  # and it still works
    assert window.session.picture is not None
