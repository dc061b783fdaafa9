"""What if the system has no process left to give? A message, and the next job works."""

from __future__ import annotations

import os
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.engine import Engine, Lane, Priority
from app.worker import Failure, send
from tests.app.chores import Echo


def test_a_process_that_never_started_is_a_failure_and_is_tried_again(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = 2  # when the lane begins, and for the first job

    def refuse(process: SpawnProcess) -> None:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise BlockingIOError(11, "Resource temporarily unavailable")
        real(process)

    real = SpawnProcess.start
    monkeypatch.setattr(SpawnProcess, "start", refuse)
    engine = Engine()
    try:
        ends: list[object] = []
        engine.finished.connect(lambda _, value: ends.append(value))
        engine.failed.connect(lambda _, failure: ends.append(failure))
        for word in ("first", "second"):
            engine.submit(Echo(word), Priority.OPEN)
            count = len(ends) + 1
            qtbot.waitUntil(lambda count=count: len(ends) == count, timeout=30000)  # type: ignore[misc]
        assert isinstance(ends[0], Failure) and "try once more" in ends[0].text
        assert ends[1] == "second" and refusals == 0
    finally:
        engine.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a folder that a program stands in")
def test_a_folder_that_was_deleted_under_the_viewer_stops_no_job(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    engine = Engine()
    try:
        with qtbot.waitSignal(engine.finished, timeout=30000) as end:
            engine.submit(Echo("works"), Priority.OPEN)
        assert end.args[1] == "works"
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("error", "words"),
    [(MemoryError(), "not enough memory"), (RecursionError("too deep"), "RecursionError: too deep")],
)
def test_a_job_that_cannot_be_handed_over_has_an_end_too(
    error: Exception, words: str, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = 0

    def refuse(connection: object, message: object) -> None:
        nonlocal orders
        orders += 1
        if orders == 1:
            raise error
        send(connection, message)  # type: ignore[arg-type]

    monkeypatch.setattr("app.engine.send", refuse)
    engine = Engine()
    try:
        with qtbot.waitSignal(engine.failed, timeout=30000) as end:
            engine.submit(Echo("first"), Priority.OPEN)
        assert words in end.args[1].text
        with qtbot.waitSignal(engine.finished, timeout=30000) as end:
            engine.submit(Echo("second"), Priority.OPEN)
        assert end.args[1] == "second"
    finally:
        engine.close()


def test_a_lane_whose_process_never_started_closes(qapp: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: SpawnProcess) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(SpawnProcess, "start", refuse)
    lane = Lane("plain")
    with pytest.raises(BlockingIOError):
        lane._start_process()
    lane._stop_process()
    assert lane._process is None
    lane.start()
    lane.close()
    assert lane.isFinished()
