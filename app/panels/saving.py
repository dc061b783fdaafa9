"""Where shall a file be written? The system's dialog, and a question before a file is replaced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QFileInfo
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget


def ask_path(parent: QWidget, title: str, start: Path, suffixes: Sequence[str]) -> Path | None:
    """Ask for a place, beginning at `start`; None where a person gives none.

    A name that ends in none of the suffixes, which have lower case, gets the first of them. The dialog asks
    before a file is replaced, but it knows only the name that was typed: of a longer one, this asks.
    """
    while True:
        typed, _ = QFileDialog.getSaveFileName(parent, title, str(start), f"*{suffixes[0]}")
        if not typed:
            return None
        path = Path(typed)
        if path.suffix.lower() in suffixes:
            return path
        path = path.with_name(f"{path.name}{suffixes[0]}")
        if not QFileInfo.exists(str(path)) or _may_be_replaced(parent, title, path):
            return path
        start = path


def _may_be_replaced(parent: QWidget, title: str, path: Path) -> bool:
    buttons = QMessageBox.StandardButton
    words = f"{path.name} is there already. Replace it?"
    return QMessageBox.question(parent, title, words, buttons.Yes | buttons.No, buttons.No) == buttons.Yes
