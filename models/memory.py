"""How much memory may this process take, what has it held at most; how is free memory given back, or kept?"""

from __future__ import annotations

import ctypes
import math
import os
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from models.errors import CodecError

VARIABLE = "HFLIC_MEMORY"
DEFAULT_BUDGET = 4_000_000_000
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?)I?B?\s*", re.IGNORECASE)


def budget() -> int:
    """Bytes one picture may take: HFLIC_MEMORY ("6G", "500 MB", bytes). Raises CodecError for other text."""
    text = os.environ.get(VARIABLE, "")
    if not text.strip():
        return DEFAULT_BUDGET
    found = _SIZE.fullmatch(text)
    if found is None:
        raise CodecError(f"{VARIABLE}={text} is no amount of memory: write for example {VARIABLE}=6G")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def fitting(memory: Callable[[int, int], float], width: int, height: int) -> tuple[int, int] | None:
    """The largest size of a picture's shape within the budget, None where even one pixel takes more.

    memory: bytes that a width and a height take at most; never less for a larger picture.
    """
    limit = budget()
    if memory(width, height) <= limit:
        return width, height

    def at(share: float) -> tuple[int, int]:
        return max(int(width * share), 1), max(int(height * share), 1)

    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if memory(*at(middle)) <= limit else (low, middle)
    return at(low) if memory(*at(low)) <= limit else None


def refusal(memory: Callable[[int, int], float], width: int, height: int) -> str:
    """Why a picture is over the budget and what to do, "" where it is not; `memory`: see `fitting`."""
    limit, needed = budget(), memory(width, height)
    if needed <= limit:
        return ""
    smaller = fitting(memory, width, height)
    scale = f"scale the picture to {smaller[0]} x {smaller[1]}, or " if smaller is not None else ""
    return (
        f"{width} x {height} pixels need about {needed / 1e9:.1f} GB of memory, {limit / 1e9:.1f} GB "
        f"are allowed: {scale}allow more with {VARIABLE}={math.ceil(needed / 1e9)}G"
    )


def peak_mib() -> float:
    """The most memory this process has held so far, or since `forget_peak`, in MiB."""
    if sys.platform.startswith("linux"):
        # Not getrusage: its peak is inherited from the process that started this one.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    import psutil

    memory = psutil.Process().memory_info()
    if sys.platform == "win32":
        return float(memory.peak_wset) / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


def forget_peak() -> bool:
    """Begin the peak anew with what is held now. False where the system cannot: only Linux does."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def give_back() -> None:
    """Return to the system what was freed; glibc keeps hundreds of megabytes of it. Takes milliseconds."""
    if (trim := _of_glibc("malloc_trim")) is not None:
        trim(0)


@cache
def _of_glibc(name: str) -> Any:
    """A function of the C library's for memory, None where there is none: elsewhere, and in musl."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None


# glibc's names for what `mallopt` sets (malloc.h), and the most it can be given.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MOST = -1, -3, 2**31 - 1


def keep_freed_memory() -> bool:
    """Have the C library keep freed memory for the next step; True where it can be told so (glibc).

    Else every large tensor of every step is made of pages that the system has to clear first: 19,000 of
    them a step of 8 x 192 x 192, and 6% of its time. For a process that ends with the training.
    """
    mallopt = _of_glibc("mallopt")
    return bool(mallopt and mallopt(_TRIM_THRESHOLD, _MOST) and mallopt(_MMAP_THRESHOLD, _MOST))
