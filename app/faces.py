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
        self._wanted: Raster | None = None
        self._gave_up = False
        self._job = 0

    @property
    def faces(self) -> tuple[Face, ...]:
        """The wanted picture's faces; none while they are looked for."""
        return self.of(self._wanted)

    @property
    def working(self) -> bool:
        """Whether faces are being looked for."""
        return bool(self._job)

    @property
    def gave_up(self) -> bool:
        """Whether the search for the wanted faces failed or was stopped."""
        return self._gave_up

    def of(self, picture: Raster | None) -> tuple[Face, ...]:
        """The faces of a picture while it is the wanted one, else none."""
        wanted = self._wanted is not None and picture is not None and picture.digest == self._wanted.digest
        return self._known.get(picture.digest, ()) if wanted and picture is not None else ()

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
        before = self._wanted
        if before is None or picture is None or picture.digest != before.digest:
            self._let_go()
        self._wanted, self._gave_up = picture, False
        if picture is not None and picture.digest not in self._known and not self._job:
            self._start(picture)
        self.changed.emit()

    def stop(self) -> None:
        """A person's Cancel."""
        if self._job:
            self._desk.stop(self._job)
            self._let_go()
            self._gave_up = True
            self.changed.emit()

    def retry(self) -> None:
        """Look again where the search failed or was stopped."""
        if self._gave_up:
            self.want(self._wanted)

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
            self._job, self._gave_up = 0, True
            self.changed.emit()
            if failure is not None:
                self.failed.emit(failure)

        self._job = self._desk.ask(FindFaces(picture.digest), Priority.MEASURE, done, fail, [picture])


def count_of(faces: tuple[Face, ...]) -> str:
    """What was found, in words."""
    if not faces:
        return "No faces were found."
    small = sum(face.small for face in faces)
    if len(faces) == 1:
        return f"1 face was found, a {'small one (solid box)' if small else 'large one'}."
    words = f"{len(faces)} faces were found"
    return f"{words}, {small} of them small (solid boxes)." if small else f"{words}, no small one."
