"""Which files that this program may not ship has the person put beside the weights?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from models.fetch import name_of
from models.paths import there
from models.weights import folders, where_to_put


def given(*names: str) -> Path | None:
    """The first of these files in a folder that is searched for weights; None without one."""
    paths = (folder / name for folder in folders() for name in names)
    return next((path for path in paths if there(path.is_file)), None)


def how_to_give(what: str, names: Iterable[str], source: str) -> str:
    """One sentence: what is missing, where it is found and where it belongs."""
    files = tuple(names)
    fetched = next((name for file in files if (name := name_of(file))), "")
    way = f"run 'hflic models fetch {fetched}', or " if fetched else ""
    return f"{what}: {way}put {' or '.join(files)} ({source}) into {where_to_put()}"
