"""How do people who cannot see the window learn what happened? Screen readers are told."""

from __future__ import annotations

from PySide6 import QtGui
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import QWidget


def announce(widget: QWidget, words: str, at_once: bool = False) -> None:
    """Have words read out, in place of what is being read where that cannot wait."""
    if not words:
        return
    made = getattr(QtGui, "QAccessibleAnnouncementEvent", None)  # PySide6 6.8 may lack it
    if made is None:
        QAccessible.updateAccessibility(QAccessibleEvent(widget, QAccessible.Event.Alert))
        return
    event = made(widget, words)
    loud, quiet = QAccessible.AnnouncementPoliteness.Assertive, QAccessible.AnnouncementPoliteness.Polite
    event.setPoliteness(loud if at_once else quiet)
    QAccessible.updateAccessibility(event)
