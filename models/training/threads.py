"""How many threads training should use while other work comes and goes on the same machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch


def _busy_seconds() -> float | None:
    """CPU seconds all processes have used since boot, or None where the system does not tell."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
    except OSError:
        return None
    user, nice, system = (int(value) for value in fields[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


class ThreadGovernor:
    """Gives torch every core while the machine is otherwise idle, and leaves one out while it is not.

    Two threads that wait for each other beside a busy process run at less than half their speed
    (measured, codecs.md 0.11), one thread does not. A fixed number switches the
    governor off, and so do several processes: each gets its share of the cores.
    """

    def __init__(self, threads: int | None = None, *, processes: int = 1, every: int = 20) -> None:
        self.cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if processes > 1:
            threads = threads or max(self.cores // processes, 1)
        self.fixed = threads
        self.every = every
        torch.set_num_threads(threads or self.cores)
        self._mark = (time.monotonic(), _busy_seconds(), time.process_time())

    def adjust(self, step: int) -> None:
        """Look at the load every few steps and set torch's thread count from it."""
        if self.fixed or self.cores < 2 or step % self.every:
            return
        now = (time.monotonic(), _busy_seconds(), time.process_time())
        before, self._mark = self._mark, now
        elapsed = now[0] - before[0]
        if now[1] is None or before[1] is None or elapsed < 0.5:
            return
        others = ((now[1] - before[1]) - (now[2] - before[2])) / elapsed
        wanted = self.cores - 1 if others > 0.35 else self.cores
        if wanted != torch.get_num_threads():
            torch.set_num_threads(wanted)
