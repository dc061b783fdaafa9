"""How does a figure's page become a PNG, PDF or SVG file with the very pixels of the crops?"""

from __future__ import annotations

import io
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from app.figure import PAPER, Frame, Page, Shown, Words, drawable, font, lay_out, lay_out_crop
from app.report import Box, Pixels, Report
from models.drawing import metadata, styled
from models.errors import SuffixError
from models.files import write_file

SUFFIXES = (".png", ".pdf", ".svg")
PER_INCH = 144  # page pixels an inch of PDF and SVG: a caption of 14 pixels is then 7 points high
SHARPNESS = 2  # the reduced original is finer in formats that people zoom into


def write_figure(report: Report, pixels: Pixels, path: Path) -> None:
    """Write the figure sheet in the format of the suffix.

    Raises OutputError for another suffix, an unwritable place and a report without results, PictureError
    for a box outside the picture.
    """
    sharpness = 1 if path.suffix.lower() == ".png" else SHARPNESS
    write_page(lay_out(report, pixels, sharpness), path, report.name)


def write_crop(report: Report, box: Box, pixels: Pixels, path: Path) -> None:
    """Write one box of every result, framed and with captions. Raises as `write_figure` does."""
    write_page(lay_out_crop(report, box, pixels), path, report.name)


def write_page(page: Page, path: Path, title: str = "") -> None:
    """Write a page in the format of the suffix. Raises SuffixError for another, OutputError."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise SuffixError(f"cannot write {path}: a figure is one of {', '.join(SUFFIXES)}")
    write_file(path, png(page) if suffix == ".png" else drawing(page, suffix[1:], title))


def png(page: Page) -> bytes:
    """The page as a PNG file of its size in pixels."""
    image = Image.new("RGB", (page.width, page.height), PAPER)
    draw = ImageDraw.Draw(image)
    for shape in page.shapes:
        if isinstance(shape, Shown):
            shown = Image.fromarray(shape.pixels)
            size = (round(shape.width), round(shape.height))
            if shown.size != size:
                way = Image.Resampling.NEAREST if shape.exact else Image.Resampling.LANCZOS
                shown = shown.resize(size, way)
            image.paste(shown, (round(shape.x), round(shape.y)))
        elif isinstance(shape, Frame):
            _frame(draw, shape)
        else:
            draw.text(
                (shape.x, shape.y),
                drawable(shape.text),
                shape.colour,
                font(shape.size, shape.bold),
                "ms" if shape.centred else "ls",
            )
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=False, compress_level=6, dpi=(PER_INCH, PER_INCH))
    return buffer.getvalue()


def _frame(draw: ImageDraw.ImageDraw, frame: Frame) -> None:
    left, top = round(frame.x - frame.line), round(frame.y - frame.line)
    right = round(frame.x + frame.width + frame.line) - 1
    bottom = round(frame.y + frame.height + frame.line) - 1
    draw.rectangle((left, top, right, bottom), outline=frame.colour, width=round(frame.line))


def drawing(page: Page, format: str, title: str = "") -> bytes:
    """The page as "pdf" or "svg": texts stay texts, pictures keep their own pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    inches = (page.width / PER_INCH, page.height / PER_INCH)
    # Not composed into one picture: that would draw it anew at another resolution.
    style: dict[Any, Any] = {
        "image.composite_image": False,
        "svg.fonttype": "none",
        "pdf.fonttype": 42,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial"],
    }
    with styled(style):
        figure = Figure(figsize=inches, dpi=PER_INCH, facecolor=PAPER)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, page.width), ylim=(page.height, 0))
        axes.set_axis_off()
        for shape in page.shapes:
            _draw(axes, _lettered(shape) if format == "pdf" else shape)
        axes.set(xlim=(0, page.width), ylim=(page.height, 0))  # a picture moves the limits
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # an SVG's reader brings other fonts
            figure.savefig(buffer, format=format, metadata=metadata(format, title))
    return buffer.getvalue()


def _lettered(shape: Shown | Frame | Words) -> Shown | Frame | Words:
    return replace(shape, text=drawable(shape.text)) if isinstance(shape, Words) else shape


def _draw(axes: Any, shape: Shown | Frame | Words) -> None:
    from matplotlib.patches import Rectangle

    points = 72 / PER_INCH
    if isinstance(shape, Shown):
        extent = (shape.x, shape.x + shape.width, shape.y + shape.height, shape.y)
        axes.imshow(
            shape.pixels, interpolation="none", aspect="auto", origin="upper", extent=extent, zorder=1
        )
    elif isinstance(shape, Frame):
        grown = shape.line / 2
        corner = (shape.x - grown, shape.y - grown)
        size = (shape.width + shape.line, shape.height + shape.line)
        axes.add_patch(
            Rectangle(
                corner,
                *size,
                fill=False,
                edgecolor=shape.colour,
                linewidth=shape.line * points,
                joinstyle="miter",
                zorder=2,
            )
        )
    else:
        axes.text(
            shape.x,
            shape.y,
            shape.text,
            fontsize=shape.size * points,
            fontweight="bold" if shape.bold else "normal",
            color=shape.colour,
            horizontalalignment="center" if shape.centred else "left",
            verticalalignment="baseline",
            parse_math=False,
            zorder=3,
        )
