"""What if the system has no process left to give? A message, and the next job works."""

from __future__ import annotations

from multiprocessing.context import SpawnProcess

import pytest
from pytestqt.qtbot import QtBot

from app.engine import Engine, Lane, Priority
from app.worker import Failure
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
