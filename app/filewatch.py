"""Has an open file changed on disk? Told once it has been quiet for a moment. No widgets."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal, Slot

from models.paths import there

QUIET_MS = 400  # programs write a file in several steps

Stamp = tuple[int, int]  # time of the last change in nanoseconds, size in bytes


class FileWatch(QObject):
    """Watches files and their folders: many programs replace a file instead of writing into it."""

    changed = Signal(object)  # Path
    gone = Signal(object)  # Path

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._watcher = QFileSystemWatcher(self)
        self._known: dict[Path, Stamp | None] = {}  # None: it is not there
        self._quiet = QTimer(self, singleShot=True, interval=QUIET_MS)
        self._quiet.timeout.connect(self.look)
        self._watcher.fileChanged.connect(self._heard)
        self._watcher.directoryChanged.connect(self._heard)

    def watch(self, paths: Collection[Path]) -> None:
        """Watch these files from now on and no others; what they are now counts as known."""
        kept = {path: self._known[path] for path in paths if path in self._known}
        new = [path for path in paths if path not in kept]
        self._known = kept | {path: _stamp(path) for path in new}
        self._rewatch()

    def accept(self, path: Path) -> None:
        """The file was just read: what it is now counts as known."""
        if path in self._known:
            self._known[path] = _stamp(path)

    def stop(self) -> None:
        """Watch nothing."""
        self._quiet.stop()
        self._known = {}
        self._rewatch()

    @Slot()
    def look(self) -> None:
        """Compare the files with what is known and tell what changed."""
        self._rewatch()  # a file that was replaced has to be watched anew
        for path, before in list(self._known.items()):
            now = _stamp(path)
            if now == before or path not in self._known:
                continue
            self._known[path] = now
            (self.changed if now is not None else self.gone).emit(path)

    @Slot(str)
    def _heard(self, _: str) -> None:
        self._quiet.start()

    def _rewatch(self) -> None:
        files = {str(path) for path in self._known if there(path.exists)}
        folders = {str(path.parent) for path in self._known if there(path.parent.is_dir)}
        watched = {*self._watcher.files(), *self._watcher.directories()}
        if old := watched - files - folders:
            self._watcher.removePaths(sorted(old))
        if new := (files | folders) - watched:
            self._watcher.addPaths(sorted(new))


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
