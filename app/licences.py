"""Under which licence is each part that is used? Read from what is installed, nothing is imported."""

from __future__ import annotations

from importlib import metadata

LONGEST = 48
# What does the work; those that a person may want to know of.
PARTS = (
    "torch",
    "compressai",
    "constriction",
    "pyside6-essentials",
    "pyqtgraph",
    "superqt",
    "pillow",
    "pillow-heif",
    "pillow-jxl-plugin",
    "numpy",
    "opencv-python-headless",
    "lpips",
    "DISTS-pytorch",
    "pytorch-msssim",
    "matplotlib",
    "safetensors",
)


def licence_of(name: str) -> str:
    """The licence a part names itself, as short as it can be said; "" where it names none or is absent."""
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    expression = _first(told, "License-Expression")
    text = _first(told, "License").strip()
    named = [
        line.split("::")[-1].strip() for line in told.get_all("Classifier") or [] if "License ::" in line
    ]
    plain = text if text and "\n" not in text and len(text) <= LONGEST and text != "UNKNOWN" else ""
    return _short(expression or plain or ", ".join(named))


def _first(told: metadata.PackageMetadata, field: str) -> str:
    return str(next(iter(told.get_all(field) or []), ""))


def _short(licence: str) -> str:
    """The first parts of a long expression; the rest is in the part's own files."""
    if len(licence) <= LONGEST:
        return licence
    kept: list[str] = []
    for part in licence.split(" AND "):
        if len(" AND ".join([*kept, part])) > LONGEST - 11:
            break
        kept.append(part)
    return f"{' AND '.join(kept)} and others" if kept else f"{licence[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"


def parts() -> dict[str, tuple[str, str]]:
    """Name to version and licence of every part that is installed."""
    found = {}
    for name in PARTS:
        try:
            found[name] = (metadata.version(name), licence_of(name))
        except metadata.PackageNotFoundError:
            continue
    return found
