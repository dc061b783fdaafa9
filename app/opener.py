"""How does something become the picture or a side? One opening at a time, the latest wins. No widgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from app.desk import Desk, Fail
from app.engine import Priority
from app.raster import Raster
from app.state import Level, Notice, Side
from app.tasks import Coded, OpenBytes, OpenCoded, OpenFile, OpenPixels
from app.worker import Failure, Task
from models.codec import CATALOGUE

NEURAL_SUFFIXES = tuple({line.suffix for line in CATALOGUE if line.learned})
_A_LEARNED_CODEC = next(line.id for line in CATALOGUE if line.learned)
_A_CLASSICAL_CODEC = next(line.id for line in CATALOGUE if not line.learned)
_pasted = count(1)


def neural(path: Path) -> bool:
    """Whether a file is a neural codec's by its name; such a file is never an original."""
    return path.suffix.lower() in NEURAL_SUFFIXES


@dataclass(frozen=True)
class _Place:
    """The pictures one can step through, and the one of them that was asked for last."""

    paths: tuple[Path, ...] = ()
    asked: Path | None = None


@dataclass(frozen=True)
class _Order:
    """Compressed files that are still to be opened together, and what is told once all are.

    beside: what was read first; a file of another size cannot stand beside it.
    """

    files: tuple[tuple[Path, Side], ...] = ()
    told: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    beside: Raster | None = None


_ALONE = _Order()


class Opener(QObject):
    """Reads pictures and compressed files in the codec processes."""

    picture_read = Signal(object)  # Raster
    file_read = Signal(object, object)  # Coded, Side
    file_renewed = Signal(object)  # Coded: it was open already
    failed = Signal(object)  # Failure
    noticed = Signal(object)  # Notice
    changed = Signal()

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._job = 0
        self.name = ""  # of what is being opened
        self.stage, self.done = "", 0.0
        self.paths: tuple[Path, ...] = ()  # the pictures one can step through
        self.asked: Path | None = None  # the one of them that was asked for last, opened or not
        self._settled = _Place()  # where an opening that leads nowhere goes back to

    @property
    def job(self) -> int:
        """The number of the reading that runs, 0 for none. Each has another."""
        return self._job

    def open(self, paths: Sequence[Path], side: Side | None = None) -> None:
        """Open the first picture among the paths, and two neural files on the sides. What stays out is told.

        With `side` given, the paths are compressed files of whatever codec, the first one for that side.
        """
        paths = tuple(Path(path) for path in paths)
        coded = tuple(path for path in paths if side is not None or neural(path))
        pictures = tuple(path for path in paths if path not in coded)
        first = side or Side.LEFT
        files = tuple(zip(coded, (first, first.other), strict=False))
        order = _Order(files, _without_a_side(coded[len(files) :]))
        if pictures:
            self._read(OpenFile(pictures[0]), pictures[0].name, _Place(pictures, pictures[0]), order=order)
        else:
            self._follow(order)

    def open_bytes(self, data: bytes, name: str) -> None:
        """Open a picture file's bytes."""
        self._read(OpenBytes(data, name), name, _Place(self.paths))

    def open_pixels(self, pixels: NDArray[np.uint8]) -> None:
        """Open pixels: (H, W, 4) blue, green, red, unused; the caller does not change them afterwards."""
        raster = Raster(f"pasted {next(_pasted)}", (pixels,))  # a name no other paste has had
        self._read(OpenPixels(raster.digest), "the pasted picture", _Place(self.paths), [raster])

    def step(self, by: int) -> None:
        """Go on by so many of the opened pictures, around the ends; also past one that cannot be read."""
        if len(self.paths) > 1:
            known = self.asked is not None and self.asked in self.paths
            at = self.paths.index(self.asked) if known and self.asked else (-1 if by > 0 else 0)
            self.go(self.paths[(at + by) % len(self.paths)])

    def go(self, path: Path) -> None:
        """Open one of the pictures one can step through; the others stay beside it."""
        self._read(OpenFile(path), path.name, _Place(self.paths, path))

    def reload(self, path: Path) -> None:
        """Read a picture file again that is open."""
        self._read(OpenFile(path), path.name)

    def renew(self, path: Path) -> None:
        """Read a compressed file again that is open, on whatever side."""
        self._start(_decoding(path), path.name, self.file_renewed.emit, self._tell)

    def stop(self) -> None:
        """A person's Cancel."""
        if self._job:
            self._desk.stop(self._job)

    def _read(
        self,
        task: Task,
        name: str,
        place: _Place | None = None,
        rasters: Sequence[Raster] = (),
        order: _Order = _ALONE,
    ) -> None:
        """Read a picture, and then what was ordered with it."""

        def done(raster: Raster) -> None:
            self.picture_read.emit(raster)
            self._follow(replace(order, beside=raster))

        def fail(failure: Failure | None) -> None:
            if failure is not None:
                self._follow(replace(order, failures=(failure,)))

        self._start(task, name, done, fail, rasters, place)

    def _follow(self, order: _Order) -> None:
        """Open the next of the files; behind the last one, tell what came of them all."""
        if not order.files:
            self._tell_all(order)
            return
        (path, side), *others = order.files
        rest = replace(order, files=tuple(others))

        def done(coded: Coded) -> None:
            made, beside = coded.raster, order.beside
            if beside is not None and not made.same_size(beside):
                self._follow(replace(rest, told=(*rest.told, _of_another_size(path, made, beside))))
                return
            self.file_read.emit(coded, side)
            self._follow(replace(rest, beside=beside or made))

        def fail(failure: Failure | None) -> None:
            if failure is None:
                self._follow(_Order(failures=rest.failures))
            else:
                self._follow(replace(rest, failures=(*rest.failures, failure)))

        self._start(_decoding(path), path.name, done, fail)

    def _tell_all(self, order: _Order) -> None:
        """In one message, as the window shows one at a time."""
        if len(order.failures) == 1 and not order.told:
            self.failed.emit(order.failures[0])
        elif order.failures:
            texts = [failure.text for failure in order.failures]
            details = "\n".join(failure.details for failure in order.failures if failure.details)
            expected = all(failure.expected for failure in order.failures)
            self.failed.emit(Failure(" ".join([*map(_sentence, texts), *order.told]), details, expected))
        elif order.told:
            self.noticed.emit(Notice(Level.WARNING, " ".join(order.told)))

    def _tell(self, failure: Failure | None) -> None:
        if failure is not None:
            self.failed.emit(failure)

    def _start(
        self,
        task: Task,
        name: str,
        done: Callable[[Any], None],
        fail: Fail,
        rasters: Sequence[Raster] = (),
        place: _Place | None = None,
    ) -> None:
        self._desk.drop(self._job)
        self._stand_at(place or self._settled)

        def succeeded(value: Any) -> None:
            self._settled = _Place(self.paths, self.asked)
            self._end()
            done(value)

        def failed(failure: Failure | None) -> None:
            if failure is not None and len(self.paths) > 1 and self.asked in self.paths:
                self._settled = _Place(self.paths, self.asked)  # one can step on past a damaged picture
            self._stand_at(self._settled)
            self._end()
            fail(failure)

        def progress(stage: str, share: float) -> None:
            self.stage, self.done = stage, share
            self.changed.emit()

        self.name, self.stage, self.done = name, "waiting", 0.0
        self._job = self._desk.ask(task, Priority.OPEN, succeeded, failed, rasters, progress)
        self.changed.emit()

    def _stand_at(self, place: _Place) -> None:
        self.paths, self.asked = place.paths, place.asked

    def _end(self) -> None:
        self._job, self.name = 0, ""
        self.changed.emit()


def _sentence(text: str) -> str:
    """An error's text as one of several: errors have no full stop."""
    return text if text.endswith(".") else f"{text}."


def _decoding(path: Path) -> OpenCoded:
    return OpenCoded(path, _A_LEARNED_CODEC if neural(path) else _A_CLASSICAL_CODEC)


def _without_a_side(paths: Sequence[Path]) -> tuple[str, ...]:
    """What to tell of compressed files beyond the second; nothing where there are none."""
    if not paths:
        return ()
    more = f" and {len(paths) - 1} more were" if len(paths) > 1 else " was"
    return (f"{paths[0].name}{more} left out: there are two sides for compressed files.",)


def _of_another_size(path: Path, made: Raster, beside: Raster) -> str:
    size, other = (f"{each.width} \N{MULTIPLICATION SIGN} {each.height}" for each in (made, beside))
    return f"{path.name} was left out: it has {size} pixels, what it was opened with has {other}."
