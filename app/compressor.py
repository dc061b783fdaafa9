"""Which results are there, and which are on their way? Jobs nobody wants are let go. No widgets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QObject, Signal

from app.desk import Desk
from app.keyed import STOPPED, JobsByKey
from app.lanes import LEARNED, REFINED, lane_of
from app.raster import Raster
from app.state import Key, Phase, ResultCache
from app.tasks import Coded, Compress
from app.worker import Failure


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
        self.cache = ResultCache()
        self._jobs = JobsByKey[Key](desk)
        self._wanted: dict[Key, Raster] = {}
        self._ordered: dict[Key, Raster] = {}

    @property
    def working(self) -> bool:
        """Whether something runs."""
        return bool(self._jobs)

    def progress(self, key: Key) -> Progress:
        """Where a key stands; WAITING for one nobody asked for yet."""
        if (coded := self.cache.get(key)) is not None:
            return Progress(Phase.DONE, coded=coded)
        if (error := self._jobs.error(key)) is not None:
            return Progress(Phase.STOPPED if error == STOPPED else Phase.FAILED, error=error)
        if key in self._jobs:
            return Progress(Phase.RUNNING, *(self._jobs.stage(key) or ("waiting", 0.0)))
        return Progress(Phase.WAITING, "waiting")

    def want(self, wanted: Mapping[Key, Raster]) -> None:
        """Start what is missing of these and of what is ordered; let go of what else runs."""
        self._wanted = dict(wanted)
        needed = self._needed()
        self._jobs.keep(needed)
        self._start_missing(needed)

    def order(self, wanted: Mapping[Key, Raster]) -> None:
        """Compress these too, shown or not, until other ones are ordered; what had failed is tried again."""
        before, self._ordered = self._ordered, dict(wanted)
        self._jobs.drop(before.keys() - self._needed().keys())
        self._jobs.forgive(wanted)
        self._start_missing(wanted)

    def stop(self, waiting: Iterable[Key]) -> None:
        """A person's Cancel: what runs, and the given keys that wait, count as stopped."""
        self._jobs.stop([key for key in waiting if self.progress(key).phase is Phase.WAITING])

    def stop_one(self, key: Key) -> None:
        """A person's Cancel of one key, which counts as stopped unless it is done."""
        if self.progress(key).coded is None:
            self._jobs.stop_one(key)
            self.changed.emit(key)

    def retry(self) -> None:
        """Forget failures."""
        self._jobs.retry()

    def revise(self, current: Callable[[Coded], Coded | None]) -> None:
        """Other weights are here: see `ResultCache.revise`. What networks failed at may be tried again."""
        self.cache.revise(current)
        self._jobs.forgive([key for key in self._jobs.failed if lane_of(key.codec) in {LEARNED, REFINED}])

    def _needed(self) -> dict[Key, Raster]:
        return {**self._wanted, **self._ordered}

    def _start_missing(self, wanted: Mapping[Key, Raster]) -> None:
        for key, raster in wanted.items():
            if self.progress(key).phase is Phase.WAITING:
                self._start(key, raster)

    def _start(self, key: Key, raster: Raster) -> None:
        def done(coded: Coded) -> None:
            self.cache.put(key, coded, self._needed())
            self.changed.emit(key)

        def failed(failure: Failure | None) -> None:
            if failure is not None:
                self.failed.emit(key, failure)
            self.changed.emit(key)

        self.starting.emit(key, raster)
        task = Compress(key.reference, key.codec, key.rate)
        self._jobs.start(key, task, done, failed, partial(self.progressed.emit, key), [raster])
