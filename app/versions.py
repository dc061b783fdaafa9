"""Which versions of this program and of what it is made of are at work? Nothing is imported for it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path

from app import __version__
from models.assets import asset_folder

REVISION_FILE = "revision.txt"  # among the assets of a wheel or a packaged program
# What results depend on: networks, codecs, metrics.
PACKAGES = (
    *("torch", "compressai", "numpy", "pillow", "pillow-jxl-plugin", "pillow-heif", "constriction"),
    *("safetensors", "lpips", "pytorch-msssim", "opencv-python-headless", "imageio-ffmpeg"),
)
# Pillow's names of the codec libraries inside it.
_LIBRARIES = {"jpg": "libjpeg", "webp": "libwebp", "avif": "libavif", "libjpeg_turbo": "libjpeg-turbo"}


def program_version() -> str:
    """The version; pyproject.toml takes it from the same place."""
    return __version__


def revision() -> str:
    """The commit this was made from, twelve digits; with a plus where a checkout was changed, "" if unknown.

    Asked are git in a checkout, the file that `make package` and `make wheel` write, and pip's note of
    what it installed.
    """
    root = Path(__file__).resolve().parents[1]
    if (root / ".git").exists():
        return _git(root)
    with contextlib.suppress(OSError):
        return (asset_folder() / REVISION_FILE).read_text(encoding="ascii").strip()
    with contextlib.suppress(importlib.metadata.PackageNotFoundError, ValueError, KeyError, TypeError):
        told = importlib.metadata.distribution("hflic").read_text("direct_url.json")
        return str(json.loads(told or "")["vcs_info"]["commit_id"])[:12]
    return ""


def _git(root: Path) -> str:
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip()


def about() -> list[str]:
    """What `hflic --version` prints: the program, its revision, the weights that are here."""
    from models import weights

    known = revision()
    lines = [f"hflic {program_version()}" + (f" (revision {known})" if known else "")]
    for file in weights.available():
        lines.append(f"weights {file.card.codec} {file.fingerprint[:8]}, {file.card.steps} steps")
    return lines


def versions() -> dict[str, str]:
    """Name to version of all that results depend on; what is not installed is left out.

    Names the kind of system and processor, but neither this machine nor its user.
    """
    found = {"hflic": program_version(), "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    found |= _codec_libraries()
    found["system"] = f"{platform.system()} {platform.machine()}"
    return found


def _codec_libraries() -> dict[str, str]:
    from PIL import features

    found = {}
    for feature, name in _LIBRARIES.items():
        version = features.version(feature)
        if version and version != "unknown":
            found[name] = str(version)
    return found
