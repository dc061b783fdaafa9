"""How does a card lie over the window until one looks elsewhere? A child, not a window: it grabs nothing."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QApplication, QFrame, QGraphicsDropShadowEffect, QWidget


class Floating(QFrame):
    """Hides at Esc, at a press beside it and when the keyboard goes elsewhere in the window.

    The keyboard then returns to where it was.
    """

    hidden = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("floating")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        shadow = QGraphicsDropShadowEffect(self)
        shadow.setBlurRadius(28)
        shadow.setOffset(0, 4)
        self.setGraphicsEffect(shadow)
        self._before: QWidget | None = None
        self.hide()

    def place(self, at: QPoint) -> None:
        """Show with the left top corner at a point of the parent."""
        self.move(at)
        self._before = QApplication.focusWidget()
        self.show()
        self.raise_()
        self.setFocus(Qt.FocusReason.PopupFocusReason)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Watch the program's presses and keys."""
        super().showEvent(event)
        app = QApplication.instance()
        if app is not None:
            app.installEventFilter(self)

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802
        """Watch no more, and give the keyboard back."""
        super().hideEvent(event)
        app = QApplication.instance()
        if app is not None:
            app.removeEventFilter(self)
        before, self._before = self._before, None
        inside = self._holds(QApplication.focusWidget())
        if before is not None and inside and before.isVisible():
            before.setFocus(Qt.FocusReason.PopupFocusReason)
        self.hidden.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Notice what closes it; Esc must not reach the window's own Esc."""
        kind = event.type()
        if kind in {QEvent.Type.MouseButtonPress, QEvent.Type.FocusIn} and self._elsewhere(watched):
            self.hide()
        elif isinstance(event, QKeyEvent) and isinstance(watched, QWidget) and self._holds(watched):
            if kind is QEvent.Type.ShortcutOverride:
                event.accept()  # the window's keys rest while one is in here
                return True
            if kind is QEvent.Type.KeyPress and event.key() == Qt.Key.Key_Escape:
                self.hide()
                return True
        return False

    def _elsewhere(self, watched: QObject) -> bool:
        return isinstance(watched, QWidget) and watched.window() is self.window() and not self._holds(watched)

    def _holds(self, widget: QWidget | None) -> bool:
        return widget is not None and (widget is self or self.isAncestorOf(widget))
