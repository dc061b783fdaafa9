"""What runs and what waits, how far is it, and how long will it take? The queue for people. No widgets."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal, Slot

from app import text
from app.desk import Desk
from app.state import codec_name
from app.tasks import (
    Compress,
    Examine,
    FindFaces,
    Measure,
    OpenCoded,
    OpenFile,
    OpenPixels,
    SaveFile,
    SavePicture,
    WarmUp,
)
from app.worker import Task
from models.codec import Rate
from models.metrics import TABLE

Expect = Callable[[Task], float | None]  # seconds a task takes in all, None where nobody knows


@dataclass(frozen=True)
class JobView:
    """A job. `done`: share of its stage; `remaining`: seconds, None where it is not known."""

    id: int
    words: str
    running: bool = False
    stage: str = "waiting"
    done: float = 0.0
    remaining: float | None = None
    stoppable: bool = True

    @property
    def line(self) -> str:
        """Stage, percentage and remaining time."""
        if not self.running:
            return "waiting"
        parts = [self.stage]
        if self.done > 0:
            parts.append(f"{min(self.done, 1.0):.0%}")
        if self.remaining is not None:
            parts.append(duration(self.remaining))
        return text.DOT.join(parts)


@dataclass(frozen=True)
class _Entry:
    task: Task
    view: JobView
    began: float = 0.0


class Jobs(QObject):
    """Follows the desk. The order is that of asking, what runs first."""

    changed = Signal()

    def __init__(
        self,
        desk: Desk,
        expect: Expect = lambda task: None,
        clock: Callable[[], float] = time.monotonic,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._desk, self._expect, self._clock = desk, expect, clock
        self._entries: dict[int, _Entry] = {}
        desk.asked.connect(self._asked)
        desk.ended.connect(self._ended)
        desk.progressed.connect(self._progressed)

    def all(self) -> list[JobView]:
        """The jobs now, with the time that is left."""
        now = self._clock()
        views = []
        for entry in self._entries.values():
            expected = self._expect(entry.task) if entry.view.running else None
            left = expected - (now - entry.began) if expected is not None else None
            # Past the expected end nobody knows.
            views.append(replace(entry.view, remaining=left if left is not None and left > 0 else None))
        return sorted(views, key=lambda view: not view.running)

    def __len__(self) -> int:
        return len(self._entries)

    def stop(self, job: int) -> None:
        """A person's Cancel of one job."""
        entry = self._entries.get(job)
        if entry is not None and entry.view.stoppable:
            self._desk.stop(job)

    @Slot(int, object)
    def _asked(self, job: int, task: Task) -> None:
        stoppable = not isinstance(task, WarmUp | Examine)  # without these nothing works
        self._entries[job] = _Entry(task, JobView(job, words_for(task), stoppable=stoppable))
        self.changed.emit()

    @Slot(int)
    def _ended(self, job: int) -> None:
        if self._entries.pop(job, None) is not None:
            self.changed.emit()

    @Slot(int, str, float)
    def _progressed(self, job: int, stage: str, done: float) -> None:
        entry = self._entries.get(job)
        if entry is None:
            return
        began = entry.began if entry.view.running else self._clock()
        view = replace(entry.view, running=True, stage=stage, done=done)
        self._entries[job] = _Entry(entry.task, view, began)
        self.changed.emit()


def words_for(task: Task) -> str:
    """What a task is, for people; a task may bring its own `words`."""
    own = getattr(task, "words", "")
    if own:
        return str(own)
    if isinstance(task, Compress):
        return f"Compress with {codec_name(task.codec)}{text.DOT}{rate_words(task.rate)}"
    if isinstance(task, Measure):
        return f"Measure {TABLE[task.metric].label}"
    if isinstance(task, OpenFile | OpenCoded):
        return f"Open {text.shortened(task.path.name)}"
    if isinstance(task, SaveFile | SavePicture):
        return f"Save {text.shortened(task.path.name)}"
    known = {
        WarmUp: "Load the networks",
        Examine: "See which codecs are usable",
        FindFaces: "Find faces",
        OpenPixels: "Open the pasted picture",
    }
    name = type(task).__name__
    return known.get(type(task), re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize())


def rate_words(rate: Rate) -> str:
    """A wanted rate, for people."""
    if rate.bpp is not None:
        return f"{rate.bpp:g} bpp"
    if rate.bytes is not None:
        return text.size(rate.bytes)
    return f"quality {rate.quality:g}"


def duration(seconds: float) -> str:
    """About how much longer, in words that do not pretend to be exact."""
    if seconds < 1:
        return "less than 1 s left"
    if seconds < 90:
        return f"about {round(seconds):d} s left"
    minutes = round(seconds / 60)
    return f"about {minutes} min left" if minutes < 90 else f"about {seconds / 3600:.1f} h left"
