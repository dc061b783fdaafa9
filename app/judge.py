"""How good are the results? Metrics of what the sides show. No widgets."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QObject, Signal

from app.desk import NEVER_BY_FORCE, Desk
from app.engine import Priority
from app.raster import Raster
from app.tasks import Measure, Measured
from app.worker import Failure

MeasureKey = tuple[str, str, str]  # metric, original's hash, picture's hash
Both = tuple[Raster, Raster]
STOPPED = "The measurement was stopped."


class Judge(QObject):
    """Keeps measurements, starts those that are wanted and missing, and lets go of the others."""

    measured = Signal()

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._measures: dict[MeasureKey, Measured] = {}
        self._measuring: dict[MeasureKey, int] = {}

    @property
    def working(self) -> bool:
        """Whether a measurement is on its way."""
        return bool(self._measuring)

    @property
    def stopped(self) -> bool:
        """Whether a measurement was stopped and may be tried again."""
        return any(found.absent == STOPPED for found in self._measures.values())

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
