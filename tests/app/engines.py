"""Engines for tests: one answered by hand, one that runs tasks at once in this process."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.engine import CANCEL_PATIENCE, Priority
from app.lanes import LEARNED
from app.raster import Raster
from app.tasks import Compress, Examine, Measure, Measured, WarmUp
from app.worker import Failure, Task
from models.codec import CATALOGUE, Watch
from models.errors import HflicError
from models.picture import Picture

NOT_HERE = "not in this test"


@dataclass
class Given:
    """A task an engine got."""

    id: int
    task: Task
    priority: Priority
    rasters: dict[str, Raster]


class HandEngine(QObject):
    """Keeps what it is given; the test answers by emitting the signals, as late as it likes."""

    progressed = Signal(int, str, float)
    finished = Signal(int, object)
    failed = Signal(int, object)
    cancelled = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.given: list[Given] = []
        self.stopped: list[int] = []

    def prepare(self) -> None:
        pass

    def submit(self, task: Task, priority: Priority, rasters: Sequence[Raster] = ()) -> int:
        given = Given(len(self.given) + 1, task, priority, {raster.digest: raster for raster in rasters})
        self.given.append(given)
        return given.id

    def cancel(self, job_id: int, patience: float = CANCEL_PATIENCE) -> None:
        self.stopped.append(job_id)

    def close(self) -> None:
        pass

    def tasks(self, kind: type) -> list[Given]:
        """What was given of a kind and not cancelled."""
        return [g for g in self.given if isinstance(g.task, kind) and g.id not in self.stopped]

    def answer(self, kind: type, value: Any, at: int = -1) -> Given:
        """Finish the last, or another, task of a kind."""
        given = self.tasks(kind)[at]
        self.finished.emit(given.id, value)
        return given

    def all_usable(self, lacking: Container[str] = ()) -> None:
        """Answer what can be used: everything but what is `lacking`. Loading torch beforehand is over."""
        for given in self.tasks(WarmUp):
            self.finished.emit(given.id, None)
        for given in self.tasks(Examine):
            self.finished.emit(
                given.id, {line.id: NOT_HERE if line.id in lacking else "" for line in CATALOGUE}
            )


class _Bench:
    def __init__(self, kept: dict[str, Picture], rasters: dict[str, Raster]) -> None:
        self._kept, self._rasters = kept, rasters
        self.watch = Watch()

    def picture(self, digest: str) -> Picture:
        if digest not in self._kept:
            self._kept[digest] = self._rasters[digest].picture()
        return self._kept[digest]

    def keep(self, digest: str, picture: Picture) -> None:
        self._kept[digest] = picture


class InlineEngine(HandEngine):
    """Runs tasks for real but in this process; what needs a network is said not to be here."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, Picture] = {}
        self._timers: list[QTimer] = []
        self.ran: list[Task] = []
        self.held: tuple[type, ...] = ()  # kinds of tasks that never come to an end

    def submit(self, task: Task, priority: Priority, rasters: Sequence[Raster] = ()) -> int:
        job = super().submit(task, priority, rasters)
        timer = QTimer(self, singleShot=True, interval=0)
        timer.timeout.connect(lambda: self._run(self.given[job - 1]))
        timer.start()
        self._timers.append(timer)
        return job

    def close(self) -> None:
        for timer in self._timers:
            timer.stop()

    def ran_of(self, kind: type) -> list[Any]:
        """The tasks of a kind that ran."""
        return [task for task in self.ran if isinstance(task, kind)]

    def codecs_run(self) -> list[str]:
        """The codecs that compressed, in order."""
        return [task.codec for task in self.ran_of(Compress)]

    def _run(self, given: Given) -> None:
        if given.id in self.stopped:
            self.cancelled.emit(given.id)
            return
        if isinstance(given.task, self.held):
            self.progressed.emit(given.id, "working", 0.4)
            return
        self.ran.append(given.task)
        try:
            value = self._value(given)
        except HflicError as error:
            self.failed.emit(given.id, Failure(str(error), "details"))
        else:
            self.finished.emit(given.id, value)

    def _value(self, given: Given) -> Any:
        if isinstance(given.task, WarmUp):
            return None
        if isinstance(given.task, Examine):
            usable = given.task.run(_Bench(self._kept, given.rasters))  # type: ignore[arg-type]
            return usable | {line.id: NOT_HERE for line in CATALOGUE if line.learned}
        if given.task.lane == LEARNED and isinstance(given.task, Measure):
            return Measured(None, NOT_HERE)
        return given.task.run(_Bench(self._kept, given.rasters))  # type: ignore[arg-type]
