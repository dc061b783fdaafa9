"""Which keys belong to the field that has the keyboard, before they are the window's?"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QWidget

_COMMANDS = (
    Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier
)


class FieldKeys(QObject):
    """Letters choose in a combo box, and Ctrl+C copies the text a person selected.

    Fields for text claim their keys themselves. A click into a combo box leaves the keyboard with the
    picture, whose keys would be gone otherwise; Tab reaches it.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        window.installEventFilter(self)
        for box in window.findChildren(QComboBox):  # those there are by now
            box.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Takes the question whether a key is no shortcut, which comes up to the window."""
        asked = isinstance(event, QKeyEvent) and event.type() is QEvent.Type.ShortcutOverride
        if asked and isinstance(event, QKeyEvent) and _claims(QApplication.focusWidget(), event):
            event.accept()
            return True
        return False


def _claims(field: QWidget | None, event: QKeyEvent) -> bool:
    if isinstance(field, QLabel):
        return field.hasSelectedText() and event.matches(QKeySequence.StandardKey.Copy)
    letter = event.text().isprintable() and event.text() != ""
    return isinstance(field, QComboBox) and letter and not event.modifiers() & _COMMANDS
