"""How does a window open what later starts of the program ask for? It listens on a socket of its own."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QLockFile, QObject, Qt, Signal, Slot
from PySide6.QtNetwork import QLocalServer, QLocalSocket
from PySide6.QtWidgets import QWidget

from app.single import REFUSED, TAKEN, TOKENS

log = logging.getLogger(__name__)

LONGEST = 1 << 20  # bytes of a message
_PROBE_MS = 200
_TURN_MS = 1000


class Host(QObject):
    """Takes what `app.single.hand_over` sends. `willing`: whether this window opens it."""

    asked = Signal(list)  # list[Path]

    def __init__(self, name: str, willing: Callable[[], bool], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._willing = willing
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._accept)
        self.listening = False
        # Of two windows that begin at the same moment one has to look when the other listens already.
        turn = QLockFile(f"{name}.lock") if Path(name).is_absolute() else None
        waited = turn is not None and turn.tryLock(_TURN_MS)
        try:
            if _alive(name):  # a second window, asked for with --new-window: the first one keeps its place
                return
            QLocalServer.removeServer(name)  # left over from a program that was killed
            self.listening = self._server.listen(name)
        finally:
            if turn is not None and waited:
                turn.unlock()
        if not self.listening:  # the window works all the same
            log.info("later starts open windows of their own: %s", self._server.errorString())

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    @Slot()
    def _accept(self) -> None:
        while (guest := self._server.nextPendingConnection()) is not None:
            guest.disconnected.connect(guest.deleteLater)
            guest.readyRead.connect(self._read)
            if guest.bytesAvailable():
                self._answer(guest)

    @Slot()
    def _read(self) -> None:
        guest = self.sender()
        if isinstance(guest, QLocalSocket):
            self._answer(guest)

    def _answer(self, guest: QLocalSocket) -> None:
        if not guest.canReadLine():
            if guest.bytesAvailable() > LONGEST:
                guest.abort()
            return
        try:
            message = json.loads(bytes(guest.readLine(LONGEST).data()))
            paths = [Path(path) for path in message["paths"] if Path(path).is_absolute()]
            tokens = {key: str(message["tokens"][key]) for key in TOKENS if key in message["tokens"]}
        except (ValueError, KeyError, TypeError, RecursionError):
            guest.abort()
            return
        willing = self._willing()
        guest.write(TAKEN if willing else REFUSED)
        guest.disconnectFromServer()
        if willing:
            os.environ.update(tokens)
            self.asked.emit(paths)


def to_front(window: QWidget) -> None:
    """Show a window before all others, as far as the desktop allows."""
    window.setWindowState(window.windowState() & ~Qt.WindowState.WindowMinimized)
    window.raise_()
    window.activateWindow()


def _alive(name: str) -> bool:
    """Whether somebody listens."""
    probe: Any = QLocalSocket()
    probe.connectToServer(name)
    found: bool = probe.waitForConnected(_PROBE_MS)
    probe.abort()
    return found
