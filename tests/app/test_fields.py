"""Keys that belong to a field: typing in a combo box, copying text that was selected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QComboBox, QWidget
from pytestqt.qtbot import QtBot

from app.session import Session
from app.state import Level, Side
from app.viewport import Mode
from app.window import Window
from models.codec import Rate
from tests.app.conftest import shown
from tests.app.engines import InlineEngine
from tests.app.hands import open_photo, settle

COPY = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine, photo: Callable[..., Path]) -> Iterator[Window]:
    session = Session(inline, "webp", "jpeg", Rate(bpp=1.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        open_photo(qtbot, made, photo())
        yield made
        settle(qtbot, made)


def focus(qtbot: QtBot, window: Window, widget: QWidget) -> None:
    window.activateWindow()
    widget.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.waitUntil(widget.hasFocus)


def test_a_letter_typed_into_a_focused_combo_box_chooses_there(qtbot: QtBot, window: Window) -> None:
    box, before = window.inspector.sides[Side.LEFT].codec, window.viewport.mode
    focus(qtbot, window, box)
    qtbot.keyClick(box, Qt.Key.Key_J)  # alone the key of the queue of jobs
    assert box.currentText().startswith("J")
    assert not window.working.queue.isVisible()
    qtbot.keyClick(box, Qt.Key.Key_D)
    assert window.viewport.mode is before
    qtbot.keyClick(box, Qt.Key.Key_T, Qt.KeyboardModifier.ControlModifier)
    assert not window.sharing.filmstrip.wanted  # a command stays a command


@pytest.mark.qt_log_ignore("plugin does not support")  # raising a popup
def test_who_chooses_with_the_mouse_keeps_the_keys_of_the_picture(qtbot: QtBot, window: Window) -> None:
    focus(qtbot, window, window.canvas)
    box = window.inspector.sides[Side.RIGHT].codec
    qtbot.mouseClick(box, Qt.MouseButton.LeftButton)
    assert QApplication.activePopupWidget() is not None
    box.view().setCurrentIndex(box.model().index(box.findData("webp"), 0))
    qtbot.keyClick(box.view(), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: QApplication.activePopupWidget() is None)
    assert window.canvas.hasFocus()
    qtbot.keyClick(window.canvas, Qt.Key.Key_D)
    assert window.viewport.mode is Mode.DIFFERENCE
    assert all(
        each.focusPolicy() is Qt.FocusPolicy.TabFocus for each in window.inspector.findChildren(QComboBox)
    )


def test_selected_text_of_a_message_is_copied_and_not_the_view(qtbot: QtBot, window: Window) -> None:
    window.tell("The weights are missing.", Level.WARNING)
    words = window.messages._text
    focus(qtbot, window, words)
    words.setSelection(4, 7)
    qtbot.keyClick(words, Qt.Key.Key_C, COPY)
    assert QApplication.clipboard().text() == "weights"
    words.setSelection(0, 0)
    qtbot.keyClick(words, Qt.Key.Key_C, COPY)
    assert not QApplication.clipboard().image().isNull()  # nothing is selected: the view
