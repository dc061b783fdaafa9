"""Coming back: what a session leaves behind, what of it is broken or gone, and what the next start shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.columns import Column
from app.commands import sample_photo
from app.crops import Boxes, Crop
from app.history import Look
from app.kinds import Kind
from app.raster import from_picture
from app.restore import Remembered, Restorer, SessionFile, learn_boxes, remember
from app.session import Session
from app.settings import Settings, SettingsFile
from app.state import FILE, Choice, Phase, Side
from app.tasks import OpenCoded, OpenFile
from app.view import open_viewer
from app.viewport import Mode
from app.window import Window
from models import codec
from models.codec import Rate
from models.picture import Picture
from tests.app.conftest import shown
from tests.app.engines import InlineEngine
from tests.app.hands import act_and_close

FULL = Remembered(
    paths=("/a.png", "/b.png"),
    current="/b.png",
    left=Choice("webp", Rate(quality=40)),
    right=Choice("jpeg", Rate(bpp=0.3)),
    files=("", "/c.webp"),
    look=Look(False, 3.0, 10.0, 20.0),
    split=0.25,
    flicker_right=True,
    across=True,
    difference="signed",
    gains=(1, 16, 2),
    columns=("jxl", "original"),
    boxes=Boxes((Crop("eye", 4, 5, 20, 10), Crop("Place 1", 9, 9, 8, 8)), "eye", frozenset({"Place 1"})),
    others=(("abc", Boxes((Crop("ear", 1, 1, 9, 9),))),),
)


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine) -> Iterator[Window]:
    with shown(qtbot, Session(inline, "webp", "jpeg", Rate(bpp=1.0))) as made:  # type: ignore[arg-type]
        yield made


@pytest.fixture
def second(qtbot: QtBot) -> Iterator[Window]:
    engine = InlineEngine()
    with shown(qtbot, Session(engine, "webp", "jpeg", Rate(bpp=1.0))) as made:  # type: ignore[arg-type]
        yield made
    engine.close()


def settle(qtbot: QtBot, window: Window) -> None:
    qtbot.waitUntil(lambda: window.session.anything is not None and window.session.idle, timeout=20000)


def begin(qtbot: QtBot, window: Window, last: Remembered) -> None:
    restorer = Restorer(window.session, window.viewport, last, window)
    learn_boxes(window.session, last)
    with qtbot.waitSignal(restorer.ended, timeout=20000):
        restorer.start()


def test_what_is_remembered_comes_back_from_the_file(tmp_path: Path) -> None:
    store = SessionFile(tmp_path / "deep" / "session.json")
    store.save(FULL)
    assert store.load() == FULL
    assert store.problem == ""


def test_no_file_is_no_session_and_no_problem(tmp_path: Path) -> None:
    store = SessionFile(tmp_path / "session.json")
    assert not store.load().anything
    assert store.problem == ""


@pytest.mark.parametrize("content", [b"{ broken", b"[1, 2]", b"\xff\xfe", b"null", b"[" * 100_000])
def test_a_broken_file_is_told_and_raises_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "session.json"
    path.write_bytes(content)
    store = SessionFile(path)
    assert store.load() == Remembered()
    assert "session.json is damaged" in store.problem


@pytest.mark.parametrize(
    ("name", "value", "instead"),
    [
        ("look", {"fitted": False, "scale": -1, "x": 0, "y": 0}, Look(True)),
        ("look", {"fitted": False, "scale": "3", "x": 0, "y": 0}, Look(True)),
        ("look", 5, Look(True)),
        ("split", 7, 0.5),
        ("split", True, 0.5),
        ("left", {"codec": "webp", "rate": {"bpp": -2}}, None),
        ("left", {"codec": 3, "rate": {"bpp": 1}}, None),
        ("left", {"codec": "webp", "rate": {"bpp": 1, "quality": 3}}, None),
        ("boxes", {"crops": [{"name": "a", "x": 0, "y": 0, "width": 0, "height": 5}, 3, None]}, Boxes()),
        ("boxes", [1], Boxes()),
        ("others", [["abc"], ["abc", {"crops": 3}], 7], ()),
        ("across", "yes", False),
        ("difference", "odd", "absolute"),
        ("difference", ["signed"], "absolute"),
        ("gains", [1, 3, 4], ()),
        ("gains", [1, True, 4], ()),
        ("gains", [4], ()),
        ("columns", ["from a later version", "webp"], ("", "webp")),
        ("files", ["/only one"], ("", "")),
        ("paths", "no list", ()),
        ("current", ["x"], ""),
    ],
)
def test_one_broken_part_costs_only_that_part(tmp_path: Path, name: str, value: Any, instead: Any) -> None:
    store = SessionFile(tmp_path / "session.json")
    store.save(FULL)
    stored = json.loads(store.path.read_text())
    store.path.write_text(json.dumps({**stored, name: value}))
    got = store.load()
    assert getattr(got, name) == instead
    for other in ("right", "flicker_right"):
        assert getattr(got, other) == getattr(FULL, other)


def test_a_place_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    SessionFile(tmp_path / "file" / "session.json").save(FULL)


def test_pictures_sides_view_and_boxes_come_back(
    qtbot: QtBot, window: Window, second: Window, photo: Callable[..., Path]
) -> None:
    one, two = photo("one.png", 300, 200), photo("two.png", 320, 220, seed=2)
    session, view = window.session, window.viewport
    window.commands.open_paths([one, two])
    settle(qtbot, window)
    session.step(1)
    settle(qtbot, window)
    session.choose(Side.LEFT, "jxl")
    session.set_locked(False)
    session.set_rate(Side.RIGHT, Rate(quality=60))
    session.crops.add(20, 30, 64, 48, "eye")
    view.zoom_to(2.0)
    view.look_at(QPointF(100, 90))
    view.set_line(0.3, across=True)
    view.set_difference(Kind.SIGNED, (4, 8, 1))
    session.columns.choose(Column.FOURTH, "webp")
    settle(qtbot, window)
    last = remember(session, view)
    begin(qtbot, second, last)
    settle(qtbot, second)
    assert second.session.picture is not None
    assert second.session.picture.path == two
    assert tuple(second.session.opener.paths) == (one, two)
    assert [second.session.choice(side) for side in Side] == [session.choice(side) for side in Side]
    assert not second.session.locked
    assert (second.viewport.scale, second.viewport.centre) == (2.0, QPointF(100, 90))
    assert second.viewport.split == pytest.approx(0.3)
    assert second.viewport.across
    assert (second.viewport.kind, second.viewport.gain) == (Kind.SIGNED, 8)
    assert second.session.columns.codec(Column.FOURTH) == "webp"
    assert second.session.crops.all() == session.crops.all()
    assert second.session.crops.selected == session.crops.selected
    assert remember(second.session, second.viewport) == last
    assert not second.messages.isVisible() or "not in this test" in second.messages.text


def test_boxes_of_every_picture_come_back(
    qtbot: QtBot, window: Window, second: Window, photo: Callable[..., Path]
) -> None:
    one, two = photo("one.png", 300, 200), photo("two.png", 300, 200, seed=2)
    window.commands.open_paths([one, two])
    settle(qtbot, window)
    window.session.crops.add(5, 6, 40, 30, "first")
    window.session.step(1)
    settle(qtbot, window)
    window.session.crops.add(50, 60, 40, 30, "second")
    begin(qtbot, second, remember(window.session, window.viewport))
    settle(qtbot, second)
    assert [crop.name for crop in second.session.crops.all()] == ["second"]
    second.session.step(-1)
    settle(qtbot, second)
    assert second.session.crops.all() == (Crop("first", 5, 6, 40, 30),)


def test_an_opened_file_comes_back_on_its_side(
    qtbot: QtBot, window: Window, second: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    path = photo()
    encoded = tmp_path / "mine.webp"
    encoded.write_bytes(codec.get("webp").encode(Picture.open(path), Rate(quality=20)).data)
    window.commands.open_paths([path])
    settle(qtbot, window)
    window.session.open([encoded], Side.RIGHT)
    settle(qtbot, window)
    begin(qtbot, second, remember(window.session, window.viewport))
    settle(qtbot, second)
    view = second.session.view(Side.RIGHT)
    assert (view.choice.codec, view.phase) == (FILE, Phase.DONE)
    assert second.session.choice(Side.LEFT).codec == "webp"


def test_a_picture_that_is_gone_is_named(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    gone = tmp_path / "gone.png"
    restorer = Restorer(window.session, window.viewport, Remembered((str(gone),), str(gone)), window)
    restorer.start()
    assert "not there any more" in window.messages.text
    assert "gone.png" in window.messages.text
    assert window._stack.currentWidget() is window.empty


def test_a_picture_that_became_garbage_is_a_message(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_text("no picture any more")
    begin(qtbot, window, Remembered((str(bad),), str(bad)))
    assert "bad.png" in window.messages.text
    assert window.session.picture is None


def test_the_sample_and_a_pasted_picture_leave_no_trace(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    window.commands.sample()
    settle(qtbot, window)
    assert not remember(window.session, window.viewport, sample_photo()).anything


def test_a_picture_on_a_drive_that_fell_away_is_named(qtbot: QtBot, window: Window, dead: Path) -> None:
    path = str(dead / "a.png")
    Restorer(window.session, window.viewport, Remembered((path,), path), window).start()
    assert "a.png" in window.messages.text


def test_restoring_ends_where_a_person_opens_something_else(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path], tmp_path: Path
) -> None:
    old, new, file = photo("old.png"), photo("new.png", 120, 90), tmp_path / "old.webp"
    file.write_bytes(codec.get("webp").encode(Picture.open(old), Rate(quality=20)).data)
    inline.held = (OpenFile,)
    last = Remembered((str(old),), str(old), files=("", str(file)))
    restorer = Restorer(window.session, window.viewport, last, window)
    restorer.start()
    with qtbot.waitSignal(restorer.ended, timeout=20000):
        window.commands.open_paths([new])
    opening = inline.tasks(OpenFile)[-1]
    inline.finished.emit(opening.id, from_picture(Picture.open(new)))
    settle(qtbot, window)
    assert window.session.picture is not None
    assert window.session.picture.path == new
    assert not inline.tasks(OpenCoded)


Run = Callable[..., None]


def is_idle(window: Window) -> bool:
    return window.session.idle


@pytest.fixture
def store(tmp_path: Path) -> SettingsFile:
    made = SettingsFile(tmp_path / "settings.json")
    made.save(Settings(started=True))
    return made


@pytest.fixture
def seen() -> list[str]:
    """What the titles of the windows began with when they were closed."""
    return []


@pytest.fixture
def run(store: SettingsFile, seen: list[str], monkeypatch: pytest.MonkeyPatch, qapp: QApplication) -> Run:
    """Starts the viewer with paths, acts when it is ready, and closes it."""

    def start(
        paths: list[Path],
        act: Callable[[Window], object] = lambda window: None,
        ready: Callable[[Window], bool] = is_idle,
        held: tuple[type, ...] = (),
    ) -> None:
        engine = InlineEngine()
        engine.held = held
        monkeypatch.setattr("app.view.Engine", lambda: engine)

        def look(window: Window) -> None:
            seen.append(window.windowTitle().partition(" ")[0])
            act(window)

        act_and_close(look, ready)
        assert open_viewer(paths, settings_file=store) == 0
        engine.close()

    return start


def test_a_codec_of_another_version_is_replaced_and_told(
    run: Run, store: SettingsFile, photo: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    sides: list[str] = []
    monkeypatch.setattr(Window, "show_notice", lambda window, notice: told.append(notice.text))

    def look(window: Window) -> None:
        sides.extend(window.session.choice(side).codec for side in Side)
        assert {window.session.view(side).phase for side in Side} == {Phase.DONE}

    store.save(Settings(started=True, left="wavelet-9", right="wavelet-9:lite"))
    run([photo()], look)
    file = SessionFile(store.path.with_name("session.json"))
    last = file.load()
    assert last.left is not None
    chosen = {"left": last.left.of("wavelet-9"), "right": last.left.of("original")}
    file.save(replace(last, **chosen, insisted=(True, True)))
    run([], look)
    assert "wavelet-9" not in str(sides) and sides[3] == "original"
    assert any(words.startswith("wavelet-9 cannot be used here") for words in told)


def test_the_viewer_begins_where_it_ended_unless_told_otherwise(
    run: Run,
    seen: list[str],
    store: SettingsFile,
    photo: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two = photo("one.png", 200, 150), photo("two.png", 200, 150, seed=3)
    run([one], lambda window: window.viewport.set_mode(Mode.SIDE))
    run([])
    run([two])
    run([], lambda window: window.actions_by_id["restore"].trigger())
    run([])
    assert seen == ["one.png", "one.png", "two.png", "two.png", ""]
    store.save(Settings(started=True))
    store.path.with_name("session.json").write_text("{ broken")
    told: list[str] = []
    monkeypatch.setattr(Window, "show_notice", lambda window, notice: told.append(notice.text))
    run([])
    assert any("session.json is damaged" in words for words in told)


def test_a_session_in_which_nothing_was_opened_leaves_the_last_one(
    run: Run, store: SettingsFile, photo: Callable[..., Path]
) -> None:
    file = SessionFile(store.path.with_name("session.json"))
    file.save(FULL)  # none of its files is there
    run([])
    assert file.load() == FULL
    slow = photo("slow.png")
    run([slow], ready=lambda window: bool(window.session.opener.name), held=(OpenFile,))
    assert file.load() == FULL


def test_boxes_of_other_pictures_outlive_sessions_that_do_not_open_them(
    run: Run, store: SettingsFile, photo: Callable[..., Path]
) -> None:
    one, two = photo("one.png", 200, 150), photo("two.png", 200, 150, seed=3)
    file = SessionFile(store.path.with_name("session.json"))
    file.save(FULL)
    run([one], lambda window: window.session.crops.add(5, 6, 40, 30, "mine"))
    run([two])
    sample = sample_photo()
    assert sample is not None
    run([sample])
    others = dict(file.load().others)
    assert [crop.name for boxes in others.values() for crop in boxes.crops] == ["ear", "mine"]
    names: list[str] = []
    run([one], lambda window: names.extend(crop.name for crop in window.session.crops.all()))
    assert names == ["mine"]
    run([one], lambda window: window.session.crops.clear())
    assert dict(file.load().others) == dict(FULL.others)  # what was taken away stays away


def test_the_window_that_is_closed_last_keeps_what_another_one_kept(
    run: Run, store: SettingsFile, photo: Callable[..., Path]
) -> None:
    file = SessionFile(store.path.with_name("session.json"))
    one, two = photo("one.png", 200, 150), photo("two.png", 200, 150, seed=3)
    file.save(replace(FULL, others=(*FULL.others, ("away", Boxes((Crop("gone", 1, 2, 3, 4),))))))
    tail = Boxes((Crop("tail", 1, 2, 30, 40),))

    def meanwhile(window: Window) -> None:
        window.session.crops.add(5, 6, 40, 30, "mine")
        file.save(replace(FULL, others=(*FULL.others, ("another", tail))))
        store.save(replace(store.load(), recent=(str(two),), theme="dark"))

    run([one], meanwhile)
    kept = dict(file.load().others)
    assert {crop.name for boxes in kept.values() for crop in boxes.crops} == {"ear", "tail", "mine"}
    assert kept["another"] == tail and "away" not in kept
    assert store.load().recent == (str(one), str(two))


def test_boxes_outlive_a_session_that_did_not_know_them(
    run: Run, store: SettingsFile, photo: Callable[..., Path]
) -> None:
    file = SessionFile(store.path.with_name("session.json"))
    file.save(FULL)
    store.save(Settings(started=True, restore=False))
    run([photo()], lambda window: window.actions_by_id["restore"].trigger())
    assert file.load().others == FULL.others
