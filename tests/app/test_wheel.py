"""The mouse wheel scrolls a panel; it turns only a control that has the keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QSlider, QWidget
from pytestqt.qtbot import QtBot

from app.exporting import Form
from app.session import Session
from app.viewport import Mode
from app.window import Window
from models.codec import Rate
from tests.app.conftest import shown
from tests.app.engines import InlineEngine
from tests.app.hands import open_photo


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine, photo: Callable[..., Path]) -> Iterator[Window]:
    session = Session(inline, "webp", "jpeg", Rate(bpp=2.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        open_photo(qtbot, made, photo())
        made.resize(1000, 480)
        yield made


def turn(widget: QWidget, steps: int = -1) -> None:
    """As the system tells it: a window gets it, and it goes on from who does not want it."""
    window = widget.window()
    at = QPointF(widget.mapTo(window, widget.rect().center()))
    QTest.wheelEvent(window.windowHandle(), at, QPoint(0, 120 * steps))


def value(control: QWidget) -> object:
    if isinstance(control, QComboBox):
        return control.currentIndex()
    return control.value()  # type: ignore[attr-defined]


def controls(root: QWidget) -> list[QWidget]:
    kinds = QComboBox | QSlider | QAbstractSpinBox
    return [w for w in root.findChildren(QWidget) if isinstance(w, kinds) and w.isVisible()]


@pytest.mark.parametrize("mode", [Mode.SIDE, Mode.DIFFERENCE])
def test_the_wheel_over_a_control_scrolls_the_inspector(window: Window, mode: Mode) -> None:
    window.viewport.set_mode(mode)
    window.session.set_locked(False)
    window.inspector.show_plot(True)
    QApplication.processEvents()
    bar = window.inspector.verticalScrollBar()
    window.canvas.setFocus()
    found = controls(window.inspector)
    assert len(found) >= 7
    for control in found:
        window.inspector.ensureWidgetVisible(control)
        before, at = value(control), bar.value()
        turn(control, -1 if at < bar.maximum() else 1)
        assert value(control) == before, control.accessibleName()
        assert bar.value() != at, control.accessibleName()
        assert control.focusPolicy() is not Qt.FocusPolicy.WheelFocus


def test_the_wheel_turns_the_control_that_has_the_keyboard(qtbot: QtBot, window: Window) -> None:
    window.activateWindow()
    spin = window.inspector.rate._spin
    spin.setFocus()
    qtbot.waitUntil(spin.hasFocus)
    before = spin.value()
    turn(spin, 1)
    assert spin.value() > before


def test_the_wheel_leaves_the_choices_of_strip_and_export_alone(window: Window) -> None:
    window.session.crops.add(4, 4, 20, 20)
    dialog = window.sharing.ask(Form.FIGURE)
    assert dialog is not None
    dialog.path.setFocus()
    for control in (window.looking.strip.zoom, dialog.form, dialog.kind):
        before = control.currentIndex()
        turn(control)
        assert control.currentIndex() == before, control.accessibleName()
    dialog.reject()
