"""Crop boxes: kept with the picture, drawn and moved with the mouse, and shown in every codec."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QTabBar
from pytestqt.qtbot import QtBot

from app.crop_tool import SELECTED
from app.crops import KEPT, Boxes, Crop, Crops
from app.raster import Raster, from_picture
from app.session import Session
from app.state import Side
from app.tasks import Compress
from app.tiles import AT_ONCE, crop_psnr, tiles_of
from app.viewport import Mode
from app.window import Window
from models import metrics
from models.codec import Rate
from models.picture import Picture
from tests.app.conftest import scene, shown
from tests.app.engines import InlineEngine

LEFT = Qt.MouseButton.LeftButton


def raster(width: int = 200, height: int = 100, seed: int = 0) -> Raster:
    return from_picture(Picture(scene(width, height, seed)))


@pytest.fixture
def crops(qapp: object) -> Crops:
    made = Crops()
    made.show_raster(raster())
    return made


# The boxes, without a screen


def test_a_box_is_kept_inside_the_picture(crops: Crops) -> None:
    assert crops.add(180, 90, 40, 30) == Crop("Crop 1", 160, 70, 40, 30)
    crops.place("Crop 1", -7, -9, 40, 30)
    assert crops.selected == Crop("Crop 1", 0, 0, 40, 30)
    crops.place("Crop 1", 150, 80, 400, 300)  # an edge stops at the picture's, the others stay
    assert crops.selected == Crop("Crop 1", 150, 80, 50, 20)


def test_names_differ_and_a_taken_one_gets_a_number(crops: Crops) -> None:
    crops.add(0, 0, 20, 20)
    crops.add(0, 0, 20, 20)
    crops.add(0, 0, 20, 20, "eye")
    assert crops.rename("Crop 2", " eye ") == "eye 2"
    assert crops.rename("eye 2", "  ") == "eye 2"
    assert [crop.name for crop in crops.all()] == ["Crop 1", "eye 2", "eye"]


def test_boxes_belong_to_their_picture(crops: Crops, qtbot: QtBot) -> None:
    crops.add(10, 10, 30, 30, "here")
    with qtbot.waitSignals([crops.changed, crops.selection_changed]):
        crops.show_raster(raster(seed=4))
    assert crops.all() == ()
    assert crops.selected is None
    crops.show_raster(None)
    assert crops.add(0, 0, 20, 20) is None
    crops.show_raster(raster())
    assert crops.selected == Crop("here", 10, 10, 30, 30)


def test_steps_go_around_and_deleting_selects_a_neighbour(crops: Crops) -> None:
    for name in "abc":
        crops.add(0, 0, 20, 20, name)
    assert [crops.step(1).name for _ in range(4)] == ["a", "b", "c", "a"]  # type: ignore[union-attr]
    assert crops.step(-1) == crops.named("c")
    crops.remove("c")
    assert crops.selected == crops.named("b")
    crops.clear()
    assert crops.step(1) is None


def test_new_proposals_replace_only_those_nobody_took_over(crops: Crops) -> None:
    crops.add(0, 0, 20, 20, "mine")
    crops.propose([Crop("Place 1", 10, 10, 20, 20), Crop("Place 2", 50, 10, 20, 20)])
    assert crops.selected == crops.named("Place 1")
    crops.place("Place 2", 60, 10, 20, 20)
    assert crops.proposed("Place 1")
    assert not crops.proposed("Place 2")
    made = crops.propose([Crop("Place 2", 90, 10, 20, 20)])
    assert [crop.name for crop in made] == ["Place 2 2"]  # the taken over one keeps its name
    assert [crop.name for crop in crops.all()] == ["mine", "Place 2", "Place 2 2"]


def test_boxes_come_back_as_they_were(crops: Crops) -> None:
    before = (Crop("a", 1, 2, 30, 40), Crop("b", 5, 5, 20, 20))
    crops.restore(Boxes(before, "b"))
    assert crops.all() == before
    assert crops.selected == before[1]
    crops.restore(Boxes((), "b"))
    assert crops.selected is None


def test_boxes_of_a_picture_wait_until_it_is_opened_and_are_cut_to_it(crops: Crops) -> None:
    other = raster(64, 40, seed=5)
    crops.learn(other.digest, Boxes((Crop("far", 500, 3, 20, 20),), "far"))
    assert crops.all() == ()
    crops.show_raster(other)
    assert crops.selected == Crop("far", 44, 3, 20, 20)
    crops.learn(other.digest, Boxes())  # what is known stays
    assert len(crops.all()) == 1


def test_another_version_of_the_picture_has_the_same_boxes(crops: Crops) -> None:
    crops.learn("next", Boxes((Crop("old", 1, 1, 9, 9),)))
    crops.carry("next")  # nobody has put boxes here
    assert [crop.name for crop in crops.known()["next"].crops] == ["old"]
    crops.add(10, 10, 30, 30, "here")
    crops.carry("next")
    assert crops.known()["next"] == crops.boxes


def test_many_versions_of_a_picture_push_no_other_ones_boxes_out(crops: Crops) -> None:
    crops.learn("another", Boxes((Crop("kept", 1, 1, 9, 9),)))
    crops.add(10, 10, 30, 30, "here")
    for seed in range(1, KEPT + 5):
        version = raster(seed=seed)
        crops.carry(version.digest)
        crops.show_raster(version)
        assert [crop.name for crop in crops.all()] == ["here"]
    assert len(crops.known()) == 2 and "another" in crops.known()


def test_the_boxes_of_the_picture_that_is_opened_are_not_those_forgotten(crops: Crops) -> None:
    other, box = raster(64, 40, seed=5), Boxes((Crop("kept", 4, 3, 20, 20),))
    crops.learn(other.digest, box)
    for number in range(KEPT):
        crops.learn(str(number), box)
    crops.show_raster(other)
    assert crops.boxes == box
    assert "0" not in crops.known()
    assert len(crops.known()) == KEPT


# In the window


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine, photo: Callable[..., Path]) -> Iterator[Window]:
    session = Session(inline, "webp", "jpeg", Rate(bpp=1.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        made.commands.open_paths([photo("photo.png", 320, 240)])
        qtbot.waitUntil(lambda: session.picture is not None and session.idle, timeout=20000)
        yield made


def on_canvas(window: Window, x: float, y: float) -> QPoint:
    canvas, view = window.canvas, window.viewport
    size = QSizeF(canvas.size())
    return view.to_widget(QPointF(x, y), view.frame(view.panes(size)[0], size)).toPoint()


def drag(qtbot: QtBot, window: Window, start: QPoint, end: QPoint) -> None:
    qtbot.mousePress(window.canvas, LEFT, pos=start)
    for share in (0.3, 0.7, 1.0):
        qtbot.mouseMove(window.canvas, start + (end - start) * share)
    qtbot.mouseRelease(window.canvas, LEFT, pos=end)


def draw(qtbot: QtBot, window: Window, x: int, y: int, right: int, bottom: int) -> Crop:
    qtbot.keyClick(window.canvas, Qt.Key.Key_C)
    assert window.actions_by_id["draw_box"].isChecked()
    drag(qtbot, window, on_canvas(window, x, y), on_canvas(window, right, bottom))
    made = window.session.crops.selected
    assert made is not None
    return made


def strip_shows(qtbot: QtBot, window: Window, count: int) -> None:
    tiles = window.looking.strip.tiles
    qtbot.waitUntil(lambda: len(tiles) == count and all(tile.tile is not None for tile in tiles))


def test_a_drag_in_drawing_mode_makes_a_box_and_ends_the_mode(qtbot: QtBot, window: Window) -> None:
    centre = QPointF(window.viewport.centre)
    crop = draw(qtbot, window, 40, 30, 120, 90)
    assert (abs(crop.x - 40), abs(crop.y - 30)) <= (1, 1)
    assert (abs(crop.right - 120), abs(crop.bottom - 90)) <= (1, 1)
    assert not window.looking.tool.drawing
    assert not window.actions_by_id["draw_box"].isChecked()
    assert window.looking.strip.isVisible()
    assert window.viewport.centre == centre  # the picture did not move along


def test_escape_leaves_the_drawing_mode_and_a_click_makes_no_box(qtbot: QtBot, window: Window) -> None:
    qtbot.keyClick(window.canvas, Qt.Key.Key_C)
    qtbot.mouseClick(window.canvas, LEFT, pos=on_canvas(window, 50, 50))
    assert window.looking.tool.drawing
    assert window.session.crops.all() == ()
    qtbot.keyClick(window.canvas, Qt.Key.Key_Escape)
    assert not window.looking.tool.drawing
    drag(qtbot, window, on_canvas(window, 40, 40), on_canvas(window, 90, 90))
    assert window.session.crops.all() == ()


def test_the_selected_box_is_resized_by_its_corner_and_any_moved_by_its_name(
    qtbot: QtBot, window: Window
) -> None:
    crop = draw(qtbot, window, 40, 60, 120, 120)
    window.viewport.set_split(0.95)
    drag(qtbot, window, on_canvas(window, crop.right, crop.bottom), on_canvas(window, 150, 140))
    after = window.session.crops.selected
    assert after is not None
    assert (after.x, after.y) == (crop.x, crop.y)
    assert abs(after.right - 150) <= 1
    assert abs(after.bottom - 140) <= 1
    frame = window.canvas.frame_at(QPointF())
    tag = window.looking.tool.marks.tag(after, frame).center().toPoint()
    ten = on_canvas(window, 10, 10) - on_canvas(window, 0, 0)
    drag(qtbot, window, tag, tag + ten)
    moved = window.session.crops.selected
    assert moved is not None
    assert (moved.width, moved.height) == (after.width, after.height)
    assert abs(moved.x - after.x - 10) <= 1
    assert abs(moved.y - after.y - 10) <= 1


def test_alt_and_arrows_move_and_resize_by_a_pixel(qtbot: QtBot, window: Window) -> None:
    crop = draw(qtbot, window, 40, 60, 120, 120)
    alt, shift = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(window.canvas, Qt.Key.Key_Right, alt)
    qtbot.keyClick(window.canvas, Qt.Key.Key_Down, alt | shift)
    expected = Crop(crop.name, crop.x + 1, crop.y, crop.width, crop.height + 1)
    assert window.session.crops.selected == expected


def test_a_box_can_be_made_without_a_mouse(qtbot: QtBot, window: Window) -> None:
    qtbot.keyClick(window.canvas, Qt.Key.Key_C, Qt.KeyboardModifier.ShiftModifier)
    crop = window.session.crops.selected
    assert crop is not None
    assert crop.width == crop.height
    assert crop.centre == (160, 120)


def test_a_click_in_a_box_selects_it_and_dragging_there_still_moves_the_picture(
    qtbot: QtBot, window: Window
) -> None:
    first = draw(qtbot, window, 20, 60, 80, 120)
    draw(qtbot, window, 200, 60, 300, 120)
    inside = on_canvas(window, 50, 90)
    qtbot.mouseClick(window.canvas, LEFT, pos=inside)
    assert window.session.crops.selected == first
    window.viewport.zoom_to(3.0)
    window.viewport.look_at(QPointF(50, 90))
    centre = QPointF(window.viewport.centre)
    start = on_canvas(window, 45, 90)
    drag(qtbot, window, start, start + QPoint(40, 0))
    assert window.viewport.centre != centre
    assert window.session.crops.selected == first


def test_boxes_are_seen_in_every_mode_but_not_in_copies(qtbot: QtBot, window: Window) -> None:
    crop = draw(qtbot, window, 40, 30, 120, 90)

    def marked(image: QImage) -> int:
        pixels = np.frombuffer(image.convertToFormat(QImage.Format.Format_RGB32).constBits(), np.uint8)
        rows = pixels.reshape(image.height(), -1)[:, : image.width() * 4].reshape(image.height(), -1, 4)
        wanted = (SELECTED.blue(), SELECTED.green(), SELECTED.red())
        return int((rows[..., :3] == wanted).all(axis=-1).sum())

    for mode in Mode:
        window.viewport.set_mode(mode)
        qtbot.waitUntil(lambda: window.session.idle)
        assert marked(window.canvas.grab().toImage()) > 2 * (crop.width + crop.height)
        assert marked(window.canvas.render_view()) == 0
        assert window.session.crops.all() == (crop,)


def test_tabs_select_name_and_delete(qtbot: QtBot, window: Window) -> None:
    draw(qtbot, window, 20, 60, 80, 120)
    draw(qtbot, window, 200, 60, 300, 120)
    tabs, crops = window.looking.strip.tabs, window.session.crops
    assert [tabs.tabText(at) for at in range(tabs.count())] == ["Crop 1", "Crop 2"]
    qtbot.mouseClick(tabs, LEFT, pos=tabs.tabRect(0).center())
    assert crops.selected == crops.named("Crop 1")
    qtbot.mouseDClick(tabs, LEFT, pos=tabs.tabRect(0).center())
    qtbot.keyClicks(tabs.editor, "left & eye")
    qtbot.keyClick(tabs.editor, Qt.Key.Key_Return)
    assert crops.selected == crops.named("left & eye")
    assert tabs.tabText(0) == "left && eye"
    qtbot.keyClick(window.canvas, Qt.Key.Key_F2)
    qtbot.keyClicks(tabs.editor, "nothing")
    qtbot.keyClick(tabs.editor, Qt.Key.Key_Escape)
    assert crops.named("left & eye") is not None
    close = tabs.tabButton(1, QTabBar.ButtonPosition.RightSide)
    qtbot.mouseClick(close, LEFT)
    assert [crop.name for crop in crops.all()] == ["left & eye"]
    window.canvas.setFocus()
    qtbot.keyClick(window.canvas, Qt.Key.Key_Delete)
    assert crops.all() == ()
    assert window.looking.strip.isHidden()


def test_the_strip_shows_the_box_of_the_original_both_sides_and_kept_results(
    qtbot: QtBot, window: Window
) -> None:
    session = window.session
    session.choose(Side.RIGHT, "heic")
    qtbot.waitUntil(lambda: session.idle, timeout=20000)
    crop = draw(qtbot, window, 100, 60, 140, 100)
    strip_shows(qtbot, window, 4)
    tiles = [button.tile for button in window.looking.strip.tiles]
    assert [tile.title for tile in tiles if tile] == ["Original", "A  WebP", "B  HEIC", "JPEG"]
    assert all("bpp" in tile.line and "dB here" in tile.line for tile in tiles[1:] if tile)
    zoom = window.looking.strip.zoom
    zoom.setCurrentIndex(zoom.findData(4))
    button = window.looking.strip.tiles[1]
    qtbot.waitUntil(lambda: button.pixels.width() == 4 * crop.width)
    image = button.grab(button.pixels).toImage()
    raster = session.view(Side.LEFT).raster
    assert raster is not None
    for across, down in ((0, 0), (7, 3), (crop.width - 1, crop.height - 1)):
        wanted = raster.colour_at(crop.x + across, crop.y + down)
        seen = {
            image.pixelColor(across * 4 + x, down * 4 + y).getRgb()[:3] for x in range(4) for y in range(4)
        }
        assert seen == {wanted}  # nearest: one colour a pixel


def test_the_strip_follows_the_sides_and_nothing_runs_again_for_it(
    qtbot: QtBot, window: Window, inline: InlineEngine
) -> None:
    draw(qtbot, window, 100, 60, 140, 100)
    strip_shows(qtbot, window, 3)
    before = len(inline.tasks(Compress))
    window.session.swap()
    tiles = window.looking.strip.tiles
    qtbot.waitUntil(lambda: tiles[1].tile is not None and tiles[1].tile.title == "A  JPEG")
    assert len(inline.tasks(Compress)) == before


def test_a_click_on_a_tile_brings_the_box_to_the_middle(qtbot: QtBot, window: Window) -> None:
    crop = draw(qtbot, window, 20, 20, 60, 60)
    strip_shows(qtbot, window, 3)
    window.viewport.zoom_to(4.0)
    window.viewport.look_at(QPointF(300, 200))
    qtbot.mouseClick(window.looking.strip.tiles[2], LEFT)
    assert (window.viewport.centre.x(), window.viewport.centre.y()) == crop.centre
    assert window.viewport.scale == 4.0  # the scale a person chose stays


def test_n_and_p_go_from_box_to_box(qtbot: QtBot, window: Window) -> None:
    boxes = [draw(qtbot, window, x, 60, x + 50, 110) for x in (20, 120, 220)]
    qtbot.keyClick(window.canvas, Qt.Key.Key_0)
    for key, at in ((Qt.Key.Key_N, 0), (Qt.Key.Key_N, 1), (Qt.Key.Key_P, 0), (Qt.Key.Key_P, 2)):
        qtbot.keyClick(window.canvas, key)
        assert window.session.crops.selected == boxes[at]
        assert (window.viewport.centre.x(), window.viewport.centre.y()) == boxes[at].centre
        size = QSizeF(window.canvas.size())
        assert window.viewport.visible(QRectF(QPointF(), size)).contains(QPointF(*boxes[at].centre))
        assert window.viewport.scale >= 2  # the whole picture would not show more of it


def test_t_opens_an_empty_strip_with_a_hint_and_tab_hides_it(qtbot: QtBot, window: Window) -> None:
    strip = window.looking.strip
    assert strip.isHidden()
    qtbot.keyClick(window.canvas, Qt.Key.Key_T)
    assert strip.isVisible()
    assert strip.hint.isVisible()
    draw(qtbot, window, 20, 20, 60, 60)
    strip_shows(qtbot, window, 3)
    assert not strip.hint.isVisible()
    window.canvas.setFocus()
    qtbot.keyClick(window.canvas, Qt.Key.Key_Tab)
    assert strip.isHidden()
    qtbot.keyClick(window.canvas, Qt.Key.Key_Tab)
    assert strip.isVisible()
    qtbot.keyClick(window.canvas, Qt.Key.Key_T)
    assert strip.isHidden()


def test_boxes_of_another_picture_do_not_show_and_come_back(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    crop = draw(qtbot, window, 20, 20, 60, 60)
    first = window.session.picture
    assert first is not None
    assert first.path is not None
    window.commands.open_paths([photo("two.png", 320, 240, seed=7)])
    qtbot.waitUntil(lambda: window.session.picture is not first and window.session.idle, timeout=20000)
    assert window.session.crops.all() == ()
    assert window.looking.strip.isHidden()
    window.commands.open_paths([first.path])
    qtbot.waitUntil(lambda: window.session.crops.all() == (crop,), timeout=20000)
    assert window.looking.strip.isVisible()
    qtbot.waitUntil(lambda: window.session.idle, timeout=20000)


def test_the_psnr_of_a_box_is_that_of_its_pixels(window: Window) -> None:
    session = window.session
    made = session.view(Side.LEFT).raster
    assert session.picture is not None
    assert made is not None
    crop = Crop("x", 10, 20, 60, 50)
    cut = [Picture(r.picture().pixels[20:70, 10:70].copy()) for r in (session.picture, made)]
    assert crop_psnr(session.picture, made, crop) == pytest.approx(metrics.compute("psnr", *cut))
    assert "here" in tiles_of(session, crop)[1].line
    assert crop_psnr(session.picture, made, Crop("x", 0, 0, 4000, 4000), now=True) is None


def test_numbers_of_large_boxes_wait_for_a_pause(qtbot: QtBot, window: Window) -> None:
    qtbot.keyClick(window.canvas, Qt.Key.Key_T)
    session, crop = window.session, Crop("all", 0, 0, 300, 220)
    assert crop.width * crop.height > AT_ONCE
    assert all(tile.unmeasured and "here" not in tile.line for tile in tiles_of(session, crop)[1:])
    session.crops.restore(Boxes((crop,), "all"))
    tiles = window.looking.strip.tiles
    qtbot.waitUntil(
        lambda: [b.tile is not None and "dB here" in b.tile.line for b in tiles[1:]] == [True] * 2
    )
    assert not any(tile.unmeasured for tile in tiles_of(session, crop))
