"""What happens in a codec process? It takes tasks from a pipe, one by one, and sends back what comes out.

Codecs run in processes of their own, not in threads of the viewer: measured with 12 megapixels, Pillow's
JPEG encoder held Python's lock for 0.4 s, the entropy coder for 2 s and `import torch` for 0.5 s, in which
no thread of the viewer could draw. A process can also be stopped at any moment, and running out of memory
ends it and not the viewer. Nothing of Qt is imported here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import sys
import time
import traceback
import warnings
from collections import OrderedDict
from collections.abc import Callable
from ctypes import c_longlong
from dataclasses import dataclass
from enum import Enum
from multiprocessing.connection import Connection
from typing import Any, Protocol

import numpy as np

from app.raster import Raster
from models.codec import Watch
from models.errors import Cancelled, HflicError
from models.picture import Picture

CHUNK = 1 << 20  # of pixels on their way: small enough that copying one never takes a millisecond
REPORTS_A_SECOND = 30
KEPT_BYTES = 400 << 20


class Kind(Enum):
    """What a message from a codec process is about."""

    READY = "ready"
    PROGRESS = "progress"
    WANT = "want"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Message:
    """One message from a codec process; `body` depends on the kind, see `Bench` and `serve`."""

    kind: Kind
    body: Any = None


@dataclass(frozen=True)
class Failure:
    """Why a task failed: one line for people, details for the log; `expected` where a person can mend it."""

    text: str
    details: str = ""
    expected: bool = True


class Task(Protocol):
    """A piece of work that can be pickled. `lane` names the process that runs it."""

    @property
    def lane(self) -> str:
        """The process that runs it, see `app.engine.LANES`."""

    def run(self, bench: Bench) -> Any:
        """Do it in a codec process. Raises HflicError for what a person can mend, Cancelled when stopped."""


@dataclass(frozen=True)
class Order:
    """A task on its way to a codec process."""

    job: int
    task: Task


class Bench:
    """What a task finds in its process: the pictures it needs, and the way to report progress."""

    def __init__(self, connection: Connection, cancelled_job: Callable[[], int]) -> None:
        self._connection = connection
        self._cancelled_job = cancelled_job
        self._pictures: OrderedDict[str, Picture] = OrderedDict()
        self._reported = 0.0
        self._stage = ""
        self.job = 0

    def picture(self, digest: str) -> Picture:
        """A picture by its hash, fetched from the viewer where this process lacks it."""
        if digest not in self._pictures:
            send(self._connection, Message(Kind.WANT, digest))
            raster = receive(self._connection)
            if not isinstance(raster, Raster):
                raise HflicError("the picture is not open any more: open it again")
            self.keep(digest, raster.picture())
        self._pictures.move_to_end(digest)
        return self._pictures[digest]

    def keep(self, digest: str, picture: Picture) -> None:
        """Remember a picture for later tasks; the longest unused ones are forgotten."""
        self._pictures[digest] = picture
        while len(self._pictures) > 2 and sum(p.pixels.nbytes for p in self._pictures.values()) > KEPT_BYTES:
            self._pictures.popitem(last=False)

    @property
    def watch(self) -> Watch:
        """Passes progress on to the viewer and tells codecs when to stop."""
        return Watch(report=self._report, cancelled=lambda: self._cancelled_job() == self.job)

    def _report(self, stage: str, done: float) -> None:
        now = time.monotonic()
        if stage != self._stage or now - self._reported >= 1 / REPORTS_A_SECOND:
            self._reported, self._stage = now, stage
            send(self._connection, Message(Kind.PROGRESS, (stage, done)))


def serve(connection: Connection, cancelled_job: c_longlong, name: str) -> None:
    """The codec process's main function: run tasks until the pipe closes."""
    with contextlib.suppress(ValueError, OSError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in the terminal is the viewer's to handle
        if hasattr(signal, "SIGHUP"):  # and so is its end: a file that is being written is finished
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries' warnings are for programmers
    _step_back()
    logging.basicConfig(level=logging.WARNING)
    bench = Bench(connection, lambda: int(cancelled_job.value))
    send(connection, Message(Kind.READY, name))
    while True:
        try:
            order: Order = receive(connection)
        except (EOFError, OSError):
            return
        bench.job = order.job
        try:
            send(connection, _run(order.task, bench))
        except (BrokenPipeError, ConnectionResetError):
            return


def _run(task: Task, bench: Bench) -> Message:
    try:
        return Message(Kind.DONE, task.run(bench))
    except Cancelled:
        return Message(Kind.CANCELLED)
    except HflicError as error:
        return Message(Kind.FAILED, Failure(str(error), traceback.format_exc()))
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        return Message(Kind.FAILED, unexpected(error))


def unexpected(error: Exception) -> Failure:
    """Running out of memory has many faces; the rest is a fault of the program and says so."""
    details = traceback.format_exc()
    text = str(error).lower()
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text:
        return Failure(
            "There is not enough memory for this picture with this codec: use a smaller one.", details
        )
    first = (str(error).strip().splitlines() or [""])[0]
    return Failure(f"An unexpected fault: {type(error).__name__}: {first}", details, expected=False)


def _step_back() -> None:
    """Let the viewer go first when processors are short."""
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(3)
    elif sys.platform == "win32":
        import psutil

        with contextlib.suppress(psutil.Error):
            psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)


def send(connection: Connection, message: object) -> None:
    """Send any object; arrays in it travel in small pieces beside it. Raises OSError when nobody listens."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    parts = [buffer.raw() for buffer in buffers]
    connection.send_bytes(pickle.dumps((head, [part.nbytes for part in parts])))
    for part in parts:
        _send_pixels(connection, part)


def receive(connection: Connection) -> Any:
    """The other end of `send`. Raises EOFError or OSError when the pipe is closed."""
    head, sizes = pickle.loads(connection.recv_bytes())
    parts = []
    for size in sizes:
        parts.append(memoryview(np.empty(size, np.uint8).data))
        _receive_pixels(connection, parts[-1])
    return pickle.loads(head, buffers=parts)


if sys.platform == "win32":

    def _send_pixels(connection: Connection, part: memoryview) -> None:
        for start in range(0, part.nbytes, CHUNK):
            connection.send_bytes(part[start : start + CHUNK])

    def _receive_pixels(connection: Connection, part: memoryview) -> None:
        for start in range(0, part.nbytes, CHUNK):
            part[start : start + CHUNK] = connection.recv_bytes()

else:
    # Straight between the pixels and the pipe: the system copies them while Python's lock is free. Through
    # `recv_bytes` each piece was copied three times under the lock, and every call of a repaint waited for
    # it: measured with 64 MB, 0.16 s of the processor against 0.02 s.

    def _send_pixels(connection: Connection, part: memoryview) -> None:
        sent = 0
        while sent < part.nbytes:
            sent += os.write(connection.fileno(), part[sent : sent + CHUNK])

    def _receive_pixels(connection: Connection, part: memoryview) -> None:
        got = 0
        while got < part.nbytes:
            count = os.readv(connection.fileno(), [part[got : got + CHUNK]])
            if not count:
                raise EOFError
            got += count
