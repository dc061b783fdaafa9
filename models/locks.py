"""Does another program do the same at this moment? A file is held while something may be done once only."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from models.errors import HflicError, OutputError


@contextlib.contextmanager
def alone(path: Path, busy: HflicError) -> Iterator[None]:
    """Hold a lock file of this name; the system lets go of it for a program that ends, however it does.

    Raises `busy` where another program, or another place in this one, holds it, and OutputError where it
    cannot be made.
    """
    try:
        file = path.open("ab")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    with file:
        if not _held(file.fileno()):
            raise busy
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # on Windows not while it is open: it is empty and stays
                path.unlink(missing_ok=True)


def _held(file: int) -> bool:
    """Whether this program holds the open file now."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a drive without locks; Windows' other way to say that somebody holds it
        return sys.platform != "win32"
    return True
