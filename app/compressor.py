"""Which results are there, and which are on their way? Jobs nobody wants are let go. No widgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from app.desk import Desk
from app.engine import Priority
from app.raster import Raster
from app.state import Key, Phase, ResultCache
from app.tasks import Coded, Compress
from app.worker import Failure

STOPPED = "Stopped."


@dataclass(frozen=True)
class Progress:
    """Where a key's work stands; `coded` once it is done, `error` if it failed or was stopped."""

    phase: Phase
    stage: str = ""
    done: float = 0.0
    coded: Coded | None = None
    error: str = ""


class Compressor(QObject):
    """Answers by key, so a result can never show under a choice it was not made for."""

    starting = Signal(object, object)  # Key, Raster: just before it is asked for
    changed = Signal(object)  # Key
    progressed = Signal(object)  # Key
    failed = Signal(object, object)  # Key, Failure

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.cache = ResultCache()
        self._ordered: dict[Key, Raster] = {}
        self._jobs: dict[Key, int] = {}
        self._stages: dict[Key, tuple[str, float]] = {}
        self._errors: dict[Key, str] = {}

    @property
    def working(self) -> bool:
        """Whether something runs."""
        return bool(self._jobs)

    def progress(self, key: Key) -> Progress:
        """Where a key stands; WAITING for one nobody asked for yet."""
        if (coded := self.cache.get(key)) is not None:
            return Progress(Phase.DONE, coded=coded)
        if key in self._errors:
            error = self._errors[key]
            return Progress(Phase.STOPPED if error == STOPPED else Phase.FAILED, error=error)
        if key in self._jobs:
            return Progress(Phase.RUNNING, *self._stages.get(key, ("waiting", 0.0)))
        return Progress(Phase.WAITING, "waiting")

    def want(self, wanted: Mapping[Key, Raster]) -> None:
        """Start what is missing of these and of what is ordered; let go of what else runs."""
        wanted = {**wanted, **self._ordered}
        for key in [key for key in self._jobs if key not in wanted]:
            self._desk.drop(self._jobs.pop(key))
            self._stages.pop(key, None)
        for key, raster in wanted.items():
            if self.progress(key).phase is Phase.WAITING:
                self._start(key, raster)

    def order(self, wanted: Mapping[Key, Raster]) -> None:
        """Compress these too, shown or not, until other ones are ordered; what had failed is tried again."""
        for key in [key for key in self._ordered if key not in wanted and key in self._jobs]:
            self._desk.drop(self._jobs.pop(key))
            self._stages.pop(key, None)
        for key in wanted:
            self._errors.pop(key, None)
        self._ordered = dict(wanted)
        for key, raster in wanted.items():
            if self.progress(key).phase is Phase.WAITING:
                self._start(key, raster)

    def stop(self, waiting: list[Key]) -> None:
        """A person's Cancel: what runs, and the given keys that wait, count as stopped."""
        for key in waiting:
            if self.progress(key).phase is Phase.WAITING:
                self._errors[key] = STOPPED
        for key, job in self._jobs.items():
            self._errors[key] = STOPPED
            self._desk.stop(job)
            self._desk.drop(job)
        self._jobs.clear()
        self._stages.clear()

    def retry(self) -> None:
        """Forget failures."""
        self._errors.clear()

    def _start(self, key: Key, raster: Raster) -> None:
        def done(coded: Coded) -> None:
            self._end(key)
            self.cache.put(key, coded)
            self.changed.emit(key)

        def fail(failure: Failure | None) -> None:
            self._end(key)
            self._errors[key] = failure.text if failure is not None else STOPPED
            if failure is not None:
                self.failed.emit(key, failure)
            self.changed.emit(key)

        def progress(stage: str, share: float) -> None:
            self._stages[key] = (stage, share)
            self.progressed.emit(key)

        self.starting.emit(key, raster)
        task = Compress(key.reference, key.codec, key.rate)
        self._jobs[key] = self._desk.ask(task, Priority.COMPRESS, done, fail, [raster], progress)

    def _end(self, key: Key) -> None:
        self._jobs.pop(key, None)
        self._stages.pop(key, None)
