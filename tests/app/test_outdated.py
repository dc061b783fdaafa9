"""Results of weights that were replaced or taken away are dropped, told of and made again; others stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QObject

from app.outdated import TakeStock
from app.realism import Redecode
from app.session import Session
from app.state import FILE, Notice, Phase, Side
from app.tasks import Coded, Compress, Examine, OpenCoded, OpenFile
from app.worker import Failure
from models import codec as codecs
from models import learned
from models.codec import CATALOGUE, Rate
from models.picture import Picture
from tests.app.conftest import scene
from tests.app.engines import HandEngine, _Bench
from tests.app.test_realism import again, coded, compressed, raster
from tests.realistic import ID, codec_with_both, other_decoder

OLD, NEW = "12345678", "87654321"


@pytest.fixture
def session(qapp: QObject, hand: HandEngine) -> Session:
    made = Session(hand, "hflic", "jpeg")  # type: ignore[arg-type]
    made.start()
    hand.all_usable()
    return made


def weights_changed(session: Session, hand: HandEngine, stock: dict[str, str]) -> list[Notice]:
    """The watched folders changed and hold this now; what is told."""
    told: list[Notice] = []
    session.noticed.connect(told.append)
    session.catalogue.weights.changed.emit()
    hand.answer(Examine, {line.id: "" for line in CATALOGUE})
    hand.answer(TakeStock, stock)
    session.noticed.disconnect(told.append)
    return told


def codecs_asked(hand: HandEngine) -> list[str]:
    return [given.task.codec for given in hand.tasks(Compress)]


def of(weights: str, seed: int) -> Coded:
    made = coded("hflic-mse:lite", seed)
    return replace(made, encoding=replace(made.encoding, weights=weights))


def test_a_result_of_replaced_weights_is_made_again_and_that_is_told(
    session: Session, hand: HandEngine
) -> None:
    compressed(session, hand)
    told = weights_changed(session, hand, {NEW: ""})
    assert codecs_asked(hand) == ["hflic", "jpeg", "hflic"]
    left, right = (session.view(side) for side in Side)
    assert left.working and left.stale  # so it cannot be saved
    assert right.phase is Phase.DONE and not right.stale
    (notice,) = told
    assert "weights of HFLIC (MSE) lite changed" in notice.text
    hand.answer(Compress, of(NEW, 7))
    assert session.view(Side.LEFT).phase is Phase.DONE
    assert not weights_changed(session, hand, {NEW: ""})


def test_weights_that_come_beside_the_others_change_nothing(session: Session, hand: HandEngine) -> None:
    made = compressed(session, hand)
    assert not weights_changed(session, hand, {OLD: "decoder", NEW: ""})
    assert session.view(Side.LEFT).coded is made and codecs_asked(hand) == ["hflic", "jpeg"]


def test_a_replaced_realistic_decoder_decodes_again_and_encodes_nothing(
    session: Session, hand: HandEngine
) -> None:
    made = compressed(session, hand)
    session.set_realism(Side.LEFT, 0.5)
    hand.answer(Redecode, replace(again(made, 0.5, 5), decoder="first"))
    assert not weights_changed(session, hand, {OLD: "first"})
    count = len(hand.tasks(Redecode))
    (notice,) = weights_changed(session, hand, {OLD: "second"})
    assert "realistic decoder of HFLIC (MSE) lite changed" in notice.text
    assert len(hand.tasks(Redecode)) == count + 1 and session.view(Side.LEFT).redecoding
    hand.answer(Redecode, replace(again(made, 0.5, 6), decoder="second"))
    assert session.view(Side.LEFT).phase is Phase.DONE
    assert codecs_asked(hand) == ["hflic", "jpeg"]


def test_a_realistic_decoder_that_comes_is_offered_and_one_that_goes_is_not(
    session: Session, hand: HandEngine
) -> None:
    made = compressed(session, hand)
    for decoder, offered in (("", False), ("new", True)):
        weights_changed(session, hand, {OLD: decoder})
        view = session.view(Side.LEFT)
        assert view.coded is not None and view.coded.encoding is made.encoding
        assert view.coded.realistic is offered


def test_what_failed_is_tried_with_the_new_weights_and_what_was_stopped_is_not(
    session: Session, hand: HandEngine
) -> None:
    compressed(session, hand)
    session.choose(Side.LEFT, "elic")
    hand.failed.emit(hand.tasks(Compress)[-1].id, Failure("elic.safetensors is damaged"))
    session.choose(Side.RIGHT, "po-elic")
    session.cancel()
    weights_changed(session, hand, {OLD: "", NEW: ""})
    assert [session.view(side).phase for side in Side] == [Phase.RUNNING, Phase.STOPPED]


def test_decoding_that_failed_is_tried_with_the_new_decoder(session: Session, hand: HandEngine) -> None:
    compressed(session, hand)
    session.set_realism(Side.LEFT, 0.5)
    hand.failed.emit(hand.tasks(Redecode)[-1].id, Failure("the decoder is damaged"))
    weights_changed(session, hand, {OLD: "new"})
    assert session.view(Side.LEFT).phase is Phase.RUNNING


def test_a_result_of_the_old_weights_that_comes_late_is_made_again(
    session: Session, hand: HandEngine
) -> None:
    compressed(session, hand)
    session.set_rate(Side.LEFT, Rate(bpp=0.5))
    task = Compress(raster(0).digest, "hflic", Rate(bpp=0.5))
    running = next(given for given in hand.tasks(Compress) if given.task == task)
    weights_changed(session, hand, {NEW: ""})
    count = len(hand.tasks(TakeStock))
    hand.finished.emit(running.id, of(OLD, 7))
    assert len(hand.tasks(TakeStock)) == count + 1
    hand.answer(TakeStock, {NEW: ""})
    assert session.view(Side.LEFT).working
    hand.answer(Compress, of(NEW, 8))
    assert session.view(Side.LEFT).phase is Phase.DONE and len(hand.tasks(TakeStock)) == count + 1


def test_an_opened_file_stays_whatever_weights_are_here(session: Session, hand: HandEngine) -> None:
    session.open([Path("a.hflic")])
    opened = coded("hflic-mse:lite", 4, realistic=True)
    hand.answer(OpenCoded, opened)
    assert not weights_changed(session, hand, {NEW: ""})
    view = session.view(Side.LEFT)
    assert (view.choice.codec, view.raster) == (FILE, opened.raster)
    assert view.coded is not None and not view.coded.realistic


def test_both_decoders_of_one_codec_stand_beside_each_other(session: Session, hand: HandEngine) -> None:
    session.choose(Side.LEFT, "hflic-mse")
    session.choose(Side.RIGHT, "hflic-mse+1")
    session.open([Path("photo.png")])
    hand.answer(OpenFile, raster(0))
    hand.answer(Compress, replace(of(OLD, 1), behind=OLD), at=0)
    hand.answer(Compress, replace(of(OLD, 2), behind=f"{OLD}+12345678"), at=1)
    assert {session.view(side).phase for side in Side} == {Phase.DONE} and len(hand.tasks(Compress)) == 2
    weights_changed(session, hand, {OLD: "12345678" + "0" * 56})
    assert not session.view(Side.RIGHT).working
    weights_changed(session, hand, {OLD: "87654321" + "0" * 56})
    assert session.view(Side.RIGHT).working and not session.view(Side.LEFT).working


def test_the_old_weights_time_is_not_foretold_of_the_new_ones(session: Session, hand: HandEngine) -> None:
    compressed(session, hand)
    task = Compress(raster(0).digest, "hflic", Rate(bpp=0.25))
    assert session.forecaster.expect(task) is not None
    weights_changed(session, hand, {NEW: ""})
    assert session.forecaster.expect(task) is None


def test_stock_names_weights_and_decoders_as_results_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(codecs, "_instances", {})
    monkeypatch.setattr(learned, "_loaded", {})
    coder = codec_with_both(tmp_path)
    bench = _Bench({"p": Picture(scene(48, 32))}, {})
    made = Compress("p", ID, Rate(quality=50)).run(bench)  # type: ignore[arg-type]
    decoded = Redecode(made.encoding, 0.5).run(bench)  # type: ignore[arg-type]
    assert made.encoding.weights is not None and made.behind == made.encoding.weights
    stock = TakeStock().run(bench)  # type: ignore[arg-type]
    assert stock[made.encoding.weights] == decoded.decoder != ""
    other_decoder(coder.file, seed=8)
    assert TakeStock().run(bench)[made.encoding.weights] not in {"", decoded.decoder}  # type: ignore[arg-type]
