"""Where is a data file that came with an installed package?"""

from __future__ import annotations

import importlib.util
from pathlib import Path


def data_file(package: str, relative: str) -> Path | None:
    """A file inside an installed package, which is not imported for it; None where there is none."""
    found = importlib.util.find_spec(package)
    for folder in (found.submodule_search_locations or ()) if found else ():
        if (path := Path(folder) / relative).is_file():
            return path
    return None
