"""Who writes files for a session, and how many are not written yet? No widgets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from app.desk import Desk, Progress
from app.engine import Priority
from app.raster import Raster
from app.state import Level, Notice, SideView
from app.tasks import SaveFile, SavePicture
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

    def save(
        self,
        task: Task,
        rasters: Sequence[Raster],
        ended: Callable[[Path | None], None] = lambda path: None,
        progress: Progress | None = None,
    ) -> int:
        """Run a task that writes a file and gives its path; gives the job's number, by which it is stopped.

        `ended` gets the path, or None where nothing was written; why not has been noticed by then.
        """

        def finish(path: Path) -> None:
            self.running -= 1
            self.noticed.emit(Notice(Level.INFO, f"Saved {path}"))
            self.saved.emit(path)
            ended(path)

        def fail(failure: Failure | None) -> None:
            self.running -= 1
            if failure is not None:
                self.noticed.emit(Notice(Level.ERROR, failure.text, failure.details))
            self.save_failed.emit()
            ended(None)

        self.running += 1
        return self._desk.ask(task, Priority.SAVE, finish, fail, rasters, progress)

    def save_file(self, view: SideView, path: Path) -> None:
        """Write a side's compressed file; that there is none is told."""
        if view.coded is None or view.stale:
            self._refuse(view, "compressed file")
        else:
            self.save(SaveFile(path, view.coded.encoding.data), [])

    def save_picture(self, view: SideView, path: Path) -> None:
        """Write a side's decoded pixels without loss; that there are none is told."""
        if view.raster is None or view.stale:
            self._refuse(view, "picture")
        else:
            self.save(SavePicture(path, view.raster.digest), [view.raster])

    def _refuse(self, view: SideView, what: str) -> None:
        words = f"Side {view.side.letter} was not saved: it has no finished {what} now."
        self.noticed.emit(Notice(Level.WARNING, words))

    def sweep(self, task: Task) -> None:
        """Run a task that tidies up; nobody hears of it."""
        self._desk.ask(task, Priority.SAVE, lambda _: None, lambda _: None)

    def stop(self, job: int) -> None:
        """A person's Cancel: `ended(None)` follows within a moment."""
        self._desk.stop(job)
