"""The window: what is saved, exported and copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox
from pytestqt.qtbot import QtBot

from app.action import Facts
from app.columns import Column
from app.export import GAP
from app.facts import facts_of
from app.finding import find
from app.raster import from_picture
from app.session import Session
from app.state import Side
from app.tasks import Compress, SaveFile
from app.viewport import Mode
from app.window import Window
from models.codec import Rate
from models.picture import SAVED_SUFFIXES, Picture
from tests.app.conftest import shown
from tests.app.engines import InlineEngine
from tests.app.hands import open_photo, settle


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine) -> Iterator[Window]:
    session = Session(inline, "webp", "jpeg", Rate(bpp=1.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        yield made


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


class Dialogs:
    """A person before the dialogs of saving: types the names one after the other, says Yes or No."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, typed: list[str], yes: bool = False) -> None:
        self.typed, self.yes = typed, yes
        self.starts: list[str] = []
        self.questions: list[str] = []
        monkeypatch.setattr(QFileDialog, "getSaveFileName", self._choose)
        monkeypatch.setattr(QMessageBox, "question", self._answer)

    def _choose(self, parent: object, title: str, start: str, pattern: str) -> tuple[str, str]:
        self.starts.append(start)
        return self.typed.pop(0), pattern

    def _answer(self, parent: object, title: str, words: str, buttons: object, default: object) -> object:
        self.questions.append(words)
        assert default == QMessageBox.StandardButton.No
        return QMessageBox.StandardButton.Yes if self.yes else default


def test_a_name_that_gets_its_suffix_replaces_nothing_unasked(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_photo(qtbot, window, photo("cat.png"))
    there = tmp_path / "mine.webp"
    there.write_bytes(b"precious")
    refused = Dialogs(monkeypatch, [str(tmp_path / "mine"), ""])
    window.actions_by_id["save_left"].trigger()
    settle(qtbot, window)
    assert refused.questions == ["mine.webp is there already. Replace it?"]
    assert refused.starts[1] == str(there)  # another name can be given
    assert there.read_bytes() == b"precious"
    allowed = Dialogs(monkeypatch, [str(tmp_path / "mine")], yes=True)
    with qtbot.waitSignal(window.session.saved):
        window.actions_by_id["save_left"].trigger()
    assert len(allowed.questions) == 1
    assert there.read_bytes() == window.session.view(Side.LEFT).coded.encoding.data  # type: ignore[union-attr]
    typed = Dialogs(monkeypatch, [str(there)])  # of the whole name the dialog itself has asked
    with qtbot.waitSignal(window.session.saved):
        window.actions_by_id["save_left"].trigger()
    assert not typed.questions


@pytest.mark.parametrize(
    ("action", "typed", "written"),
    [
        ("save_left", "cat v1.2", "cat v1.2.webp"),
        ("save_left", "CAT.WEBP", "CAT.WEBP"),
        ("save_right", "cat.jpeg", "cat.jpeg"),
        ("png_left", "cat v1.2", "cat v1.2.png"),
        ("png_left", "cat.tif", "cat.tif"),
        ("export_crop", "cat v1.2", "cat v1.2.png"),
    ],
)
def test_a_dot_in_a_name_is_no_suffix(
    qtbot: QtBot,
    window: Window,
    photo: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    typed: str,
    written: str,
) -> None:
    open_photo(qtbot, window, photo("photo.png"))
    Dialogs(monkeypatch, [str(tmp_path / typed)])
    with qtbot.waitSignal(window.session.saved) as saved:
        window.actions_by_id[action].trigger()
    assert saved.args == [tmp_path / written]
    assert (tmp_path / written).is_file()


@pytest.mark.parametrize("suffix", SAVED_SUFFIXES)
def test_every_suffix_a_picture_may_keep_can_be_written(suffix: str) -> None:
    Picture.check_suffix(Path(f"photo{suffix}"))


def test_a_picture_is_saved_only_once_it_is_what_was_chosen(
    qtbot: QtBot,
    window: Window,
    inline: InlineEngine,
    photo: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    png = {side: window.actions_by_id[f"png_{side.value}"] for side in Side}
    assert [action.isEnabled() for action in png.values()] == [False, False]
    open_photo(qtbot, window, photo())
    assert [action.isEnabled() for action in png.values()] == [True, True]
    inline.held = (Compress,)
    target = tmp_path / "late.png"

    def choose(parent: object, title: str, start: str, pattern: str) -> tuple[str, str]:
        window.session.choose(Side.RIGHT, "jxl")  # the side changes while the dialog is open
        return str(target), pattern

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    shown_then = window.session.view(Side.RIGHT).raster
    png[Side.RIGHT].trigger()
    qtbot.waitUntil(lambda: target.exists() and window.session.saving == 0)
    assert shown_then is not None
    assert from_picture(Picture.open(target)).digest == shown_then.digest  # what the dialog was opened for
    window.session.save_picture(window.session.view(Side.RIGHT), tmp_path / "early.png")
    assert window.messages.text == "Side B was not saved: it has no finished picture now."
    assert not (tmp_path / "early.png").exists()
    assert [action.isEnabled() for action in png.values()] == [True, False]
    reason = {found.action.id: found.reason for found in find("decoded, as png", now(window))}
    assert reason == {"png_left": "", "png_right": "Side B shows no finished picture"}
    qtbot.keyClick(window.canvas, Qt.Key.Key_Escape)
    assert not png[Side.RIGHT].isEnabled()  # stopped


def now(window: Window) -> Facts:
    return facts_of(window.session, window.viewport, window.history)


def test_a_save_that_fails_is_a_message(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    open_photo(qtbot, window, photo())
    window.session.save_file(window.session.view(Side.LEFT), tmp_path / "no" / "folder.webp")
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


def test_one_picture_alone_side_by_side_is_exported_as_wide_as_it_is_seen(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    open_photo(qtbot, window, photo("big.png", 1500, 1100))
    window.viewport.set_mode(Mode.SIDE)
    window.viewport.zoom_to(2.0)
    window.viewport.look_at(QPointF(750, 550))
    left = window.session.view(Side.LEFT).raster
    assert left is not None
    window.canvas.show_raster("right", None)
    seen = exported(qtbot, window, tmp_path / "crop.png")
    wide = window.canvas.width() / 2
    assert abs(seen.shape[1] - wide) <= 2
    begin = int(750 - wide / 2)
    top = int(550 - window.canvas.height() / 4)
    expected = left.picture().pixels[top : top + seen.shape[0], begin : begin + seen.shape[1]]
    np.testing.assert_array_equal(seen, expected)
    box = window.sharing.box()
    assert box is not None and abs(box.width - wide) <= 2


def exported(qtbot: QtBot, window: Window, out: Path) -> np.ndarray:
    with qtbot.waitSignal(window.session.saved):
        window.commands.export_crop(out)
    return Picture.open(out).pixels


def test_a_line_across_divides_the_exported_crop_by_rows(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    open_photo(qtbot, window, photo("wide.png", 320, 240))
    window.actions_by_id["turn_split"].trigger()
    assert window.viewport.across
    window.viewport.set_split(0.4)
    left, right = (window.session.view(side).raster.picture().pixels for side in Side)  # type: ignore[union-attr]
    out = tmp_path / "crop.png"
    canvas, view = window.canvas, window.viewport
    lower = view.panes(canvas.size().toSizeF())[1].rect.topLeft()
    at = round(view.to_picture(lower, canvas.rect().toRectF()).y())
    assert 0 < at < 240
    np.testing.assert_array_equal(exported(qtbot, window, out), np.concatenate([left[:at], right[at:]]))


def test_all_columns_beside_each_other_are_exported(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    open_photo(qtbot, window, photo())
    window.viewport.set_mode(Mode.SIDE)
    window.session.columns.choose(Column.THIRD, "jpeg")
    window.session.columns.choose(Column.FOURTH, "original")
    settle(qtbot, window)
    names = ("left", "right", "third", "fourth")
    rasters = [window.canvas.raster(name) for name in names]
    assert rasters[1] is rasters[2]  # one result, seen twice
    made = exported(qtbot, window, tmp_path / "crop.png")
    width = 96 + GAP
    assert made.shape == (64, 4 * 96 + 3 * GAP, 3)
    for at, raster in enumerate(rasters):
        assert raster is not None
        begin = at * width
        np.testing.assert_array_equal(made[:, begin : begin + 96], raster.picture().pixels)
        assert (made[:, begin + 96 : begin + width] == 255).all()
    window.viewport.hold_original(True)
    assert exported(qtbot, window, tmp_path / "original.png").shape == (64, 96, 3)


def test_copy_puts_the_view_without_labels_on_the_clipboard(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo())
    qtbot.keyClick(window.canvas, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    image = QApplication.clipboard().image()
    assert image.size() == window.canvas.size()
    assert image.pixelColor(30, 24) == window.canvas.surround  # where the label stands


def test_closing_waits_for_a_file_that_is_being_written(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path], tmp_path: Path
) -> None:
    open_photo(qtbot, window, photo())
    inline.held = (SaveFile,)
    window.session.save_file(window.session.view(Side.LEFT), tmp_path / "a.webp")
    assert window.willing
    assert not window.close()
    assert window.isVisible() and not window.willing  # what a later start is given would close with it
    qtbot.wait(20)
    inline.finished.emit(inline.given[-1].id, tmp_path / "a.webp")
    assert not window.isVisible()


def test_the_numbers_are_copied_as_a_table(qtbot: QtBot, window: Window, photo: Callable[..., Path]) -> None:
    open_photo(qtbot, window, photo())
    window.actions_by_id["copy_numbers"].trigger()
    lines = [line.split("\t") for line in QApplication.clipboard().text().split("\n")]
    assert lines[0] == ["measure", "A", "B"]
    sizes = next(line for line in lines if line[0] == "File size [bytes]")
    left = window.session.view(Side.LEFT).coded
    assert left is not None
    assert sizes[1] == str(left.encoding.bytes)


@pytest.mark.parametrize("mode", [Mode.SPLIT, Mode.DIFFERENCE])
def test_a_crop_of_a_side_that_still_compresses_is_not_exported(
    qtbot: QtBot,
    window: Window,
    inline: InlineEngine,
    photo: Callable[..., Path],
    tmp_path: Path,
    mode: Mode,
) -> None:
    open_photo(qtbot, window, photo())
    window.viewport.set_mode(mode)
    settle(qtbot, window)
    inline.held = (Compress,)
    window.session.choose(Side.LEFT, "jxl")
    assert window.session.view(Side.LEFT).raster is not None  # the last result, or the original
    window.commands.export_crop(tmp_path / "crop.png")
    assert window.messages.text == "The crop was not exported: side A has no finished picture now."
    assert not (tmp_path / "crop.png").exists()
    window.viewport.set_mode(Mode.FLICKER)
    window.viewport.show_side(right=True)  # alone, and it is finished
    assert exported(qtbot, window, tmp_path / "crop.png").shape == (64, 96, 3)
    window.session.cancel()


def test_a_column_that_still_compresses_is_not_exported(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path], tmp_path: Path
) -> None:
    open_photo(qtbot, window, photo())
    window.viewport.set_mode(Mode.SIDE)
    inline.held = (Compress,)
    window.session.columns.choose(Column.THIRD, "jxl")
    window.session.columns.choose(Column.FOURTH, "original")
    qtbot.waitUntil(lambda: bool(inline.tasks(Compress)))
    window.commands.export_crop(tmp_path / "crop.png")
    assert window.messages.text == "The crop was not exported: column C has no finished picture now."
    assert not (tmp_path / "crop.png").exists()
    window.session.cancel()
