"""What happens when an open file changes on disk? It is read again and a person is told. No widgets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.filewatch import FileWatch
from app.state import FILE, Level, Notice, Side

if TYPE_CHECKING:
    from app.session import Session


class Reloader(QObject):
    """Follows the open picture and the opened compressed files of a session."""

    noticed = Signal(object)  # Notice
    back = Signal()  # what was gone is there again

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.files = FileWatch(self)
        self._gone: set[Path] = set()
        self.files.changed.connect(self._changed)
        self.files.gone.connect(self._lost)
        session.picture_changed.connect(self.follow)

    def follow(self) -> None:
        """Watch what is open now."""
        picture = self._session.picture
        paths = {path for path in self._sides().values() if path is not None}
        if picture is not None and picture.path is not None:
            paths.add(picture.path)
        self._gone &= paths
        self.files.watch(sorted(paths))

    def _sides(self) -> dict[Side, Path | None]:
        """The compressed files that were opened as sides."""
        found: dict[Side, Path | None] = {}
        for side in Side:
            view = self._session.view(side)
            shown = view.choice.codec == FILE and view.raster is not None
            found[side] = view.raster.path if shown and view.raster is not None else None
        return found

    def _changed(self, path: Path) -> None:
        session = self._session
        if path in self._gone:
            self._gone.discard(path)
            self.back.emit()
        self.noticed.emit(Notice(Level.INFO, f"{path.name} changed on disk and is read again."))
        for side, opened in self._sides().items():
            if opened == path:
                session.opener.open([path], side)
                return
        session.opener.reload(path)

    def _lost(self, path: Path) -> None:
        self._gone.add(path)
        text = f"{path.name} is not there any more: it was moved or deleted. What was read of it stays open."
        self.noticed.emit(Notice(Level.WARNING, text))
