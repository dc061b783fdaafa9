"""Tasks for tests of the engine; the codec process imports them from here."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import ClassVar

from app.lanes import PLAIN
from app.worker import Bench
from models.errors import HflicError


@dataclass(frozen=True)
class Echo:
    """Gives its word, or for "?modules" whether Qt and torch were loaded."""

    word: str
    lane: ClassVar[str] = PLAIN

    def run(self, bench: Bench) -> str:
        if self.word == "?modules":
            return ",".join(name for name in ("PySide6", "torch") if name in sys.modules)
        return self.word


@dataclass(frozen=True)
class Polite:
    """Works until it is cancelled, and looks every few milliseconds."""

    lane: ClassVar[str] = PLAIN

    def run(self, bench: Bench) -> None:
        for step in range(3000):
            bench.watch.step("polite", step / 3000)
            time.sleep(0.005)


@dataclass(frozen=True)
class Stubborn:
    """Never looks whether it is wanted."""

    lane: ClassVar[str] = PLAIN

    def run(self, bench: Bench) -> None:
        bench.watch.step("stubborn", 0.5)
        time.sleep(60)


@dataclass(frozen=True)
class Crash:
    """Ends the process, as running out of memory does."""

    lane: ClassVar[str] = PLAIN

    def run(self, bench: Bench) -> None:
        os._exit(9)


@dataclass(frozen=True)
class Fail:
    """Raises what it is told to."""

    kind: str
    lane: ClassVar[str] = PLAIN

    def run(self, bench: Bench) -> None:
        if self.kind == "person":
            raise HflicError("take another one")
        if self.kind == "memory":
            raise MemoryError
        raise ZeroDivisionError("a fault of the program")


@dataclass(frozen=True)
class Sum:
    """The sum of a picture's pixels, to see that they arrive."""

    digest: str
    lane: ClassVar[str] = PLAIN

    def run(self, bench: Bench) -> int:
        return int(bench.picture(self.digest).pixels.sum(dtype="int64"))
