"""How far are the sides apart, and where most? Differences, and places to look at. No widgets."""

from __future__ import annotations

from collections import OrderedDict

from PySide6.QtCore import QObject, Signal

from app.crops import Crop, Crops
from app.desk import NEVER_BY_FORCE, Desk
from app.engine import Priority
from app.faces import FaceFinder
from app.kinds import Kind
from app.maps import FindPlaces, PerceptualMap, SignedDifference
from app.raster import Raster
from app.tasks import Difference, FindFaces
from app.worker import Failure, Task
from models.faces import Face
from models.places import Place

KEPT_BYTES = 256 << 20
STOPPED = "Stopped."

Both = tuple[Raster, Raster]
_Key = tuple[Kind, str, str]  # what is shown, and of which pictures


class Differences(QObject):
    """Keeps the difference that is wanted up to date; what came before is kept for coming back to it."""

    changed = Signal()
    failed = Signal(object)  # Failure

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._known: OrderedDict[_Key, Raster] = OrderedDict()
        self._wanted: _Key | None = None
        self._last: _Key | None = None  # what was shown before, while it fits in its place
        self._error = ""
        self._job = 0

    @property
    def raster(self) -> Raster | None:
        """The wanted difference, None while none is wanted; while it is on its way, the last of its kind."""
        if self._wanted is None:
            return None
        last = self._last if self._job and self._last is not None else self._wanted
        return self._known.get(self._wanted) or self._known.get(last)

    @property
    def working(self) -> bool:
        """Whether it is on its way."""
        return bool(self._job)

    @property
    def error(self) -> str:
        """Why there is no difference, "" where there is one or it is on its way."""
        return self._error

    def want(self, both: Both | None, kind: Kind = Kind.ABSOLUTE) -> None:
        """Compute a difference of A and B unless it is there; None: it is not wanted any more."""
        key = (kind, both[0].digest, both[1].digest) if both is not None else None
        if key == self._wanted:
            return
        self._let_go()
        before, self._wanted, self._error = self._wanted, key, ""
        if before is not None and before in self._known:
            self._last = before
        last = self._known.get(self._last) if self._last is not None else None
        fits = last is not None and both is not None and last.same_size(both[0])
        if key is None or self._last is None or self._last[0] is not key[0] or not fits:
            self._last = None
        if both is not None and key is not None and key not in self._known:
            self._start(key, both)
        elif key is not None and key in self._known:
            self._known.move_to_end(key)
        self.changed.emit()

    def begin_anew(self) -> None:
        """Another picture is shown: the last difference does not stand in for its own."""
        self._let_go()
        self._wanted = self._last = None
        self._error = ""

    def stop(self) -> None:
        """A person's Cancel."""
        if self._job:
            self._desk.stop(self._job)
            self._let_go()
            self._error = STOPPED
            self.changed.emit()

    def retry(self) -> None:
        """Forget why there was none; the next `want` starts again."""
        if self._error:
            self._wanted, self._error = None, ""

    def _let_go(self) -> None:
        # The networks' process is not stopped for a superseded map: loading torch again takes longer.
        patient = self._wanted is not None and self._wanted[0] is Kind.PERCEPTUAL
        if self._job:
            self._desk.drop(self._job, *((NEVER_BY_FORCE,) if patient else ()))
        self._job = 0

    def _start(self, key: _Key, both: Both) -> None:
        def done(raster: Raster) -> None:
            self._job = 0
            self._known[key] = raster
            while len(self._known) > 1 and sum(known.bytes for known in self._known.values()) > KEPT_BYTES:
                self._known.popitem(last=False)
            self.changed.emit()

        def fail(failure: Failure | None) -> None:
            self._job = 0
            self._error = failure.text if failure is not None else STOPPED
            self.changed.emit()
            if failure is not None:
                self.failed.emit(failure)

        self._job = self._desk.ask(_task(key), Priority.COMPRESS, done, fail, both)


class Places(QObject):
    """Proposes the crops where both sides differ most. One search at a time, the last one asked for."""

    changed = Signal()  # whether it works
    proposed = Signal(object)  # tuple of Crop
    failed = Signal(object)  # Failure

    def __init__(self, desk: Desk, crops: Crops, faces: FaceFinder, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk, self._crops, self._faces = desk, crops, faces
        self._job = 0

    @property
    def working(self) -> bool:
        """Whether a search runs."""
        return bool(self._job)

    def find(self, picture: Raster | None, both: Both) -> None:
        """Look for the faces of the picture, if it is open, then for the places, and propose these."""
        self.drop()
        known = self._faces.known(picture.digest) if picture is not None else ()
        if picture is None or known is not None:
            self._compare(both, known or ())
        else:
            self._look(picture, both)
        self.changed.emit()

    def stop(self) -> None:
        """A person's Cancel."""
        if self._job:
            self._desk.stop(self._job)
            self.drop()
            self.changed.emit()

    def drop(self) -> None:
        """Nobody wants the search any more, as when other pictures are shown."""
        self._desk.drop(self._job, NEVER_BY_FORCE)
        self._job = 0

    def _look(self, picture: Raster, both: Both) -> None:
        def done(faces: tuple[Face, ...]) -> None:
            self._faces.learn(picture.digest, faces)
            self._compare(both, faces)

        def fail(failure: Failure | None) -> None:
            if failure is None:
                self._end()
            else:
                self._compare(both, ())  # places can be found without the detector

        self._job = self._desk.ask(FindFaces(picture.digest), Priority.MEASURE, done, fail, [picture])

    def _compare(self, both: Both, faces: tuple[Face, ...]) -> None:
        def done(places: tuple[Place, ...]) -> None:
            self._job = 0
            self.proposed.emit(self._crops.propose(_crops_of(places)))
            self.changed.emit()

        def fail(failure: Failure | None) -> None:
            self._end()
            if failure is not None:
                self.failed.emit(failure)

        task = FindPlaces(both[0].digest, both[1].digest, tuple(face.box for face in faces))
        self._job = self._desk.ask(task, Priority.MEASURE, done, fail, both)

    def _end(self) -> None:
        self._job = 0
        self.changed.emit()


def count_of(crops: tuple[Crop, ...]) -> str:
    """What was proposed, in words."""
    if not crops:
        return "Both sides look alike everywhere."
    places = "The place where" if len(crops) == 1 else f"The {len(crops)} places where"
    return f"{places} the sides differ most: N and P go from one to the next."


def _crops_of(places: tuple[Place, ...]) -> list[Crop]:
    """Numbered by kind: "Face 1", "Place 1"."""
    made, counts = [], {"Face": 0, "Place": 0}
    for place in places:
        kind = "Face" if place.face else "Place"
        counts[kind] += 1
        made.append(Crop(f"{kind} {counts[kind]}", place.x, place.y, place.width, place.height))
    return made


def _task(key: _Key) -> Task:
    kind, left, right = key
    if kind is Kind.ABSOLUTE:
        return Difference(left, right)
    return SignedDifference(left, right) if kind is Kind.SIGNED else PerceptualMap(left, right)
