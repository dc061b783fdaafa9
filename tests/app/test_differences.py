"""Differences of each kind and proposed places: asked for when wanted, kept, dropped when late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from app import maps, text
from app.crops import Crop
from app.differences import STOPPED, count_of
from app.export import Crop as Area
from app.export import ExportCrop
from app.kinds import ZERO, Kind, coloured, colours, full_scale
from app.labels import BOTH_WAYS, difference_label
from app.maps import FindPlaces, PerceptualMap, SignedDifference
from app.raster import Raster, from_picture
from app.session import Session
from app.state import Side
from app.tasks import Coded, Compress, Difference, FindFaces, OpenFile
from app.viewport import Mode, Viewport
from app.window import Window
from app.worker import Failure
from models.codec import Encoding, Rate
from models.faces import Face
from models.picture import Picture
from models.places import Place
from tests.app.conftest import scene, shown
from tests.app.engines import HandEngine, InlineEngine

FACE = Face((20, 10, 40, 40), 0.9, (), small=True)
PLACES = (Place(4, 4, 48, 48, 0.5, face=True), Place(60, 8, 48, 48, 0.9), Place(0, 60, 48, 48, 0.2))


def raster(seed: int = 0, width: int = 120, height: int = 110) -> Raster:
    return from_picture(Picture(scene(width, height, seed)))


class Bench:
    """Pictures by a name."""

    def __init__(self, **pictures: Picture) -> None:
        self._pictures = pictures
        from models.codec import Watch

        self.watch = Watch()

    def picture(self, digest: str) -> Picture:
        return self._pictures[digest]


@pytest.fixture
def session(qapp: object, hand: HandEngine) -> Session:
    """A session that shows the original on both sides: nothing has to be compressed."""
    made = Session(hand, "original", "original")  # type: ignore[arg-type]
    made.start()
    hand.all_usable()
    show(made, hand)
    return made


def show(session: Session, hand: HandEngine, seed: int = 0) -> Raster:
    session.open([Path("photo.png")])
    picture = raster(seed)
    hand.answer(OpenFile, picture)
    return picture


# The session


@pytest.mark.parametrize(
    ("kind", "task"),
    [(Kind.ABSOLUTE, Difference), (Kind.SIGNED, SignedDifference), (Kind.PERCEPTUAL, PerceptualMap)],
)
def test_each_kind_is_computed_when_it_is_wanted(
    session: Session, hand: HandEngine, kind: Kind, task: type
) -> None:
    assert not hand.tasks(task)
    session.want_difference(kind)
    assert session.working
    made = raster(9)
    hand.answer(task, made)
    assert session.difference is made
    assert not session.working
    session.want_difference(None)
    assert session.difference is None


def test_coming_back_to_a_kind_computes_nothing(session: Session, hand: HandEngine) -> None:
    made = {}
    for kind, task in ((Kind.PERCEPTUAL, PerceptualMap), (Kind.ABSOLUTE, Difference)):
        session.want_difference(kind)
        made[kind] = raster(9)
        hand.answer(task, made[kind])
    asked = len(hand.given)
    session.want_difference(Kind.PERCEPTUAL)
    assert session.difference is made[Kind.PERCEPTUAL]
    session.want_difference(None)
    session.want_difference(Kind.ABSOLUTE)
    assert session.difference is made[Kind.ABSOLUTE]
    assert len(hand.given) == asked


def test_a_late_map_of_other_pictures_never_shows(session: Session, hand: HandEngine) -> None:
    session.want_difference(Kind.PERCEPTUAL)
    late = hand.tasks(PerceptualMap)[-1]
    show(session, hand, seed=5)
    assert late.id in hand.stopped
    hand.finished.emit(late.id, raster(7))
    assert session.difference is None
    fresh = raster(8)
    hand.answer(PerceptualMap, fresh)
    assert session.difference is fresh


def test_cancel_says_so_and_try_again_starts_anew(session: Session, hand: HandEngine) -> None:
    session.want_difference(Kind.PERCEPTUAL)
    session.cancel()
    assert session.differences.error == STOPPED
    assert STOPPED in difference_label(session, Viewport()).line
    session.retry()
    assert len(hand.tasks(PerceptualMap)) == 1
    hand.answer(PerceptualMap, raster(3))
    assert session.differences.error == ""


def test_a_missing_network_is_told(session: Session, hand: HandEngine) -> None:
    told: list[Any] = []
    session.noticed.connect(told.append)
    session.want_difference(Kind.PERCEPTUAL)
    hand.failed.emit(hand.tasks(PerceptualMap)[-1].id, Failure("the weights are missing: run make setup"))
    assert told[-1].text == "the weights are missing: run make setup"
    assert "make setup" in difference_label(session, Viewport()).line


@pytest.fixture
def compared(qapp: object, hand: HandEngine) -> Session:
    """A session whose absolute difference of WebP and JPEG is there."""
    made = Session(hand, "webp", "jpeg")  # type: ignore[arg-type]
    made.start()
    hand.all_usable()
    show(made, hand)
    for at, codec in enumerate(("webp", "jpeg")):
        hand.answer(Compress, coded(codec, at + 1), at=at)
    made.want_difference(Kind.ABSOLUTE)
    hand.answer(Difference, raster(9))
    return made


def coded(codec: str, seed: int) -> Coded:
    return Coded(Encoding(codec.encode(), codec, 50, 120, 110, 0.1), raster(seed), 0.05)


def test_an_old_map_says_that_the_new_codec_is_not_in_it(compared: Session, hand: HandEngine) -> None:
    assert difference_label(compared, Viewport()).line == f"A  WebP {BOTH_WAYS} B  JPEG"
    compared.choose(Side.RIGHT, "avif")
    names = f"A  WebP {BOTH_WAYS} B  AVIF"
    waiting = "compressing\N{HORIZONTAL ELLIPSIS}"
    for words, happens in (
        (waiting, lambda: None),
        ("stopped", compared.cancel),
        (waiting, compared.retry),
        ("failed", lambda: hand.failed.emit(hand.tasks(Compress)[-1].id, Failure("too large"))),
    ):
        happens()
        line = text.DOT.join((names, words, "showing the last result"))
        assert difference_label(compared, Viewport()).line == line
    compared.retry()
    hand.answer(Compress, coded("avif", 3))
    assert difference_label(compared, Viewport()).line.endswith("comparing\N{HORIZONTAL ELLIPSIS}")
    hand.answer(Difference, raster(8))
    assert difference_label(compared, Viewport()).line == names


def test_the_original_in_place_of_first_results_is_not_compared(compared: Session, hand: HandEngine) -> None:
    show(compared, hand, seed=5)
    assert compared.difference is None and len(hand.tasks(Difference)) == 1
    line = difference_label(compared, Viewport()).line
    assert line == f"A  WebP {BOTH_WAYS} B  JPEG{text.DOT}compressing\N{HORIZONTAL ELLIPSIS}"
    hand.answer(Compress, coded("webp", 6), at=-2)
    assert compared.difference is None
    hand.answer(Compress, coded("jpeg", 7))
    assert hand.tasks(Difference)[-1].task == Difference(raster(6).digest, raster(7).digest)


def test_places_look_for_faces_once_and_become_boxes(session: Session, hand: HandEngine) -> None:
    picture = session.picture
    assert picture is not None
    assert session.both is not None
    session.places.find(picture, session.both)
    assert session.working
    hand.answer(FindFaces, (FACE,))
    assert hand.tasks(FindPlaces)[-1].task == FindPlaces(picture.digest, picture.digest, (FACE.box,))
    hand.answer(FindPlaces, PLACES)
    assert [crop.name for crop in session.crops.all()] == ["Face 1", "Place 1", "Place 2"]
    assert session.crops.selected == Crop("Face 1", 4, 4, 48, 48)
    assert all(session.crops.proposed(crop.name) for crop in session.crops.all())
    assert not session.working
    assert session.faces.faces == ()  # the overlay stays as it was
    session.places.find(picture, session.both)
    assert len(hand.tasks(FindFaces)) == 1
    hand.answer(FindPlaces, PLACES[:1])
    assert [crop.name for crop in session.crops.all()] == ["Face 1"]


def test_places_are_found_without_the_face_detector(session: Session, hand: HandEngine) -> None:
    assert session.both is not None
    session.places.find(session.picture, session.both)
    hand.failed.emit(hand.tasks(FindFaces)[-1].id, Failure("no detector"))
    hand.answer(FindPlaces, PLACES[1:])
    assert [crop.name for crop in session.crops.all()] == ["Place 1", "Place 2"]


def test_places_of_a_picture_that_is_gone_are_dropped(session: Session, hand: HandEngine) -> None:
    assert session.both is not None
    session.places.find(session.picture, session.both)
    hand.answer(FindFaces, ())
    late = hand.tasks(FindPlaces)[-1]
    show(session, hand, seed=5)
    assert late.id in hand.stopped
    hand.finished.emit(late.id, PLACES)
    assert session.crops.all() == ()
    assert not session.places.working


def test_cancel_stops_the_search(session: Session, hand: HandEngine) -> None:
    assert session.both is not None
    session.places.find(session.picture, session.both)
    session.cancel()
    assert not session.places.working
    assert not hand.tasks(FindFaces)


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "alike everywhere"), (1, "The place where"), (5, "The 5 places where")],
)
def test_the_proposals_are_told_in_words(count: int, words: str) -> None:
    assert words in count_of((Crop("Place", 0, 0, 9, 9),) * count)


# The tasks


def test_the_signed_difference_says_which_side_is_brighter() -> None:
    dark, bright = (Picture(np.full((40, 50, 3), value, np.uint8)) for value in (100, 110))
    far = Picture(np.full((40, 50, 3), 255, np.uint8))
    black = Picture(np.zeros((40, 50, 3), np.uint8))

    def value(left: Picture, right: Picture) -> set[int]:
        made = SignedDifference("l", "r").run(Bench(l=left, r=right))  # type: ignore[arg-type]
        return set(made.picture().pixels.ravel().tolist())

    assert value(bright, dark) == {ZERO + 10}
    assert value(dark, bright) == {ZERO - 10}
    assert value(dark, dark) == {ZERO}
    assert value(far, black) == {255}
    assert value(black, far) == {1}


def test_the_perceptual_map_covers_the_picture_and_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from models import spatial

    calls: list[object] = []
    real = spatial.lpips_map
    monkeypatch.setattr(spatial, "lpips_map", lambda *args: (calls.append(args), real(*args))[1])
    monkeypatch.setattr(maps, "_maps", type(maps._maps)())
    original = Picture(scene(130, 98))
    changed = original.pixels.copy()
    changed[16:48, 64:96] = 255 - changed[16:48, 64:96]
    bench = Bench(a=original, b=Picture(changed))
    made = PerceptualMap("a", "b").run(bench)  # type: ignore[arg-type]
    assert (made.width, made.height) == (130, 98)
    grey = made.picture().pixels
    assert (grey[..., 0] == grey[..., 2]).all()
    down, across = np.unravel_index(int(grey[..., 0].argmax()), grey.shape[:2])
    assert 8 <= down < 56
    assert 56 <= across < 104
    first = FindPlaces("b", "a").run(bench)[0]  # type: ignore[arg-type]
    assert first.x <= 80 < first.x + first.width
    assert first.y <= 32 < first.y + first.height
    assert len(calls) == 1


def test_an_exported_difference_has_the_colours_that_are_seen(tmp_path: Path) -> None:
    grey = np.full((8, 8, 3), ZERO + 20, np.uint8)
    path = tmp_path / "out.png"
    ExportCrop(path, Area(0, 0, 8, 8), ("d",), gain=4, kind=Kind.SIGNED).run(Bench(d=Picture(grey)))  # type: ignore[arg-type]
    assert (Picture.open(path).pixels == colours(Kind.SIGNED, 4)[ZERO + 20]).all()


# The colours


def test_scales_begin_black_and_rise_in_brightness() -> None:
    for kind in (Kind.ABSOLUTE, Kind.PERCEPTUAL):
        light = colours(kind, 1).astype(float) @ (0.299, 0.587, 0.114)
        assert light[0] < 2
        assert (np.diff(light) >= -0.5).all()
    signed = colours(Kind.SIGNED, 1).astype(float)
    assert not signed[ZERO].any()
    assert signed[1, 2] > signed[1, 0]  # B brighter: blue
    assert signed[255, 0] > signed[255, 2]  # A brighter: orange


def test_the_gain_shortens_the_scale_and_absolute_channels_stay_apart() -> None:
    assert full_scale(Kind.PERCEPTUAL, 4) == ("alike", "0.12", "LPIPS 0.25")
    assert full_scale(Kind.ABSOLUTE, 1)[2] == "255 of 255"
    assert (colours(Kind.PERCEPTUAL, 4)[64] == colours(Kind.PERCEPTUAL, 1)[255]).all()
    pixel = np.array([[[10, 20, 200]]], np.uint8)
    assert coloured(pixel, Kind.ABSOLUTE, 4).tolist() == [[[40, 80, 255]]]


def test_each_kind_has_its_own_gain(qapp: object) -> None:
    view = Viewport()
    view.set_kind(Kind.PERCEPTUAL)
    assert view.mode is Mode.DIFFERENCE
    before = view.gain
    view.set_gain(16)
    view.set_kind(Kind.ABSOLUTE)
    assert view.gain == 4
    view.set_kind(Kind.PERCEPTUAL)
    assert (before, view.gain) == (1, 16)


# The window


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine, photo: Callable[..., Path]) -> Iterator[Window]:
    inline.held = (FindFaces, FindPlaces, PerceptualMap)
    made = Session(inline, "original", "jpeg", Rate(bpp=1.0))  # type: ignore[arg-type]
    with shown(qtbot, made) as window:
        window.commands.open_paths([photo("photo.png", 160, 120)])
        qtbot.waitUntil(lambda: made.picture is not None and made.idle, timeout=20000)
        yield window


def middle(window: Window) -> tuple[int, ...]:
    image = window.canvas.render_view()
    return image.pixelColor(image.width() // 2, image.height() // 2).getRgb()[:3]


def test_shift_d_goes_through_the_kinds_and_each_has_its_colours(
    qtbot: QtBot, window: Window, inline: InlineEngine
) -> None:
    canvas = window.canvas
    for kind in Kind:
        qtbot.keyClick(canvas, Qt.Key.Key_D, Qt.KeyboardModifier.ShiftModifier)
        assert window.viewport.kind is kind
        assert window.actions_by_id[f"difference_{kind.value}"].isChecked()
        if kind is Kind.PERCEPTUAL:
            qtbot.waitUntil(lambda: bool(inline.tasks(PerceptualMap)))
            inline.answer(PerceptualMap, from_picture(Picture(np.full((120, 160, 3), 128, np.uint8))))
        qtbot.waitUntil(lambda: window.session.idle)
        raster = canvas.raster("difference")
        assert raster is not None
        x, y = (int(v) for v in (window.viewport.centre.x(), window.viewport.centre.y()))
        value = np.array([[raster.colour_at(x, y)]], np.uint8)
        assert middle(window) == tuple(coloured(value, kind, window.viewport.gain)[0, 0])
    assert middle(window) == tuple(colours(Kind.PERCEPTUAL, 1)[128])
    qtbot.keyClick(canvas, Qt.Key.Key_G)
    assert middle(window) == tuple(colours(Kind.PERCEPTUAL, 2)[128])


def test_w_proposes_goes_there_and_tells(qtbot: QtBot, window: Window, inline: InlineEngine) -> None:
    assert window.actions_by_id["places"].isEnabled()
    qtbot.keyClick(window.canvas, Qt.Key.Key_W)
    inline.answer(FindFaces, ())
    inline.answer(FindPlaces, PLACES[1:])
    crops = window.session.crops
    assert crops.selected == Crop("Place 1", 60, 8, 48, 48)
    assert (window.viewport.centre.x(), window.viewport.centre.y()) == (84, 32)
    assert window.status.currentMessage() == count_of(crops.all())
    assert window.looking.strip.isVisible()
    qtbot.keyClick(window.canvas, Qt.Key.Key_N)
    assert crops.selected == crops.named("Place 2")


def test_the_read_out_tells_the_difference_too(qtbot: QtBot, window: Window) -> None:
    qtbot.keyClick(window.canvas, Qt.Key.Key_D)
    qtbot.waitUntil(lambda: window.session.idle)
    point = window.canvas.rect().center()
    qtbot.mouseMove(window.canvas, point + QPoint(9, 9))  # a move to where the cursor is already is none
    qtbot.mouseMove(window.canvas, point)
    words = window.status.pixel_words
    assert window.session.picture is not None
    left, right = (window.canvas.raster(side.value) for side in Side)
    assert left is not None
    assert right is not None
    at = window.viewport.to_picture(point.toPointF(), window.canvas.frame_at(point.toPointF()))
    a, b = (np.array(r.colour_at(int(at.x()), int(at.y())), int) for r in (left, right))
    assert f"A {' '.join(map(str, a))}   B {' '.join(map(str, b))}" in words
    assert words.endswith(" ".join(map(str, abs(a - b))))
