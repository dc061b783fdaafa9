"""Realism in the viewer: the same file decoded again, without encoding, and only where there is a choice."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.bundle import commands
from app.gather import report_of
from app.jobs import words_for
from app.labels import side_label
from app.panels.rd_plot import RdPlot
from app.panels.results import ResultsDialog
from app.points import Point, points_of, show_point
from app.raster import Raster, from_picture
from app.realism import Redecode
from app.restore import Remembered, SessionFile
from app.session import Session
from app.state import FILE, Choice, Key, Phase, Side
from app.tasks import Coded, Compress, Measure, Measured, OpenCoded, OpenFile
from app.window import Window
from app.worker import Failure
from models import codec as codecs
from models import learned, realism
from models.codec import Encoding, Rate
from models.picture import Picture
from tests.app.conftest import scene, shown
from tests.app.engines import HandEngine, _Bench
from tests.realistic import ID, codec_with_both


@pytest.fixture
def session(qapp: object, hand: HandEngine) -> Session:
    made = Session(hand, "hflic", "jpeg")  # type: ignore[arg-type]
    made.start()
    hand.all_usable()
    return made


def raster(seed: int) -> Raster:
    return from_picture(Picture(scene(48, 32, seed)))


def coded(codec: str, seed: int, realistic: bool = False) -> Coded:
    data = codec.encode() + bytes([seed]) * 50
    encoding = Encoding(data, codec, 50, 48, 32, 0.1, "12345678" if realistic else None)
    return Coded(encoding, raster(seed), 0.05, realistic=realistic)


def again(made: Coded, share: float, seed: int) -> Coded:
    return replace(made, raster=raster(seed), realism=share)


def compressed(session: Session, hand: HandEngine) -> Coded:
    """A photo with a finished neural codec on A, which has both decoders, and JPEG on B."""
    session.open([Path("photo.png")])
    hand.answer(OpenFile, raster(0))
    made = coded("hflic-mse:lite", 1, realistic=True)
    hand.answer(Compress, made, at=0)
    hand.answer(Compress, coded("jpeg", 2), at=1)
    return made


def test_the_file_is_decoded_again_and_nothing_encoded(session: Session, hand: HandEngine) -> None:
    made = compressed(session, hand)
    before = len(hand.tasks(Compress))
    session.set_realism(Side.LEFT, 0.5)
    assert [g.task for g in hand.tasks(Redecode)] == [Redecode(made.encoding, 0.5)]
    view = session.view(Side.LEFT)
    assert (view.phase, view.stale, view.raster) == (Phase.RUNNING, True, made.raster)
    assert "decoding" in side_label(session, Side.LEFT).line and session.working
    new = again(made, 0.5, 5)
    hand.answer(Redecode, new)
    view = session.view(Side.LEFT)
    assert (view.phase, view.stale, view.raster) == (Phase.DONE, False, new.raster)
    assert view.coded is not None and view.coded.encoding is made.encoding
    assert view.name == "HFLIC (MSE) lite, realism 0.5"
    assert side_label(session, Side.LEFT).title == "A  HFLIC (MSE) lite, realism 0.5"
    assert session.view(Side.RIGHT).phase is Phase.DONE
    assert len(hand.tasks(Compress)) == before


def test_going_back_is_at_once(session: Session, hand: HandEngine) -> None:
    made = compressed(session, hand)
    session.set_realism(Side.LEFT, 1.0)
    new = again(made, 1.0, 5)
    hand.answer(Redecode, new)
    count = len(hand.tasks(Redecode))
    session.set_realism(Side.LEFT, 0.0)
    assert session.view(Side.LEFT).raster is made.raster and not session.view(Side.LEFT).stale
    assert session.view(Side.LEFT).name == "HFLIC (MSE) lite"
    session.set_realism(Side.LEFT, 1.0)
    assert session.view(Side.LEFT).raster is new.raster
    assert len(hand.tasks(Redecode)) == count


def test_a_dragged_slider_waits_for_a_pause_and_only_the_last_counts(
    qtbot: QtBot, session: Session, hand: HandEngine
) -> None:
    made = compressed(session, hand)
    for share in (0.2, 0.4, 0.6):
        session.set_realism(Side.LEFT, share, settle=True)
        assert not hand.tasks(Redecode) and session.view(Side.LEFT).stale
    qtbot.waitUntil(lambda: bool(hand.tasks(Redecode)))
    assert [g.task for g in hand.tasks(Redecode)] == [Redecode(made.encoding, 0.6)]
    old = hand.tasks(Redecode)[0]
    session.set_realism(Side.LEFT, 0.9)
    assert old.id in hand.stopped
    hand.finished.emit(old.id, again(made, 0.6, 6))
    assert session.view(Side.LEFT).working
    hand.answer(Redecode, again(made, 0.9, 9))
    coded_now = session.view(Side.LEFT).coded
    assert coded_now is not None and coded_now.realism == 0.9


def test_another_rate_keeps_the_realism_another_codec_does_not(session: Session, hand: HandEngine) -> None:
    made = compressed(session, hand)
    session.set_realism(Side.LEFT, 0.5)
    hand.answer(Redecode, again(made, 0.5, 5))
    session.set_rate(Side.LEFT, Rate(bpp=0.5))
    larger = coded("hflic-mse:lite", 7, realistic=True)
    wanted = [g for g in hand.tasks(Compress) if g.task.rate == Rate(bpp=0.5) and g.task.codec == "hflic"]
    hand.finished.emit(wanted[0].id, larger)
    assert hand.tasks(Redecode)[-1].task == Redecode(larger.encoding, 0.5)
    hand.answer(Redecode, again(larger, 0.5, 8))
    session.choose(Side.LEFT, "avif")
    assert session.choice(Side.LEFT) == Choice("avif", Rate(bpp=0.5))


def test_a_codec_with_one_decoder_takes_no_notice(session: Session, hand: HandEngine) -> None:
    compressed(session, hand)
    session.set_realism(Side.RIGHT, 1.0)
    assert not hand.tasks(Redecode)
    assert session.view(Side.RIGHT).phase is Phase.DONE and session.view(Side.RIGHT).name == "JPEG"


def test_an_opened_file_is_decoded_again_too(session: Session, hand: HandEngine) -> None:
    session.open([Path("a.hflic")])
    opened = coded("hflic-mse:lite", 4, realistic=True)
    hand.answer(OpenCoded, opened)
    assert session.choice(Side.LEFT).codec == FILE
    session.set_realism(Side.LEFT, 1.0)
    new = again(opened, 1.0, 6)
    assert hand.answer(Redecode, new).task == Redecode(opened.encoding, 1.0)
    assert session.view(Side.LEFT).raster is new.raster
    assert session.view(Side.LEFT).name.endswith("realism 1")


def test_what_fails_or_is_stopped_says_so_and_can_be_tried_again(session: Session, hand: HandEngine) -> None:
    made = compressed(session, hand)
    session.set_realism(Side.LEFT, 0.5)
    hand.failed.emit(hand.tasks(Redecode)[-1].id, Failure("the decoder is damaged", ""))
    view = session.view(Side.LEFT)
    assert (view.phase, view.error, view.raster) == (Phase.FAILED, "the decoder is damaged", made.raster)
    session.retry()
    assert session.view(Side.LEFT).phase is Phase.RUNNING
    session.cancel()
    assert session.view(Side.LEFT).phase is Phase.STOPPED and not session.working
    session.retry()
    hand.answer(Redecode, again(made, 0.5, 5))
    assert session.view(Side.LEFT).phase is Phase.DONE


def test_decoding_again_is_stopped_for_one_side(session: Session, hand: HandEngine) -> None:
    made = compressed(session, hand)
    session.choose(Side.RIGHT, "hflic")
    for side, share in ((Side.LEFT, 0.5), (Side.RIGHT, 0.9)):
        session.set_realism(side, share)
    left, right = hand.tasks(Redecode)
    session.stop(Side.LEFT)
    assert left.id in hand.stopped and right.id not in hand.stopped
    assert session.view(Side.LEFT).phase is Phase.STOPPED
    hand.finished.emit(right.id, again(made, 0.9, 4))
    assert session.view(Side.RIGHT).phase is Phase.DONE


def test_evidence_tells_with_what_realism_a_file_was_decoded(session: Session, hand: HandEngine) -> None:
    made = compressed(session, hand)
    session.set_realism(Side.LEFT, 0.5)
    hand.answer(Redecode, again(made, 0.5, 5))
    told = report_of(session)
    assert told is not None
    item = told[0].items[0]
    assert (item.realism, item.as_json()["realism"]) == (0.5, 0.5)
    assert "realism 0.5" in item.name
    assert "--realism 0.5" in commands(item)[-1]
    assert "realism" not in told[0].items[1].as_json() and "--realism" not in commands(told[0].items[1])[-1]


@pytest.fixture
def window(qtbot: QtBot, hand: HandEngine) -> Iterator[Window]:
    made = Session(hand, "hflic", "jpeg")  # type: ignore[arg-type]
    with shown(qtbot, made) as window:
        hand.all_usable()
        yield window


def test_the_slider_is_there_where_there_is_a_choice(qtbot: QtBot, window: Window, hand: HandEngine) -> None:
    session, sides = window.session, window.inspector.sides
    assert sides[Side.LEFT].realism.isHidden()
    made = compressed(session, hand)
    control = sides[Side.LEFT].realism
    assert control.isVisible() and sides[Side.RIGHT].realism.isHidden()
    window.history.end_turn()  # opening is over
    qtbot.keyClick(control.slider, Qt.Key.Key_End)
    assert session.choice(Side.LEFT).realism == 1.0
    qtbot.waitUntil(lambda: bool(hand.tasks(Redecode)))
    assert control.isVisible()
    hand.answer(Redecode, again(made, 1.0, 5))
    assert window.canvas._labels["left"].title == "A  HFLIC (MSE) lite, realism 1"
    assert control._number.text() == "1.00"

    window.history.end_turn()
    assert window.history.undo_name == "the realism"
    window.history.undo()
    assert session.choice(Side.LEFT).realism == 0.0
    assert control.share == 0.0
    session.choose(Side.LEFT, "avif")
    assert control.isHidden()


def measured(hand: HandEngine, value: float) -> None:
    for given in hand.tasks(Measure):  # what was answered before is not waited for any more
        hand.finished.emit(given.id, Measured(value))


def test_realistic_pictures_are_points_of_their_own(session: Session, hand: HandEngine) -> None:
    made = compressed(session, hand)
    measured(hand, 33.0)
    session.set_realism(Side.LEFT, 1.0)
    assert list(points_of(session, "psnr")) == ["hflic", "jpeg"]
    hand.answer(Redecode, again(made, 1.0, 5))
    measured(hand, 31.0)
    found = points_of(session, "psnr")
    assert list(found) == ["hflic", "hflic+1", "jpeg"]
    (faithful,), (realistic,) = found["hflic"], found["hflic+1"]
    assert faithful.bpp == realistic.bpp and (faithful.value, realistic.value) == (33.0, 31.0)
    assert (faithful.sides, realistic.sides) == ("", "A") and realistic.name == "HFLIC, realism 1"

    given = len(hand.given)
    assert show_point(session, faithful) is Side.LEFT
    assert session.choice(Side.LEFT).realism == 0.0 and session.view(Side.LEFT).coded is made
    assert points_of(session, "psnr")["hflic"][0].sides == "A"
    assert show_point(session, realistic) is Side.LEFT
    assert session.choice(Side.LEFT).realism == 1.0
    assert points_of(session, "psnr")["hflic+1"][0].sides == "A"
    assert len(hand.given) == given  # nothing was encoded, decoded or measured again


def test_a_row_of_the_table_keeps_the_codec_and_the_realism(
    qtbot: QtBot, session: Session, hand: HandEngine
) -> None:
    made = compressed(session, hand)
    session.choose(Side.RIGHT, "hflic")
    session.set_realism(Side.RIGHT, 0.5)
    redecoded = pickle.loads(pickle.dumps(again(made, 0.5, 4)))  # as from its own process
    hand.answer(Redecode, redecoded)
    before = {side: session.choice(side) for side in Side}
    jobs = len(hand.tasks(Compress))
    dialog = ResultsDialog(session)
    qtbot.addWidget(dialog)
    dialog.fill()
    row = next(at for at in range(dialog.table.rowCount()) if dialog.table.item(at, 0).text() == "B")
    line = dialog.line(row)
    assert line is not None and line.key is not None
    assert (line.key.codec, line.realism) == ("hflic", 0.5)
    dialog.table.selectRow(row)
    dialog.table.itemActivated.emit(dialog.table.item(row, 0))
    assert {side: session.choice(side) for side in Side} == before
    assert len(hand.tasks(Compress)) == jobs
    session.set_realism(Side.RIGHT, 0.0)
    dialog.show_it.click()
    assert session.view(Side.LEFT).coded is redecoded
    session.close()


def test_the_plot_tells_realistic_curves_from_faithful_ones(qtbot: QtBot) -> None:
    plot = RdPlot()
    qtbot.addWidget(plot)
    key = Key("picture", "hflic-mse", Rate(bpp=0.25))
    points = [Point(key, 0.25, 33.0, "B"), Point(key, 0.25, 31.0, "A", 0.5)]
    plot.show_points({point.curve: [point] for point in points})
    plot.show()
    faithful, realistic = plot._plot.getPlotItem().listDataItems()
    assert faithful.opts["pen"].color() == realistic.opts["pen"].color()
    assert (faithful.opts["pen"].style(), realistic.opts["pen"].style()) == (
        Qt.PenStyle.SolidLine,
        Qt.PenStyle.DashLine,
    )
    assert faithful.opts["symbolBrush"] is not None and realistic.opts["symbolBrush"] is None
    for words in (
        "\u25a0</span>&nbsp;HFLIC&nbsp;(MSE)&nbsp;",
        "\u25a1</span>&nbsp;HFLIC&nbsp;(MSE),&nbsp;realism",
    ):
        assert words in plot.hint.text()


def test_the_next_start_takes_the_realism_up(tmp_path: Path) -> None:
    file = SessionFile(tmp_path / "session.json")
    was = Remembered(paths=("a.png",), current="a.png", left=Choice("hflic-mse", Rate(bpp=0.25), 0.35))
    file.save(was)
    assert file.load().left == was.left
    text = file.path.read_text()
    for wrong, taken in (('"much"', 0.0), ("7", 1.0), ("null", 0.0)):
        file.path.write_text(text.replace("0.35", wrong))
        left = file.load().left
        assert left is not None and left.realism == taken
    assert asdict(was)["left"]["realism"] == 0.35


def test_the_real_task_gives_the_other_decoders_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path / "w"))
    monkeypatch.setattr(codecs, "_instances", {})
    monkeypatch.setattr(learned, "_loaded", {})
    coder = codec_with_both(tmp_path / "w")
    picture = from_picture(Picture(scene(64, 48)))
    bench = _Bench({}, {picture.digest: picture})
    made = Compress(picture.digest, ID, Rate(quality=50)).run(bench)  # type: ignore[arg-type]
    assert made.realistic and made.realism == 0
    task = Redecode(made.encoding, 0.5)
    assert words_for(task) == "Decode with realism 0.5"
    new = task.run(bench)  # type: ignore[arg-type]
    assert new.encoding is made.encoding and new.realism == 0.5 and new.raster.digest != made.raster.digest
    wanted = realism.decode(coder, made.encoding.data, 0.5)
    assert np.array_equal(new.raster.picture().pixels, wanted.pixels)
    jpeg = Compress(picture.digest, "jpeg", Rate(quality=50)).run(bench)  # type: ignore[arg-type]
    assert not jpeg.realistic
