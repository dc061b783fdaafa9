"""The session: what runs again, what does not, and what is dropped. No screen, no widgets."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app.columns import Column
from app.kinds import Kind
from app.labels import side_label, suggested_name
from app.raster import Raster, from_picture
from app.session import Session
from app.state import FILE, ORIGINAL, Level, Notice, Phase, Side
from app.tasks import (
    Coded,
    Compress,
    Difference,
    Examine,
    Measure,
    Measured,
    OpenCoded,
    OpenFile,
    SaveFile,
    WarmUp,
)
from app.worker import Failure
from models.codec import CATALOGUE, Encoding, Rate
from models.picture import Picture
from tests.app.conftest import scene
from tests.app.engines import HandEngine


@pytest.fixture
def session(qapp: object, hand: HandEngine) -> Session:
    made = Session(hand, "webp", "jpeg")  # type: ignore[arg-type]
    made.start()
    hand.all_usable()
    return made


def raster(width: int = 48, height: int = 32, seed: int = 0) -> Raster:
    return from_picture(Picture(scene(width, height, seed)))


def coded(codec: str, size: int = 100, seed: int = 1, weights: str | None = None) -> Coded:
    picture = raster(seed=seed)
    return Coded(Encoding(b"x" * size, codec, 50, 48, 32, 0.1, weights), picture, 0.05)


def show(session: Session, hand: HandEngine, seed: int = 0, path: str = "photo.png") -> Raster:
    session.open([Path(path)])
    picture = raster(seed=seed)
    hand.answer(OpenFile, picture)
    return picture


def running(hand: HandEngine) -> list[str]:
    done = {g.id for g in hand.given if g.id in hand.stopped}
    return [g.task.codec for g in hand.tasks(Compress) if g.id not in done]


def test_an_opened_picture_is_compressed_on_both_sides(session: Session, hand: HandEngine) -> None:
    picture = show(session, hand)
    assert [g.task for g in hand.tasks(Compress)] == [
        Compress(picture.digest, "webp", Rate(bpp=0.25)),
        Compress(picture.digest, "jpeg", Rate(bpp=0.25)),
    ]
    assert session.view(Side.LEFT).raster is picture  # the original fills the place until then
    assert session.view(Side.LEFT).stale
    made = coded("webp")
    hand.answer(Compress, made, at=0)
    assert session.view(Side.LEFT).phase is Phase.DONE
    assert session.view(Side.LEFT).raster is made.raster
    assert session.view(Side.RIGHT).working


def test_only_the_changed_side_runs_again(session: Session, hand: HandEngine) -> None:
    show(session, hand)
    hand.answer(Compress, coded("webp"), at=0)
    hand.answer(Compress, coded("jpeg", seed=2), at=1)
    before = len(hand.tasks(Compress))
    session.choose(Side.RIGHT, "avif")
    assert [g.task.codec for g in hand.tasks(Compress)[before:]] == ["avif"]
    assert session.view(Side.LEFT).phase is Phase.DONE


def test_superseded_job_is_cancelled_and_its_late_result_dropped(session: Session, hand: HandEngine) -> None:
    show(session, hand)
    old = hand.tasks(Compress)[1]
    session.choose(Side.RIGHT, "avif")
    assert old.id in hand.stopped
    hand.finished.emit(old.id, coded("jpeg"))
    view = session.view(Side.RIGHT)
    assert view.working
    assert view.coded is None
    new = coded("avif", seed=3)
    hand.answer(Compress, new)
    assert session.view(Side.RIGHT).coded is new


def test_cached_result_shows_at_once_and_runs_nothing(session: Session, hand: HandEngine) -> None:
    show(session, hand)
    first = coded("jpeg")
    hand.answer(Compress, first, at=1)
    session.choose(Side.RIGHT, "avif")
    hand.answer(Compress, coded("avif", seed=3))
    before = len(hand.given)
    session.choose(Side.RIGHT, "jpeg")
    assert session.view(Side.RIGHT).coded is first
    assert not [g for g in hand.given[before:] if isinstance(g.task, Compress)]


def test_both_sides_with_the_same_choice_share_one_job(session: Session, hand: HandEngine) -> None:
    show(session, hand)
    hand.answer(Compress, coded("webp"), at=0)
    session.choose(Side.LEFT, "jpeg")
    assert running(hand).count("jpeg") == 1
    made = coded("jpeg")
    hand.answer(Compress, made)
    assert session.view(Side.LEFT).coded is session.view(Side.RIGHT).coded is made


def test_swapping_sides_computes_nothing(session: Session, hand: HandEngine) -> None:
    show(session, hand)
    left, right = coded("webp"), coded("jpeg", seed=2)
    hand.answer(Compress, left, at=0)
    hand.answer(Compress, right, at=1)
    before = len(hand.given)
    session.swap()
    assert session.view(Side.LEFT).coded is right
    assert session.view(Side.RIGHT).coded is left
    assert len(hand.given) == before


def test_locked_rate_goes_to_both_sides_unlocked_to_one(session: Session, hand: HandEngine) -> None:
    show(session, hand)
    session.set_rate(Side.LEFT, Rate(bpp=0.5))
    assert {session.choice(side).rate for side in Side} == {Rate(bpp=0.5)}
    session.set_locked(False)
    session.set_rate(Side.RIGHT, Rate(quality=30))
    assert session.choice(Side.LEFT).rate == Rate(bpp=0.5)
    assert session.choice(Side.RIGHT).rate == Rate(quality=30)
    session.set_locked(True)
    assert session.choice(Side.RIGHT).rate == Rate(bpp=0.5)


def test_a_dragged_slider_starts_one_job_when_it_rests(
    session: Session, hand: HandEngine, qtbot: object
) -> None:
    show(session, hand)
    hand.answer(Compress, coded("webp"), at=0)
    hand.answer(Compress, coded("jpeg", seed=2), at=1)
    before = len(hand.tasks(Compress))
    for step in range(5):
        session.set_rate(Side.LEFT, Rate(bpp=0.3 + step / 100), settle=True)
    assert len(hand.tasks(Compress)) == before
    assert not session.idle
    qtbot.waitUntil(lambda: len(hand.tasks(Compress)) > before, timeout=2000)  # type: ignore[attr-defined]
    assert [g.task.rate.bpp for g in hand.tasks(Compress)[before:]] == pytest.approx([0.34, 0.34])


def test_cancel_stops_both_sides_and_trying_again_starts_them(session: Session, hand: HandEngine) -> None:
    show(session, hand)
    jobs = {g.id for g in hand.tasks(Compress)}
    session.cancel()
    assert jobs <= set(hand.stopped)
    assert {session.view(side).phase for side in Side} == {Phase.STOPPED}
    assert not session.working
    session.retry()
    assert {session.view(side).phase for side in Side} == {Phase.RUNNING}


def test_stopping_one_side_leaves_everything_else(session: Session, hand: HandEngine) -> None:
    show(session, hand)
    session.open([Path("other.png")])
    left, right = hand.tasks(Compress)
    session.stop(Side.RIGHT)
    assert set(hand.stopped) == {right.id}
    assert session.view(Side.RIGHT).phase is Phase.STOPPED
    assert session.view(Side.LEFT).phase is Phase.RUNNING
    assert session.opener.name == "other.png"
    hand.finished.emit(left.id, coded("webp"))
    assert session.view(Side.LEFT).phase is Phase.DONE
    session.stop(Side.LEFT)  # it has nothing to stop
    assert session.view(Side.LEFT).phase is Phase.DONE
    assert hand.tasks(Measure)
    session.retry()
    assert session.view(Side.RIGHT).phase is Phase.RUNNING


def test_a_side_that_waits_for_its_codecs_can_be_stopped(qapp: object, hand: HandEngine) -> None:
    session = Session(hand, "webp", "jpeg")  # type: ignore[arg-type]
    session.start()
    show(session, hand)
    session.stop(Side.LEFT)
    hand.all_usable()
    assert [session.view(side).phase for side in Side] == [Phase.STOPPED, Phase.RUNNING]
    assert running(hand) == ["jpeg"]


def test_cancelled_opening_keeps_the_picture(session: Session, hand: HandEngine) -> None:
    picture = show(session, hand)
    session.open([Path("other.png")])
    assert session.opener.name == "other.png"
    session.cancel()
    hand.cancelled.emit(hand.given[-1].id)
    assert session.opener.name == ""
    assert session.picture is picture


def test_failure_is_told_and_the_other_side_goes_on(session: Session, hand: HandEngine) -> None:
    told = []
    session.noticed.connect(told.append)
    show(session, hand)
    hand.failed.emit(hand.tasks(Compress)[1].id, Failure("the picture is too large"))
    assert session.view(Side.RIGHT).phase is Phase.FAILED
    assert session.view(Side.RIGHT).error == "the picture is too large"
    assert [(n.level, n.text) for n in told] == [(Level.ERROR, "JPEG: the picture is too large")]
    assert session.view(Side.LEFT).working


def test_unusable_codec_is_replaced_and_told_only_if_it_was_asked_for(qapp: object, hand: HandEngine) -> None:
    for asked in (False, True):
        told: list[object] = []
        session = Session(hand, "hflic", "jpeg", insisted=[Side.LEFT] if asked else [])  # type: ignore[arg-type]
        session.noticed.connect(told.append)
        session.start()
        for given in hand.given[-2:]:
            hand.finished.emit(given.id, {"hflic": "no weights", "elic": "", "jpeg": ""})
        assert session.choice(Side.LEFT).codec == "elic"
        assert len(told) == asked
        session.close()


def test_sides_wait_until_their_codecs_are_known(qapp: object, hand: HandEngine) -> None:
    session = Session(hand, "hflic", "jpeg")  # type: ignore[arg-type]
    session.start()
    show(session, hand)
    assert running(hand) == []
    assert session.view(Side.LEFT).stage == "loading the codecs"
    hand.all_usable()
    assert running(hand) == ["hflic", "jpeg"]


def test_codecs_are_judged_without_waiting_for_torch(qapp: object, hand: HandEngine) -> None:
    session = Session(hand, "hflic", "jpeg")  # type: ignore[arg-type]
    session.start()
    show(session, hand)
    assert hand.tasks(WarmUp)  # still loading
    hand.answer(Examine, {line.id: "" if line.id in {"elic", "jpeg"} else "gone" for line in CATALOGUE})
    assert running(hand) == ["elic", "jpeg"]


def test_a_torch_that_does_not_load_takes_all_learned_codecs_away_and_says_so_once(
    qapp: object, hand: HandEngine
) -> None:
    session = Session(hand, "hflic", "jpeg")  # type: ignore[arg-type]
    notices: list[Notice] = []
    session.noticed.connect(notices.append)
    session.start()
    hand.answer(Examine, {line.id: "" for line in CATALOGUE})
    hand.failed.emit(hand.tasks(WarmUp)[0].id, Failure("torch does not load: run make setup again"))
    show(session, hand)
    assert running(hand) == ["jxl", "jpeg"]
    assert [notice.text for notice in notices] == [
        "No neural codec can be used here: torch does not load: run make setup again"
    ]


def test_metrics_arrive_one_by_one_and_are_kept(session: Session, hand: HandEngine) -> None:
    show(session, hand)
    hand.answer(Compress, coded("webp"), at=0)
    measures = hand.tasks(Measure)
    assert [g.task.metric for g in measures] == ["psnr", "ms_ssim", "lpips"]
    assert session.measure(Side.LEFT, "psnr") is None
    hand.finished.emit(measures[0].id, Measured(31.5))
    found = session.measure(Side.LEFT, "psnr")
    assert found is not None
    assert found.value == 31.5
    assert session.measure(Side.LEFT, "lpips") is None
    session.choose(Side.LEFT, "avif")
    assert {g.id for g in measures[1:]} <= set(hand.stopped)
    session.choose(Side.LEFT, "webp")
    assert session.measure(Side.LEFT, "psnr") == found


def test_original_side_has_no_metrics_and_says_why(session: Session, hand: HandEngine) -> None:
    picture = show(session, hand)
    session.choose(Side.LEFT, ORIGINAL)
    assert session.view(Side.LEFT).raster is picture
    found = session.measure(Side.LEFT, "psnr")
    assert found is not None
    assert found.value is None
    assert found.absent == "This is the original."


def test_neural_file_of_the_same_size_becomes_a_side(session: Session, hand: HandEngine) -> None:
    picture = show(session, hand)
    session.open([Path("photo.hflic")])
    made = coded("elic")
    hand.answer(OpenCoded, made)
    assert session.picture is picture
    assert session.choice(Side.LEFT).codec == FILE
    assert session.view(Side.LEFT).coded is made
    assert "psnr" in {g.task.metric for g in hand.tasks(Measure)}


def test_what_stood_in_for_a_missing_codec_does_not_count_as_chosen(qapp: object, hand: HandEngine) -> None:
    session = Session(hand, "hflic", "jpeg")  # type: ignore[arg-type]
    session.start()
    hand.answer(
        Examine, {line.id: "" if line.id in {"elic", "jpeg", "webp"} else "gone" for line in CATALOGUE}
    )
    assert session.choice(Side.LEFT).codec == "elic"
    assert not session.insisted(Side.LEFT)
    session.choose(Side.LEFT, "webp")
    assert session.insisted(Side.LEFT)


def test_a_file_without_its_photo_stays_when_a_codec_is_chosen(session: Session, hand: HandEngine) -> None:
    notices: list[Notice] = []
    session.noticed.connect(notices.append)
    session.open([Path("a.hflic")])
    hand.answer(OpenCoded, coded("elic:lite"))
    session.choose(Side.LEFT, "webp")
    assert session.choice(Side.LEFT).codec == FILE
    assert session.view(Side.LEFT).raster is not None
    assert "open the one this file was made from" in notices[-1].text


@pytest.mark.parametrize(("psnr", "doubted"), [(9.7, True), (25.0, False)])
def test_a_file_of_another_photo_is_doubted(
    session: Session, hand: HandEngine, psnr: float, doubted: bool
) -> None:
    show(session, hand)
    session.open([Path("a.hflic")], Side.LEFT)
    hand.answer(OpenCoded, coded("elic:lite"))
    for given in hand.tasks(Measure):
        hand.finished.emit(given.id, Measured(psnr))
    line = side_label(session, Side.LEFT).line
    assert f"{psnr:.2f} dB" in line
    assert ("another photo" in line) is doubted


def test_a_result_is_called_by_what_made_it(session: Session, hand: HandEngine) -> None:
    show(session, hand)
    session.choose(Side.LEFT, "hflic")
    assert session.view(Side.LEFT).name == "HFLIC"
    hand.answer(Compress, coded("hflic-mse:lite"))
    assert session.view(Side.LEFT).name == "HFLIC (MSE) lite"


def test_neural_file_alone_shows_without_an_original(session: Session, hand: HandEngine) -> None:
    session.open([Path("photo.hflic")])
    made = coded("elic")
    hand.answer(OpenCoded, made)
    assert session.picture is None
    assert session.view(Side.LEFT).raster is made.raster
    assert session.view(Side.RIGHT).phase is Phase.EMPTY
    found = session.measure(Side.LEFT, "psnr")
    assert found is not None
    assert found.absent == "The original is not open."
    original = show(session, hand)  # of the same size: now both
    assert session.picture is original
    assert session.view(Side.LEFT).coded is made


def test_file_of_another_size_leaves_when_a_picture_comes(session: Session, hand: HandEngine) -> None:
    session.open([Path("photo.hflic")])
    hand.answer(OpenCoded, coded("elic"))
    session.open([Path("big.png")])
    hand.answer(OpenFile, raster(100, 80))
    assert session.choice(Side.LEFT).codec != FILE
    assert session.view(Side.LEFT).working


def test_picture_and_neural_file_open_together(session: Session, hand: HandEngine) -> None:
    session.open([Path("a.hflic"), Path("a.png")])
    picture = raster()
    hand.answer(OpenFile, picture)
    made = coded("elic")
    hand.answer(OpenCoded, made)
    assert session.picture is picture
    assert session.view(Side.LEFT).coded is made


def test_a_picture_and_two_files_fill_both_sides(session: Session, hand: HandEngine) -> None:
    told: list[Notice] = []
    session.noticed.connect(told.append)
    session.open([Path("a.hflic"), Path("a.png"), Path("b.hflic")])
    picture, made = raster(), (coded("elic"), coded("hflic", seed=2))
    hand.answer(OpenFile, picture)
    for each in made:
        hand.answer(OpenCoded, each)
    assert session.picture is picture
    assert tuple(session.view(side).coded for side in Side) == made
    assert session.opener.paths == (Path("a.png"),)
    assert told == []


@pytest.mark.parametrize("side", [None, *Side])
def test_two_files_stand_on_both_sides_and_a_third_is_told(
    session: Session, hand: HandEngine, side: Side | None
) -> None:
    told: list[Notice] = []
    session.noticed.connect(told.append)
    session.open([Path(f"{name}.hflic") for name in "abcd"], side)
    first, second = coded("elic"), coded("hflic", seed=2)
    hand.answer(OpenCoded, first)
    hand.answer(OpenCoded, second)
    begin = side or Side.LEFT
    assert session.view(begin).coded is first
    assert session.view(begin.other).coded is second
    assert session.opener.name == ""
    assert told[-1].level is Level.WARNING
    assert told[-1].text == "c.hflic and 1 more were left out: there are two sides for compressed files."


def test_a_file_of_another_size_than_what_was_opened_with_it_is_left_out(
    session: Session, hand: HandEngine
) -> None:
    told: list[Notice] = []
    session.noticed.connect(told.append)
    session.open([Path("a.png"), Path("a.hflic"), Path("b.hflic")])
    picture, fits = raster(), coded("hflic", seed=2)
    hand.answer(OpenFile, picture)
    hand.answer(OpenCoded, replace(coded("elic"), raster=raster(100, 80)))
    hand.answer(OpenCoded, fits)
    assert session.picture is picture
    assert session.choice(Side.LEFT).codec == "webp"
    assert session.view(Side.RIGHT).coded is fits
    (notice,) = told
    assert notice.text.startswith("a.hflic was left out: it has 100 \N{MULTIPLICATION SIGN} 80 pixels")


def test_a_damaged_file_does_not_keep_the_other_one_out(session: Session, hand: HandEngine) -> None:
    told: list[Notice] = []
    session.noticed.connect(told.append)
    session.open([Path("a.hflic"), Path("b.hflic")])
    hand.failed.emit(hand.tasks(OpenCoded)[-1].id, Failure("a.hflic: it is damaged"))
    made = coded("elic")
    hand.answer(OpenCoded, made)
    assert session.view(Side.RIGHT).coded is made
    assert told[-1].text == "a.hflic: it is damaged"  # last, so that it stays in view


def test_what_came_of_several_files_is_told_in_one_message(session: Session, hand: HandEngine) -> None:
    """The window shows one at a time."""
    told: list[Notice] = []
    session.noticed.connect(told.append)
    session.open([Path("photo.png"), *(Path(f"{name}.hflic") for name in "abc")])
    hand.failed.emit(hand.tasks(OpenFile)[-1].id, Failure("photo.png: it is damaged"))
    hand.failed.emit(hand.tasks(OpenCoded)[-1].id, Failure("a.hflic: it is damaged", "line 7"))
    made = coded("elic")
    hand.answer(OpenCoded, made)
    assert session.view(Side.RIGHT).coded is made  # a damaged photo does not take it along
    (notice,) = [notice for notice in told if notice.level is Level.ERROR]
    assert notice.text == (
        "photo.png: it is damaged. a.hflic: it is damaged. c.hflic was left out: there are two sides for "
        "compressed files."
    )
    assert notice.details == "line 7" and told[-1] is notice


def test_cancel_stops_all_that_was_opened_together(session: Session, hand: HandEngine) -> None:
    session.open([Path("a.hflic"), Path("b.hflic")])
    session.opener.stop()
    hand.cancelled.emit(hand.stopped[-1])
    assert session.opener.name == ""
    assert session.idle
    session.open([Path("a.hflic"), Path("b.hflic")])
    picture = show(session, hand)  # opened meanwhile: it stands in their place
    assert session.picture is picture
    assert not hand.tasks(OpenCoded)


def test_latest_opening_wins(session: Session, hand: HandEngine) -> None:
    session.open([Path("one.png")])
    first = hand.tasks(OpenFile)[0]
    session.open([Path("two.png")])
    assert first.id in hand.stopped
    hand.finished.emit(first.id, raster(seed=5))
    assert session.picture is None
    second = raster(seed=6)
    hand.answer(OpenFile, second)
    assert session.picture is second


def test_stepping_through_several_pictures(session: Session, hand: HandEngine) -> None:
    paths = [Path("a.png"), Path("b.png"), Path("c.png")]
    session.open(paths)
    first = from_picture(Picture(scene(48, 32), path=paths[0]))
    hand.answer(OpenFile, first)
    session.step(-1)
    assert hand.tasks(OpenFile)[-1].task == OpenFile(paths[2])


def test_difference_follows_what_is_shown(session: Session, hand: HandEngine) -> None:
    show(session, hand)
    left, right = coded("webp"), coded("jpeg", seed=2)
    hand.answer(Compress, left, at=0)
    hand.answer(Compress, right, at=1)
    assert not hand.tasks(Difference)
    session.want_difference(Kind.ABSOLUTE)
    assert hand.tasks(Difference)[-1].task == Difference(left.raster.digest, right.raster.digest)
    shown = raster(seed=9)
    hand.answer(Difference, shown)
    assert session.difference is shown
    session.want_difference(None)
    assert session.difference is None


def test_saving_writes_the_bytes_that_were_shown(session: Session, hand: HandEngine, tmp_path: Path) -> None:
    show(session, hand)
    session.save_file(session.view(Side.LEFT), tmp_path / "early.webp")
    assert not hand.tasks(SaveFile)  # nothing is there yet
    made = coded("webp", size=77)
    hand.answer(Compress, made, at=0)
    session.save_file(session.view(Side.LEFT), tmp_path / "a.webp")
    assert hand.tasks(SaveFile)[-1].task == SaveFile(tmp_path / "a.webp", b"x" * 77)
    assert suggested_name(session, Side.LEFT) == "picture-webp-0.401bpp.webp"


def test_new_weights_push_out_results_of_the_old_ones(session: Session, hand: HandEngine) -> None:
    show(session, hand)
    session.choose(Side.LEFT, "elic")
    hand.answer(Compress, coded("elic", weights="old"))
    session.set_rate(Side.LEFT, Rate(bpp=0.5))
    elic = next(g for g in hand.tasks(Compress) if g.task.codec == "elic" and g.task.rate.bpp == 0.5)
    hand.finished.emit(elic.id, coded("elic", seed=4, weights="new"))
    session.set_rate(Side.LEFT, Rate(bpp=0.25))
    assert session.view(Side.LEFT).working


def test_networks_of_one_rate_each_do_not_push_out_one_another(session: Session, hand: HandEngine) -> None:
    show(session, hand)
    for side in Side:
        session.choose(side, "mbt2018")
    session.set_locked(False)
    session.set_rate(Side.RIGHT, Rate(bpp=1.0))
    for at, name in enumerate(("low", "high")):
        hand.answer(Compress, replace(coded("mbt2018", seed=at + 1, weights=name), behind="both"), at=at)
    assert {session.view(side).phase for side in Side} == {Phase.DONE}
    assert len(hand.tasks(Compress)) == 2


def test_wanted_results_stay_though_memory_is_short(session: Session, hand: HandEngine) -> None:
    session.compressor.cache.limit = 1
    show(session, hand)
    for column, codec in ((Column.THIRD, "avif"), (Column.FOURTH, "jxl")):
        session.columns.choose(column, codec)
    for at, codec in enumerate(("webp", "jpeg", "avif", "jxl")):
        hand.answer(Compress, coded(codec, seed=at + 1), at=at)
    assert len(hand.tasks(Compress)) == 4 and not session.compressor.working
    for column in Column:
        session.columns.choose(column, "")
    session.choose(Side.RIGHT, "heic")
    hand.answer(Compress, coded("heic", seed=6))
    assert len(session.compressor.cache) == 2  # what nobody wants any more makes room


def test_a_second_file_stands_beside_the_first_without_their_photo(
    session: Session, hand: HandEngine
) -> None:
    first, second = coded("elic"), coded("elic", seed=2)
    for side, made in zip(Side, (first, second), strict=True):
        session.open([Path(f"{side.letter}.hflic")], side)
        hand.answer(OpenCoded, made)
    assert [session.view(side).coded for side in Side] == [first, second]
    assert session.both == (first.raster, second.raster)
    session.open([Path("large.hflic")], Side.RIGHT)
    hand.answer(OpenCoded, replace(first, raster=raster(100, 80)))
    assert session.view(Side.LEFT).phase is Phase.EMPTY and session.file(Side.LEFT) is None


def test_idle_and_settled_tell_when_nothing_is_to_come(session: Session, hand: HandEngine) -> None:
    times = []
    session.settled.connect(lambda: times.append(session.idle))
    assert session.idle
    show(session, hand)
    assert not session.idle
    hand.answer(Compress, coded("webp"), at=0)
    hand.answer(Compress, coded("jpeg", seed=2), at=1)
    for given in hand.tasks(Measure):
        assert not times or not session.idle
        hand.finished.emit(given.id, Measured(1.0))
    assert session.idle
    assert times
    assert all(times)


def test_session_and_actions_need_no_widgets_and_codec_processes_no_qt() -> None:
    for modules, forbidden in (
        ("app.session, app.actions", "PySide6.QtWidgets torch"),
        ("app.worker, app.tasks, app.export", "PySide6 torch"),
        ("app.window, app.view", "torch matplotlib"),
    ):
        code = (
            f"import sys, {modules}; found = set({forbidden!r}.split()) & set(sys.modules); "
            "sys.exit(f'imported {found}' if found else 0)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
