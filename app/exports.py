"""How does a report become the files a person asked for? The tasks of exporting, run beside the viewer."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from app import bundle, figure_files, page
from app.figure import COLOURS, FRAME
from app.lanes import FILES
from app.report import Box, Pixels, Report, boxes_of, distinct
from app.text import shortened
from models.errors import SuffixError
from models.files import TEMPORARY, filled_folder, write_file
from models.picture import Picture
from models.watch import QUIET, Watch

if TYPE_CHECKING:
    from app.worker import Bench

SUFFIXES = (*figure_files.SUFFIXES, page.SUFFIXES[0], ".zip")


def write_report(report: Report, pixels: Pixels, path: Path, watch: Watch = QUIET) -> None:
    """Write what the suffix asks for: a figure sheet (.png, .pdf, .svg), a page (.html), the evidence (.zip,
    or a folder without a suffix).

    Raises SuffixError for another suffix, OutputError for an unwritable place and a report without
    results, PictureError for a box outside the picture, Cancelled.
    """
    suffix = path.suffix.lower()
    if suffix in figure_files.SUFFIXES:
        figure_files.write_figure(report, pixels, path)
    elif suffix in page.SUFFIXES:
        page.write_page(report, pixels, path, watch)
    elif suffix in {".zip", ""}:
        bundle.write_bundle(report, pixels, path, watch)
    else:
        raise SuffixError(f"cannot write {path}: use one of the suffixes {', '.join(SUFFIXES)}")


@dataclass(frozen=True)
class _Export:
    """What all exports have: where to, and of what."""

    path: Path
    report: Report
    lane: ClassVar[str] = FILES

    @property
    def words(self) -> str:
        """What the queue of jobs says."""
        return f"Export {shortened(self.path.name)}"


@dataclass(frozen=True)
class ExportReport(_Export):
    """Write a figure sheet, a page or the evidence, as the path's suffix asks -> the path."""

    def run(self, bench: Bench) -> Path:
        """Raises what `write_report` does."""
        write_report(self.report, bench.picture, self.path, bench.watch)
        return self.path


@dataclass(frozen=True)
class ExportEvidence(_Export):
    """Write the evidence into a .zip file, or into a folder of any other name -> the path."""

    def run(self, bench: Bench) -> Path:
        """Raises what `write_bundle` does."""
        bundle.write_bundle(self.report, bench.picture, self.path, bench.watch, dots=True)
        return self.path


@dataclass(frozen=True)
class ExportLabelled(_Export):
    """Write one box of every result, framed and with captions, as PNG, PDF or SVG -> the path."""

    box: Box

    def run(self, bench: Bench) -> Path:
        """Raises OutputError, PictureError."""
        figure_files.write_crop(self.report, self.box, bench.picture, self.path)
        return self.path


@dataclass(frozen=True)
class ExportCrops(_Export):
    """Write every box of every picture into a folder as PNG files -> the folder.

    Each plain, in the picture's own pixels, and each box once more framed and with captions; and the
    original with the boxes on it. Files of the same names are replaced.
    """

    def run(self, bench: Bench) -> Path:
        """Raises OutputError, PictureError, Cancelled; then the folder is as it was."""
        with filled_folder(self.path) as folder:
            for name, made in crops_of(self.report, bench.picture).items():
                bench.watch.step(f"writing {name}", 0.5)
                made.save(folder / f"{name}.png")
            for name, box in named(boxes_of(self.report, bench.picture)).items():
                bench.watch.step(f"writing {name}", 0.9)
                figure_files.write_crop(self.report, box, bench.picture, folder / f"{name}-labelled.png")
        return self.path


@dataclass(frozen=True)
class ExportFiles:
    """Write compressed files into a folder -> the folder. `files`: name to bytes."""

    path: Path
    files: tuple[tuple[str, bytes], ...]
    lane: ClassVar[str] = FILES

    @property
    def words(self) -> str:
        """What the queue of jobs says."""
        return f"Export {shortened(self.path.name)}"

    def run(self, bench: Bench) -> Path:
        """Raises OutputError, Cancelled; then the folder is as it was."""
        with filled_folder(self.path) as folder:
            for at, (name, data) in enumerate(self.files):
                bench.watch.step(f"writing {name}", at / len(self.files))
                write_file(folder / name, data)
        return self.path


@dataclass(frozen=True)
class Sweep:
    """Take away what a stopped export left half written beside its path or in it -> how many."""

    path: Path
    lane: ClassVar[str] = FILES
    words: ClassVar[str] = "Take away what was half written"

    def run(self, bench: Bench) -> int:
        """What cannot be taken away stays."""
        halves = [
            half for half in self.path.parent.glob(TEMPORARY)
            if half.name[1:].startswith(self.path.name[:40])
        ]  # fmt: skip
        if self.path.is_dir():
            halves += self.path.glob(TEMPORARY)
        for half in halves:
            if half.is_dir():
                shutil.rmtree(half, ignore_errors=True)
            else:
                half.unlink(missing_ok=True)
        return len(halves)


def crops_of(report: Report, pixels: Pixels) -> dict[str, Picture]:
    """File name without suffix to pixels: each box of each picture, and the original with the boxes on it.

    Raises OutputError without results, PictureError for a box outside the picture.
    """
    report = distinct(report.checked())
    boxes = named(boxes_of(report, pixels))
    original = pixels(report.digest)
    made = {}
    for name, box in boxes.items():
        made[f"{name}-original"] = cut(original, box)
        for item in report.items:
            made[f"{name}-{item.stem}"] = cut(pixels(item.digest), box)
    made["boxes"] = boxed(original, list(boxes.values()))
    return made


def cut(picture: Picture, box: Box) -> Picture:
    """The pixels in a box."""
    crop = picture.pixels[box.y : box.y + box.height, box.x : box.x + box.width]
    return Picture(np.ascontiguousarray(crop))


def boxed(picture: Picture, boxes: list[Box]) -> Picture:
    """The picture with lines around the boxes; what is in a box stays as it is."""
    pixels = picture.pixels.copy()
    for at, box in enumerate(boxes):
        inside = picture.pixels[box.y : box.y + box.height, box.x : box.x + box.width]
        line = max(FRAME, round(max(picture.width, picture.height) / 400))
        top, left = max(box.y - line, 0), max(box.x - line, 0)
        colour = COLOURS[at % len(COLOURS)]
        pixels[top : box.y + box.height + line, left : box.x + box.width + line] = (
            int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16),
        )  # fmt: skip
        pixels[box.y : box.y + box.height, box.x : box.x + box.width] = inside
    return Picture(pixels)


def named(boxes: tuple[Box, ...]) -> dict[str, Box]:
    """The boxes by names that are safe as parts of file names and differ."""
    found: dict[str, Box] = {}
    taken: set[str] = set()  # some file systems tell no capital from another letter
    for box in boxes:
        name = re.sub(r"[^\w.+-]+", "-", box.name).strip("-.") or "crop"
        count = 2
        unique = name
        while unique.casefold() in taken:
            unique, count = f"{name}-{count}", count + 1
        taken.add(unique.casefold())
        found[unique] = box
    return found
