"""The figure sheet: are the crops in PNG, PDF and SVG the very pixels of the pictures?"""

from __future__ import annotations

import base64
import io
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from app.figure import (
    FRAME,
    NAME,
    Page,
    Shown,
    Words,
    drawable,
    lay_out,
    lay_out_crop,
    text_width,
    wrapped,
)
from app.figure_files import drawing, png, write_crop, write_figure
from app.report import Box, Report, boxes_of, caption, parse_box, written
from models.errors import OutputError, PictureError
from models.picture import Picture
from tests.reports import BOXES, made, many

Pictures = dict[str, Picture]


@pytest.fixture(scope="module")
def result() -> tuple[Report, Pictures]:
    return made()


def crops(report: Report, known: Pictures) -> list[np.ndarray]:
    """Every box of the original and of every result, as the pictures have them."""
    found = []
    for digest in [report.digest, *(item.digest for item in report.items)]:
        for box in report.boxes:
            found.append(known[digest].pixels[box.y : box.y + box.height, box.x : box.x + box.width])
    return found


def is_enlarged(shown: np.ndarray, crop: np.ndarray) -> bool:
    """Whether pixels are a crop with each pixel made an equal square of several."""
    zoom = shown.shape[0] // crop.shape[0]
    same = zoom * np.array(crop.shape[:2]) == shown.shape[:2]
    return zoom > 1 and bool(same.all()) and np.array_equal(shown, crop.repeat(zoom, 0).repeat(zoom, 1))


def words(page: Page) -> str:
    return "\n".join(shape.text for shape in page.shapes if isinstance(shape, Words))


def test_the_png_holds_every_crop_with_its_own_pixels(result: tuple[Report, Pictures]) -> None:
    report, known = result
    page = lay_out(report, known.__getitem__)
    sheet = np.asarray(Image.open(io.BytesIO(png(page))))
    assert sheet.shape == (page.height, page.width, 3)
    places = [shape for shape in page.shapes if isinstance(shape, Shown) and shape.width > 100]
    assert len(places) == 1 + 3 * len(BOXES)
    for place, crop in zip(places[1:], crops(report, known), strict=True):
        x, y, wide, high = int(place.x), int(place.y), int(place.width), int(place.height)
        assert is_enlarged(sheet[y : y + high, x : x + wide], crop)
        frame = sheet[y - FRAME : y, x - FRAME : x + wide + FRAME]
        assert (frame == frame[0, 0]).all() and tuple(frame[0, 0]) in {(213, 94, 0), (0, 114, 178)}


def test_the_original_is_boxed_where_the_boxes_are(result: tuple[Report, Pictures]) -> None:
    report, known = result
    page = lay_out(report, known.__getitem__)
    sheet = np.asarray(Image.open(io.BytesIO(png(page)))).astype(int)
    whole = next(shape for shape in page.shapes if isinstance(shape, Shown))
    zoom = whole.width / 120
    for box, colour in zip(BOXES, ((213, 94, 0), (0, 114, 178)), strict=True):
        x, y = int(whole.x + (box.x + box.width / 2) * zoom), round(whole.y + box.y * zoom)
        assert tuple(sheet[y - 2, x]) == colour  # the line lies outside the box
        assert tuple(sheet[y + round(box.height * zoom) + 1, x]) == colour


def test_captions_tell_codec_rate_and_what_was_measured(result: tuple[Report, Pictures]) -> None:
    report, known = result
    told = words(lay_out(report, known.__getitem__))
    for item in report.items:
        assert item.name in told and f"{item.encoding.bpp:.3f} bpp" in told
        assert f"{item.metric('psnr'):.2f}" in told
    assert "Original" in told and "PSNR" in told and "eye" in told and "cat.png" in told
    assert "LPIPS" not in told  # nobody measured it
    half = replace(report.items[0], metrics=(("psnr", float("inf")), ("lpips", 0.25)))
    assert caption(half) == "lossless / \N{EN DASH} / 0.2500"
    assert written("psnr", float("nan")) == "\N{EN DASH}"


def pdf_pictures(data: bytes) -> list[np.ndarray]:
    """The pictures with full colours in a PDF: its rows are filtered as those of a PNG."""
    found = []
    for match in re.finditer(rb"/Subtype /Image /Width (\d+) /Height (\d+)", data):
        start = data.index(b"stream", match.end())
        head = data[match.start() : start]
        assert b"/FlateDecode" in head and b"/Interpolate" not in head
        if b"/Predictor 10 /Colors 3" not in head:
            continue  # the legend's blocks
        body = data[start:].partition(b"\n")[2]
        end = zlib.decompressobj()
        end.decompress(body)
        stream = body[: len(body) - len(end.unused_data)]
        header = struct.pack(">IIBBBBB", int(match[1]), int(match[2]), 8, 2, 0, 0, 0)
        chunks = [(b"IHDR", header), (b"IDAT", stream), (b"IEND", b"")]
        file = b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
            for name, part in chunks
        )
        found.append(np.asarray(Image.open(io.BytesIO(file))))
    return found


def test_the_pdf_holds_every_crop_with_its_own_pixels_and_its_fonts(
    result: tuple[Report, Pictures],
) -> None:
    report, known = result
    data = drawing(lay_out(report, known.__getitem__), "pdf", report.name)
    assert data.startswith(b"%PDF-") and b"/FontFile2" in data  # journals want fonts embedded
    inside = pdf_pictures(data)
    for crop in crops(report, known):
        assert any(is_enlarged(p, crop) or is_enlarged(p[::-1], crop) for p in inside)
    assert b"CreationDate" not in data


def test_the_svg_holds_every_crop_and_texts_as_texts(result: tuple[Report, Pictures]) -> None:
    report, known = result
    data = drawing(lay_out(report, known.__getitem__), "svg", report.name)
    root = ElementTree.fromstring(data)
    links = [value for each in root.iter() for name, value in each.attrib.items() if name.endswith("href")]
    pictures = [link for link in links if link.startswith("data:image/png;base64,")]
    assert all(link.startswith(("data:", "#")) for link in links)  # nothing is fetched
    inside = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(link.partition(",")[2]))).convert("RGB"))
        for link in pictures
    ]
    told = "".join(root.itertext())
    for item in report.items:
        assert item.name in told and f"{item.encoding.bpp:.3f} bpp" in told
    # Rows may be stored from below and turned over by a transform.
    for crop in crops(report, known):
        assert any(is_enlarged(p, crop) or is_enlarged(p[::-1], crop) for p in inside)


@pytest.mark.parametrize("format", ["pdf", "svg"])
def test_the_same_figure_gives_the_same_bytes(result: tuple[Report, Pictures], format: str) -> None:
    report, known = result
    page = lay_out(report, known.__getitem__)
    assert drawing(page, format, "x") == drawing(page, format, "x")


@pytest.mark.parametrize("format", ["pdf", "svg"])
def test_a_matplotlibrc_of_ones_own_changes_nothing(result: tuple[Report, Pictures], format: str) -> None:
    report, known = result
    page = lay_out(report, known.__getitem__)
    plain = drawing(page, format, "x")
    own = {"image.origin": "lower", "savefig.bbox": "tight", "font.weight": "bold", "text.color": "red"}
    with mpl.rc_context(own):
        assert drawing(page, format, "x") == plain
        assert mpl.rcParams["image.origin"] == "lower"  # and it stays theirs


def test_long_names_are_told_whole_in_several_lines(result: tuple[Report, Pictures]) -> None:
    report, known = result
    one = report.items[0]
    long = replace(one, encoding=replace(one.encoding, codec="hflic-mse:lite~100"))
    items = (one, *(replace(long, realism=share) for share in (0.25, 0.75)))
    page = lay_out(replace(report, items=items), known.__getitem__)
    bold = [s for s in page.shapes if isinstance(s, Words) and s.bold and s.text != report.name]
    columns: dict[float, list[str]] = {}
    for shape in bold:
        assert text_width(shape.text, shape.size, bold=True) <= 256
        columns.setdefault(shape.x, []).append(shape.text)
    assert [" ".join(lines) for lines in columns.values()] == ["Original", *(item.name for item in items)]
    rates = {shape.y for shape in page.shapes if isinstance(shape, Words) and shape.text.endswith(" bpp")}
    assert len(rates) == 1 and max(shape.y for shape in bold) < rates.pop()
    assert wrapped("Wwwwwwwwwwwwwwwww", NAME, 60)[0] != ""
    assert "".join(wrapped("Wwwwwwwwwwwwwwwww", NAME, 60)) == "Wwwwwwwwwwwwwwwww"


def test_letters_the_font_lacks_are_left_out_and_an_svg_keeps_them(
    result: tuple[Report, Pictures],
) -> None:
    report, known = result
    name = "\u732b\u306e\u5199\u771f 1.png"
    assert (
        drawable(name) == "\N{HORIZONTAL ELLIPSIS} 1.png" and drawable("\xc4 \u03b2 cat") == "\xc4 \u03b2 cat"
    )
    page = lay_out(replace(report, name=name), known.__getitem__)
    shapes = tuple(replace(s, text=drawable(s.text)) if isinstance(s, Words) else s for s in page.shapes)
    assert png(page) == png(replace(page, shapes=shapes))
    assert drawing(page, "pdf").startswith(b"%PDF-")  # and matplotlib warns of nothing
    assert name in drawing(page, "svg").decode()


def test_without_boxes_the_figure_shows_where_the_results_differ_most(
    result: tuple[Report, Pictures],
) -> None:
    report, known = result
    original, size = known[report.digest], (400, 300)
    plain = Picture(np.full((size[1], size[0], 3), 90, np.uint8))
    spoiled = plain.pixels.copy()
    spoiled[200:230, 300:330] = 0
    other = Picture(spoiled)
    pictures = {plain.digest: plain, other.digest: other, original.digest: original}
    item = replace(report.items[0], digest=other.digest)
    alone = Report("x.png", plain.digest, size, (item,))
    (box,) = boxes_of(alone, pictures.__getitem__)
    assert box.x <= 300 and box.x + box.width >= 330 and box.y <= 200 and box.y + box.height >= 230
    assert lay_out(alone, pictures.__getitem__).shapes


@pytest.mark.parametrize("count", [1, 3, 7, 12])
@pytest.mark.parametrize("boxes", [BOXES[:1], BOXES, BOXES * 3])
def test_any_number_of_results_and_boxes_fits_the_page(
    result: tuple[Report, Pictures], count: int, boxes: tuple[Box, ...]
) -> None:
    report, known = result
    page = lay_out(replace(many(report, count), boxes=boxes), known.__getitem__)
    shown = [shape for shape in page.shapes if isinstance(shape, Shown)]
    for shape in shown:
        assert shape.x >= 0 and shape.x + shape.width <= page.width
        assert shape.y >= 0 and shape.y + shape.height <= page.height
    for shape in page.shapes:
        if isinstance(shape, Words):
            wide = text_width(shape.text, shape.size, bold=shape.bold)
            assert shape.x - wide / 2 * shape.centred >= 0 and shape.y < page.height
            assert shape.x + wide / (1 + shape.centred) <= page.width
    crops_shown = [s for s in shown if s.width > 100][1:]
    assert len(crops_shown) == (count + 1) * len(boxes)
    for at, one in enumerate(crops_shown):
        for other in crops_shown[at + 1 :]:
            assert (
                one.x + one.width <= other.x
                or other.x + other.width <= one.x
                or one.y + one.height <= other.y
                or other.y + other.height <= one.y
            )


@pytest.mark.parametrize("size", [(1200, 60), (60, 1200), (9, 9)])
def test_odd_shapes_fit(size: tuple[int, int]) -> None:
    report, known = made(("jpeg",), size)
    page = lay_out(replace(report, boxes=(Box("", 0, 0, 9, 9),)), known.__getitem__)
    assert 0 < page.width < 2600 and 0 < page.height < 2600
    assert len(png(page)) > 1000


def test_one_box_alone_with_captions(result: tuple[Report, Pictures], tmp_path: Path) -> None:
    report, known = result
    page = lay_out_crop(report, BOXES[0], known.__getitem__)
    assert sum(isinstance(shape, Shown) for shape in page.shapes) == 3
    write_crop(report, BOXES[0], known.__getitem__, tmp_path / "crop.png")
    written_file = Picture.open(tmp_path / "crop.png")
    assert (written_file.width, written_file.height) == (page.width, page.height)


def test_what_cannot_be_drawn_is_said_and_nothing_is_written(
    result: tuple[Report, Pictures], tmp_path: Path
) -> None:
    report, known = result
    target = tmp_path / "sheet.png"
    target.write_bytes(b"what was there before")
    cases: list[tuple[Callable[[], None], type[Exception], str]] = [
        (
            lambda: write_figure(replace(report, items=()), known.__getitem__, target),
            OutputError,
            "no result",
        ),
        (
            lambda: write_figure(
                replace(report, boxes=(Box("far", 500, 0, 9, 9),)), known.__getitem__, target
            ),
            PictureError,
            "far lies outside",
        ),
        (lambda: write_figure(report, known.__getitem__, tmp_path / "sheet.bmp"), OutputError, ".pdf"),
        (
            lambda: write_figure(report, known.__getitem__, tmp_path / "no" / "x.pdf"),
            OutputError,
            "create it",
        ),
    ]
    for call, kind, text in cases:
        with pytest.raises(kind, match=re.escape(text)):
            call()
    assert target.read_bytes() == b"what was there before"
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_boxes_are_read_as_people_write_them() -> None:
    assert parse_box("eye=1, 2,30,40") == Box("eye", 1, 2, 30, 40)
    assert parse_box("1,2,30,40").name == ""
    assert parse_box(BOXES[1].text) == replace(BOXES[1], name="")
    assert Box("b", 110, -5, 40, 40).within(120, 90) == Box("b", 110, 0, 10, 35)
    for wrong in ("", "1,2,3", "a,b,c,d", "1,2,0,4", "1,2,3,-4"):
        with pytest.raises(PictureError, match="is no box"):
            parse_box(wrong)
