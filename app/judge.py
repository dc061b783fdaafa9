"""How good are the results? Metrics of what the sides show. No widgets."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.desk import NEVER_BY_FORCE, Desk
from app.engine import Priority
from app.raster import Raster
from app.tasks import Measure, Measured
from app.worker import Failure

MeasureKey = tuple[str, str, str]  # metric, original's hash, picture's hash
Both = tuple[Raster, Raster]
STOPPED = "The measurement was stopped."
PATIENCE_MS = 1000  # that measuring waits for compressing, 0 for not: pictures first, they share a processor


class Judge(QObject):
    """Keeps measurements, starts those that are wanted and missing, and lets go of the others."""

    measured = Signal()

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._measures: dict[MeasureKey, Measured] = {}
        self._measuring: dict[MeasureKey, int] = {}
        self._failed: set[MeasureKey] = set()
        self._held: dict[MeasureKey, Both] = {}
        self._wanted: Mapping[MeasureKey, Both] = {}
        self._ordered: dict[MeasureKey, Both] = {}
        self._patience = QTimer(self, singleShot=True)
        self._patience.timeout.connect(self._start_held)

    @property
    def working(self) -> bool:
        """Whether a measurement is on its way."""
        return bool(self._measuring or self._held)

    @property
    def failed(self) -> bool:
        """Whether a measurement that is wanted failed or was stopped."""
        return any(map(self.unfinished, self._wanted.keys() | self._ordered.keys()))

    def unfinished(self, key: MeasureKey) -> bool:
        """Whether a measurement failed or was stopped; what cannot be measured here is no failure."""
        found = self._measures.get(key)
        return key in self._failed or (found is not None and found.absent == STOPPED)

    def measure(self, key: MeasureKey) -> Measured | None:
        """A measurement, None while it is on its way."""
        return self._measures.get(key)

    def want_measures(self, wanted: Mapping[MeasureKey, Both], compressing: bool = False) -> None:
        """Start what is missing; stop what is not in `wanted`. While `compressing`, wait for a while."""
        self._wanted = wanted
        wanted = {**wanted, **self._ordered}
        for key in [key for key in self._measuring if key not in wanted]:
            # A metric cannot be interrupted, and loading torch again takes longer than any metric.
            self._desk.drop(self._measuring.pop(key), NEVER_BY_FORCE)
        known = self._measures.keys() | self._measuring.keys()
        self._held = {key: both for key, both in wanted.items() if key not in known}
        if not (compressing and self._held and PATIENCE_MS):
            self._start_held()
        elif not self._patience.isActive():
            self._patience.start(PATIENCE_MS)

    def order(self, wanted: Mapping[MeasureKey, Both]) -> None:
        """Measure these too, shown or not, until others are ordered; what is unfinished is tried again."""
        for key in filter(self.unfinished, wanted):
            self._forget(key)
        needed = wanted.keys() | self._wanted.keys()
        for key in (self._ordered.keys() - needed) & self._measuring.keys():
            self._desk.drop(self._measuring.pop(key), NEVER_BY_FORCE)
        self._ordered = dict(wanted)
        for key, both in wanted.items():
            if key not in self._measures and key not in self._measuring:
                self._held.pop(key, None)
                self._start(key, both)

    @Slot()
    def _start_held(self) -> None:
        self._patience.stop()
        held, self._held = self._held, {}
        for key, both in held.items():
            self._start(key, both)

    def close(self) -> None:
        """Start nothing more."""
        self._patience.stop()

    def stop(self) -> None:
        """A person's Cancel: what runs and what is held is stopped and says so."""
        self._patience.stop()
        self._measures |= dict.fromkeys(self._held, Measured(None, STOPPED))
        self._held.clear()
        for key, job in self._measuring.items():
            self._measures[key] = Measured(None, STOPPED)
            self._desk.stop(job)
            self._desk.drop(job)
        self._measuring.clear()
        self.measured.emit()

    def retry(self) -> None:
        """Forget why measurements failed or were stopped."""
        self._measures = {key: found for key, found in self._measures.items() if found.value is not None}
        self._failed.clear()

    def _forget(self, key: MeasureKey) -> None:
        self._measures.pop(key, None)
        self._failed.discard(key)

    def _start(self, key: MeasureKey, both: Both) -> None:
        def done(found: Measured) -> None:
            self._measuring.pop(key, None)
            self._measures[key] = found
            self.measured.emit()

        def fail(failure: Failure | None) -> None:
            if failure is not None:
                self._failed.add(key)
            done(Measured(None, failure.text if failure is not None else STOPPED))

        self._measuring[key] = self._desk.ask(Measure(*key), Priority.MEASURE, done, fail, both)
