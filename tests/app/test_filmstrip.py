"""Several pictures in one session: the strip of thumbnails, stepping, and what each picture keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage, QWheelEvent
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from app import drops
from app.gallery import SIDE
from app.panels.filmstrip import CELL, FilmStrip
from app.restore import remember
from app.session import Session
from app.tasks import OpenFile
from app.thumbs import Thumbnail, small
from app.window import Window
from models.codec import Rate
from models.errors import PictureError
from models.picture import Picture
from tests.app.conftest import scene, shown
from tests.app.engines import InlineEngine


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine) -> Iterator[Window]:
    session = Session(inline, "webp", "jpeg", Rate(bpp=2.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """img1 to img12, told apart by their left top pixel."""
    made = tmp_path / "photos"
    made.mkdir()
    for number in range(1, 13):
        pixels = scene(48, 32)
        pixels[:16, :16] = 20 * number
        Picture(pixels).save(made / f"img{number}.png")
    (made / "notes.txt").write_text("no picture")
    (made / "._img1.png").write_bytes(b"what a Mac leaves")
    return made


def drop(window: Window, path: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    at = window._stack.mapTo(window, QPoint(200, 100))
    rest = (Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(window, QDragEnterEvent(at, *rest))
    QApplication.sendEvent(window, QDropEvent(QPointF(at), *rest))


def strip(window: Window) -> FilmStrip:
    return window.sharing.filmstrip


def settle(qtbot: QtBot, window: Window, name: str) -> None:
    def there() -> bool:
        picture = window.session.picture
        return window.session.idle and picture is not None and picture.path is not None and (
            picture.path.name == name
        )  # fmt: skip

    qtbot.waitUntil(there, timeout=20000)


def click(qtbot: QtBot, view: FilmStrip, row: int) -> None:
    rect = view.visualRect(view.model().index(row, 0))
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())


def test_a_dropped_folder_becomes_a_strip_in_natural_order(
    qtbot: QtBot, window: Window, folder: Path
) -> None:
    assert not strip(window).isVisible()
    drop(window, folder)
    settle(qtbot, window, "img1.png")
    view = strip(window)
    assert view.isVisible()
    names = [view.model().index(row, 0).data() for row in range(view.model().rowCount())]
    assert names == [f"img{number}.png" for number in range(1, 13)]
    assert view.currentIndex().row() == 0


def test_one_picture_needs_no_strip(qtbot: QtBot, window: Window, folder: Path) -> None:
    window.commands.open_paths([folder / "img3.png"])
    settle(qtbot, window, "img3.png")
    assert not strip(window).isVisible()


def test_clicks_arrows_and_page_keys_change_the_picture(qtbot: QtBot, window: Window, folder: Path) -> None:
    window.commands.open_paths([folder])
    settle(qtbot, window, "img1.png")
    view = strip(window)
    click(qtbot, view, 3)
    settle(qtbot, window, "img4.png")
    view.setFocus()
    qtbot.keyClick(view, Qt.Key.Key_Right)
    settle(qtbot, window, "img5.png")
    qtbot.keyClick(window.canvas, Qt.Key.Key_PageUp)
    settle(qtbot, window, "img4.png")
    assert view.currentIndex().row() == 3
    assert "img4.png" in window.windowTitle()
    qtbot.keyClick(window.canvas, Qt.Key.Key_PageDown)
    qtbot.keyClick(window.canvas, Qt.Key.Key_PageDown)  # quicker than reading
    settle(qtbot, window, "img6.png")


def test_only_pictures_in_view_get_a_thumbnail(
    qtbot: QtBot, window: Window, inline: InlineEngine, tmp_path: Path
) -> None:
    many = tmp_path / "many"
    many.mkdir()
    Picture(scene(24, 16)).save(many / "0.png")
    data = (many / "0.png").read_bytes()
    for number in range(1, 80):
        (many / f"{number}.png").write_bytes(data)
    window.commands.open_paths([many])
    settle(qtbot, window, "0.png")
    view = strip(window)
    made = {task.path.name for task in inline.ran_of(Thumbnail)}
    seen = view.viewport().width() // CELL.width() + 1
    assert {f"{n}.png" for n in range(seen)} <= made
    assert len(made) <= seen + 5
    view.horizontalScrollBar().setValue(view.horizontalScrollBar().maximum())
    qtbot.waitUntil(lambda: "79.png" in {t.path.name for t in inline.ran_of(Thumbnail)}, timeout=10000)
    assert "40.png" not in {task.path.name for task in inline.ran_of(Thumbnail)}
    qtbot.waitUntil(lambda: window.session.idle, timeout=10000)


def test_the_strip_paints_the_pictures(qtbot: QtBot, window: Window, folder: Path) -> None:
    window.commands.open_paths([folder])
    settle(qtbot, window, "img1.png")
    view = strip(window)
    image = view.viewport().grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    for row in (1, 5):
        made = window.session.gallery.thumbnail(folder / f"img{row + 1}.png")
        assert made is not None and made.shape == (32, 48, 4)
        rect = view.visualRect(view.model().index(row, 0))
        corner = image.pixelColor(rect.center().x() - 40, rect.top() + 16)  # in the marked quarter
        assert abs(corner.red() - 20 * (row + 1)) <= 8
    model = view.model()
    assert model.index(2, 0).data(Qt.ItemDataRole.AccessibleTextRole) == "img3.png, 3 of 12"


def test_each_picture_keeps_its_results(
    qtbot: QtBot, window: Window, inline: InlineEngine, folder: Path
) -> None:
    window.commands.open_paths([folder])
    settle(qtbot, window, "img1.png")
    window.session.step(1)
    settle(qtbot, window, "img2.png")
    ran = len(inline.codecs_run())
    assert ran == 4
    window.session.step(-1)
    settle(qtbot, window, "img1.png")
    assert len(inline.codecs_run()) == ran  # nothing was compressed again
    painter = strip(window).itemDelegate()
    assert painter._has_results(folder / "img2.png")  # type: ignore[attr-defined]
    assert not painter._has_results(folder / "img3.png")  # type: ignore[attr-defined]


def test_a_damaged_picture_is_passed_over_and_says_why(qtbot: QtBot, window: Window, folder: Path) -> None:
    (folder / "img2.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    window.commands.open_paths([folder])
    settle(qtbot, window, "img1.png")
    window.session.step(1)
    qtbot.waitUntil(lambda: "img2.png" in window.messages.text, timeout=10000)
    assert strip(window).currentIndex().row() == 1
    tip = strip(window).model().index(1, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert "damaged" in tip
    window.session.step(1)
    settle(qtbot, window, "img3.png")


def test_stepping_goes_around_the_ends(qtbot: QtBot, window: Window, folder: Path) -> None:
    window.commands.open_paths([folder])
    settle(qtbot, window, "img1.png")
    window.session.step(-1)
    settle(qtbot, window, "img12.png")
    view = strip(window)
    assert view.viewport().rect().contains(view.visualRect(view.currentIndex()).center())
    window.session.step(1)
    settle(qtbot, window, "img1.png")


def test_the_strip_can_be_hidden_and_goes_with_the_panels(qtbot: QtBot, window: Window, folder: Path) -> None:
    window.commands.open_paths([folder])
    settle(qtbot, window, "img1.png")
    action = window.actions_by_id["filmstrip"]
    assert action.isChecked()
    qtbot.keyClick(window.canvas, Qt.Key.Key_T, Qt.KeyboardModifier.ControlModifier)
    assert not strip(window).isVisible() and not action.isChecked()
    qtbot.keyClick(window.canvas, Qt.Key.Key_T, Qt.KeyboardModifier.ControlModifier)
    assert strip(window).isVisible()
    assert window.settings.filmstrip
    strip(window).set_wanted(False)
    assert not window.settings.filmstrip  # kept for the next start
    strip(window).set_wanted(True)
    window.set_chrome(False)
    assert not strip(window).isVisible()
    window.set_chrome(True)
    assert strip(window).isVisible()


def test_the_wheel_moves_along_the_strip(qtbot: QtBot, window: Window, folder: Path) -> None:
    window.resize(760, 600)
    window.commands.open_paths([folder])
    settle(qtbot, window, "img1.png")
    view, at = strip(window), QPointF(50, 50)
    wheel = QWheelEvent(
        at, view.mapToGlobal(at), QPoint(), QPoint(0, -120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view.viewport(), wheel)
    assert view.horizontalScrollBar().value() == CELL.width()


def test_a_pasted_picture_leaves_the_strip_and_stepping_comes_back(
    qtbot: QtBot, window: Window, folder: Path
) -> None:
    window.commands.open_paths([folder])
    settle(qtbot, window, "img1.png")
    window.commands.take(drops.Dropped(pixels=np.full((20, 30, 4), 90, np.uint8)), None)
    qtbot.waitUntil(
        lambda: window.session.idle and window.session.picture is not None
        and window.session.picture.path is None,
        timeout=20000,
    )  # fmt: skip
    window.session.step(1)
    settle(qtbot, window, "img1.png")


def test_a_file_that_cannot_be_read_leaves_the_folder_open(
    qtbot: QtBot, window: Window, folder: Path, tmp_path: Path
) -> None:
    window.commands.open_paths([folder])
    settle(qtbot, window, "img1.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    drop(window, tmp_path / "bad.png")
    qtbot.waitUntil(lambda: "bad.png" in window.messages.text, timeout=10000)
    assert strip(window).isVisible()
    assert strip(window).currentIndex().row() == 0
    assert len(remember(window.session, window.viewport).paths) == 12
    qtbot.keyClick(window.canvas, Qt.Key.Key_PageDown)
    settle(qtbot, window, "img2.png")


def test_a_cancelled_opening_leaves_the_folder_open(
    qtbot: QtBot, window: Window, inline: InlineEngine, folder: Path, photo: Callable[..., Path]
) -> None:
    window.commands.open_paths([folder])
    settle(qtbot, window, "img1.png")
    inline.held = (OpenFile,)
    window.commands.open_paths([photo("slow.png"), photo("slower.png")])
    window.commands.open_paths([photo("slowest.png")])  # in place of those, which were not read either
    window.session.opener.stop()
    inline.cancelled.emit(inline.given[-1].id)
    assert strip(window).model().rowCount() == 12
    assert strip(window).currentIndex().row() == 0
    inline.held = ()
    window.session.step(1)
    settle(qtbot, window, "img2.png")


def test_a_folder_that_begins_with_a_damaged_picture_is_open_all_the_same(
    qtbot: QtBot, window: Window, folder: Path, photo: Callable[..., Path]
) -> None:
    window.commands.open_paths([photo("alone.png")])
    settle(qtbot, window, "alone.png")
    (folder / "img1.png").write_bytes(b"no picture")
    window.commands.open_paths([folder])
    qtbot.waitUntil(lambda: "img1.png" in window.messages.text, timeout=10000)
    window.session.step(1)
    settle(qtbot, window, "img2.png")


def test_a_click_on_the_marked_picture_opens_it_where_something_else_is_shown(
    qtbot: QtBot, window: Window, inline: InlineEngine, folder: Path
) -> None:
    window.commands.open_paths([folder])
    settle(qtbot, window, "img1.png")
    window.commands.take(drops.Dropped(pixels=np.full((20, 30, 4), 90, np.uint8)), None)
    qtbot.waitUntil(lambda: window.session.idle and "Pasted" in window.windowTitle(), timeout=20000)
    assert strip(window).currentIndex().row() == 0
    click(qtbot, strip(window), 0)
    settle(qtbot, window, "img1.png")
    read = len(inline.ran_of(OpenFile))
    click(qtbot, strip(window), 0)  # it is shown
    settle(qtbot, window, "img1.png")
    click(qtbot, strip(window), 1)  # pressing opens it, letting go does not again
    settle(qtbot, window, "img2.png")
    assert len(inline.ran_of(OpenFile)) == read + 1


def test_a_click_on_a_picture_that_could_not_be_read_tries_again(
    qtbot: QtBot, window: Window, folder: Path
) -> None:
    good = (folder / "img2.png").read_bytes()
    (folder / "img2.png").write_bytes(b"no picture")
    window.commands.open_paths([folder])
    settle(qtbot, window, "img1.png")
    click(qtbot, strip(window), 1)
    qtbot.waitUntil(lambda: "img2.png" in window.messages.text, timeout=10000)
    gallery = window.session.gallery
    qtbot.waitUntil(lambda: gallery.problem(folder / "img2.png") != "", timeout=10000)
    (folder / "img2.png").write_bytes(good)
    click(qtbot, strip(window), 1)
    settle(qtbot, window, "img2.png")
    qtbot.waitUntil(lambda: gallery.thumbnail(folder / "img2.png") is not None, timeout=10000)


def test_a_folder_is_chosen_from_the_menu(
    qtbot: QtBot, window: Window, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a: str(folder))
    window.actions_by_id["open_folder"].trigger()
    settle(qtbot, window, "img1.png")
    assert len(window.session.opener.paths) == 12


def test_results_in_a_folder_do_not_push_its_pictures_away(folder: Path, tmp_path: Path) -> None:
    (folder / "img1.hflic").write_bytes(b"")
    assert {path.suffix for path in drops.expand((folder,)).paths} == {".png"}
    (folder / "1\N{SUPERSCRIPT TWO}2.png").touch()  # a digit, and no number
    assert len(drops.expand((folder,)).paths) == 13
    only = tmp_path / "only"
    only.mkdir()
    (only / "x.hflic").write_bytes(b"")
    assert drops.expand((only,)).paths == (only / "x.hflic",)
    (only / "x.hflic").unlink()
    assert "no pictures in the folder only" in drops.expand((only,)).refusal


def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", forbidden)
    assert "cannot be read: Permission denied" in drops.expand((tmp_path,)).refusal


def test_thumbnails_are_upright_and_small(tmp_path: Path) -> None:
    large = Image.fromarray(scene(1600, 1200))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    large.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    image = small(tmp_path / "turned.jpg", SIDE)
    assert image.size == (144, 192)
    whole = Image.fromarray(Picture.open(tmp_path / "turned.jpg").pixels).resize((144, 192))
    assert np.abs(np.asarray(image, int) - np.asarray(whole, int)).mean() < 6
    Image.fromarray(scene(30, 20)).convert("P").save(tmp_path / "palette.png")
    assert small(tmp_path / "palette.png", SIDE).size == (30, 20)  # never enlarged


@pytest.mark.parametrize("content", [b"\xff\xd8\xff\xe0" + b"\0" * 40, b"text", None])
def test_what_is_no_picture_has_no_thumbnail(
    tmp_path: Path, content: bytes | None, photo: Callable[..., Path]
) -> None:
    path = tmp_path / "no.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PictureError, match="no"):
        small(path, SIDE)
