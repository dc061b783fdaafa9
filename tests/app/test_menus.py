"""Menus and buttons: what is not possible says why, and every letter of a menu is one entry's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QPoint
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication, QMenu, QToolTip
from pytestqt.qtbot import QtBot

from app.session import Session
from app.state import Side
from app.window import Window
from models.codec import Rate
from tests.app.conftest import shown
from tests.app.engines import InlineEngine
from tests.app.hands import open_photo, settle


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine) -> Iterator[Window]:
    session = Session(inline, "webp", "jpeg", Rate(bpp=1.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        settle(qtbot, made)
        yield made


def menus(window: Window) -> list[QMenu]:
    return [menu for menu in window.findChildren(QMenu) if menu.actions()]


def test_what_is_not_possible_says_why_until_it_is(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    swap = window.actions_by_id["swap"]
    save = window.inspector.sides[Side.LEFT].save
    assert swap.toolTip() == "Exchange the left and the right side (X)\nOpen a picture first."
    assert save.toolTip() == "Save side A\nSide A shows no finished picture."
    open_photo(qtbot, window, photo())
    assert swap.toolTip() == "Exchange the left and the right side (X)"
    assert save.toolTip() == "Save side A"


@pytest.mark.qt_log_ignore("plugin does not support")  # raising a popup
def test_a_menu_shows_why_a_line_is_grey(qtbot: QtBot, window: Window) -> None:
    menu = next(menu for menu in menus(window) if menu.title() == "&Compare")
    menu.popup(QPoint(20, 20))
    place = menu.actionGeometry(window.actions_by_id["blind"]).center()
    asked = QHelpEvent(QEvent.Type.ToolTip, place, menu.mapToGlobal(place))
    QApplication.sendEvent(menu, asked)
    assert QToolTip.text().endswith("Open a picture first.")
    QToolTip.hideText()
    menu.close()


def test_no_letter_of_a_menu_stands_for_two_entries(window: Window) -> None:
    found = {menu.title(): [entry.text() for entry in menu.actions()] for menu in menus(window)}
    found["the menu bar"] = [entry.text() for entry in window.menuBar().actions()]
    assert len(found) > 6
    for title, entries in found.items():
        letters = [text.replace("&&", "").partition("&")[2][:1].casefold() for text in entries]
        letters = [letter for letter in letters if letter]
        assert sorted(letters) == sorted(set(letters)), f"{title}: {letters}"
