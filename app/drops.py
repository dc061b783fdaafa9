"""What is being dropped or pasted? Files, picture bytes, pixels, or something to refuse politely."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QMimeData
from PySide6.QtGui import QImage

from app.opener import NEURAL_SUFFIXES, neural
from models.codec import CATALOGUE
from models.paths import there

PICTURE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".webp", ".avif", ".heic", ".heif", ".jxl", ".tif", ".tiff", ".bmp", ".gif"),
    *(".ppm", ".pgm", ".jp2", ".tga", ".qoi"),
)
CODED_SUFFIXES = (*{line.suffix for line in CATALOGUE}, ".jpeg", ".heif")
_WEB = "Web addresses are not fetched: save the picture first, then drop the file."
_EMPTY = "There is no picture on the clipboard: copy one first."
_GONE = "The program it came from did not hand it over: drop it again."
_NOTHING = "There is no picture in that: drop or paste a picture or a picture file."


@dataclass(frozen=True)
class Dropped:
    """Exactly one of paths, pixels (H, W, 4, as QImage.Format_RGB32) and refusal is set."""

    paths: tuple[Path, ...] = ()
    pixels: NDArray[np.uint8] | None = None
    refusal: str = ""

    @property
    def name(self) -> str:
        """What it is called while it hovers."""
        shown = [path for path in self.paths if not neural(path)] or self.paths
        return shown[0].name if shown else "the picture"

    @property
    def neural(self) -> bool:
        """Whether all paths are neural codecs' files, which are never the original."""
        return bool(self.paths) and all(map(neural, self.paths))

    @property
    def coded(self) -> bool:
        """Whether it is one file that may be shown as a side."""
        return len(self.paths) == 1 and self.paths[0].suffix.lower() in CODED_SUFFIXES


def read(mime: QMimeData | None) -> Dropped:
    """What there is in a drop or on the clipboard. Local files go before pixels: they are the source."""
    if mime is None or not mime.formats():
        return Dropped(refusal=_EMPTY)
    if mime.hasUrls():
        paths = tuple(Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile())
        if paths:
            return expand(paths)
        if not mime.hasImage():
            return Dropped(refusal=_WEB if mime.urls() else _GONE)
    if mime.hasImage():
        pixels = _pixels(mime.imageData())
        if pixels is not None:
            return Dropped(pixels=pixels)
    if mime.hasText() and mime.text().strip().lower().startswith(("http://", "https://")):
        return Dropped(refusal=_WEB)
    return Dropped(refusal=_NOTHING)


def expand(paths: tuple[Path, ...]) -> Dropped:
    """Folders become the pictures in them, by name, numbers by their value; hidden files are left out."""
    found: list[Path] = []
    for path in paths:
        if not there(path.is_dir):
            found.append(path)
            continue
        try:
            inside = [each for each in path.iterdir() if not each.name.startswith(".")]
        except OSError as error:
            return Dropped(refusal=f"The folder {path.name} cannot be read: {error.strerror or error}.")
        # A neural file is a result of one of the pictures, and nobody knows which: alone it is opened.
        kept = _ending(inside, PICTURE_SUFFIXES) or _ending(inside, NEURAL_SUFFIXES)
        found += sorted(kept, key=lambda each: _natural(each.name))
    if not found:
        return Dropped(refusal=f"There are no pictures in the folder {paths[0].name}.")
    return Dropped(paths=tuple(dict.fromkeys(found)))


def _ending(paths: list[Path], suffixes: tuple[str, ...]) -> list[Path]:
    return [path for path in paths if path.suffix.lower() in suffixes]


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that puts img2 before img10."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def _pixels(image: object) -> NDArray[np.uint8] | None:
    if not isinstance(image, QImage) or image.isNull():
        return None
    if image.hasAlphaChannel():  # over white, as files with transparent areas are read
        flat = QImage(image.size(), QImage.Format.Format_RGB32)
        flat.fill(0xFFFFFFFF)
        from PySide6.QtGui import QPainter

        painter = QPainter(flat)
        painter.drawImage(0, 0, image)
        painter.end()
    else:
        flat = image.convertToFormat(QImage.Format.Format_RGB32)
    flat.setDevicePixelRatio(1.0)
    rows = np.frombuffer(flat.constBits(), np.uint8).reshape(flat.height(), flat.bytesPerLine())
    return rows[:, : flat.width() * 4].reshape(flat.height(), flat.width(), 4).copy()
