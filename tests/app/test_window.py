"""The window: what a person does with mouse, keys, drops and dialogs, and what is then shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, QSize, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent, QImage
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel
from pytestqt.qtbot import QtBot

from app import actions, theme
from app.panels.metrics import BETTER
from app.session import Session
from app.settings import Settings
from app.state import FILE, ORIGINAL, Level, Phase, Side
from app.tasks import Compress, Measured, OpenFile, SaveFile
from app.text import size
from app.viewport import Mode
from app.window import Window
from models import codec
from models.codec import Rate
from models.picture import Picture
from tests.app.conftest import scene, shown
from tests.app.engines import NOT_HERE, InlineEngine


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine) -> Iterator[Window]:
    session = Session(inline, "webp", "jpeg", Rate(bpp=1.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        yield made


def settle(qtbot: QtBot, window: Window) -> None:
    qtbot.waitUntil(lambda: window.session.idle, timeout=20000)


def drop(window: Window, mime: QMimeData, share: tuple[float, float] = (0.5, 0.3)) -> None:
    """Drag over the picture area and let go, as the desktop does."""
    area = window._stack
    at = area.mapTo(window, QPoint(round(area.width() * share[0]), round(area.height() * share[1])))
    rest = (Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(at, *rest)
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(window, QDragMoveEvent(at, *rest))
    QApplication.sendEvent(window, QDropEvent(QPointF(at), *rest))


def files(*paths: Path) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return mime


def open_photo(qtbot: QtBot, window: Window, path: Path) -> None:
    window.commands.open_paths([path])
    settle(qtbot, window)


def test_a_dropped_photo_shows_both_sides_with_numbers(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    assert window._stack.currentWidget() is window.empty
    drop(window, files(photo("cat.png")))
    assert not window.drop.isVisible()
    settle(qtbot, window)
    assert window._stack.currentWidget() is window.canvas
    assert "cat.png" in window.windowTitle()
    for side in Side:
        view = window.session.view(side)
        assert view.phase is Phase.DONE
        label = window.canvas._labels[side.value]
        assert label.title == f"{side.letter}  {view.name}"
        assert f"{view.coded.encoding.bpp:.3f} bpp" in label.line  # type: ignore[union-attr]
        assert " dB" in label.line
        assert window.canvas.raster(side.value) is view.raster
    table = window.inspector.metrics
    assert [table.item(row, 0).text() for row in range(3)] == ["File size", "Bits per pixel", "PSNR"]
    marks = [table.item(2, column).text().startswith(BETTER) for column in (1, 2)]
    assert sum(marks) == 1
    assert table.item(2, 1 + marks.index(True)).font().bold()
    assert NOT_HERE in table.item(4, 1).toolTip()  # why LPIPS is absent


@pytest.mark.parametrize(
    ("name", "content"),
    [("notes.png", b"just text"), ("cut.jpg", b"\xff\xd8\xff\xe0" + b"\0" * 40), ("gone.png", None)],
)
def test_dropped_garbage_is_a_message_and_keeps_the_picture(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path, name: str, content: bytes | None
) -> None:
    open_photo(qtbot, window, photo())
    before = window.session.picture
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    drop(window, files(path))
    settle(qtbot, window)
    assert window.messages.isVisible()
    assert name in window.messages.text
    assert window.messages.notice is not None
    assert window.messages.notice.level is Level.ERROR
    assert window.session.picture is before
    window.messages._close.click()
    assert not window.messages.isVisible()


def test_web_addresses_are_refused_politely(qtbot: QtBot, window: Window) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl("https://example.org/cat.jpg")])
    drop(window, mime)
    assert "not fetched" in window.messages.text


def test_a_dropped_folder_opens_its_pictures(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    photo("b.png", seed=1)
    photo("a.png", seed=2)
    (tmp_path / "notes.txt").write_text("no picture")
    drop(window, files(tmp_path))
    settle(qtbot, window)
    assert [path.name for path in window.session.opener.paths] == ["a.png", "b.png"]
    assert "1 of 2" in window.status._picture.text()
    qtbot.keyClick(window.canvas, Qt.Key.Key_PageDown)
    settle(qtbot, window)
    assert "b.png" in window.windowTitle()


def test_a_compressed_file_dropped_low_on_the_right_becomes_side_b(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    path = photo()
    open_photo(qtbot, window, path)
    data = codec.get("webp").encode(Picture.open(path), Rate(quality=20)).data
    encoded = tmp_path / "mine.webp"
    encoded.write_bytes(data)
    drop(window, files(encoded), (0.75, 0.9))
    settle(qtbot, window)
    view = window.session.view(Side.RIGHT)
    assert view.choice.codec == FILE
    assert view.coded is not None
    assert view.coded.encoding.data == data
    assert window.inspector.sides[Side.RIGHT].codec.currentText() == "Opened file"
    drop(window, files(encoded), (0.75, 0.2))  # high: as the picture
    settle(qtbot, window)
    assert window.session.picture is not None
    assert window.session.picture.path == encoded


def test_a_picture_is_pasted(qtbot: QtBot, window: Window) -> None:
    pixels = scene(70, 50)
    clip = QApplication.clipboard()
    clip.setImage(QImage(pixels.data, 70, 50, 210, QImage.Format.Format_RGB888).copy())
    qtbot.keyClick(window.canvas, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    settle(qtbot, window)
    assert window.session.picture is not None
    np.testing.assert_array_equal(window.session.picture.picture().pixels, pixels)
    assert window.windowTitle().startswith("Pasted picture")


def test_pasting_nothing_says_so(qtbot: QtBot, window: Window) -> None:
    QApplication.clipboard().clear()
    window.commands.paste()
    assert "no picture on the clipboard" in window.messages.text


def test_choosing_a_codec_in_the_list_runs_that_side_only(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo())
    assert sorted(inline.codecs_run()) == ["jpeg", "webp"]
    box = window.inspector.sides[Side.RIGHT].codec
    box.setCurrentIndex(box.findData("jxl"))
    box.activated.emit(box.currentIndex())
    settle(qtbot, window)
    assert inline.codecs_run()[2:] == ["jxl"]
    assert window.canvas._labels["right"].title == "B  JPEG XL"


def test_unusable_codecs_are_listed_greyed_with_the_reason(window: Window, qtbot: QtBot) -> None:
    settle(qtbot, window)
    box = window.inspector.sides[Side.LEFT].codec
    model = box.model()
    hflic = model.index(box.findData("hflic"), 0)
    assert not model.flags(hflic) & Qt.ItemFlag.ItemIsEnabled
    assert NOT_HERE in hflic.data(Qt.ItemDataRole.ToolTipRole)
    assert "2305.07519" in hflic.data(Qt.ItemDataRole.ToolTipRole)
    jpeg = model.index(box.findData("jpeg"), 0)
    assert model.flags(jpeg) & Qt.ItemFlag.ItemIsEnabled


def test_presets_slider_and_lock_set_the_rate(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo())
    inspector = window.inspector
    qtbot.mouseClick(inspector.presets[2], Qt.MouseButton.LeftButton)
    assert {window.session.choice(side).rate for side in Side} == {Rate(bpp=0.3)}
    assert inspector.presets[2].isChecked()
    assert inspector.rate._spin.value() == pytest.approx(0.3)
    inspector.rate._slider.setFocus()
    qtbot.keyClick(inspector.rate._slider, Qt.Key.Key_PageUp)
    assert window.session.rate.bpp is not None
    assert window.session.rate.bpp > 0.3
    assert not inspector.presets[2].isChecked()
    assert inspector.sides[Side.LEFT].rate.isHidden()
    qtbot.keyClick(window.canvas, Qt.Key.Key_L)
    assert not window.session.locked
    right = inspector.sides[Side.RIGHT].rate
    assert right.isVisible()
    right._kind.setCurrentIndex(1)
    right._kind.activated.emit(1)
    right._spin.setValue(70)
    assert window.session.choice(Side.RIGHT).rate == Rate(quality=70)
    assert window.session.choice(Side.LEFT).rate.bpp is not None
    settle(qtbot, window)


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


def test_saving_a_side_writes_exactly_the_shown_file(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_photo(qtbot, window, photo("cat.png"))
    asked = []

    def choose(parent: object, title: str, start: str, pattern: str) -> tuple[str, str]:
        asked.append(Path(start).name)
        return str(tmp_path / "saved"), pattern  # no suffix typed

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    with qtbot.waitSignal(window.session.saved):
        qtbot.keyClick(window.canvas, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    view = window.session.view(Side.LEFT)
    assert view.coded is not None
    assert (tmp_path / "saved.webp").read_bytes() == view.coded.encoding.data
    assert asked[0].startswith("cat-webp-")
    with qtbot.waitSignal(window.session.saved):
        window.actions_by_id["png_right"].trigger()
    right = window.session.view(Side.RIGHT).raster
    assert Picture.open(tmp_path / "saved.png").digest == right.digest  # type: ignore[union-attr]
    assert window.statusBar().currentMessage().startswith("Saved")


def test_a_save_that_fails_is_a_message(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    open_photo(qtbot, window, photo())
    window.session.save_file(Side.LEFT, tmp_path / "no" / "folder.webp")
    settle(qtbot, window)
    assert "cannot write" in window.messages.text


def test_export_crop_writes_what_is_in_view(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    open_photo(qtbot, window, photo("big.png", 1500, 1100))
    window.viewport.zoom_to(2.0)
    window.viewport.look_at(QPointF(400, 300))
    left, right = (window.session.view(side).raster.picture().pixels for side in Side)  # type: ignore[union-attr]
    out = tmp_path / "crop.png"
    sizes = {}
    for mode in (Mode.SPLIT, Mode.SIDE, Mode.FLICKER):
        window.viewport.set_mode(mode)
        with qtbot.waitSignal(window.session.saved):
            window.commands.export_crop(out)
        sizes[mode] = Picture.open(out).pixels
    area = window.canvas.size()
    flicker = sizes[Mode.FLICKER]
    assert abs(flicker.shape[1] - area.width() / 2) <= 2
    top, at = 300 - area.height() / 4, 400 - area.width() / 4
    corner = (slice(int(top), int(top) + flicker.shape[0]), slice(int(at), int(at) + flicker.shape[1]))
    np.testing.assert_array_equal(flicker, left[corner])
    split = sizes[Mode.SPLIT]
    middle = split.shape[1] // 2
    np.testing.assert_array_equal(split[:, : middle - 2], left[corner][:, : middle - 2])
    np.testing.assert_array_equal(split[:, middle + 2 :], right[corner][:, middle + 2 :])
    side = sizes[Mode.SIDE]
    assert (side[:, side.shape[1] // 2] == 255).all()  # the gap


def test_copy_puts_the_view_without_labels_on_the_clipboard(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo())
    qtbot.keyClick(window.canvas, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    image = QApplication.clipboard().image()
    assert image.size() == window.canvas.size()
    assert image.pixelColor(30, 24) == window.canvas.surround  # where the label stands


def test_cancel_stops_and_offers_to_try_again(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    inline.held = (Compress,)
    window.session.open([photo()])
    qtbot.waitUntil(lambda: window.session.compressor.working)
    assert window.actions_by_id["cancel"].isEnabled()
    qtbot.keyClick(window.canvas, Qt.Key.Key_Escape)
    assert {window.session.view(side).phase for side in Side} == {Phase.STOPPED}
    panel = window.inspector.sides[Side.LEFT]
    assert panel.status.text() == "Stopped."
    assert panel.again.isVisible()
    inline.held = ()
    qtbot.mouseClick(panel.again, Qt.MouseButton.LeftButton)
    settle(qtbot, window)
    assert window.session.view(Side.LEFT).phase is Phase.DONE
    assert not panel.again.isVisible()


def test_work_shows_its_stage_and_a_bar_only_after_half_a_second(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    inline.held = (Compress,)
    window.session.open([photo()])
    panel = window.inspector.sides[Side.LEFT]
    qtbot.waitUntil(lambda: window.session.view(Side.LEFT).stage == "working")
    assert window.canvas._labels["left"].line.startswith("compressing")
    assert panel.bar.isHidden()
    qtbot.waitUntil(panel.bar.isVisible, timeout=2000)
    assert panel.status.text().startswith("Working")
    assert (panel.bar.value(), panel.bar.maximum()) == (400, 1000)
    qtbot.mouseClick(panel.cancel, Qt.MouseButton.LeftButton)
    assert panel.bar.isHidden()


def test_a_slow_opening_shows_a_card_with_cancel(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    inline.held = (OpenFile,)
    window.session.open([photo("slow.png")])
    assert window.opening.isHidden()
    qtbot.waitUntil(window.opening.isVisible, timeout=2000)
    assert "slow.png" in window.opening._text.text()
    window.opening.cancelled.emit()
    inline.cancelled.emit(inline.given[-1].id)
    assert window.opening.isHidden()
    assert window.session.idle


def test_original_on_a_side_shows_it(qtbot: QtBot, window: Window, photo: Callable[..., Path]) -> None:
    open_photo(qtbot, window, photo())
    window.session.choose(Side.LEFT, ORIGINAL)
    assert window.canvas.raster("left") is window.session.picture
    assert window.canvas._labels["left"].title == "A  Original"
    assert not window.actions_by_id["save_left"].isEnabled()
    assert window.inspector.metrics.item(2, 1).toolTip() == "This is the original."


def test_hovering_reads_out_both_sides(qtbot: QtBot, window: Window, photo: Callable[..., Path]) -> None:
    open_photo(qtbot, window, photo())
    centre = window.canvas.rect().center()
    qtbot.mouseMove(window.canvas, centre + QPoint(9, 9))
    words = window.status._pixel.text()
    assert words.startswith("x ")
    assert " A " in words
    assert " B " in words


def test_recent_files_are_offered_again(qtbot: QtBot, window: Window, photo: Callable[..., Path]) -> None:
    first, second = photo("one.png"), photo("two.png", seed=2)
    open_photo(qtbot, window, first)
    open_photo(qtbot, window, second)
    assert window.settings.recent[:2] == (str(second), str(first))
    entries = window._recent_menu.actions()
    assert [entry.text() for entry in entries] == ["two.png", "one.png"]
    entries[1].trigger()
    settle(qtbot, window)
    assert "one.png" in window.windowTitle()


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
            assert (theme.assets() / "icons" / f"{line.icon}.svg").is_file(), line.icon


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


def test_closing_waits_for_a_file_that_is_being_written(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path], tmp_path: Path
) -> None:
    open_photo(qtbot, window, photo())
    inline.held = (SaveFile,)
    window.session.save_file(Side.LEFT, tmp_path / "a.webp")
    assert not window.close()
    assert window.isVisible()
    qtbot.wait(20)
    inline.finished.emit(inline.given[-1].id, tmp_path / "a.webp")
    assert not window.isVisible()


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


def test_the_numbers_are_copied_as_a_table(qtbot: QtBot, window: Window, photo: Callable[..., Path]) -> None:
    open_photo(qtbot, window, photo())
    window.actions_by_id["copy_numbers"].trigger()
    lines = [line.split("\t") for line in QApplication.clipboard().text().split("\n")]
    assert lines[0] == ["measure", "A", "B"]
    sizes = next(line for line in lines if line[0] == "File size")
    left = window.session.view(Side.LEFT).coded
    assert left is not None
    assert sizes[1] == size(left.encoding.bytes)


def test_icons_are_drawn_at_the_screen_s_density(window: Window) -> None:
    drawn = theme.icon("open").pixmap(QSize(24, 24), 2.0)
    assert drawn.size() == QSize(48, 48)
    assert drawn.devicePixelRatio() == 2.0


def test_the_column_never_outgrows_its_width(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    name = "a-name-without-a-single-space-that-is-far-too-long-for-the-column-of-the-sides.jpg"
    photo_path = tmp_path / name
    Picture(scene(96, 64)).save(photo_path)
    open_photo(qtbot, window, photo_path)
    window.session.open([photo_path], Side.LEFT)
    settle(qtbot, window)
    assert window.session.choice(Side.LEFT).codec == FILE
    body = window.inspector.widget()
    assert body.minimumSizeHint().width() <= window.inspector.viewport().width()
    status = window.inspector.sides[Side.LEFT].status.text()
    assert status.startswith("a-name")
    assert "sides.jpg" in status


def test_sizes_driven_to_the_same_target_have_no_winner(qtbot: QtBot, window: Window) -> None:
    def marked(left: float, right: float) -> bool:
        values = {Side.LEFT: {"size": Measured(left)}, Side.RIGHT: {"size": Measured(right)}}
        window.inspector.metrics.show_values(values)
        return any(window.inspector.metrics.item(0, column).text().startswith(BETTER) for column in (1, 2))

    assert not marked(9600, 9700)
    assert marked(9600, 9900)


def test_the_sample_photo_leaves_no_trace_in_the_recent_files(qtbot: QtBot, window: Window) -> None:
    window.commands.sample()
    qtbot.waitUntil(lambda: window.session.picture is not None, timeout=20000)
    settle(qtbot, window)
    assert window.settings.recent == ()
    assert window.settings.folder == ""
    assert window.settings.left == Settings().left  # nobody chose the codec: it is not kept
