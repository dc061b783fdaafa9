"""How does something become the picture or a side? One opening at a time, the latest wins. No widgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from app.desk import Desk
from app.engine import Priority
from app.raster import Raster
from app.state import Side
from app.tasks import Coded, OpenBytes, OpenCoded, OpenFile, OpenPixels
from app.worker import Failure, Task
from models.codec import CATALOGUE

NEURAL_SUFFIXES = tuple({line.suffix for line in CATALOGUE if line.learned})
_A_LEARNED_CODEC = next(line.id for line in CATALOGUE if line.learned)
_A_CLASSICAL_CODEC = next(line.id for line in CATALOGUE if not line.learned)


class Opener(QObject):
    """Reads pictures and compressed files in the codec processes."""

    picture_read = Signal(object)  # Raster
    file_read = Signal(object, object)  # Coded, Side
    failed = Signal(object)  # Failure
    changed = Signal()

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._job = 0
        self.name = ""  # of what is being opened
        self.stage, self.done = "", 0.0
        self.paths: tuple[Path, ...] = ()  # the pictures one can step through
        self.asked: Path | None = None  # the one of them that was asked for last, opened or not

    def open(self, paths: Sequence[Path], side: Side | None = None) -> None:
        """Open the first picture among the paths, and the first neural file on a side.

        With `side` given, the first path is a compressed file for that side, of whatever codec.
        """
        paths = tuple(Path(path) for path in paths)
        if side is not None:
            self._open_coded(paths[0], side)
            return
        neural = [path for path in paths if path.suffix.lower() in NEURAL_SUFFIXES]
        pictures = tuple(path for path in paths if path not in neural)
        if not pictures:
            self._open_coded(neural[0], Side.LEFT)
            return
        self.paths = pictures

        def done(raster: Raster) -> None:
            self.picture_read.emit(raster)
            if neural:
                self._open_coded(neural[0], Side.LEFT)

        self.asked = pictures[0]
        self._start(OpenFile(pictures[0]), pictures[0].name, done)

    def open_bytes(self, data: bytes, name: str) -> None:
        """Open a picture file's bytes."""
        self.asked = None
        self._start(OpenBytes(data, name), name, self.picture_read.emit)

    def open_pixels(self, pixels: NDArray[np.uint8]) -> None:
        """Open pixels: (H, W, 4) blue, green, red, unused; the caller does not change them afterwards."""
        self.asked = None
        raster = Raster(f"pasted {id(pixels)}", (pixels,))
        self._start(OpenPixels(raster.digest), "the pasted picture", self.picture_read.emit, [raster])

    def step(self, by: int) -> None:
        """Go on by so many of the opened pictures, around the ends; also past one that cannot be read."""
        if len(self.paths) > 1:
            known = self.asked is not None and self.asked in self.paths
            at = self.paths.index(self.asked) if known and self.asked else (-1 if by > 0 else 0)
            self.go(self.paths[(at + by) % len(self.paths)])

    def go(self, path: Path) -> None:
        """Open one of the pictures one can step through; the others stay beside it."""
        self.asked = path
        self.reload(path)

    def reload(self, path: Path) -> None:
        """Read a picture file again that is open."""
        self._start(OpenFile(path), path.name, self.picture_read.emit)

    def stop(self) -> None:
        """A person's Cancel."""
        if self._job:
            self._desk.stop(self._job)

    def _open_coded(self, path: Path, side: Side) -> None:
        neural = path.suffix.lower() in NEURAL_SUFFIXES
        task = OpenCoded(path, _A_LEARNED_CODEC if neural else _A_CLASSICAL_CODEC)

        def done(coded: Coded) -> None:
            self.file_read.emit(coded, side)

        self._start(task, path.name, done)

    def _start(
        self, task: Task, name: str, done: Callable[[Any], None], rasters: Sequence[Raster] = ()
    ) -> None:
        self._desk.drop(self._job)

        def finish(value: Any) -> None:
            self._end()
            done(value)

        def fail(failure: Failure | None) -> None:
            self._end()
            if failure is not None:
                self.failed.emit(failure)

        def progress(stage: str, share: float) -> None:
            self.stage, self.done = stage, share
            self.changed.emit()

        self.name, self.stage, self.done = name, "waiting", 0.0
        self._job = self._desk.ask(task, Priority.OPEN, finish, fail, rasters, progress)
        self.changed.emit()

    def _end(self) -> None:
        self._job, self.name = 0, ""
        self.changed.emit()
