"""Have weights come or gone while the program runs? Told once their files are at rest. No widgets."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal, Slot

from models.paths import there
from models.weights import contents, folders

QUIET_MS = 700  # a file that is copied grows for a while, and a folder does not tell of that


class WeightsWatch(QObject):
    """Watches the folders that weights are looked for in, or what is nearest to one that is not there yet."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._watcher = QFileSystemWatcher(self)
        self._watcher.directoryChanged.connect(self._heard)
        self._quiet = QTimer(self, singleShot=True, interval=QUIET_MS)
        self._quiet.timeout.connect(self.look)
        self._known = self._last = _now()
        self._watching = False

    def start(self) -> None:
        """Watch; what is there now counts as known."""
        self._known = self._last = _now()
        self._watching = True
        self._watch()

    def stop(self) -> None:
        """Watch nothing."""
        self._watching = False
        self._quiet.stop()
        if watched := self._watcher.directories():
            self._watcher.removePaths(watched)

    @Slot()
    def look(self) -> None:
        """Compare the folders with what is known; while they still change, look again a little later.

        For calling at any time, as some file systems tell nothing.
        """
        if not self._watching:
            return
        self._watch()
        before, self._last = self._last, _now()
        if self._last != before:
            self._quiet.start()
        elif self._last != self._known:
            self._known = self._last
            self.changed.emit()

    @Slot(str)
    def _heard(self, _: str) -> None:
        self._quiet.start()

    def _watch(self) -> None:
        wanted = {str(nearest) for folder in folders() if (nearest := _nearest(folder)) is not None}
        watched = set(self._watcher.directories())
        if old := watched - wanted:
            self._watcher.removePaths(sorted(old))
        if new := wanted - watched:
            self._watcher.addPaths(sorted(new))


def _nearest(folder: Path) -> Path | None:
    """The folder, or the first of those above it that is there."""
    return next((path for path in (folder, *folder.parents) if there(path.is_dir)), None)


def _now() -> tuple[object, ...]:
    return tuple((folder, contents(folder)) for folder in folders())
