"""How does a button or a line of a menu that is not possible now say why?"""

from __future__ import annotations

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget


def allow(thing: QAction | QWidget, tip: str, reason: str) -> None:
    """Make a thing possible where there is no reason against it; else its tooltip ends with the reason."""
    thing.setEnabled(not reason)
    thing.setToolTip(f"{tip}\n{reason}." if reason else tip)
