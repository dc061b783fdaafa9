"""What is under way when another picture or side takes its place: nothing of the one reaches the other."""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

import app.commands
import app.opener
from app.blind import places
from app.engine import Engine, Priority
from app.export import ExportCrop
from app.exporting import Form
from app.kinds import Kind
from app.labels import suggested_name
from app.raster import Raster
from app.realism import Redecode
from app.session import Session
from app.state import FILE, Phase, Side
from app.tasks import (
    Coded,
    Compress,
    Difference,
    OpenCoded,
    OpenFile,
    OpenPixels,
    SaveFile,
    SavePicture,
)
from app.thumbs import Thumbnail
from app.viewport import Mode
from app.window import Window
from models.codec import Rate
from tests.app.conftest import shown
from tests.app.engines import HandEngine
from tests.app.hands import on_a_screen
from tests.app.test_session import coded, raster

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
UNUSABLE = {"jxl", "heic"}


@pytest.fixture
def window(qtbot: QtBot, hand: HandEngine) -> Iterator[Window]:
    session = Session(hand, "webp", "jpeg", Rate(bpp=0.5))  # type: ignore[arg-type]
    session.start()
    hand.all_usable(lacking=UNUSABLE)
    with shown(qtbot, session) as made:
        yield made


def open_picture(window: Window, hand: HandEngine, name: str, seed: int, width: int = 480) -> Raster:
    window.session.open([Path(name)])
    picture = replace(raster(width, 320, seed), path=Path("/nowhere") / name)
    hand.answer(OpenFile, picture)
    QApplication.processEvents()
    return picture


def opened_file(name: str, seed: int) -> Coded:
    picture = replace(raster(480, 320, seed), path=Path("/nowhere") / name)
    return replace(coded("hflic", seed=seed), raster=picture, realistic=True)


def open_files(window: Window, hand: HandEngine, **files: int) -> None:
    window.session.open([Path("/nowhere") / f"{name}.hflic" for name in files])
    for name, seed in files.items():
        hand.answer(OpenCoded, opened_file(f"{name}.hflic", seed))
    window.history.end_turn()


def compressed(hand: HandEngine, *seeds: int) -> None:
    """Answer what waits, sides in their order."""
    for at, seed in enumerate(seeds):
        given = hand.tasks(Compress)[at - len(seeds)]
        made = coded(given.task.codec, 100 + seed, seed=seed)  # type: ignore[attr-defined]
        hand.finished.emit(given.id, replace(made, raster=raster(480, 320, seed)))


def mouse(window: Window, kind: QEvent.Type, at: QPoint, buttons: Qt.MouseButton = LEFT) -> None:
    button = NONE if kind is QEvent.Type.MouseMove else LEFT
    place = QPointF(at)
    spot = window.canvas.mapToGlobal(place)
    event = QMouseEvent(kind, place, spot, button, buttons, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(window.canvas, event)


def corner(window: Window) -> QPoint:
    """Where the first box's right bottom corner is on the canvas."""
    box, canvas = window.session.crops.all()[0], window.canvas
    frame = canvas.frame_at(QPointF())
    return canvas.viewport.to_widget(QPointF(box.right, box.bottom), frame).toPoint()


def dragged(window: Window, by: QPoint) -> QPoint:
    """Take the first box by that corner and move it, the button still down; gives where it was taken."""
    window.viewport.zoom_to(1.0)
    at = corner(window)
    mouse(window, QEvent.Type.MouseButtonPress, at)
    mouse(window, QEvent.Type.MouseMove, at + by)
    return at


# Pasting


def test_each_paste_has_a_name_of_its_own(
    window: Window, hand: HandEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The codec process keeps pictures by that name, and an address in memory comes back."""
    monkeypatch.setattr(app.opener, "id", lambda _: 7, raising=False)
    for value in (1, 2, 3):
        window.session.opener.open_pixels(np.full((8, 8, 4), value, np.uint8))
    names = [given.task.key for given in hand.given if isinstance(given.task, OpenPixels)]
    assert len(names) == 3 == len(set(names))


# Saving


@pytest.mark.parametrize("action", ["save_left", "png_left"])
def test_a_save_dialog_saves_what_it_was_opened_for(
    window: Window, hand: HandEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, action: str
) -> None:
    open_picture(window, hand, "one.png", 1)
    compressed(hand, 11, 12)
    mine = window.session.view(Side.LEFT)
    assert mine.coded is not None

    def meanwhile(*_: object) -> Path:
        open_picture(window, hand, "two.png", 2)
        compressed(hand, 21, 22)
        return tmp_path / "one"

    monkeypatch.setattr(app.commands, "ask_path", meanwhile)
    window.commands.command(action)()
    if action == "save_left":
        task = hand.tasks(SaveFile)[-1].task
        assert isinstance(task, SaveFile) and task.data == mine.coded.encoding.data
    else:
        given = hand.tasks(SavePicture)[-1]
        assert list(given.rasters) == [mine.coded.raster.digest]


def test_a_crop_is_that_of_the_view_the_dialog_was_opened_for(
    window: Window, hand: HandEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    open_picture(window, hand, "one.png", 1)
    compressed(hand, 11, 12)
    mine = {window.session.view(side).raster.digest for side in Side}  # type: ignore[union-attr]

    def meanwhile(*_: object) -> Path:
        open_picture(window, hand, "two.png", 2)
        return tmp_path / "one.png"

    monkeypatch.setattr(app.commands, "ask_path", meanwhile)
    window.commands.command("export_crop")()
    given = hand.tasks(ExportCrop)[-1]
    assert set(given.rasters) == mine
    assert isinstance(given.task, ExportCrop) and given.task.path == tmp_path / "one.png"


def test_a_suggested_name_is_never_too_long_for_a_file(window: Window, hand: HandEngine) -> None:
    open_picture(window, hand, "ä" * 120 + ".png", 1)
    assert len(os.fsencode(suggested_name(window.session, Side.LEFT, ".png"))) <= 255
    compressed(hand, 11, 12)
    name = suggested_name(window.session, Side.LEFT)
    assert len(os.fsencode(name)) <= 255 and name.endswith("bpp.webp")


# Compressed files without their photo


def test_changes_to_files_without_a_photo_are_steps(window: Window, hand: HandEngine) -> None:
    open_files(window, hand, a=1, b=2)
    history = window.history
    window.session.swap()
    history.end_turn()
    assert history.undo_name == "the swap"
    history.undo()
    assert [window.session.file(side).raster.path.name for side in Side] == ["a.hflic", "b.hflic"]  # type: ignore[union-attr]
    history.redo()
    assert [window.session.file(side).raster.path.name for side in Side] == ["b.hflic", "a.hflic"]  # type: ignore[union-attr]
    window.viewport.set_mode(Mode.SIDE)
    history.end_turn()
    assert history.undo_name == "the mode"
    window.session.crops.add(5, 5, 30, 30)
    history.end_turn()
    history.undo()
    assert not window.session.crops.all() and window.viewport.mode is Mode.SIDE


def test_realism_of_a_file_alone_keeps_steps_and_boxes(window: Window, hand: HandEngine) -> None:
    open_files(window, hand, a=1)
    window.session.crops.add(5, 5, 30, 30, "eye")
    window.session.set_realism(Side.LEFT, 0.5)
    given = hand.tasks(Redecode)[-1]
    hand.finished.emit(given.id, replace(opened_file("a.hflic", 1), raster=raster(480, 320, 7), realism=0.5))
    window.history.end_turn()
    window.viewport.set_mode(Mode.SIDE)
    window.history.end_turn()
    assert window.history.undo_name == "the mode"
    window.session.opener.renew(Path("/nowhere/a.hflic"))
    hand.answer(OpenCoded, opened_file("a.hflic", 3))
    assert [crop.name for crop in window.session.crops.all()] == ["eye"]


def choices(window: Window, side: Side) -> dict[str, bool]:
    """What a side's list offers, and whether it can be chosen."""
    box = window.inspector.sides[side].codec
    flags = [box.model().flags(box.model().index(at, 0)) for at in range(box.count())]
    can = [bool(flag & Qt.ItemFlag.ItemIsEnabled) for flag in flags]
    return {str(box.itemData(at)): can[at] for at in range(box.count()) if box.itemData(at)}


def test_the_lists_of_codecs_follow_a_file_to_the_other_side(window: Window, hand: HandEngine) -> None:
    open_picture(window, hand, "photo.png", 1)
    window.session.open([Path("/nowhere/b.webp")], Side.RIGHT)
    hand.answer(OpenCoded, opened_file("b.webp", 2))
    before = choices(window, Side.LEFT)
    assert FILE not in before and not before["jxl"]
    window.session.swap()
    assert choices(window, Side.LEFT) == before | {FILE: True}
    assert choices(window, Side.RIGHT) == before
    window.session.choose(Side.RIGHT, FILE)  # as from a list that was open meanwhile
    assert window.session.view(Side.RIGHT).phase is not Phase.EMPTY


# The mouse and the keyboard


def test_a_drag_does_not_go_on_in_the_next_picture(window: Window, hand: HandEngine) -> None:
    open_picture(window, hand, "two.png", 2)
    window.session.crops.add(10, 10, 40, 40)
    open_picture(window, hand, "one.png", 1)
    window.session.crops.add(200, 150, 60, 60)
    at = dragged(window, QPoint(5, 5))
    assert window.session.crops.all()[0].width == 65
    open_picture(window, hand, "two.png", 2)
    mouse(window, QEvent.Type.MouseMove, at + QPoint(9, 9))
    mouse(window, QEvent.Type.MouseButtonRelease, at + QPoint(9, 9), NONE)
    box = window.session.crops.all()[0]
    assert (box.x, box.y, box.width, box.height) == (10, 10, 40, 40)


def test_a_name_is_not_given_to_the_next_pictures_box(qtbot: QtBot, window: Window, hand: HandEngine) -> None:
    open_picture(window, hand, "two.png", 2)
    window.session.crops.add(10, 10, 40, 40)
    open_picture(window, hand, "one.png", 1)
    window.session.crops.add(200, 150, 60, 60)
    window.looking._rename("Crop 1")
    editor = window.looking.strip.tabs.editor
    editor.setText("eye of one")
    open_picture(window, hand, "two.png", 2)
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    assert [crop.name for crop in window.session.crops.all()] == ["Crop 1"]
    open_picture(window, hand, "one.png", 1)
    assert [crop.name for crop in window.session.crops.all()] == ["Crop 1"]


def test_a_box_does_not_stick_to_a_mouse_that_was_let_go(window: Window, hand: HandEngine) -> None:
    open_picture(window, hand, "one.png", 1)
    window.session.crops.add(100, 100, 60, 60)
    at = dragged(window, QPoint(3, 3))
    window.set_chrome(False)
    mouse(window, QEvent.Type.MouseButtonRelease, at + QPoint(3, 3), NONE)
    window.set_chrome(True)
    before = window.session.crops.all()
    mouse(window, QEvent.Type.MouseMove, at + QPoint(60, 40), NONE)
    assert window.session.crops.all() == before


@pytest.mark.parametrize("key", [Qt.Key.Key_Tab, Qt.Key.Key_Backtab])
def test_the_keyboard_leaves_the_table_of_numbers(
    qtbot: QtBot, window: Window, hand: HandEngine, key: Qt.Key
) -> None:
    open_picture(window, hand, "one.png", 1)
    table: QWidget = window.inspector.metrics
    table.setFocus()
    assert window.focusWidget() is table
    qtbot.keyClick(table, key)
    assert window.focusWidget() is not table


# Differences, thumbnails, memory


def test_a_difference_does_not_stand_in_for_another_pictures(window: Window, hand: HandEngine) -> None:
    session = window.session
    open_picture(window, hand, "one.png", 1)
    compressed(hand, 11, 12)
    open_picture(window, hand, "two.png", 2)
    compressed(hand, 21, 22)
    session.want_difference(Kind.ABSOLUTE)
    hand.answer(Difference, raster(480, 320, 31))
    assert session.difference is not None
    open_picture(window, hand, "one.png", 1)
    assert hand.tasks(Difference)[-1].rasters.keys() == {
        view.raster.digest for side in Side if (view := session.view(side)).raster is not None
    }
    assert session.difference is None
    hand.answer(Difference, raster(480, 320, 32))
    assert session.difference is not None


def test_a_file_written_before_it_was_first_opened_has_a_new_thumbnail(
    window: Window, hand: HandEngine, tmp_path: Path
) -> None:
    path = tmp_path / "two.png"
    path.write_bytes(b"first")
    gallery = window.session.gallery
    gallery.want([path])
    hand.answer(Thumbnail, np.zeros((4, 4, 4), np.uint8))
    gallery.note(path, "digest")
    assert gallery.thumbnail(path) is not None, "nothing has changed"
    path.write_bytes(b"second, longer")
    gallery._digests.clear()  # as where it was never opened
    gallery.note(path, "digest")
    assert gallery.thumbnail(path) is None


def test_an_idle_engine_holds_no_picture(qtbot: QtBot, qapp: object) -> None:
    engine = Engine()
    try:
        ends: list[weakref.ref[Raster]] = []
        engine.finished.connect(lambda _id, value: ends.append(weakref.ref(value)))
        engine.failed.connect(lambda _id, failure: pytest.fail(str(failure)))
        given = Raster("pasted x", (np.zeros((40, 40, 4), np.uint8),))
        before = weakref.ref(given)
        engine.submit(OpenPixels("pasted x"), Priority.OPEN, [given])
        del given
        qtbot.waitUntil(lambda: bool(ends), timeout=30000)

        def gone() -> bool:
            gc.collect()
            return before() is None and ends[0]() is None

        qtbot.waitUntil(gone, timeout=5000)
    finally:
        engine.close()


# Odd input


@pytest.mark.parametrize("name", ["/", "."])
def test_a_name_that_is_none_is_no_fault_of_the_export(window: Window, hand: HandEngine, name: str) -> None:
    open_picture(window, hand, "one.png", 1)
    compressed(hand, 11, 12)
    dialog = window.sharing.ask(Form.FIGURE)
    dialog.path.setText(name)
    dialog.kind.setCurrentIndex(1)
    dialog.path.setText(name)
    dialog.form.setCurrentIndex((dialog.form.currentIndex() + 1) % dialog.form.count())
    assert dialog.path.text() == name
    dialog.reject()


@pytest.mark.parametrize("size", [(20_000, 1000), (60_000, 1000), (1000, 60_000), (900, 600)])
def test_a_blind_test_of_a_panorama_has_no_more_places_than_any(size: tuple[int, int]) -> None:
    assert 1 <= len(places(*size, count=9)) <= 9


_SCALED = """
import numpy as np
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QApplication
qapp = QApplication([])
from app.canvas import Canvas
from app.kinds import Kind
from app.viewport import Mode, Viewport
from tests.app.test_session import raster
view = Viewport()
canvas = Canvas(view)
canvas.show()
def pixels():
    image = canvas.render_view()
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1, 4)
    return rows[:, : image.width(), :3].astype(int)
for which in ("left", "right", "difference"):
    canvas.show_raster(which, raster(97, 61, 3))
view.set_difference(Kind.ABSOLUTE, tuple(1 for _ in Kind))
for width in (401, 402, 405, 407):
    canvas.resize(width, 301)
    qapp.processEvents()
    view.set_picture(97, 61)
    for scale in (0.7, 1.0, 2.0, 3.0):
        view.zoom_to(scale)
        view.look_at(QPointF(48.5, 30.5))
        view.set_mode(Mode.FLICKER)
        side = pixels()
        view.set_mode(Mode.DIFFERENCE)
        frame = canvas.frame_at(QPointF())
        ends = [view.to_widget(QPointF(*at), frame) * view.ratio for at in ((0, 0), (97, 61))]
        left, top = (round(v) + 2 for v in ends[0].toTuple())
        right, bottom = (round(v) - 2 for v in ends[1].toTuple())
        apart = np.abs(side - pixels())[top:bottom, left:right]
        assert apart.size and apart.max() <= 2, (width, scale, apart.max())
print("the same, at", view.ratio)
"""


@pytest.mark.parametrize("ratio", ["1", "1.25", "1.5", "1.75", "2"])
def test_a_difference_lies_where_the_sides_do_on_any_screen(ratio: str) -> None:
    assert f"the same, at {float(ratio)}" in on_a_screen(ratio, _SCALED)


_TILED = """
from itertools import groupby
import numpy as np
from PySide6.QtWidgets import QApplication, QScrollArea
qapp = QApplication([])
from app.crops import Crop
from app.panels.tile import TileButton
from app.raster import from_picture
from app.tiles import Tile
from models.picture import Picture
pixels = np.zeros((20, 30, 3), np.uint8)
pixels[:, 1::2] = 255
area = QScrollArea()
for scale in (2.0, 3.0, 5.0):
    button = TileButton(area)
    tile = Tile("Original", "30 x 20", from_picture(Picture(pixels)))
    button.show_tile(tile, Crop("", 2, 2, 20, 10), scale)
    image = button.grab().toImage()
    ratio = image.devicePixelRatio()
    row = round((button.pixels.center().y()) * ratio)
    shades = [image.pixelColor(x, row).red() for x in range(image.width())]
    runs = [len(list(same)) for _, same in groupby(shades)][1:-1]
    whole = runs[1:-1]
    assert len(whole) >= 16 and set(whole) == {round(scale * ratio)}, (scale, ratio, runs)
print("whole pixels")
"""


@pytest.mark.parametrize("ratio", ["1", "1.25", "1.5", "2"])
def test_crops_are_magnified_to_whole_pixels_of_any_screen(ratio: str) -> None:
    assert "whole pixels" in on_a_screen(ratio, _TILED)
