"""Which thumbnails of the opened pictures are there? Only those in view are made. No widgets."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from app.desk import Desk
from app.engine import Priority
from app.thumbs import Thumbnail
from app.worker import Failure

SIDE = 192  # pixels of a thumbnail's longer side
KEPT = 500  # thumbnails: about 50 MB


class Gallery(QObject):
    """Keeps thumbnails, and which picture each file was when it was open."""

    arrived = Signal(object)  # Path

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._made: OrderedDict[Path, NDArray[np.uint8] | str] = OrderedDict()
        self._jobs: dict[Path, int] = {}
        self._digests: dict[Path, str] = {}
        self._stamps: dict[Path, tuple[int, int] | None] = {}  # of the files the thumbnails were made from

    def thumbnail(self, path: Path) -> NDArray[np.uint8] | None:
        """(H, W, 4) as QImage.Format_RGB32; None while it is not there, or cannot be."""
        made = self._made.get(path)
        return None if made is None or isinstance(made, str) else made

    def problem(self, path: Path) -> str:
        """Why there is no thumbnail, "" where there is or may still be one."""
        made = self._made.get(path)
        return made if isinstance(made, str) else ""

    def digest(self, path: Path) -> str:
        """The hash of a file's picture, "" for one that was not open yet."""
        return self._digests.get(path, "")

    def note(self, path: Path, digest: str) -> None:
        """A file was opened and is this picture: where it was another, or damaged, its thumbnail is old."""
        changed = path in self._stamps and self._stamps[path] != _stamp(path)
        if changed or self._digests.get(path, digest) != digest or self.problem(path):
            self._made.pop(path, None)
        self._digests[path] = digest

    def want(self, paths: Sequence[Path]) -> None:
        """Make what is missing of these, in their order; let go of what runs and is not among them."""
        for path in [path for path in self._jobs if path not in paths]:
            self._desk.drop(self._jobs.pop(path))
        for path in paths:
            if path in self._made:
                self._made.move_to_end(path)
            elif path not in self._jobs:
                self._start(path)

    def _start(self, path: Path) -> None:
        def done(made: NDArray[np.uint8] | str) -> None:
            self._jobs.pop(path, None)
            self._made[path] = made
            while len(self._made) > KEPT:
                self._made.popitem(last=False)
            self.arrived.emit(path)

        def fail(failure: Failure | None) -> None:
            if failure is None:  # cancelled: it may be wanted again
                self._jobs.pop(path, None)
            else:
                done(failure.text)

        self._stamps[path] = _stamp(path)
        self._jobs[path] = self._desk.ask(Thumbnail(path, SIDE), Priority.PREPARE, done, fail)


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes with a file: when it was written, in nanoseconds, and its bytes; None where it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
