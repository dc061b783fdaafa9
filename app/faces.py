"""Where are the faces of the open picture? Asked for once a picture, and only when wanted. No widgets."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from app.desk import Desk
from app.engine import Priority
from app.raster import Raster
from app.tasks import FindFaces
from app.worker import Failure
from models.faces import Face

KEPT = 16  # pictures whose faces are remembered


class FaceFinder(QObject):
    """Finds the faces of the wanted picture; what is found for another one never shows."""

    changed = Signal()
    found = Signal(object)  # tuple of Face, once a search
    failed = Signal(object)  # Failure

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._known: dict[str, tuple[Face, ...]] = {}
        self._wanted = ""
        self._job = 0

    @property
    def faces(self) -> tuple[Face, ...]:
        """The wanted picture's faces; none while they are looked for."""
        return self._known.get(self._wanted, ())

    @property
    def working(self) -> bool:
        """Whether faces are being looked for."""
        return bool(self._job)

    def known(self, digest: str) -> tuple[Face, ...] | None:
        """The faces of any picture; None where they were never looked for."""
        return self._known.get(digest)

    def learn(self, digest: str, faces: tuple[Face, ...]) -> None:
        """Remember what another search found."""
        self._known[digest] = faces
        while len(self._known) > KEPT:
            self._known.pop(next(iter(self._known)))

    def want(self, picture: Raster | None) -> None:
        """Show the faces of a picture; None: of no picture."""
        digest = picture.digest if picture is not None else ""
        if digest != self._wanted:
            self._let_go()
        self._wanted = digest
        if picture is not None and digest not in self._known and not self._job:
            self._start(picture)
        self.changed.emit()

    def stop(self) -> None:
        """A person's Cancel."""
        if self._job:
            self._desk.stop(self._job)
            self._let_go()
            self._wanted = ""
            self.changed.emit()

    def _let_go(self) -> None:
        self._desk.drop(self._job)
        self._job = 0

    def _start(self, picture: Raster) -> None:
        def done(faces: tuple[Face, ...]) -> None:
            self._job = 0
            self.learn(picture.digest, faces)
            self.changed.emit()
            self.found.emit(faces)

        def fail(failure: Failure | None) -> None:
            self._job = 0
            self._wanted = ""
            self.changed.emit()
            if failure is not None:
                self.failed.emit(failure)

        self._job = self._desk.ask(FindFaces(picture.digest), Priority.MEASURE, done, fail, [picture])


def count_of(faces: tuple[Face, ...]) -> str:
    """What was found, in words."""
    if not faces:
        return "No faces were found."
    small = sum(face.small for face in faces)
    words = "1 face was found" if len(faces) == 1 else f"{len(faces)} faces were found"
    return f"{words}, {small} of them small (solid boxes)." if small else f"{words}, no small one."
