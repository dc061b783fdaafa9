"""Who waits for which job? Each job given to the engine has its two endings written beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from app.engine import CANCEL_PATIENCE, SUPERSEDE_PATIENCE, Engine, Priority
from app.raster import Raster
from app.worker import Failure, Task

Done = Callable[[Any], None]
Fail = Callable[[Failure | None], None]  # None: it was cancelled
Progress = Callable[[str, float], None]

NEVER_BY_FORCE = math.inf


@dataclass(frozen=True)
class _Waiting:
    done: Done
    fail: Fail
    progress: Progress | None


class Desk(QObject):
    """Passes the engine's answers to whoever asked; what nobody waits for any more is dropped here."""

    settled = Signal()  # nobody waits for anything any more
    asked = Signal(int, object)  # job, Task
    ended = Signal(int)  # job: answered or dropped
    progressed = Signal(int, str, float)  # job, stage, share done of it

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.engine = engine
        self._waiting: dict[int, _Waiting] = {}
        engine.finished.connect(self._finished)
        engine.failed.connect(self._failed)
        engine.cancelled.connect(self._cancelled)
        engine.progressed.connect(self._progressed)

    @property
    def idle(self) -> bool:
        """Whether nobody waits for anything."""
        return not self._waiting

    def ask(
        self,
        task: Task,
        priority: Priority,
        done: Done,
        fail: Fail,
        rasters: Sequence[Raster] = (),
        progress: Progress | None = None,
    ) -> int:
        """Queue a task; exactly one of `done` and `fail` is called later, unless the job is dropped first."""
        job = self.engine.submit(task, priority, rasters)
        self._waiting[job] = _Waiting(done, fail, progress)
        self.asked.emit(job, task)
        return job

    def stop(self, job: int) -> None:
        """A person's Cancel: `fail(None)` follows within a moment, by force where need be."""
        self.engine.cancel(job, CANCEL_PATIENCE)

    def drop(self, job: int, patience: float = SUPERSEDE_PATIENCE) -> None:
        """Nobody wants the job any more: nothing more is heard of it."""
        if self._waiting.pop(job, None) is not None:
            self.ended.emit(job)
            self.engine.cancel(job, patience)

    def drop_all(self) -> None:
        """Forget everything, for closing."""
        self._waiting.clear()

    @Slot(int, object)
    def _finished(self, job: int, value: object) -> None:
        if (waiting := self._waiting.pop(job, None)) is not None:
            self.ended.emit(job)
            waiting.done(value)
            self._check()

    @Slot(int, object)
    def _failed(self, job: int, failure: Failure) -> None:
        self._end(job, failure)

    @Slot(int)
    def _cancelled(self, job: int) -> None:
        self._end(job, None)

    def _end(self, job: int, failure: Failure | None) -> None:
        if (waiting := self._waiting.pop(job, None)) is not None:
            self.ended.emit(job)
            waiting.fail(failure)
            self._check()

    @Slot(int, str, float)
    def _progressed(self, job: int, stage: str, done: float) -> None:
        waiting = self._waiting.get(job)
        if waiting is None:
            return
        if waiting.progress is not None:
            waiting.progress(stage, done)
        self.progressed.emit(job, stage, done)

    def _check(self) -> None:
        if not self._waiting:
            self.settled.emit()
