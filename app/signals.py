"""How does the system ask the viewer to end? Ctrl+C, SIGTERM and SIGHUP close it as its window would."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

from PySide6.QtCore import QObject, QSocketNotifier, Slot

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Signals(QObject):
    """While it is open, the first signal calls `end`, and a second of its kind ends the program at once.

    Only in the main thread. `number`: the signal that came, 0 for none. On Windows Ctrl+C ends at once.
    """

    def __init__(self, end: Callable[[], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.number = 0
        self._end = end
        self._before: dict[int, object] = {}
        if sys.platform == "win32":
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            return
        # Python hears of a signal only between its own steps, and Qt takes none while nothing happens: a byte
        # in a socket wakes it.
        self._ours, self._theirs = socket.socketpair()
        for end_of_it in (self._ours, self._theirs):
            end_of_it.setblocking(False)
        self._notifier = QSocketNotifier(self._ours.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._woken)
        self._wakeup = signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        for name in _NAMES:
            number = getattr(signal, name)
            if signal.getsignal(number) != signal.SIG_IGN:  # `nohup hflic` stays
                self._before[number] = signal.signal(number, self._heard)

    @property
    def code(self) -> int:
        """The exit code that tells of the signal, 0 where none came."""
        return 128 + self.number if self.number else 0

    def close(self) -> None:
        """Have signals do what they did before; one that came goes on to end the program at once."""
        if sys.platform == "win32":
            return
        for number, handler in self._before.items():
            if number != self.number:
                signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()
        signal.set_wakeup_fd(self._wakeup)
        self._notifier.setEnabled(False)
        self._ours.close()
        self._theirs.close()

    def _heard(self, number: int, _: FrameType | None) -> None:
        self.number = number
        signal.signal(number, signal.SIG_DFL)

    @Slot()
    def _woken(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._ours.recv(64)
        if self.number:
            self._end()
