"""The window: keys, modes, help, themes, and names for those who cannot see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, QPointF, QSize, Qt
from PySide6.QtGui import QScreen
from PySide6.QtWidgets import QApplication, QDialog, QLabel, QPushButton, QScrollArea, QWidget
from pytestqt.qtbot import QtBot

from app import actions, theme
from app.panels.dialogs import about_dialog, shortcuts_dialog
from app.panels.floating import Floating
from app.session import Session
from app.state import Level, Side
from app.viewport import Mode
from app.window import Window
from models import codec
from models.assets import asset_folder
from models.codec import Rate
from models.picture import Picture
from tests.app.conftest import shown
from tests.app.engines import InlineEngine
from tests.app.hands import open_photo, settle


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine) -> Iterator[Window]:
    session = Session(inline, "webp", "jpeg", Rate(bpp=1.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        yield made


def test_keys_change_the_mode_and_the_zoom(qtbot: QtBot, window: Window, photo: Callable[..., Path]) -> None:
    open_photo(qtbot, window, photo("big.png", 900, 700))
    for key, mode in (
        (Qt.Key.Key_1, Mode.FLICKER),
        (Qt.Key.Key_4, Mode.SIDE),
        (Qt.Key.Key_D, Mode.DIFFERENCE),
        (Qt.Key.Key_2, Mode.SPLIT),
        (Qt.Key.Key_3, Mode.FLICKER),
    ):
        qtbot.keyClick(window.canvas, key)
        assert window.viewport.mode is mode
    assert window.viewport.flicker_right
    assert window.actions_by_id["right"].isChecked()
    qtbot.keyClick(window.canvas, Qt.Key.Key_Z)
    assert window.viewport.scale == 1.0
    qtbot.keyClick(window.canvas, Qt.Key.Key_0)
    assert window.viewport.fitted
    assert window.status._zoom.text() == f"{window.viewport.scale * 100:.0f}%"
    settle(qtbot, window)


@pytest.mark.parametrize("begin", [0.3, 0.5, 0.5**0.5, 0.9999, 1.0001, 3.0])
def test_plus_and_minus_stop_at_100_percent_and_go_on(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], begin: float
) -> None:
    open_photo(qtbot, window, photo())
    window.viewport.zoom_to(begin)
    key = Qt.Key.Key_Plus if begin < 1 else Qt.Key.Key_Minus
    scales = []
    for _ in range(7):
        qtbot.keyClick(window.canvas, key)
        scales.append(window.viewport.scale)
    assert scales.count(1.0) == 1
    assert scales[-1] > 1 if begin < 1 else scales[-1] < 1


def test_difference_mode_shows_the_difference(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo())
    qtbot.keyClick(window.canvas, Qt.Key.Key_D)
    qtbot.waitUntil(lambda: window.canvas.raster("difference") is not None)
    left, right = (window.session.view(side).raster.picture().pixels for side in Side)  # type: ignore[union-attr]
    shown = window.canvas.raster("difference").picture().pixels  # type: ignore[union-attr]
    np.testing.assert_array_equal(shown, np.abs(left.astype(int) - right))
    gain = window.viewport.gain
    qtbot.keyClick(window.canvas, Qt.Key.Key_G)
    assert window.viewport.gain == 2 * gain


def test_space_shows_the_original_while_held(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo())
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    qtbot.keyPress(window.canvas, Qt.Key.Key_Space)
    assert window.viewport.original_held
    qtbot.keyRelease(window.canvas, Qt.Key.Key_Space)
    assert not window.viewport.original_held
    spin = window.inspector.rate._spin
    qtbot.keyPress(spin, Qt.Key.Key_Space)
    assert not window.viewport.original_held


def test_space_shows_no_original_where_none_is_open(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    file = tmp_path / "alone.webp"
    file.write_bytes(codec.get("webp").encode(Picture.open(photo()), Rate(quality=20)).data)
    window.session.open([file], Side.LEFT)
    settle(qtbot, window)
    assert window.session.anything is not None
    assert window.session.picture is None
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    qtbot.keyPress(window.canvas, Qt.Key.Key_Space)
    assert not window.viewport.original_held
    assert "open the photo" in window.status.currentMessage()
    qtbot.keyRelease(window.canvas, Qt.Key.Key_Space)


def test_the_keyboard_begins_in_the_picture_area_and_stays_there(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    window.tell("Something is wrong.", Level.WARNING)
    assert window.empty.isAncestorOf(QApplication.focusWidget())
    open_photo(qtbot, window, photo())
    assert window.canvas.hasFocus()


def test_x_swaps_and_tab_hides_the_chrome(qtbot: QtBot, window: Window, photo: Callable[..., Path]) -> None:
    open_photo(qtbot, window, photo())
    left = window.canvas.raster("left")
    qtbot.keyClick(window.canvas, Qt.Key.Key_X)
    assert window.canvas.raster("right") is left
    assert window.canvas._labels["right"].title == "B  WebP"
    window.activateWindow()
    window.canvas.setFocus()
    qtbot.waitUntil(window.canvas.hasFocus)
    qtbot.keyClick(window.canvas, Qt.Key.Key_Tab)
    assert not window.inspector.isVisible()
    assert not window.statusBar().isVisible()
    assert not window.canvas.chrome
    qtbot.keyClick(window.canvas, Qt.Key.Key_Tab)
    assert window.inspector.isVisible()


def test_panels_are_hidden_only_beside_a_picture(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    hide = window.actions_by_id["chrome"]
    assert not hide.isEnabled()
    open_photo(qtbot, window, photo())
    window.activateWindow()
    window.inspector.rate._spin.setFocus()
    hide.trigger()
    assert hide.isChecked()
    assert not window.inspector.isVisible()
    qtbot.waitUntil(window.canvas.hasFocus)
    qtbot.keyClick(window.canvas, Qt.Key.Key_Tab)
    assert window.inspector.isVisible()
    assert not hide.isChecked()


@pytest.mark.parametrize("before", [Qt.WindowState.WindowNoState, Qt.WindowState.WindowMaximized])
def test_full_screen_goes_back_to_what_the_window_was(window: Window, before: Qt.WindowState) -> None:
    full = window.actions_by_id["full_screen"]
    window.setWindowState(before)
    full.trigger()
    assert window.isFullScreen() and full.isChecked()
    full.trigger()
    assert window.windowState() == before
    assert not full.isChecked()
    full.trigger()
    window.setWindowState(before)  # as a desktop does
    assert not full.isChecked()


def test_hovering_reads_out_both_sides(qtbot: QtBot, window: Window, photo: Callable[..., Path]) -> None:
    open_photo(qtbot, window, photo())
    centre = window.canvas.rect().center()
    qtbot.mouseMove(window.canvas, centre + QPoint(9, 9))
    words = window.status._pixel.text()
    assert words.startswith("x ")
    assert " A " in words
    assert " B " in words


def test_what_is_read_out_follows_keys_while_the_mouse_rests(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo("big.png", 900, 700))
    qtbot.mouseMove(window.canvas, QPoint(40, 30))
    qtbot.mouseMove(window.canvas, window.canvas.rect().center())
    x, y = (int(part) for part in window.status.pixel_words.split()[1:4:2])

    def colours(which: str) -> str:
        raster = window.canvas.raster(which)
        colour = raster.colour_at(x, y) if raster is not None else None
        assert colour is not None
        return "{} {} {}".format(*colour)

    before = f"A {colours('left')}   B {colours('right')}"
    assert before in window.status.pixel_words
    qtbot.keyClick(window.canvas, Qt.Key.Key_X)
    swapped = f"A {colours('left')}   B {colours('right')}"
    assert swapped != before
    assert swapped in window.status.pixel_words
    window.viewport.hold_original(True)
    assert window.status.pixel_words.endswith(f"Original {colours('original')}")
    window.viewport.hold_original(False)
    assert swapped in window.status.pixel_words
    qtbot.keyClick(window.canvas, Qt.Key.Key_D)
    qtbot.waitUntil(lambda: "\N{GREEK CAPITAL LETTER DELTA}" in window.status.pixel_words)
    qtbot.keyClick(window.canvas, Qt.Key.Key_Right)
    assert int(window.status.pixel_words.split()[1]) > x


def test_help_lists_every_key_of_the_table(qtbot: QtBot, window: Window) -> None:
    window.commands.command("shortcuts")()
    dialog = QApplication.activeModalWidget()
    assert dialog is not None
    words = {label.text() for label in dialog.findChildren(QLabel)}
    for line in actions.ACTIONS:
        if line.keys:
            assert line.plain in words, line.id
    dialog.close()
    window.commands.command("about")()
    about = QApplication.activeModalWidget()
    assert about is not None
    assert any("Nothing is sent anywhere" in label.text() for label in about.findChildren(QLabel))
    about.close()


def test_every_action_has_a_command_and_an_icon_that_exists(window: Window) -> None:
    for line in actions.ACTIONS:
        assert callable(window.commands.command(line.id)), line.id
        if line.icon:
            assert (asset_folder() / "icons" / f"{line.icon}.svg").is_file(), line.icon


def test_no_key_is_taken_twice() -> None:
    keys = [key for line in actions.ACTIONS for key in line.keys]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("name", ["light", "dark"])
def test_themes_change_palette_and_icons(window: Window, name: str) -> None:
    window.commands.command(f"theme_{name}")()
    dark = name == "dark"
    assert theme.is_dark(window.palette()) == dark
    assert window.settings.theme == name
    drawn = theme.icon("open").pixmap(24, 24).toImage()
    shades = [
        drawn.pixelColor(x, y).lightness()
        for x in range(24)
        for y in range(24)
        if drawn.pixelColor(x, y).alpha() > 200
    ]
    assert shades
    assert (np.mean(shades) > 128) == dark


def test_everything_a_person_can_operate_has_an_accessible_name(window: Window) -> None:
    from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox

    for kind in (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox):
        for widget in window.findChildren(kind):
            if widget.isVisible() and widget.focusPolicy() != Qt.FocusPolicy.NoFocus:
                text = getattr(widget, "text", lambda: "")() if isinstance(widget, QAbstractButton) else ""
                assert widget.accessibleName() or text, widget


def test_arrows_move_the_picture_and_with_shift_the_line(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo("big.png", 900, 700))
    window.viewport.zoom_to(2.0)
    before = QPointF(window.viewport.centre)
    qtbot.keyClick(window.canvas, Qt.Key.Key_Right)
    assert window.viewport.centre.x() > before.x()
    assert window.viewport.centre.y() == before.y()
    qtbot.keyClick(window.canvas, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert window.viewport.split < 0.5


def test_icons_are_drawn_at_the_screen_s_density(window: Window) -> None:
    drawn = theme.icon("open").pixmap(QSize(24, 24), 2.0)
    assert drawn.size() == QSize(48, 48)
    assert drawn.devicePixelRatio() == 2.0


def test_a_window_without_a_picture_may_be_low(window: Window, tmp_path: Path) -> None:
    for at in range(5):
        window.remember(tmp_path / f"{at}.png")
    page = window.empty

    def links() -> list[str]:
        return [link.text() for link in page.findChildren(QPushButton) if link.isFlat() and link.isVisible()]

    window.resize(900, 800)
    QApplication.processEvents()
    assert len(links()) == 5
    window.resize(900, 480)
    QApplication.processEvents()
    assert window.height() == 480
    assert 0 < len(links()) < 5
    assert all(page.rect().contains(link.geometry()) for link in page.findChildren(QPushButton)
               if link.isVisible())  # fmt: skip
    window.resize(900, 100)
    QApplication.processEvents()
    assert not links()


@pytest.mark.parametrize("make", [shortcuts_dialog, about_dialog])
def test_help_fits_a_small_screen_and_scrolls(
    window: Window, monkeypatch: pytest.MonkeyPatch, make: Callable[..., QDialog]
) -> None:
    monkeypatch.setattr(QScreen, "availableSize", lambda screen: QSize(640, 480))
    dialog = make(window)
    dialog.open()
    QApplication.processEvents()
    assert dialog.width() <= 600 and dialog.height() <= 420
    close = dialog.findChildren(QPushButton)[-1]
    assert dialog.rect().contains(close.geometry())
    assert dialog.findChild(QScrollArea).verticalScrollBar().maximum() > 0
    dialog.reject()


@pytest.mark.parametrize("id", ["shortcuts", "about", "export_figure", "blind", "table", "palette"])
def test_closed_dialogs_are_not_kept(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], id: str
) -> None:
    open_photo(qtbot, window, photo())

    def opened() -> list[QWidget]:
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        return [*window.findChildren(QDialog), *window.findChildren(Floating)]

    before = len(opened())
    for _ in range(3):
        window.actions_by_id[id].trigger()
        shown = next(each for each in opened() if each.isVisible())
        qtbot.keyClick(shown, Qt.Key.Key_Escape)
        assert not [each for each in opened() if each.isVisible()]
    assert len(opened()) == before + (id == "table")  # which is one, and comes again
