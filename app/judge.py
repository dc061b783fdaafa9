"""How good are the results? Metrics and the difference of what the sides show. No widgets."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QObject, Signal

from app.desk import NEVER_BY_FORCE, Desk
from app.engine import Priority
from app.raster import Raster
from app.tasks import Difference, Measure, Measured
from app.worker import Failure

Pair = tuple[str, str]  # hashes of two pictures
MeasureKey = tuple[str, str, str]  # metric, original's hash, picture's hash
Both = tuple[Raster, Raster]
STOPPED = "The measurement was stopped."


class Judge(QObject):
    """Keeps measurements, starts those that are wanted and missing, and lets go of the others."""

    measured = Signal()
    difference_changed = Signal()
    failed = Signal(object)  # Failure

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._measures: dict[MeasureKey, Measured] = {}
        self._measuring: dict[MeasureKey, int] = {}
        self._difference: Raster | None = None
        self._difference_of: Pair | None = None
        self._difference_job = 0

    @property
    def working(self) -> bool:
        """Whether a measurement is on its way."""
        return bool(self._measuring)

    @property
    def stopped(self) -> bool:
        """Whether a measurement was stopped and may be tried again."""
        return any(found.absent == STOPPED for found in self._measures.values())

    @property
    def difference(self) -> Raster | None:
        """The last absolute difference that was asked for and is there."""
        return self._difference

    def measure(self, key: MeasureKey) -> Measured | None:
        """A measurement, None while it is on its way."""
        return self._measures.get(key)

    def want_measures(self, wanted: Mapping[MeasureKey, Both]) -> None:
        """Start what is missing; stop what is not in `wanted`."""
        for key in [key for key in self._measuring if key not in wanted]:
            # A metric cannot be interrupted, and loading torch again takes longer than any metric.
            self._desk.drop(self._measuring.pop(key), NEVER_BY_FORCE)
        for key, both in wanted.items():
            if key not in self._measures and key not in self._measuring:
                self._start(key, both)

    def want_difference(self, both: Both | None) -> None:
        """Compute a difference unless it is there; None: it is not wanted any more."""
        pair = (both[0].digest, both[1].digest) if both is not None else None
        if pair == self._difference_of:
            return
        self._difference_of = pair
        self._desk.drop(self._difference_job)
        if both is None or pair is None:
            self._difference = None
            return

        def done(raster: Raster) -> None:
            self._difference = raster
            self.difference_changed.emit()

        def fail(failure: Failure | None) -> None:
            self._difference_of = None
            if failure is not None:
                self.failed.emit(failure)

        self._difference_job = self._desk.ask(Difference(*pair), Priority.COMPRESS, done, fail, both)

    def stop(self) -> None:
        """A person's Cancel: what runs is stopped and says so."""
        for key, job in self._measuring.items():
            self._measures[key] = Measured(None, STOPPED)
            self._desk.stop(job)
            self._desk.drop(job)
        self._measuring.clear()
        self.measured.emit()

    def retry(self) -> None:
        """Forget why measurements failed or were stopped."""
        self._measures = {key: found for key, found in self._measures.items() if found.value is not None}

    def _start(self, key: MeasureKey, both: Both) -> None:
        def done(found: Measured) -> None:
            self._measuring.pop(key, None)
            self._measures[key] = found
            self.measured.emit()

        def fail(failure: Failure | None) -> None:
            done(Measured(None, failure.text if failure is not None else STOPPED))

        self._measuring[key] = self._desk.ask(Measure(*key), Priority.MEASURE, done, fail, both)
