"""Refinement in the viewer: a tick where the codec can, in a process of its own, and quickly taken back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.bundle import _script
from app.forecast import Weigh
from app.gather import report_of
from app.jobs import words_for
from app.lanes import LEARNED, REFINED, lane_of
from app.panels.rd_plot import _look
from app.raster import Raster, from_picture
from app.realism import Redecode
from app.results import lines_of
from app.session import Session
from app.settings import Settings
from app.state import Choice, Key, ResultCache, Side, codec_name
from app.tasks import Coded, Compress, OpenCoded, OpenFile, OpenPixels
from app.window import Window
from models import codec as codecs
from models import learned, reading
from models.codec import Encoding, Rate
from models.errors import PictureError
from models.picture import Picture
from tests.app.conftest import scene
from tests.app.engines import HandEngine, _Bench
from tests.realistic import codec_with_both


@pytest.fixture
def session(qapp: object, hand: HandEngine) -> Session:
    made = Session(hand, "hflic-mse", "jpeg")  # type: ignore[arg-type]
    made.start()
    hand.all_usable()
    return made


@pytest.fixture
def window(session: Session, qtbot: QtBot) -> Window:
    made = Window(session, Settings(started=True))
    qtbot.addWidget(made)
    return made


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ELIC (5 groups), untrained, with a realistic decoder, in the first folder that is searched."""
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(codecs, "_instances", {})
    monkeypatch.setattr(learned, "_loaded", {})
    codec_with_both(tmp_path)


def raster(seed: int) -> Raster:
    return from_picture(Picture(scene(48, 32, seed)))


def coded(codec: str, seed: int, *, can: bool) -> Coded:
    encoding = Encoding(codec.encode() + bytes([seed]) * 50, codec, 50, 48, 32, 0.1, "12345678")
    return Coded(encoding, raster(seed), 0.05, realistic=can, refinable=can)


def compressed(session: Session, hand: HandEngine) -> None:
    """A photo with a finished codec that can refine on A, and JPEG on B."""
    session.open([Path("photo.png")])
    hand.answer(OpenFile, raster(0))
    hand.answer(Compress, coded("hflic-mse:lite", 1, can=True), at=0)
    hand.answer(Compress, coded("jpeg", 2, can=False), at=1)


def test_the_tick_is_there_only_for_codecs_that_can_refine(
    session: Session, hand: HandEngine, window: Window
) -> None:
    ticks = [panel.refine for panel in window.inspector.sides.values()]
    assert [tick.isHidden() for tick in ticks] == [True, True]
    compressed(session, hand)
    assert [tick.isHidden() for tick in ticks] == [False, True]
    assert not ticks[0].isChecked()


def test_a_tick_compresses_anew_and_taking_it_back_shows_the_quick_result_at_once(
    session: Session, hand: HandEngine, window: Window
) -> None:
    compressed(session, hand)
    panel = window.inspector.sides[Side.LEFT]
    rate = session.choice(Side.LEFT).rate
    panel.refine.click()
    assert session.choice(Side.LEFT) == Choice("hflic-mse~100", rate)
    task = hand.tasks(Compress)[-1].task
    assert isinstance(task, Compress)
    assert (task.codec, task.lane) == ("hflic-mse~100", REFINED)
    assert panel.refine.isChecked() and not panel.refine.isHidden()  # can be taken back while it runs
    assert panel.codec.currentText() == "HFLIC (MSE)"
    hand.answer(Compress, coded("hflic-mse:lite~100", 3, can=True))
    assert session.view(Side.LEFT).name == "HFLIC (MSE) lite, refined"
    before = len(hand.tasks(Compress))
    panel.refine.click()
    assert session.view(Side.LEFT).name == "HFLIC (MSE) lite"
    assert len(hand.tasks(Compress)) == before and not panel.refine.isChecked()


def test_another_codec_is_not_refined(session: Session, hand: HandEngine) -> None:
    compressed(session, hand)
    session.choose(Side.LEFT, "hflic-mse~100")
    session.choose(Side.LEFT, "elic")
    assert session.choice(Side.LEFT).codec == "elic"
    assert [g.task for g in hand.tasks(Compress)][-1] == Compress(
        raster(0).digest, "elic", session.choice(Side.LEFT).rate
    )


def test_refining_keeps_the_realism_and_its_files_are_decoded_where_all_are(
    session: Session, hand: HandEngine
) -> None:
    compressed(session, hand)
    session.set_realism(Side.LEFT, 0.5)
    session.choose(Side.LEFT, "hflic-mse~100")
    assert session.choice(Side.LEFT).realism == 0.5
    hand.answer(Compress, coded("hflic-mse:lite~100", 3, can=True))
    assert [given.task.lane for given in hand.tasks(Redecode)] == [LEARNED]
    assert session.choice(Side.LEFT).of("elic").realism == 0.0


@pytest.mark.parametrize(
    ("id", "name"),
    [
        ("hflic-mse~100", "HFLIC (MSE), refined"),
        ("elic:lite~300", "ELIC lite, refined in 300 steps"),
        ("hflic-mse:lite~100+1", "HFLIC (MSE) lite, refined, realism 1"),
    ],
)
def test_refined_codecs_are_called_so(id: str, name: str) -> None:
    assert codec_name(id) == name


def test_only_refined_codecs_have_their_own_process() -> None:
    assert [lane_of(id) for id in ("elic", "elic~100", "elic:lite+1", "jpeg~100")] == [
        LEARNED, REFINED, LEARNED, "plain"
    ]  # fmt: skip
    assert "refined" in words_for(Compress("", "elic~100", Rate(bpp=0.2)))


@pytest.mark.usefixtures("both")
def test_the_time_of_a_refined_codec_is_foretold() -> None:
    bench = _Bench({}, {})
    quick, slow = (Weigh(id).run(bench) for id in ("elic-5", "elic-5~100"))  # type: ignore[arg-type]
    assert quick is not None and slow is not None
    assert quick.refining == 0
    # 100 times there and back through more than half of what one encoding and decoding takes
    assert slow.refining > 100 * quick.transforms / 2
    slow = replace(slow, speed=quick.speed, exact_speed=quick.exact_speed)  # however busy the machine was
    assert slow.seconds(10**6) > 20 * quick.seconds(10**6)


@pytest.mark.usefixtures("both")
def test_a_real_result_says_that_its_codec_can_refine() -> None:
    bench = _Bench({"p": Picture(scene(48, 32))}, {})
    found = [Compress("p", id, Rate(quality=50)).run(bench) for id in ("elic-5", "elic-5~2", "jpeg")]  # type: ignore[arg-type]
    assert [one.refinable for one in found] == [True, True, False]
    again = Redecode(found[1].encoding, 0.5).run(bench)  # type: ignore[arg-type]
    assert again.refinable


def test_the_next_picture_is_not_refined(session: Session, hand: HandEngine) -> None:
    compressed(session, hand)
    session.choose(Side.LEFT, "hflic-mse~100")
    session.open([Path("other.png")])
    hand.answer(OpenFile, raster(9))
    assert session.choice(Side.LEFT).codec == "hflic-mse"


def test_the_picture_after_a_file_of_another_size_is_not_refined(session: Session, hand: HandEngine) -> None:
    compressed(session, hand)
    session.choose(Side.LEFT, "hflic-mse~100")
    session.open([Path("other.hflic")])
    large = from_picture(Picture(scene(80, 64)))
    hand.answer(OpenCoded, replace(coded("elic-5:lite", 4, can=True), raster=large))
    session.open([Path("another.png")])
    hand.answer(OpenFile, raster(9))
    assert not any("~" in session.choice(side).codec for side in Side)


def test_pasted_pixels_are_held_to_the_limit_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = _Bench({"p": Picture(scene(48, 32))}, {})
    assert OpenPixels("p").run(bench).width == 48  # type: ignore[arg-type]
    monkeypatch.setattr(reading, "MAX_PIXELS", 1000)
    with pytest.raises(PictureError, match="the pasted picture has 48x32"):
        OpenPixels("p").run(bench)  # type: ignore[arg-type]


def test_the_slider_of_realism_stays_while_it_refines(
    session: Session, hand: HandEngine, window: Window
) -> None:
    compressed(session, hand)
    panel = window.inspector.sides[Side.LEFT]
    panel.refine.click()
    assert session.view(Side.LEFT).working and not panel.realism.isHidden()


def test_a_row_of_the_table_goes_back_to_the_refined_result(session: Session, hand: HandEngine) -> None:
    compressed(session, hand)
    session.choose(Side.LEFT, "hflic-mse~100")
    hand.answer(Compress, coded("hflic-mse:lite~100", 3, can=True))
    keys = {line.name: line.key for line in lines_of(session)}
    key = keys["HFLIC (MSE) lite, refined"]
    assert key is not None and key.codec == "hflic-mse~100" and session.compressor.cache.get(key)
    assert keys["HFLIC (MSE) lite"] != key


def test_new_weights_make_refined_results_out_of_date_too() -> None:
    cache, rate = ResultCache(), Rate(bpp=0.2)
    old = coded("hflic-mse:lite~100", 3, can=True)
    cache.put(Key("p", "hflic-mse~100", rate), old)
    new = coded("hflic-mse:lite", 1, can=True)
    cache.put(Key("p", "hflic-mse", rate), replace(new, encoding=replace(new.encoding, weights="87654321")))
    assert cache.get(Key("p", "hflic-mse~100", rate)) is None and len(cache) == 1


def test_refined_points_are_joined_by_a_line_of_their_own() -> None:
    quick, slow = _look("hflic-mse"), _look("hflic-mse~100")
    assert (quick.line, slow.line) == (Qt.PenStyle.SolidLine, Qt.PenStyle.DotLine)
    assert quick.colour != slow.colour and quick.shape == slow.shape
    assert _look("hflic-mse~100+1").line is Qt.PenStyle.DashLine


def test_a_bundle_does_not_call_a_refined_file_different(session: Session, hand: HandEngine) -> None:
    compressed(session, hand)
    session.choose(Side.LEFT, "hflic-mse~100")
    hand.answer(Compress, coded("hflic-mse:lite~100", 3, can=True))
    found = report_of(session)
    assert found is not None
    script = _script(found[0])
    checks = {
        line.split("-0.")[0].replace("'", "")
        for line in script.splitlines()
        if line.startswith(("same ", "anew ")) and "files/" in line
    }
    assert checks == {
        "anew files/hflic-mse-lite~100", "same files/hflic-mse-lite", "same files/jpeg"
    }  # fmt: skip


def test_keyboard_reaches_the_tick(session: Session, hand: HandEngine, window: Window) -> None:
    compressed(session, hand)
    tick = window.inspector.sides[Side.LEFT].refine
    assert tick.focusPolicy() & Qt.FocusPolicy.TabFocus
    assert tick.accessibleName() == "Refine side A"
