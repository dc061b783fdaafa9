"""Who runs the codecs? The engine: it hands tasks to codec processes and tells the viewer what came out."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import multiprocessing
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from multiprocessing.connection import Connection
from typing import Any

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from app.lanes import LANES, LEARNED, PLAIN
from app.raster import Raster
from app.worker import Failure, Kind, Message, Order, Task, receive, send, serve, unexpected
from models.paths import stand_somewhere

log = logging.getLogger(__name__)

CANCEL_PATIENCE = 0.2  # seconds a person's Cancel waits for a codec to stop by itself
SUPERSEDE_PATIENCE = 4.0  # seconds a newer job waits: loading networks again would take longer
_POLL = 0.02
_STOPPED = (
    "The codec process ended unexpectedly, perhaps for lack of memory. It was started again: "
    "try once more or use a smaller picture."
)


class Priority(IntEnum):
    """Lower goes first."""

    SAVE = 0
    OPEN = 1
    COMPRESS = 2
    MEASURE = 3
    PREPARE = 4


@dataclass(order=True)
class Job:
    """A task in a queue; `rasters` are the pictures its process may ask for."""

    priority: int
    id: int
    task: Task = field(compare=False)
    rasters: dict[str, Raster] = field(compare=False)
    give_up_at: float | None = field(default=None, compare=False)

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants it any more."""
        return self.give_up_at is not None


class Lane(QThread):
    """One codec process and the thread that talks to it: the most urgent job first, one at a time."""

    told = Signal(int, object)  # job id, Message

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self._changed = threading.Condition()
        self._waiting: list[Job] = []
        self._running: Job | None = None
        self._closing = False
        self._process: Any = None
        self._connection: Connection | None = None
        self._cancelled_job: Any = None

    def submit(self, job: Job) -> None:
        """Queue a job. Any thread."""
        with self._changed:
            heapq.heappush(self._waiting, job)
            self._changed.notify()
        if not self.isRunning():
            self.start()

    def cancel(self, job_id: int, patience: float) -> bool:
        """Drop a waiting job or stop the running one, by force after `patience` seconds. Any thread.

        False when this lane has no such job.
        """
        with self._changed:
            waiting = next((job for job in self._waiting if job.id == job_id), None)
            if waiting is not None:
                self._waiting.remove(waiting)
                heapq.heapify(self._waiting)
                self.told.emit(job_id, Message(Kind.CANCELLED))
                return True
            if self._running is None or self._running.id != job_id:
                return False
            deadline = time.monotonic() + patience
            self._running.give_up_at = min(self._running.give_up_at or deadline, deadline)
            if self._cancelled_job is not None:
                self._cancelled_job.value = job_id
            return True

    def close(self) -> None:
        """Stop the process, whatever it does, and the thread."""
        with self._changed:
            self._closing = True
            self._waiting.clear()
            if self._running is not None:
                self._running.give_up_at = 0.0
            self._changed.notify()
        self.wait()

    def run(self) -> None:
        """The thread: hand jobs to the process until closed."""
        try:
            with contextlib.suppress(OSError):  # no process to be had: the first job tries again and says so
                self._start_process()
            while self._serve():
                pass
        except Exception:
            log.exception("the thread of lane %s ended", self.name)
        finally:
            self._stop_process()

    def _serve(self) -> bool:
        """Wait for a job and do it; False once closed. While it waits it holds no picture and no result."""
        job = self._next()
        if job is None:
            return False
        if not job.cancelled:
            self.told.emit(job.id, Message(Kind.PROGRESS, ("starting", 0.0)))
        message = Message(Kind.CANCELLED) if job.cancelled else self._do(job)
        with self._changed:
            self._running = None
            closing = self._closing
        if job.cancelled:  # also a result that came too late
            message = Message(Kind.CANCELLED)
        if not closing:
            self.told.emit(job.id, message)
        return True

    def _next(self) -> Job | None:
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            if self._closing:
                return None
            self._running = heapq.heappop(self._waiting)
            return self._running

    def _do(self, job: Job) -> Message:
        """Run one job in the process, which is started again where it has ended."""
        try:
            if self._connection is None:
                self._start_process()
            assert self._connection is not None
            send(self._connection, Order(job.id, job.task))
            return self._listen(job, self._connection)
        except (EOFError, OSError, ValueError) as error:
            log.warning("lane %s: the process ended: %r", self.name, error)
            self._stop_process()
            return Message(Kind.FAILED, Failure(_STOPPED, repr(error), expected=False))
        except Exception as error:  # what is on its way between both is lost: the process begins anew
            failure = unexpected(error)
            self._stop_process()
            return Message(Kind.FAILED, failure)

    def _listen(self, job: Job, connection: Connection) -> Message:
        while True:
            if not connection.poll(_POLL):
                if job.give_up_at is not None and time.monotonic() >= job.give_up_at:
                    self._stop_process()
                    if not self._closing:
                        self._start_process()
                    return Message(Kind.CANCELLED)
                continue
            message: Message = receive(connection)
            if message.kind is Kind.WANT:
                send(connection, job.rasters.get(message.body))
            elif message.kind is Kind.PROGRESS:
                if not job.cancelled:
                    self.told.emit(job.id, message)
            elif message.kind is not Kind.READY:
                return message

    def _start_process(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        with self._changed:
            self._cancelled_job = context.RawValue("q", -1)
        self._process = context.Process(
            target=serve,
            args=(theirs, self._cancelled_job, self.name),
            name=f"hflic {self.name}",
            daemon=True,
        )
        stand_somewhere()
        self._process.start()
        theirs.close()
        self._connection = ours

    def _stop_process(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            process, self._process = self._process, None
            if process.pid is not None:  # it never started where the system has no process or memory left
                process.kill()
                process.join()
            process.close()


class Engine(QObject):
    """Takes tasks for all lanes. Signals come in the thread the engine was made in.

    Of every job exactly one of `finished`, `failed` and `cancelled` is told, unless the engine is closed.
    """

    progressed = Signal(int, str, float)  # job id, stage, share done 0..1
    finished = Signal(int, object)  # job id, what the task gave
    failed = Signal(int, object)  # job id, Failure
    cancelled = Signal(int)  # job id

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._ids = itertools.count(1)
        self._lanes = {name: Lane(name, self) for name in LANES}
        for lane in self._lanes.values():
            # Queued, so that nobody hears of a job's end while still asking for it.
            lane.told.connect(self._told, Qt.ConnectionType.QueuedConnection)

    def prepare(self) -> None:
        """Start the processes that every session needs, before there is work for them."""
        for name in (PLAIN, LEARNED):
            if not self._lanes[name].isRunning():
                self._lanes[name].start()

    def submit(self, task: Task, priority: Priority, rasters: Sequence[Raster] = ()) -> int:
        """Queue a task with the pictures it needs; gives the job's id at once."""
        job = Job(int(priority), next(self._ids), task, {raster.digest: raster for raster in rasters})
        self._lanes[task.lane].submit(job)
        return job.id

    def cancel(self, job_id: int, patience: float = CANCEL_PATIENCE) -> None:
        """Stop a job; one that does not stop by itself within `patience` seconds is stopped by force."""
        for lane in self._lanes.values():
            if lane.cancel(job_id, patience):
                return

    def close(self) -> None:
        """Stop all processes and threads. Takes well under a second."""
        for lane in self._lanes.values():
            lane.close()

    @Slot(int, object)
    def _told(self, job_id: int, message: Message) -> None:
        if message.kind is Kind.PROGRESS:
            self.progressed.emit(job_id, *message.body)
        elif message.kind is Kind.DONE:
            self.finished.emit(job_id, message.body)
        elif message.kind is Kind.FAILED:
            failure: Failure = message.body
            log.log(
                logging.INFO if failure.expected else logging.ERROR,
                "job %d: %s\n%s",
                job_id,
                *_texts(failure),
            )
            self.failed.emit(job_id, failure)
        elif message.kind is Kind.CANCELLED:
            self.cancelled.emit(job_id)


def _texts(failure: Failure) -> tuple[str, str]:
    return failure.text, failure.details
