"""How do several results of one picture fit on one page? The sheet `hflic compare -o` writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.picture import Picture

CELL = 460  # width and greatest height of a picture on the sheet, in pixels
CROP = 230  # side of the region shown enlarged, CELL wide then
GAP = 20
MARGIN = 28
COLUMNS = 5  # at most

_PAPER = (255, 255, 255)
_INK = (28, 28, 30)
_SOFT = (110, 110, 115)
_MARK = (255, 196, 0)


@dataclass(frozen=True)
class Cell:
    """A picture of the sheet: a bold name and the lines under it."""

    picture: Picture
    name: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Region:
    """A rectangle of a picture, in its pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom, the last two outside."""
        return (self.left, self.top, self.left + self.width, self.top + self.height)


def telling_region(original: Picture, results: Sequence[Picture], side: int = CROP) -> Region:
    """Where the results differ most from the original: there a codec shows what it does.

    A square of `side` pixels, less in a small picture, with the greatest squared error of all results.
    """
    width, height = min(side, original.width), min(side, original.height)
    error = np.zeros((original.height, original.width))
    reference = original.pixels.astype(np.int16)
    for result in results:
        error += np.square(result.pixels.astype(np.int16) - reference, dtype=np.int32).sum(axis=2)
    total = np.zeros((original.height + 1, original.width + 1))
    total[1:, 1:] = error.cumsum(axis=0).cumsum(axis=1)
    sums = (
        total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    )
    top, left = np.unravel_index(int(sums.argmax()), sums.shape)
    return Region(int(left), int(top), width, height)


def make_sheet(title: str, cells: Sequence[Cell], region: Region) -> Picture:
    """A white page: every cell's whole picture, the region enlarged without smoothing, and its caption.

    The first cell is the original; the region, no larger than CELL, is marked in it. What is enlarged is so
    by a whole factor: all its pixels are equal squares. Raises ValueError without cells.
    """
    if not cells:
        raise ValueError("a sheet needs at least one picture")
    bold, plain, heading = _font(18, bold=True), _font(15), _font(22, bold=True)
    first = cells[0].picture
    scale = _whole(min(CELL / first.width, CELL / first.height))
    shown = (max(round(first.width * scale), 1), max(round(first.height * scale), 1))
    zoom = max(min(CELL // region.width, CELL // region.height), 1)
    enlarged = (region.width * zoom, region.height * zoom)
    text_height = 30 + 22 * max(len(cell.lines) for cell in cells)
    step_x, step_y = CELL + GAP, shown[1] + GAP + enlarged[1] + 10 + text_height + GAP
    lines = -(-len(cells) // COLUMNS)
    columns = -(-len(cells) // lines)
    head = MARGIN + 44
    page = Image.new(
        "RGB", (2 * MARGIN + columns * step_x - GAP, head + lines * step_y - GAP + MARGIN), _PAPER
    )
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, MARGIN - 4), _fitted(draw, title, heading, page.width - 2 * MARGIN), _INK, heading)
    for index, cell in enumerate(cells):
        x, y = MARGIN + index % columns * step_x, head + index // columns * step_y
        whole = Image.fromarray(cell.picture.pixels)
        filtering = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
        left = x + (CELL - shown[0]) // 2
        page.paste(whole.resize(shown, filtering), (left, y))
        if index == 0:
            mark = [round(v * scale) for v in region.box]
            draw.rectangle(
                (left + mark[0], y + mark[1], left + mark[2] - 1, y + mark[3] - 1), outline=_MARK, width=3
            )
        y += shown[1] + GAP
        detail = whole.crop(region.box).resize(enlarged, Image.Resampling.NEAREST)
        page.paste(detail, (x + (CELL - enlarged[0]) // 2, y))
        y += enlarged[1] + 10
        draw.text((x, y), _fitted(draw, cell.name, bold, CELL), _INK, bold)
        for number, line in enumerate(cell.lines):
            draw.text((x, y + 28 + 22 * number), _fitted(draw, line, plain, CELL), _SOFT, plain)
    return Picture(np.asarray(page))


def _whole(scale: float) -> float:
    """A scale that enlarges by a whole number; one that makes smaller stays as it is."""
    return float(int(scale)) if scale >= 1 else scale


def _fitted(draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The text, cut with an ellipsis where it is wider than `width` pixels."""
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + "…", font) > width:
        text = text[:-1]
    return text + "…"


def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as matplotlib installs it, so that sheets look the same on every machine."""
    import matplotlib as mpl

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), size)
