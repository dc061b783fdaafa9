"""When is the plotting library loaded? In a thread, once the first work is done: a key press would jerk.

Measured with two busy cores: imported at the key press it stopped the interface for 0.18 to 0.26 s, in a
thread for 11 to 40 ms. It makes no QObject while it is imported, so none belongs to the wrong thread.
"""

from __future__ import annotations

import importlib
import logging
import threading

from PySide6.QtCore import QObject, Slot

from app import quiet
from app.session import Session

log = logging.getLogger(__name__)

PLOTTING = "pyqtgraph"


class Preloader(QObject):
    """Loads a module once, behind a session that has come to rest for the first time."""

    def __init__(self, session: Session, name: str = PLOTTING, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self.thread_of: threading.Thread | None = None
        session.settled.connect(self._start)

    def wait(self) -> None:
        """For the end of the program: do not pull the interpreter from under an import."""
        if self.thread_of is not None:
            self.thread_of.join(5.0)
        quiet.take_back()

    @Slot()
    def _start(self) -> None:
        if self.thread_of is None:
            self.thread_of = threading.Thread(target=self._load, name="preload", daemon=True)
            self.thread_of.start()

    def _load(self) -> None:
        try:
            importlib.import_module(self._name)
            quiet.leave_out()
        except Exception:  # whoever needs it imports it again and tells why it does not work
            log.warning("%s could not be loaded beforehand", self._name, exc_info=True)
