"""What a person's hands do to the window, for its tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.window import Window


def settle(qtbot: QtBot, window: Window) -> None:
    qtbot.waitUntil(lambda: window.session.idle, timeout=20000)


def act_and_close(act: Callable[[Window], object], ready: Callable[[Window], bool]) -> None:
    """Do something with the window of a viewer that is about to start, once it is ready, then close it."""

    def look() -> None:
        windows = [w for w in QApplication.topLevelWidgets() if isinstance(w, Window) and w.isVisible()]
        if windows and ready(windows[0]):
            timer.stop()
            act(windows[0])
            windows[0].close()

    timer = QTimer(QApplication.instance(), interval=20)
    timer.timeout.connect(look)
    timer.start()


def drop(window: Window, mime: QMimeData, share: tuple[float, float] = (0.5, 0.3)) -> None:
    """Drag over the picture area and let go, as the desktop does."""
    area = window._stack
    at = area.mapTo(window, QPoint(round(area.width() * share[0]), round(area.height() * share[1])))
    rest = (Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(at, *rest)
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(window, QDragMoveEvent(at, *rest))
    QApplication.sendEvent(window, QDropEvent(QPointF(at), *rest))


def files(*paths: Path) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return mime


def open_photo(qtbot: QtBot, window: Window, path: Path) -> None:
    window.commands.open_paths([path])
    settle(qtbot, window)


def on_a_screen(ratio: str, program: str) -> str:
    """What a program prints that draws without a display, on a screen scaled so."""
    scaled = os.environ | {"QT_SCALE_FACTOR": ratio, "QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, env=scaled, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout
