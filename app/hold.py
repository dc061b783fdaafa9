"""How does Space show the original while it is held, wherever the keyboard is?"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QWidget,
)

from app.viewport import Viewport

# Here Space means something else.
_TAKES_SPACE = (QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QPlainTextEdit, QMenu)


class HoldOriginal(QObject):
    """Watches the program's keys. A shortcut would not do: it does not tell when the key is let go.

    refused: whether there is no original to show, which it tells a person who wants to see it.
    """

    def __init__(self, window: QWidget, viewport: Viewport, refused: Callable[[], bool]) -> None:
        super().__init__(window)
        self._window = window
        self._viewport = viewport
        self._refused = refused
        app = QApplication.instance()
        if app is not None:
            app.installEventFilter(self)

    def release(self) -> None:
        """Watch no more."""
        app = QApplication.instance()
        if app is not None:
            app.removeEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Takes Space where it is meant for the picture."""
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Space and isinstance(watched, QWidget):
            if event.type() is QEvent.Type.KeyPress:
                return self._pressed(watched, event)
            if event.type() is QEvent.Type.KeyRelease:
                return self._released(event)
        elif event.type() is QEvent.Type.WindowDeactivate and watched is self._window:
            self._viewport.hold_original(False)
        return False

    def _pressed(self, watched: QWidget, event: QKeyEvent) -> bool:
        if event.isAutoRepeat():
            return self._viewport.original_held
        if watched.window() is not self._window or not self._window.isActiveWindow():
            return False
        if isinstance(watched, _TAKES_SPACE):
            return False
        self._viewport.hold_original(not self._refused())
        return True

    def _released(self, event: QKeyEvent) -> bool:
        held = self._viewport.original_held
        if held and not event.isAutoRepeat():
            self._viewport.hold_original(False)
        return held
