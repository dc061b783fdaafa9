"""The dialogs: the keys, about the program, details of a message, an unexpected fault."""

from __future__ import annotations

import platform
from html import escape
from importlib import metadata

from PySide6.QtCore import QSize, Qt, qVersion
from PySide6.QtGui import QFontDatabase, QKeySequence
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from app import text, theme
from app.actions import ACTIONS, GESTURES, MENUS
from app.licences import parts
from app.panels.scrolling import Scrolling
from app.versions import program_version

NOTHING_SENT = "Nothing is sent anywhere: pictures, files and settings stay on this computer."
_FRAME = QSize(40, 60)  # what a desktop puts around a dialog
_PARTS = ("torch", "pillow", "numpy", "constriction", "pyside6-essentials")


def shortcuts_dialog(parent: QWidget) -> QDialog:
    """All keys, by menu, from the one table of actions."""
    dialog = QDialog(parent)
    dialog.setWindowTitle("Keys")
    grid = QGridLayout()
    grid.setHorizontalSpacing(18)
    grid.setVerticalSpacing(4)
    columns = _columns()
    for at, lines in enumerate(columns):
        for row, (words, keys) in enumerate(lines):
            name = QLabel(words)
            if not keys:
                name.setObjectName("heading")
            grid.addWidget(name, row, at * 3)
            value = QLabel(keys)
            value.setObjectName("quiet")
            grid.addWidget(value, row, at * 3 + 1)
    for gap in range(2, len(columns) * 3 - 1, 3):
        grid.setColumnMinimumWidth(gap, 24)
    grid.setRowStretch(grid.rowCount(), 1)
    return _finish(dialog, _scrolling(grid))


def _columns(count: int = 3) -> list[list[tuple[str, str]]]:
    """The menus' lines with keys and the mouse's, as words and keys, in columns of about equal length."""
    parts = []
    for menu in MENUS:
        lines = [(line.plain, keys_text(line.keys)) for line in ACTIONS if line.menu == menu and line.keys]
        parts.append([(menu.replace("&", ""), ""), *lines])
    parts.append([("Mouse", ""), *((words, hand) for hand, words in GESTURES)])
    columns: list[list[tuple[str, str]]] = [[] for _ in range(count)]
    for part in sorted((part for part in parts if len(part) > 1), key=len, reverse=True):
        column = min(columns, key=len)
        column += [("", ""), *part] if column else part
    return columns


def about_dialog(parent: QWidget) -> QDialog:
    """Versions, licence, and what is sent where."""
    dialog = QDialog(parent)
    dialog.setWindowTitle("About HFLIC")
    own = {name: (value, "") for name, value in versions().items() if name not in _PARTS}
    rows = "".join(
        f"<tr><td>{name}&nbsp;&nbsp;&nbsp;</td><td>{escape(version)}&nbsp;&nbsp;&nbsp;</td>"
        f"<td>{escape(licence)}</td></tr>"
        for name, (version, licence) in parts().items()
    )
    first = text.DOT.join(f"{name} {escape(value)}" for name, (value, _) in own.items())
    words = QLabel(
        f"<h2>HFLIC</h2><p>{first}</p>"
        "<p>Compresses photos with learned image codecs<br>and compares the results by eye and by number.</p>"
        f"<p>{NOTHING_SENT}</p>"
        f"<table cellspacing=0 style='margin-top: 12px'>{rows}</table>"
        "<p>Licence: Apache-2.0. Qt and PySide6 are used under the LGPL v3.<br>"
        "The sample photo of Grace Hopper is in the public domain.</p>"
        "<p>Method: Ning et al. 2023, \u201cHFLIC: Human Friendly Perceptual<br>"
        "Learned Image Compression\u201d, arXiv 2305.07519.</p>"
    )
    words.setTextFormat(Qt.TextFormat.RichText)
    words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    icon = QLabel()
    icon.setPixmap(theme.app_icon().pixmap(64, 64))
    icon.setAlignment(Qt.AlignmentFlag.AlignTop)
    grid = QGridLayout()
    grid.setHorizontalSpacing(20)
    grid.addWidget(icon, 0, 0)
    grid.addWidget(words, 0, 1)
    return _finish(dialog, _scrolling(grid))


def show_details(parent: QWidget | None, title: str, details: str) -> QDialog:
    """A window with text that can be copied; it does not block."""
    dialog = QDialog(parent)
    dialog.setWindowTitle("Details")
    grid = QGridLayout()
    head = QLabel(title)
    head.setWordWrap(True)
    head.setTextFormat(Qt.TextFormat.PlainText)
    body = QPlainTextEdit(details)
    body.setReadOnly(True)
    body.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    body.setMinimumSize(620, 300)
    grid.addWidget(head, 0, 0)
    grid.addWidget(body, 1, 0)
    _finish(dialog, grid, copy=f"{title}\n\n{details}")
    dialog.open()
    return dialog


def show_fault(parent: QWidget | None, fault: str, details: str) -> QDialog:
    """The dialog of an unexpected exception: the session goes on."""
    told = "\n".join(f"{name} {value}" for name, value in versions().items())
    words = f"An unexpected fault happened. Your pictures are still open, you can go on.\n{fault}"
    return show_details(parent, words, f"{details}\n{told}")


def versions() -> dict[str, str]:
    """The versions of what matters, without importing any of it."""
    found = {"HFLIC": program_version(), "Python": platform.python_version(), "Qt": qVersion()}
    found |= {name: _version(name) for name in _PARTS}
    return found | {"System": platform.platform(terse=True)}


def keys_text(keys: tuple[str, ...]) -> str:
    """Shortcuts as this platform writes them."""
    native = QKeySequence.SequenceFormat.NativeText
    return "  or  ".join(QKeySequence(key).toString(native) for key in keys)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"


def _scrolling(content: QGridLayout) -> QGridLayout:
    """The same, reachable also where the screen is smaller."""
    inner = QWidget()
    inner.setLayout(content)
    content.setContentsMargins(0, 0, 0, 0)
    outer = QGridLayout()
    outer.addWidget(Scrolling(inner))
    return outer


def _finish(dialog: QDialog, content: QGridLayout, copy: str = "") -> QDialog:
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(dialog.reject)
    if copy:
        button = buttons.addButton("Copy", QDialogButtonBox.ButtonRole.ActionRole)
        button.clicked.connect(lambda: QApplication.clipboard().setText(copy))
    layout = QVBoxLayout(dialog)
    layout.setContentsMargins(20, 18, 20, 14)
    layout.setSpacing(14)
    layout.addLayout(content)
    layout.addWidget(buttons)
    buttons.button(QDialogButtonBox.StandardButton.Close).setDefault(True)
    dialog.resize(dialog.sizeHint().boundedTo(dialog.screen().availableSize() - _FRAME))
    return dialog
