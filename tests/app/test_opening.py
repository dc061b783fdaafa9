"""The window: what is dropped, pasted and opened again, and what cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QImage
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from app.panels.metrics import BETTER
from app.session import Session
from app.settings import Settings
from app.state import FILE, Level, Phase, Side
from app.tasks import Compress, OpenFile
from app.window import Window
from models import codec
from models.codec import Rate
from models.picture import Picture
from tests.app.conftest import scene, shown
from tests.app.engines import NOT_HERE, InlineEngine
from tests.app.hands import drop, files, open_photo, settle


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine) -> Iterator[Window]:
    session = Session(inline, "webp", "jpeg", Rate(bpp=1.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        yield made


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


def test_a_source_that_ends_before_its_file_was_fetched_is_named(qtbot: QtBot, window: Window) -> None:
    mime = QMimeData()  # what Qt gives under X11 when the other program quits at once
    mime.setData("text/uri-list", b"")
    assert mime.hasUrls() and not mime.urls()
    drop(window, mime)
    assert "did not hand it over" in window.messages.text


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


@pytest.mark.parametrize(
    ("names", "opened", "fields"),
    [
        (["a.hflic", "a.png"], False, ["Open a.png"]),
        (["a.hflic", "a.png", "b.hflic"], True, ["Open a.png"]),
        (["a.png", "b.webp"], True, ["Open a.png"]),
        (["a.hflic", "b.hflic"], False, ["Show as side A", "Show as side B"]),
        (["b.webp"], True, ["Open b.webp", "Show as side A", "Show as side B"]),
        (["b.webp"], False, ["Open b.webp"]),
    ],
)
def test_sides_are_offered_only_where_all_that_is_dragged_can_stand_there(
    qtbot: QtBot,
    window: Window,
    photo: Callable[..., Path],
    tmp_path: Path,
    names: list[str],
    opened: bool,
    fields: list[str],
) -> None:
    if opened:
        open_photo(qtbot, window, photo())
    at = window._stack.mapTo(window, QPoint(100, 100))
    rest = (Qt.DropAction.CopyAction, files(*(tmp_path / name for name in names)))
    buttons = (Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(window, QDragEnterEvent(at, *rest, *buttons))
    assert [words for _, words, _ in window.drop._zones] == fields


def test_what_lies_on_a_drive_that_fell_away_is_a_message(qtbot: QtBot, window: Window, dead: Path) -> None:
    drop(window, files(dead / "a.png"))
    settle(qtbot, window)
    assert "a.png" in window.messages.text


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


def test_cancel_on_the_card_stops_the_opening_alone(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    inline.held = (Compress,)
    window.commands.open_paths([photo()])
    qtbot.waitUntil(lambda: window.session.view(Side.LEFT).phase is Phase.RUNNING, timeout=20000)
    inline.held = (Compress, OpenFile)
    window.session.open([photo("slow.png")])
    stopped = list(inline.stopped)
    window.opening.cancelled.emit()
    assert inline.stopped == [*stopped, inline.given[-1].id]
    inline.cancelled.emit(inline.given[-1].id)
    assert window.session.opener.name == ""
    assert {window.session.view(side).phase for side in Side} == {Phase.RUNNING}
    window.session.cancel()


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


def test_recent_files_are_offered_by_names_that_are_short_and_as_they_are(
    qtbot: QtBot, window: Window, tmp_path: Path
) -> None:
    paths = [tmp_path / "<i>Tom & Jerry.png", tmp_path / f"{'long ' * 40}name.png"]
    for path in reversed(paths):
        window.remember(path)
    links = [link for link in window.empty.findChildren(QPushButton) if link.isFlat()][-2:]
    for offered in (links, window._recent_menu.actions()):
        first, second = offered
        assert first.text() == "<i>Tom && Jerry.png"
        assert "&lt;i&gt;Tom &amp; Jerry.png" in first.toolTip()
        assert second.text().endswith("name.png")
        assert len(second.text()) < 40
        assert second.toolTip() == str(paths[1])
    assert max(link.width() for link in links) < window.empty.width()
    assert links[1].accessibleName() == paths[1].name


def test_a_name_with_tags_is_written_as_it_is(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    open_photo(qtbot, window, photo("a <b>bold<i>one.png"))
    label = window.status._picture
    assert label.textFormat() is Qt.TextFormat.PlainText
    assert "&lt;b&gt;" in label.toolTip()


def test_the_sample_photo_leaves_no_trace_in_the_recent_files(qtbot: QtBot, window: Window) -> None:
    window.commands.sample()
    qtbot.waitUntil(lambda: window.session.picture is not None, timeout=20000)
    settle(qtbot, window)
    assert window.settings.recent == ()
    assert window.settings.folder == ""
    assert window.settings.left == Settings().left  # nobody chose the codec: it is not kept
