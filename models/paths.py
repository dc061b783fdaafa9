"""What is at a path, which folders are a person's own, and is the one this program stands in still there?

A place that cannot be looked at, as a drive that fell away, is no error.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import platformdirs

LONGEST_NAME = 255  # bytes that file systems allow a name


def there(question: Callable[[], bool]) -> bool:
    """The answer of `path.is_file` and its like, which raise most errors of the system; no where they do."""
    try:
        return question()
    except OSError:
        return False


def absolute(path: Path) -> Path:
    """The path from the root, or as it is where nobody knows any more where this program stands."""
    try:
        return path.absolute()
    except OSError:
        return path


def expanded(path: Path) -> Path:
    """The path with a leading ~ as the home folder, or as it is where nobody has that name, as shells do."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def fitting(stem: str, rest: str) -> str:
    """As much of a stem as leaves a file's name room for the rest."""
    room = LONGEST_NAME - len(os.fsencode(rest))
    while len(os.fsencode(stem)) > max(room, 1):
        stem = stem[:-1]
    return stem


def own_folder(kind: Literal["config", "data", "log", "cache"]) -> Path | None:
    """The person's folder for this; None where no home is known, as for a service or in a container."""
    try:
        folder = Path(getattr(platformdirs, f"user_{kind}_dir")("hflic", appauthor=False))
    except (RuntimeError, OSError, KeyError):  # the system has neither HOME nor an entry for this person
        return None
    return folder if folder.is_absolute() else None


def stand_somewhere() -> None:
    """Leave a current folder that was deleted or cannot be entered, where no new process could begin.

    Relative paths meant nothing there any more, so nothing is lost.
    """
    try:
        os.chdir(os.getcwd())  # noqa: PTH109  (what `multiprocessing` does)
    except OSError:
        os.chdir(os.sep)
