"""Who writes files for a session, and how many are not written yet? No widgets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from app.desk import Desk
from app.engine import Priority
from app.raster import Raster
from app.state import Level, Notice
from app.worker import Failure, Task


class Saver(QObject):
    """Runs tasks that write a file and give its path."""

    saved = Signal(object)  # Path
    save_failed = Signal()
    noticed = Signal(object)  # Notice

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self.running = 0  # files being written

    def save(self, task: Task, rasters: Sequence[Raster]) -> None:
        """Run a task that writes a file and gives its path."""

        def finish(path: Path) -> None:
            self.running -= 1
            self.noticed.emit(Notice(Level.INFO, f"Saved {path}"))
            self.saved.emit(path)

        def fail(failure: Failure | None) -> None:
            self.running -= 1
            if failure is not None:
                self.noticed.emit(Notice(Level.ERROR, failure.text, failure.details))
            self.save_failed.emit()

        self.running += 1
        self._desk.ask(task, Priority.SAVE, finish, fail, rasters)
