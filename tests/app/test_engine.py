"""The engine: real codec processes, cancelled, killed and revived."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.engine import Engine, Priority
from app.raster import Raster, from_picture
from app.tasks import Coded, Compress, OpenFile, SavePicture
from app.worker import Failure, receive, send
from models.codec import Rate
from models.picture import Picture
from tests.app.chores import Crash, Echo, Fail, Polite, Stubborn, Sum
from tests.app.conftest import scene


@pytest.fixture
def engine(qapp: object) -> Iterator[Engine]:
    made = Engine()
    yield made
    made.close()


def wait(qtbot: QtBot, engine: Engine, job: int) -> object:
    """What a job gave; a Failure or None when it failed or was cancelled."""
    ends: list[object] = []
    engine.finished.connect(lambda id, value: ends.append(value) if id == job else None)
    engine.failed.connect(lambda id, failure: ends.append(failure) if id == job else None)
    engine.cancelled.connect(lambda id: ends.append(None) if id == job else None)
    qtbot.waitUntil(lambda: bool(ends), timeout=30000)
    qtbot.wait(30)
    assert len(ends) == 1, "a job ends once"
    return ends[0]


def begun(qtbot: QtBot, engine: Engine, job: int) -> None:
    """Wait until the process itself works on a job: "starting" is told before that."""

    def works(id: int, stage: str, _done: float) -> bool:
        return id == job and stage != "starting"

    with qtbot.waitSignal(engine.progressed, timeout=30000, check_params_cb=works):
        pass


def test_a_task_runs_in_another_process_without_qt_or_torch(qtbot: QtBot, engine: Engine) -> None:
    assert wait(qtbot, engine, engine.submit(Echo("?modules"), Priority.OPEN)) == ""


def test_a_photo_is_opened_compressed_and_saved(
    qtbot: QtBot, engine: Engine, photo: Callable[..., Path], tmp_path: Path
) -> None:
    picture = wait(qtbot, engine, engine.submit(OpenFile(photo(width=300, height=201)), Priority.OPEN))
    assert isinstance(picture, Raster)
    assert picture.levels[0].shape == (201, 300, 4)
    np.testing.assert_array_equal(picture.picture().pixels, scene(300, 201))
    task = Compress(picture.digest, "jpeg", Rate(bpp=1.0))
    made = wait(qtbot, engine, engine.submit(task, Priority.COMPRESS, [picture]))
    assert isinstance(made, Coded)
    assert made.encoding.bpp == pytest.approx(1.0, rel=0.02) or made.encoding.note
    assert made.raster.digest == Picture.from_bytes(made.encoding.data).digest
    out = tmp_path / "out.png"
    job = engine.submit(SavePicture(out, made.raster.digest), Priority.SAVE, [made.raster])
    assert wait(qtbot, engine, job) == out
    np.testing.assert_array_equal(Picture.open(out).pixels, made.raster.picture().pixels)


def test_pictures_travel_both_ways_unharmed(qtbot: QtBot, engine: Engine) -> None:
    raster = from_picture(Picture(scene(1201, 801)))  # above one chunk of the pipe
    job = engine.submit(Sum(raster.digest), Priority.OPEN, [raster])
    assert wait(qtbot, engine, job) == int(scene(1201, 801).sum(dtype=np.int64))


def test_a_picture_that_is_cut_off_on_its_way_is_noticed() -> None:
    ours, theirs = multiprocessing.Pipe()
    with ours:
        pixels = np.arange(200_000, dtype=np.uint8)
        sender = threading.Thread(target=send, args=(theirs, pixels))
        sender.start()
        assert np.array_equal(receive(ours), pixels)
        sender.join()
        pieces: list[pickle.PickleBuffer] = []
        head = pickle.dumps(pixels, protocol=5, buffer_callback=pieces.append)
        theirs.send_bytes(pickle.dumps((head, [pixels.nbytes])))
        theirs.send_bytes(bytes(400))
        theirs.close()
        with pytest.raises((EOFError, OSError)):
            receive(ours)


@pytest.mark.skipif(sys.platform == "win32", reason="there the pieces are copied by Python")
def test_pixels_are_not_copied_under_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `recv_bytes` receives is copied while no thread can draw: it is for the head alone."""
    sizes: list[int] = []
    kept = Connection.recv_bytes

    def counted(connection: Connection) -> bytes:
        found = kept(connection)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(Connection, "recv_bytes", counted)
    ours, theirs = multiprocessing.Pipe()
    with ours, theirs:
        sender = threading.Thread(target=send, args=(theirs, np.full(3 << 20, 7, np.uint8)))
        sender.start()
        assert int(receive(ours).sum(dtype=np.int64)) == 7 * (3 << 20)
        sender.join()
    assert len(sizes) == 1 and sizes[0] < 1000


@pytest.mark.parametrize(("chore", "limit"), [(Polite(), 0.15), (Stubborn(), 0.3)])
def test_cancel_works_within_300_ms_for_any_task(
    qtbot: QtBot, engine: Engine, chore: object, limit: float
) -> None:
    job = engine.submit(chore, Priority.COMPRESS)  # type: ignore[arg-type]
    begun(qtbot, engine, job)
    begin = time.perf_counter()
    with qtbot.waitSignal(engine.cancelled, timeout=5000, check_params_cb=lambda id: id == job):
        engine.cancel(job)
    assert time.perf_counter() - begin < limit + 0.2  # a busy machine's share
    assert wait(qtbot, engine, engine.submit(Echo("next"), Priority.OPEN)) == "next"


def test_a_superseded_task_gets_more_time_than_a_cancelled_one(qtbot: QtBot, engine: Engine) -> None:
    job = engine.submit(Stubborn(), Priority.COMPRESS)
    begun(qtbot, engine, job)
    engine.cancel(job, patience=60)
    with qtbot.assertNotEmitted(engine.cancelled, wait=400):
        pass
    engine.cancel(job, patience=0.05)  # Cancel after all: the earlier end counts
    with qtbot.waitSignal(engine.cancelled, timeout=3000):
        pass


def test_a_waiting_task_is_cancelled_without_ever_running(qtbot: QtBot, engine: Engine) -> None:
    first = engine.submit(Polite(), Priority.COMPRESS)
    second = engine.submit(Echo("never"), Priority.COMPRESS)
    begun(qtbot, engine, first)
    engine.cancel(second)
    engine.cancel(first)
    assert wait(qtbot, engine, second) is None


def test_a_waiting_task_is_cancelled_at_once_while_another_goes_on(qtbot: QtBot, engine: Engine) -> None:
    ended: list[int] = []
    engine.cancelled.connect(ended.append)
    first = engine.submit(Polite(), Priority.COMPRESS)
    waiting = [engine.submit(Echo(word), Priority.COMPRESS) for word in "abc"]
    begun(qtbot, engine, first)
    engine.cancel(waiting[1])
    assert ended == []  # told later, not within the call
    qtbot.waitUntil(lambda: bool(ended), timeout=1000)
    engine.cancel(first)
    assert wait(qtbot, engine, waiting[2]) == "c"
    assert ended == [waiting[1], first]


def test_urgent_tasks_go_before_earlier_ones(qtbot: QtBot, engine: Engine) -> None:
    order: list[object] = []
    engine.finished.connect(lambda _, value: order.append(value))
    first = engine.submit(Polite(), Priority.COMPRESS)
    begun(qtbot, engine, first)
    engine.submit(Echo("measure"), Priority.MEASURE)
    engine.submit(Echo("compress"), Priority.COMPRESS)
    engine.submit(Echo("open"), Priority.OPEN)
    engine.cancel(first)
    qtbot.waitUntil(lambda: len(order) == 3, timeout=5000)
    assert order == ["open", "compress", "measure"]


def test_a_process_that_dies_is_a_failure_and_the_next_task_works(qtbot: QtBot, engine: Engine) -> None:
    failure = wait(qtbot, engine, engine.submit(Crash(), Priority.COMPRESS))
    assert isinstance(failure, Failure)
    assert "ended unexpectedly" in failure.text
    assert wait(qtbot, engine, engine.submit(Echo("alive"), Priority.OPEN)) == "alive"


@pytest.mark.parametrize(
    ("kind", "words", "expected"),
    [
        ("person", "take another one", True),
        ("memory", "not enough memory", True),
        ("bug", "ZeroDivision", False),
    ],
)
def test_failures_say_in_one_line_what_happened(
    qtbot: QtBot, engine: Engine, kind: str, words: str, expected: bool
) -> None:
    failure = wait(qtbot, engine, engine.submit(Fail(kind), Priority.COMPRESS))
    assert isinstance(failure, Failure)
    assert words in failure.text
    assert "\n" not in failure.text
    assert "Traceback" in failure.details
    assert failure.expected is expected


def test_closing_while_working_is_quick(qtbot: QtBot) -> None:
    engine = Engine()
    job = engine.submit(Stubborn(), Priority.COMPRESS)
    begun(qtbot, engine, job)
    begin = time.perf_counter()
    engine.close()
    assert time.perf_counter() - begin < 1.5
