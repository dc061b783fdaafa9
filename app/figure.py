"""How do the original, its boxes and the crops of every codec lie on a page, as in a paper's figure?

The layout is plain data in pixels; `app.figure_files` paints it into PNG, PDF and SVG.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFont

from app.report import Box, Item, Pixels, Report, boxes_of, caption, caption_key, known_metrics
from models.picture import Picture

CELL = 256  # about the side of an enlarged crop, in pixels of the page
NARROWEST = 244  # a column: its caption needs the room
GAP = 12
MARGIN = 24
FRAME = 3  # width of the coloured lines
NAME, SMALL = 17, 14  # text sizes
LINE = 21  # from one line of text to the next
_MARK, _APART = 20, 14  # of the legend: a square with the room behind it, and between two names
WIDEST_ORIGINAL = 3 * CELL

PAPER, INK, SOFT = "#ffffff", "#1b1b1d", "#55555b"
# Okabe and Ito's colours, which colour-blind people tell apart.
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


@dataclass(frozen=True)
class Shown:
    """Pixels (H, W, 3) over a rectangle of the page; `exact`: each is a square of whole page pixels."""

    x: float
    y: float
    width: float
    height: float
    pixels: NDArray[np.uint8] = field(repr=False)
    exact: bool = True


@dataclass(frozen=True)
class Frame:
    """A line around a rectangle of the page, outside of it."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    line: float = FRAME


@dataclass(frozen=True)
class Words:
    """A line of text; x, y: the left end of its base line, or its middle where `centred`."""

    x: float
    y: float
    text: str
    size: int = SMALL
    bold: bool = False
    colour: str = INK
    centred: bool = True


@dataclass(frozen=True)
class Page:
    """All there is on a page, in the order of painting."""

    width: int
    height: int
    shapes: tuple[Shown | Frame | Words, ...]


def lay_out(report: Report, pixels: Pixels, sharpness: int = 1) -> Page:
    """The page of a report: the boxed original, then a column of crops for it and for each result.

    sharpness: pixels of the reduced original for each pixel of the page, for formats that can be zoomed.
    Raises OutputError without results, PictureError for a box outside the picture.
    """
    boxes = boxes_of(report.checked(), pixels)
    grid = _Grid(report, boxes, pixels)
    whole = pixels(report.digest)
    named = [(box.name, colour) for box, colour in zip(boxes, _colours(boxes), strict=True) if box.name]
    legend: list[list[tuple[str, str]]] = []
    while True:  # a lower original may be narrower, and then the legend needs more lines
        below = LINE * (2 + len(legend)) + 2
        height = max(grid.height - below, CELL)
        scale = min(height / whole.height, WIDEST_ORIGINAL / whole.width)
        if scale >= 1:  # a whole number, so that its pixels are equal squares
            scale = float(int(scale))
        size = (max(round(whole.width * scale), 1), max(round(whole.height * scale), 1))
        column = max(size[0], NARROWEST)
        lines = _legend_lines(named, column)
        if len(lines) <= len(legend):
            break
        legend = lines
    x, y = MARGIN + (column - size[0]) // 2, MARGIN
    shapes: list[Shown | Frame | Words] = [
        Shown(x, y, *size, reduced(whole, size, sharpness), exact=scale >= 1)
    ]
    for box, colour in zip(boxes, _colours(boxes), strict=True):
        place = (x + box.x * scale, y + box.y * scale, box.width * scale, box.height * scale)
        place = (round(place[0]), round(place[1]), max(round(place[2]), 1), max(round(place[3]), 1))
        shapes += [Frame(*place, PAPER, FRAME + 1), Frame(*place, colour)]
    middle = MARGIN + column / 2
    under = y + size[1] + LINE
    shapes.append(Words(middle, under, fitted(report.name, NAME, column, bold=True), NAME, bold=True))
    times = f"{whole.width} \N{MULTIPLICATION SIGN} {whole.height} pixels"
    shapes.append(Words(middle, under + LINE, times, colour=SOFT))
    for at, line in enumerate(lines):
        shapes += _legend(line, middle, under + (2 + at) * LINE)
    left = MARGIN + column + 2 * GAP
    shapes += grid.shapes(left, MARGIN)
    high = max(grid.height, size[1] + below)
    return Page(left + grid.width + MARGIN, high + 2 * MARGIN, tuple(shapes))


def lay_out_crop(report: Report, box: Box, pixels: Pixels) -> Page:
    """One box alone: its framed crops beside each other with their captions.

    Raises OutputError without results, PictureError for a box outside the picture.
    """
    grid = _Grid(report.checked(), [box.within(*report.size)], pixels)
    shapes = tuple(grid.shapes(MARGIN, MARGIN))
    return Page(grid.width + 2 * MARGIN, grid.height + 2 * MARGIN, shapes)


class _Grid:
    """The crops: a column for each picture, a row for each box; too many columns begin anew below."""

    def __init__(self, report: Report, boxes: Sequence[Box], pixels: Pixels) -> None:
        self._boxes, self._pixels, self._report = boxes, pixels, report
        self._metrics = known_metrics(report)
        self._columns: list[Item | None] = [None, *report.items]
        count = len(self._columns)
        most = 6 if len(boxes) > 1 else 3 if count <= 6 else 5
        lines = -(-count // most)
        self._across = -(-count // lines)
        self._lines = -(-count // self._across)
        self._zooms = [max(round(CELL / max(box.width, box.height)), 1) for box in boxes]
        wide = [box.width * zoom for box, zoom in zip(boxes, self._zooms, strict=True)]
        self._cell = max(NARROWEST, *wide) + 2 * FRAME
        self._names = [
            wrapped("Original" if item is None else item.name, NAME, self._cell, bold=True)
            for item in self._columns
        ]
        self._name_lines = max(map(len, self._names))
        self._text = LINE * (self._name_lines + 1 + bool(self._metrics)) + 6
        crops = [box.height * zoom for box, zoom in zip(boxes, self._zooms, strict=True)]
        self._line_height = sum(crops) + GAP * (len(boxes) - 1) + 2 * FRAME * len(boxes) + self._text
        self.width = self._across * (self._cell + GAP) - GAP
        self.height = self._lines * (self._line_height + GAP) - GAP

    def shapes(self, left: int, top: int) -> list[Shown | Frame | Words]:
        """Everything of the grid, its left top corner being there."""
        made: list[Shown | Frame | Words] = []
        colours = _colours(self._boxes)
        for index, item in enumerate(self._columns):
            x = left + index % self._across * (self._cell + GAP)
            y = top + index // self._across * (self._line_height + GAP)
            picture = self._pixels(self._report.digest if item is None else item.digest)
            for box, zoom, colour in zip(self._boxes, self._zooms, colours, strict=True):
                wide, high = box.width * zoom, box.height * zoom
                place = (x + (self._cell - wide) // 2, y + FRAME, wide, high)
                made += [Shown(*place, enlarged(picture, box, zoom)), Frame(*place, colour)]
                y += high + 2 * FRAME + GAP
            made += self._caption(index, x + self._cell / 2, y - GAP + LINE)
        return made

    def _caption(self, index: int, middle: float, y: float) -> list[Shown | Frame | Words]:
        """Numbers stand level with those of the other columns, and a short name right above them."""
        item, names = self._columns[index], self._names[index]
        rate = "bits per pixel" if item is None else f"{item.encoding.bpp:.3f} bpp"
        numbers = caption_key(self._metrics) if item is None else caption(item, self._metrics)
        colour = SOFT if item is None else INK
        under = y + LINE * self._name_lines
        made: list[Shown | Frame | Words] = [
            Words(middle, under - LINE * (len(names) - at), name, NAME, bold=True)
            for at, name in enumerate(names)
        ]
        made.append(Words(middle, under, rate, colour=colour))
        if self._metrics:
            made.append(Words(middle, under + LINE, fitted(numbers, SMALL, self._cell), colour=colour))
        return made


def _legend_lines(named: Sequence[tuple[str, str]], room: int) -> list[list[tuple[str, str]]]:
    """Names and colours in as many lines as they need; a name too long for a line of its own is cut."""
    lines: list[list[tuple[str, str]]] = []
    left = 0.0
    for whole, colour in named:
        name = fitted(whole, SMALL, room - _MARK)
        wide = text_width(name, SMALL) + _MARK
        if not lines or wide > left:
            lines.append([])
            left = float(room)
        lines[-1].append((name, colour))
        left -= wide + _APART
    return lines


def _legend(names: Sequence[tuple[str, str]], middle: float, y: float) -> list[Shown | Frame | Words]:
    """A coloured square and a name for each box of a line, which is centred."""
    wide = sum(text_width(name, SMALL) + _MARK + _APART for name, _ in names) - _APART
    x = round(middle - wide / 2)
    made: list[Shown | Frame | Words] = []
    for name, colour in names:
        block = np.full((1, 1, 3), _rgb(colour), np.uint8)
        made.append(Shown(x, round(y) - 11, 12, 12, block))
        made.append(Words(x + _MARK, y, name, colour=SOFT, centred=False))
        x += round(text_width(name, SMALL)) + _MARK + _APART
    return made


def enlarged(picture: Picture, box: Box, zoom: int) -> NDArray[np.uint8]:
    """The box's pixels, each a square of zoom x zoom equal ones."""
    crop = picture.pixels[box.y : box.y + box.height, box.x : box.x + box.width]
    return np.ascontiguousarray(crop.repeat(zoom, axis=0).repeat(zoom, axis=1))


def reduced(picture: Picture, size: tuple[int, int], sharpness: int = 1) -> NDArray[np.uint8]:
    """The whole picture for a place of this size on the page, averaged down; never made larger here."""
    wanted = (size[0] * sharpness, size[1] * sharpness)
    if wanted[0] >= picture.width or wanted[1] >= picture.height:
        return picture.pixels
    image = Image.fromarray(picture.pixels).resize(wanted, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.asarray(image)


def fitted(words: str, size: int, room: float, *, bold: bool = False) -> str:
    """The words, cut with an ellipsis where they are wider than `room` pixels."""
    if text_width(words, size, bold=bold) <= room:
        return words
    while words and text_width(words + "\N{HORIZONTAL ELLIPSIS}", size, bold=bold) > room:
        words = words[:-1]
    return words.rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def wrapped(words: str, size: int, room: float, *, bold: bool = False) -> tuple[str, ...]:
    """The words in as many lines as they need; one that is wider than `room` pixels by itself is divided."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, size, bold=bold) <= room:
            lines[-1] = longer
            continue
        lines.append("")
        for letter in word:
            if lines[-1] and text_width(lines[-1] + letter, size, bold=bold) > room:
                lines.append("")
            lines[-1] += letter
    return tuple(line for line in lines if line) or ("",)


def drawable(words: str) -> str:
    """The words with an ellipsis for what the font has no letters for: it would draw empty boxes."""
    known = _letters()
    kept = "".join(letter if ord(letter) in known else "\0" for letter in words)
    return re.sub("\0+", "\N{HORIZONTAL ELLIPSIS}", kept)


@cache
def _letters() -> frozenset[int]:
    """What DejaVu Sans can draw; its bold face can, too."""
    from matplotlib.ft2font import FT2Font

    both = [frozenset(FT2Font(str(font(SMALL, bold).path)).get_charmap()) for bold in (False, True)]
    return both[0] & both[1]


def text_width(words: str, size: int, *, bold: bool = False) -> float:
    """How wide words are, in pixels."""
    return float(font(size, bold).getlength(words))


@lru_cache(maxsize=8)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as matplotlib installs it, so that figures look the same on every machine."""
    import matplotlib as mpl

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), size)


def _colours(boxes: Sequence[Box]) -> list[str]:
    return [COLOURS[at % len(COLOURS)] for at in range(len(boxes))]


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
