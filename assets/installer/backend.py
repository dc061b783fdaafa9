"""How does an installed program know its revision? pip, pipx, uv and `python -m build` build it with this.

It is setuptools' own builder. While it works in a checkout, `assets/revision.txt` tells the commit; in a
source archive the note that came with it stays. PEP 517 gives the names.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).resolve().parents[2]
NOTE = ROOT / "assets" / "revision.txt"
Settings = dict[str, str | list[str] | None] | None
# What a source archive needs beyond the packages to be built from; tests without their helpers are of no use.
_MANIFEST = "graft assets/installer\nprune tests\nglobal-exclude *.py[co]\n"


def revision() -> str:
    """The checkout's commit, twelve digits, with a plus where files were changed; "" where none is known."""
    if not (ROOT / ".git").exists():
        return ""
    command = ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
    with contextlib.suppress(OSError):
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return told.stdout.strip() if told.returncode == 0 else ""
    return ""


@contextlib.contextmanager
def _written(path: Path, text: str) -> Iterator[None]:
    """Have a file there for a while; nothing happens for an empty text."""
    if not text:
        yield
        return
    path.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def build_wheel(folder: str, settings: Settings = None, metadata: str | None = None) -> str:
    """The wheel's file name in `folder`. What an earlier build has left would come into it."""
    for path in (ROOT / "build" / "lib", *(ROOT / "build").glob("bdist.*")):
        shutil.rmtree(path, ignore_errors=True)
    with _written(NOTE, revision()):
        return build_meta.build_wheel(folder, settings, metadata)


def build_sdist(folder: str, settings: Settings = None) -> str:
    """The source archive's file name in `folder`."""
    with _written(NOTE, revision()), _written(ROOT / "MANIFEST.in", _MANIFEST):
        return build_meta.build_sdist(folder, settings)
