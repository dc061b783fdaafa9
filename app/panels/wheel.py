"""Which controls does the mouse wheel turn? Only the one that has the keyboard, so that panels scroll."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QAbstractSpinBox, QComboBox, QSlider, QWidget


class WheelGuard(QObject):
    """Lets the wheel pass through the choices, sliders and numbers in a widget to what scrolls them."""

    def __init__(self, root: QWidget) -> None:
        super().__init__(root)
        for control in root.findChildren(QWidget):
            if isinstance(control, QComboBox | QSlider | QAbstractSpinBox):
                control.installEventFilter(self)
                if control.focusPolicy() is Qt.FocusPolicy.WheelFocus:  # the wheel would give it the keyboard
                    control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """An ignored event goes on to the parent, as every wheel that nobody wants."""
        if event.type() is QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return False
