"""How faithful is each side where the faces are, and elsewhere? No widgets."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import QObject, Signal, Slot

from app.desk import NEVER_BY_FORCE, Desk
from app.engine import Priority
from app.faces import FaceFinder
from app.lanes import LEARNED
from app.raster import Raster
from app.state import ORIGINAL, SideView
from app.worker import Failure
from models.face_metrics import FaceMetrics
from models.faces import Face

if TYPE_CHECKING:
    from app.worker import Bench

KEPT = 64  # comparisons that are remembered
_Pair = tuple[str, str]


@dataclass(frozen=True)
class MeasureFaces:
    """PSNR and LPIPS of faces and of what is around them -> FaceMetrics."""

    reference: str
    picture: str
    faces: tuple[Face, ...]
    lane: ClassVar[str] = LEARNED

    def run(self, bench: Bench) -> FaceMetrics:
        """What cannot be measured is None in the result, not a failure."""
        from models.face_metrics import measure

        bench.watch.step("measuring faces", 0.0)
        pictures = bench.picture(self.reference), bench.picture(self.picture)
        return measure(*pictures, self.faces, bench.watch)


class FaceNumbers(QObject):
    """Numbers of what is shown against the original; those of anything else are stopped, known ones kept."""

    changed = Signal()

    def __init__(self, desk: Desk, finder: FaceFinder, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk, self._finder = desk, finder
        self._known: OrderedDict[_Pair, FaceMetrics | str] = OrderedDict()
        self._wanted: set[_Pair] = set()
        self._jobs: dict[_Pair, int] = {}
        self._views: list[SideView] = []
        self._picture: Raster | None = None
        finder.changed.connect(self._check)

    @property
    def working(self) -> bool:
        """Whether a measurement is on its way."""
        return bool(self._jobs)

    @property
    def failed(self) -> bool:
        """Whether a measurement that is wanted failed or was stopped."""
        return any(isinstance(self._known.get(pair), str) for pair in self._wanted)

    def of(self, view: SideView) -> FaceMetrics | str | None:
        """The numbers of a side, why there are none, or None while they are on their way."""
        if view.choice.codec == ORIGINAL:
            return "This is the original."
        if view.stale or view.raster is None or self._picture is None:
            return None if view.working else "There is no result."
        if not view.raster.same_size(self._picture):
            return "It is of another size than the original."
        return self._known.get((self._picture.digest, view.raster.digest))

    def show(self, picture: Raster | None, views: list[SideView]) -> None:
        """Measure what is shown now, if its faces are wanted and found."""
        self._picture, self._views = picture, views
        self._check()

    def stop(self) -> None:
        """A person's Cancel."""
        for pair, job in self._jobs.items():
            self._desk.stop(job)
            self._desk.drop(job)
            self._known[pair] = "The measurement was stopped."
        self._jobs.clear()
        self.changed.emit()

    def retry(self) -> None:
        """Forget why there were no numbers."""
        self._known = OrderedDict(
            (k, found) for k, found in self._known.items() if not isinstance(found, str)
        )

    @Slot()
    def _check(self) -> None:
        picture = self._picture
        faces = self._finder.of(picture)  # it may still have those of the picture before
        wanted: dict[_Pair, tuple[Raster, Raster]] = {}
        if faces and picture is not None:
            for view in self._views:
                raster = view.raster
                shown = raster is not None and not view.stale and view.choice.codec != ORIGINAL
                if raster is not None and shown and raster.same_size(picture):
                    wanted[picture.digest, raster.digest] = (picture, raster)
        self._wanted = set(wanted)
        for pair in [pair for pair in self._jobs if pair not in wanted]:
            self._desk.drop(self._jobs.pop(pair), NEVER_BY_FORCE)  # loading torch again takes longer
        for pair, both in wanted.items():
            if pair in self._known:
                self._known.move_to_end(pair)
            elif pair not in self._jobs:
                self._start(pair, both, faces)
        self.changed.emit()

    def _start(self, pair: _Pair, both: tuple[Raster, Raster], faces: tuple[Face, ...]) -> None:
        def done(found: FaceMetrics | str) -> None:
            self._jobs.pop(pair, None)
            self._known[pair] = found
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
            self.changed.emit()

        def fail(failure: Failure | None) -> None:
            done(failure.text if failure is not None else "The measurement was stopped.")

        self._jobs[pair] = self._desk.ask(MeasureFaces(*pair, faces), Priority.MEASURE, done, fail, both)
