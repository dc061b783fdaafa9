"""Where are the files that come with the program? In a checkout, in a wheel or in the packaged program."""

from __future__ import annotations

import sys
from pathlib import Path


def asset_folder() -> Path:
    """The folder of weights, icons and templates."""
    return _folder("assets")


def docs_folder() -> Path:
    """The folder of the documentation."""
    return _folder("docs")


def frozen() -> bool:
    """Whether this is the packaged program, which has no pip."""
    return hasattr(sys, "_MEIPASS")


def how_to_install(package: str) -> str:
    """What a person does to get an optional package, as the end of a sentence."""
    if frozen():
        return "it is no part of the packaged program, install HFLIC with pip to use it"
    return f"pip install {package}"


def _folder(name: str) -> Path:
    """A wheel has them beside the packages, under a name that no other package has; see pyproject.toml."""
    root = Path(getattr(sys, "_MEIPASS", None) or Path(__file__).resolve().parents[1])
    installed = root / f"hflic_{name}"
    return installed if installed.is_dir() else root / name
