"""The queue: what is listed, how far it is said to be, what stopping one does; and what large work costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.forecast import LARGE, TELL_FROM_S, Effort, Weigh, in_words
from app.jobs import Jobs, JobView, duration, words_for
from app.panels.jobs import SHOWN
from app.panels.messages import MessageBar
from app.session import Session
from app.state import Level, Notice, Phase, Side
from app.tasks import Compress, Difference, FindFaces, Measure, OpenFile, SaveFile, WarmUp
from app.window import Window
from app.worker import Failure
from models.codec import Rate
from models.footprint import Footprint
from tests.app.conftest import shown
from tests.app.engines import HandEngine, InlineEngine
from tests.app.test_session import coded, raster

NETWORK = Footprint(pixel=800, latent=8000, lean_latent=4000, channels=192, weights=3e8, tile=64)
PAPER = Effort(600_000, 100_000, speed=1e10, exact_speed=1e10, footprint=NETWORK)


@pytest.fixture
def session(qapp: object, hand: HandEngine) -> Iterator[Session]:
    made = Session(hand, "webp", "jpeg", Rate(bpp=0.5))  # type: ignore[arg-type]
    made.start()
    hand.all_usable()
    yield made
    made.close()


def opened(session: Session, hand: HandEngine, width: int = 48, height: int = 32) -> None:
    session.open([Path("photo.png")])
    hand.answer(OpenFile, raster(width, height))


def job_of(hand: HandEngine, kind: type, at: int = -1) -> int:
    return hand.tasks(kind)[at].id


def test_what_is_asked_is_listed_until_it_is_answered(session: Session, hand: HandEngine) -> None:
    assert len(session.jobs) == 0
    session.open([Path("photo.png")])
    assert [view.words for view in session.jobs.all()] == ["Open photo.png"]
    hand.answer(OpenFile, raster())
    assert [view.words for view in session.jobs.all()] == [
        "Compress with WebP \N{MIDDLE DOT} 0.5 bpp",
        "Compress with JPEG \N{MIDDLE DOT} 0.5 bpp",
    ]
    hand.answer(Compress, coded("webp"), at=0)
    words = [view.words for view in session.jobs.all()]
    assert words[0] == "Compress with JPEG \N{MIDDLE DOT} 0.5 bpp"
    assert "Measure PSNR" in words
    session.close()


def test_what_runs_comes_first_with_stage_and_share(session: Session, hand: HandEngine) -> None:
    opened(session, hand)
    second = job_of(hand, Compress, 1)
    hand.progressed.emit(second, "analysing", 0.25)
    first, other = session.jobs.all()
    assert (first.id, first.running, first.line) == (second, True, "analysing \N{MIDDLE DOT} 25%")
    assert (other.running, other.line) == (False, "waiting")


def test_a_job_that_is_dropped_leaves_the_list(session: Session, hand: HandEngine) -> None:
    opened(session, hand)
    session.choose(Side.LEFT, "avif")
    assert [view.words.split()[2] for view in session.jobs.all()] == ["JPEG", "AVIF"]


def test_stopping_one_job_leaves_the_other(session: Session, hand: HandEngine) -> None:
    opened(session, hand)
    job = job_of(hand, Compress, 0)
    session.jobs.stop(job)
    assert hand.stopped == [job]
    hand.cancelled.emit(job)
    assert session.view(Side.LEFT).phase is Phase.STOPPED
    assert session.view(Side.RIGHT).working
    assert len(session.jobs) == 1
    session.jobs.stop(12345)  # long gone
    assert hand.stopped == [job]


def test_loading_the_networks_cannot_be_stopped(qapp: object, hand: HandEngine) -> None:
    session = Session(hand, "webp", "jpeg")  # type: ignore[arg-type]
    session.start()
    views = session.jobs.all()
    assert [view.stoppable for view in views] == [False, False]
    session.jobs.stop(views[0].id)
    assert hand.stopped == []


def test_the_remaining_time_runs_down_and_is_silent_when_it_was_wrong(
    session: Session, hand: HandEngine
) -> None:
    now = [100.0]
    jobs = Jobs(session._desk, lambda task: 30.0, lambda: now[0], session)
    opened(session, hand)
    assert [view.remaining for view in jobs.all()] == [None, None]  # nothing runs yet
    hand.progressed.emit(job_of(hand, Compress, 0), "analysing", 0.0)
    now[0] = 110.0
    hand.progressed.emit(job_of(hand, Compress, 0), "coding", 0.5)
    view = jobs.all()[0]
    assert view.remaining == pytest.approx(20.0)
    assert view.line.endswith("about 20 s left")
    now[0] = 140.0
    assert jobs.all()[0].remaining is None


def test_times_are_told_roughly() -> None:
    assert duration(0.4) == "less than 1 s left"
    assert duration(41.6) == "about 42 s left"
    assert duration(150) == "about 2 min left"
    assert duration(7200) == "about 2.0 h left"


def test_every_kind_of_work_has_words(tmp_path: Path) -> None:
    assert words_for(Measure("psnr", "a", "b")) == "Measure PSNR"
    assert words_for(SaveFile(tmp_path / "a.webp", b"")) == "Save a.webp"
    assert words_for(FindFaces("a")) == "Find faces"
    assert words_for(WarmUp()) == "Load the networks"
    assert words_for(Difference("a", "b")) == "Difference"  # from its name
    assert words_for(Compress("a", "hflic:paper", Rate(quality=30))).endswith("quality 30")
    assert words_for(Weigh("hflic")) == "Estimate the time of HFLIC"


# What large work costs


def large(session: Session, hand: HandEngine) -> list[Notice]:
    told: list[Notice] = []
    session.noticed.connect(told.append)
    width = 1600
    opened(session, hand, width, LARGE // width + 1)
    return told


def test_a_large_learned_job_is_weighed_first_and_told(qapp: object, hand: HandEngine) -> None:
    session = Session(hand, "hflic:paper", "jpeg", Rate(bpp=0.5))  # type: ignore[arg-type]
    session.start()
    hand.all_usable()
    told = large(session, hand)
    assert job_of(hand, Weigh) < job_of(hand, Compress, 0)  # in the same lane: answered before it begins
    assert hand.tasks(Weigh)[-1].priority == hand.tasks(Compress)[0].priority
    hand.answer(Weigh, PAPER)
    assert "HFLIC paper at 2.0 megapixels takes about 3 min" in told[-1].text
    assert "Esc stops it" in told[-1].text
    hand.progressed.emit(job_of(hand, Compress, 0), "analysing", 0.1)
    assert session.jobs.all()[0].line.endswith("min left")


@pytest.fixture
def paper(qapp: object, hand: HandEngine) -> Iterator[Session]:
    """A session whose side A takes long for large pictures."""
    made = Session(hand, "hflic:paper", "jpeg", Rate(bpp=0.5))  # type: ignore[arg-type]
    made.start()
    hand.all_usable()
    yield made
    made.close()


def finish(session: Session, hand: HandEngine) -> None:
    hand.answer(Compress, coded("hflic:paper"), at=0)


def stop(session: Session, hand: HandEngine) -> None:
    session.cancel()


def replace(session: Session, hand: HandEngine) -> None:
    session.choose(Side.LEFT, "webp")


def fail(session: Session, hand: HandEngine) -> None:
    hand.failed.emit(job_of(hand, Compress, 0), Failure("no"))


@pytest.mark.parametrize("end", [finish, stop, replace, fail])
def test_what_was_foretold_is_withdrawn_when_the_work_ends(
    paper: Session, hand: HandEngine, end: Callable[[Session, HandEngine], None]
) -> None:
    over: list[Notice] = []
    paper.forecaster.withdrawn.connect(over.append)
    told = large(paper, hand)
    hand.answer(Weigh, PAPER)
    foretold = told[-1]
    hand.finished.emit(job_of(hand, Compress, 1), coded("jpeg"))
    assert over == []
    end(paper, hand)
    assert over == [foretold]


def test_nothing_is_foretold_once_the_work_was_stopped(paper: Session, hand: HandEngine) -> None:
    told = large(paper, hand)
    paper.cancel()
    hand.answer(Weigh, PAPER)
    assert told == []
    paper.retry()
    assert [notice.text for notice in told if "Esc stops it" in notice.text] == [told[-1].text]


def test_another_rate_while_weighing_is_foretold_too(paper: Session, hand: HandEngine) -> None:
    told = large(paper, hand)
    paper.set_rate(Side.LEFT, Rate(bpp=0.7))
    hand.answer(Weigh, PAPER)
    assert "takes about" in told[-1].text


def test_the_bar_shows_again_what_a_withdrawn_message_stood_in_place_of(qtbot: QtBot) -> None:
    bar = MessageBar()
    qtbot.addWidget(bar)
    error, other = Notice(Level.ERROR, "It failed."), Notice(Level.ERROR, "That too.")
    first, second = Notice(Level.WARNING, "Takes long."), Notice(Level.WARNING, "Takes longer.")
    for notice in (error, first, second):
        bar.show_notice(notice)
    bar.withdraw(first)
    assert bar.notice is second
    bar.withdraw(second)
    assert bar.notice is error and not bar.isHidden()
    bar.show_notice(first)
    bar.show_notice(other)
    bar.withdraw(first)
    assert bar.notice is other
    bar.show_notice(second)
    bar.clear()  # closed by a person
    bar.withdraw(second)
    assert bar.notice is None and bar.isHidden()


def test_each_codec_is_weighed_once_and_quick_work_is_not_told(qapp: object, hand: HandEngine) -> None:
    session = Session(hand, "hflic", "jpeg", Rate(bpp=0.5))  # type: ignore[arg-type]
    session.start()
    hand.all_usable()
    told = large(session, hand)
    quick = Effort(1e4, 1e3, speed=1e11, exact_speed=1e10, footprint=NETWORK)
    assert quick.seconds(LARGE) < TELL_FROM_S
    hand.answer(Weigh, quick)
    session.set_rate(Side.LEFT, Rate(bpp=0.7))
    assert len([given for given in hand.given if isinstance(given.task, Weigh)]) == 1
    assert told == []


def test_small_pictures_and_classical_codecs_are_not_weighed(session: Session, hand: HandEngine) -> None:
    large(session, hand)
    assert hand.tasks(Weigh) == []
    session.choose(Side.LEFT, "hflic")
    assert len(hand.tasks(Weigh)) == 1
    opened(session, hand)
    session.choose(Side.LEFT, "po-elic")
    assert len(hand.tasks(Weigh)) == 1


def test_what_was_measured_counts_more_than_the_estimate(session: Session, hand: HandEngine) -> None:
    opened(session, hand)
    hand.answer(Compress, coded("webp"), at=0)  # 0.1 s there and 0.05 s back
    session.choose(Side.RIGHT, "webp")
    session.set_rate(Side.RIGHT, Rate(bpp=0.9))
    task = hand.tasks(Compress)[-1].task
    assert session.forecaster.expect(task) == pytest.approx(0.15)
    assert session.forecaster.expect(Compress("another", "webp", Rate(bpp=0.9))) is None


def test_memory_and_time_are_in_the_words() -> None:
    words = in_words("hflic:paper", PAPER, (1600, 1250), 200)
    assert words.startswith(
        "HFLIC paper at 2.0 megapixels takes about 3 min and 2.73 GB of memory on this proc"
    )


def test_the_memory_told_is_that_of_the_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is planned is told, not what the whole picture at once would take."""
    assert "2.73 GB" in in_words("hflic:paper", PAPER, (1600, 1250), 200)
    monkeypatch.setenv("HFLIC_MEMORY", "2G")
    assert "1.96 GB" in in_words("hflic:paper", PAPER, (1600, 1250), 200)


@pytest.mark.parametrize("allowed", ["1.5G", "nonsense"])
def test_what_is_over_the_budget_is_not_foretold_a_time(
    qapp: object, hand: HandEngine, monkeypatch: pytest.MonkeyPatch, allowed: str
) -> None:
    """The codec refuses it before it begins, and says which size would fit."""
    session = Session(hand, "hflic:paper", "jpeg", Rate(bpp=0.5))  # type: ignore[arg-type]
    session.start()
    hand.all_usable()
    told = large(session, hand)
    monkeypatch.setenv("HFLIC_MEMORY", allowed)
    hand.answer(Weigh, PAPER)
    assert told == []


def test_a_network_is_weighed_without_running_it() -> None:
    from app.forecast import _weigh
    from models.networks.builders import build, config

    lite = _weigh(build(config("elic-5-lite")), NETWORK, "cpu")
    assert lite.transforms > lite.entropy > 0
    assert lite.speed > 1e6
    assert lite.exact_speed > 1e6
    assert lite.seconds(10**6) > lite.seconds(10**6, searched=False) > 0
    assert lite.bytes(1000, 2000) > lite.bytes(1000, 1000) == NETWORK.plan(1000, 1000).bytes


# The window


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine) -> Iterator[Window]:
    with shown(qtbot, Session(inline, "webp", "jpeg", Rate(bpp=1.0))) as made:  # type: ignore[arg-type]
        yield made


def test_the_queue_shows_what_runs_and_stops_one(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    inline.held = (Compress,)
    window.session.open([photo()])
    qtbot.waitUntil(lambda: any(view.running for view in window.session.jobs.all()), timeout=20000)
    button, queue = window.working.button, window.working.queue
    assert button.isHidden()  # not at once: it would flicker
    qtbot.waitUntil(button.isVisible, timeout=5000)
    assert button.text() == "2 jobs"
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert queue.isVisible()
    assert len(queue.rows) == 2
    row = next(iter(queue.rows.values()))
    assert row.line.text().startswith("Working \N{MIDDLE DOT} 40%")
    assert window.geometry().contains(window.mapToGlobal(queue.geometry().bottomRight()))
    qtbot.mouseClick(row.cancel, Qt.MouseButton.LeftButton)
    stopped = inline.stopped[-1]
    inline.cancelled.emit(stopped)
    qtbot.waitUntil(lambda: len(queue.rows) == 1, timeout=5000)
    assert {window.session.view(side).phase for side in Side} == {Phase.STOPPED, Phase.RUNNING}
    assert button.text() == "1 job"
    qtbot.keyClick(queue, Qt.Key.Key_Escape)
    assert queue.isHidden()
    assert window.session.working  # Esc closed the list and stopped nothing
    window.session.cancel()
    assert button.isHidden()


def test_the_message_about_long_work_leaves_with_it(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    inline.held = (Compress,)
    window.session.open([photo()])
    qtbot.waitUntil(lambda: window.session.compressor.working)
    session, before = window.session, window.messages.text
    notice = Notice(Level.WARNING, "WebP takes about 24 s. Esc stops it.")
    session.forecaster._told["webp"] = notice
    session.noticed.emit(notice)
    assert window.messages.text == notice.text
    session.stop(Side.RIGHT)
    assert window.messages.text == notice.text
    session.cancel()
    assert window.messages.text == before


def test_an_empty_queue_says_so_and_a_long_one_counts_the_rest(qtbot: QtBot, window: Window) -> None:
    qtbot.waitUntil(lambda: window.session.idle, timeout=20000)
    qtbot.keyClick(window.canvas, Qt.Key.Key_J)
    queue = window.working.queue
    assert queue.isVisible()
    assert queue._empty.isVisible()
    jobs = window.session.jobs
    many = [JobView(id, f"Job {id}") for id in range(SHOWN + 3)]
    jobs.all = lambda: many  # type: ignore[method-assign]
    queue.show_jobs()
    assert len(queue.rows) == SHOWN
    assert queue._more.text() == "and 3 more"
    assert not queue._empty.isVisible()


def test_a_long_queue_scrolls_in_a_low_window(qtbot: QtBot, window: Window) -> None:
    qtbot.waitUntil(lambda: window.session.idle, timeout=20000)
    window.resize(900, 480)
    many = [JobView(id, f"Job {id}", running=True) for id in range(SHOWN + 3)]
    window.session.jobs.all = lambda: many  # type: ignore[method-assign]
    queue = window.working.queue
    window.working.show_queue()
    foot = queue.geometry().bottom()

    def fits() -> bool:
        return window.rect().contains(queue.geometry()) and queue.geometry().bottom() == foot

    assert fits()
    bar = queue._area.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0)
    bar.setValue(bar.maximum())
    last = queue.rows[SHOWN - 1]
    assert queue.rect().contains(last.cancel.mapTo(queue, last.cancel.rect().center()))
    queue.show_jobs()
    assert fits()
    del many[2:]
    queue.show_jobs()
    assert fits()
    qtbot.waitUntil(lambda: not bar.isVisible())
    queue.hide()
