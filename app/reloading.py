"""What happens when an open file changes on disk? It is read again and a person is told. No widgets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal, Slot

from app.filewatch import FileWatch
from app.state import Level, Notice, Side

if TYPE_CHECKING:
    from app.session import Session


@dataclass(frozen=True)
class _Reading:
    """A file that is to be read again: as the picture, or as a compressed file of one or both sides."""

    path: Path
    picture: bool


class Reloader(QObject):
    """Follows the open picture and the opened compressed files of a session, shown or not.

    Files are read again one after the other, whenever a person opens nothing.
    """

    noticed = Signal(object)  # Notice
    back = Signal(object)  # Notice: what it told to be gone is there again

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.files = FileWatch(self)
        self.job = 0  # of the opener, 0 while nothing is read again
        self._gone: dict[Path, Notice] = {}
        self._due: list[_Reading] = []  # while one is read, that is the first
        self.files.changed.connect(self._changed)
        self.files.gone.connect(self._lost)
        session.picture_changed.connect(self.follow)
        session.opener.file_renewed.connect(self.follow, Qt.ConnectionType.QueuedConnection)
        session.opener.changed.connect(self._heed)
        # Later, as what was read is handed over only after the opener has said that it is free.
        session.opener.changed.connect(self._next, Qt.ConnectionType.QueuedConnection)

    @Slot()
    def follow(self, *_: object) -> None:
        """Watch what is open now."""
        picture = self._session.picture
        paths = set(self._files())
        if picture is not None and picture.path is not None:
            paths.add(picture.path)
        self._gone = {path: notice for path, notice in self._gone.items() if path in paths}
        self.files.watch(sorted(paths))

    def _files(self) -> list[Path]:
        """The compressed files that were opened for sides."""
        opened = [self._session.file(side) for side in Side]
        return [file.raster.path for file in opened if file is not None and file.raster.path is not None]

    def _open(self, reading: _Reading) -> bool:
        """Whether the file is still open."""
        picture = self._session.picture
        if reading.picture:
            return picture is not None and picture.path == reading.path
        return reading.path in self._files()

    def _changed(self, path: Path) -> None:
        if (notice := self._gone.pop(path, None)) is not None:
            self.back.emit(notice)
        readings = [reading for kind in (True, False) if self._open(reading := _Reading(path, kind))]
        if readings:
            self.noticed.emit(Notice(Level.INFO, f"{path.name} changed on disk and is read again."))
        begun = 1 if self.job else 0  # one that is on its way may have read what was there before
        self._due += [reading for reading in readings if reading not in self._due[begun:]]
        self._next()

    @Slot()
    def _heed(self) -> None:
        """The reading ended, or a person opens something in its place: then its turn comes again."""
        now = self._session.opener.job
        if self.job and now != self.job:
            self.job = 0
            if not now:
                self._due.pop(0)

    @Slot()
    def _next(self) -> None:
        opener = self._session.opener
        if opener.job:
            return
        self._due = [reading for reading in self._due if self._open(reading)]
        if not self._due:
            return
        first = self._due[0]
        (opener.reload if first.picture else opener.renew)(first.path)
        self.job = opener.job

    def _lost(self, path: Path) -> None:
        text = f"{path.name} is not there any more: it was moved or deleted. What was read of it stays open."
        self._gone[path] = Notice(Level.WARNING, text)
        self.noticed.emit(self._gone[path])
