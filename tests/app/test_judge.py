"""Measuring comes after compressing, but does not wait for it for ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app import judge
from app.facts import facts_of
from app.session import Session
from app.state import ORIGINAL, Side
from app.tasks import Compress, Measure, Measured, OpenFile
from app.viewport import Viewport
from app.worker import Failure
from models.codec import Rate
from tests.app.engines import HandEngine
from tests.app.test_session import coded, raster


@pytest.fixture
def session(qapp: object, hand: HandEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setattr(judge, "PATIENCE_MS", 1000)
    made = Session(hand, "webp", "jpeg", Rate(bpp=0.5))  # type: ignore[arg-type]
    made.start()
    hand.all_usable()
    made.open([Path("photo.png")])
    hand.answer(OpenFile, raster())
    yield made
    made.close()


def test_numbers_wait_until_both_sides_are_compressed(session: Session, hand: HandEngine) -> None:
    hand.answer(Compress, coded("webp"), at=0)
    assert session.view(Side.LEFT).coded is not None
    assert not hand.tasks(Measure)
    assert session.judge.working
    assert not session.idle
    hand.answer(Compress, coded("jpeg", seed=2))
    assert len(hand.tasks(Measure)) == 6


def test_a_slow_side_keeps_the_other_s_numbers_back_only_for_a_while(
    qtbot: QtBot, session: Session, hand: HandEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "PATIENCE_MS", 30)
    hand.answer(Compress, coded("webp"), at=0)
    assert not hand.tasks(Measure)
    qtbot.waitUntil(lambda: len(hand.tasks(Measure)) == 3)
    assert session.compressor.working


def test_numbers_that_wait_are_stopped_too_and_tried_again(session: Session, hand: HandEngine) -> None:
    hand.answer(Compress, coded("webp"), at=0)
    session.cancel()
    found = session.measure(Side.LEFT, "psnr")
    assert found is not None and found.absent == judge.STOPPED
    assert not session.judge.working
    session.retry()
    hand.answer(Compress, coded("jpeg", seed=2))
    assert len(hand.tasks(Measure)) == 6


def test_a_failed_measurement_may_be_tried_again_and_an_impossible_one_not(
    session: Session, hand: HandEngine
) -> None:
    for codec, seed in (("webp", 1), ("jpeg", 2)):
        hand.answer(Compress, coded(codec, seed=seed), at=seed - 1)
    first, *others = hand.tasks(Measure)
    for given in others:
        hand.finished.emit(given.id, Measured(None, "too few pixels"))
    assert not facts_of(session, Viewport()).failed
    hand.failed.emit(first.id, Failure("the process ended"))
    assert facts_of(session, Viewport()).failed
    session.retry()
    assert not facts_of(session, Viewport()).failed
    assert hand.tasks(Measure)[-1].id > others[-1].id


def test_what_failed_for_a_choice_nobody_looks_at_any_more_is_nothing_to_try_again(
    session: Session, hand: HandEngine
) -> None:
    for codec, seed in (("webp", 1), ("jpeg", 2)):
        hand.answer(Compress, coded(codec, seed=seed), at=seed - 1)
    for given in hand.tasks(Measure)[:3]:
        hand.failed.emit(given.id, Failure("the process ended"))
    assert facts_of(session, Viewport()).failed
    session.choose(Side.LEFT, ORIGINAL)
    session.choose(Side.RIGHT, ORIGINAL)
    assert not facts_of(session, Viewport()).failed
    session.choose(Side.LEFT, "webp")
    session.choose(Side.RIGHT, "jpeg")
    assert facts_of(session, Viewport()).failed


def test_numbers_that_are_there_do_not_wait(session: Session, hand: HandEngine) -> None:
    left = coded("webp")
    hand.answer(Compress, left, at=0)
    hand.answer(Compress, coded("jpeg", seed=2))
    for given in hand.tasks(Measure):
        hand.finished.emit(given.id, Measured(30.0))
    session.choose(Side.RIGHT, "avif")
    assert session.measure(Side.LEFT, "psnr") == Measured(30.0)
