"""How do a picture's results become one HTML file that shows them anywhere, without a network?"""

from __future__ import annotations

import base64
import html
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from app import text
from app.figure import COLOURS
from app.report import METRICS, Item, Pixels, Report, known_metrics, written
from app.versions import program_version
from models.assets import asset_folder
from models.codec import TARGET_TOLERANCE, Watch
from models.files import write_file
from models.metrics import TABLE
from models.picture import Picture
from models.watch import QUIET

SUFFIXES = (".html", ".htm")
BEST = "\N{BLACK UP-POINTING SMALL TRIANGLE}"
_WEBP_LARGEST = 16383  # pixels a side
_QUICK_ABOVE = 4_000_000  # pixels: squeezing larger pictures takes longer than it is worth


def write_page(report: Report, pixels: Pixels, path: Path, watch: Watch = QUIET) -> None:
    """Write the page. Raises OutputError for an unwritable place or a report without results, Cancelled."""
    write_file(path, make_page(report, pixels, watch).encode())


def make_page(report: Report, pixels: Pixels, watch: Watch = QUIET) -> str:
    """The whole document: pictures, files, numbers, style and script are in it, and nothing is fetched.

    Raises OutputError for a report without results, Cancelled.
    """
    report.checked()
    folder = asset_folder() / "page"
    parts = {name: (folder / name).read_text(encoding="utf-8") for name in _PARTS}
    filling = {
        "TITLE": html.escape(report.name),
        "SUBTITLE": html.escape(_subtitle(report)),
        "STYLE": parts["page.css"].replace("@MARK@", BEST),
        "MARK": BEST,
        "TABLE": _table(report),
        "MADE_BY": html.escape(f"HFLIC {program_version()}"),
        "SCRIPT": parts["view.js"] + parts["page.js"],
        "DATA": _embedded(_data(report, pixels, watch)),
    }
    pieces = parts["page.html"].split("@")
    # The template's odd pieces are names: filled in one pass, so that no file name is taken for another.
    return "".join(filling[piece] if at % 2 else piece for at, piece in enumerate(pieces))


_PARTS = ("page.html", "page.css", "view.js", "page.js")


def _subtitle(report: Report) -> str:
    size = f"{report.size[0]} \N{MULTIPLICATION SIGN} {report.size[1]} pixels"
    return text.DOT.join([size, text.counted(len(report.items), "result")])


def _data(report: Report, pixels: Pixels, watch: Watch) -> dict[str, Any]:
    """What the script needs; picture 0 is the original."""
    total = len(report.items) + 1
    pictures = [{"id": 0, "name": "Original", "line": _subtitle(report).split(text.DOT, maxsplit=1)[0]}]
    for at, item in enumerate(report.items, start=1):
        pictures.append({"id": at, "name": item.name, "line": _line(item)})
    for at, digest in enumerate([report.digest, *(item.digest for item in report.items)]):
        watch.step("embedding the pictures", at / total)
        pictures[at]["source"] = source_of(pixels(digest))
    boxes = [
        {"name": box.name or f"Place {at + 1}", "x": box.x, "y": box.y, "width": box.width,
         "height": box.height, "colour": COLOURS[at % len(COLOURS)]}
        for at, box in enumerate(report.boxes)
    ]  # fmt: skip
    width, height = report.size
    begin = [1, min(2, len(report.items))] if len(report.items) > 1 else [0, 1]
    return {
        "name": report.name, "width": width, "height": height, "pictures": pictures, "boxes": boxes,
        "begin": begin,
    }  # fmt: skip


def _line(item: Item) -> str:
    parts = [f"{text.bpp(item.encoding.bpp)} bpp", text.size(item.encoding.bytes)]
    psnr = item.metric("psnr")
    if psnr is not None:
        parts.append("lossless" if math.isinf(psnr) else f"{psnr:.2f} dB")
    return text.DOT.join(parts)


def source_of(picture: Picture) -> str:
    """A picture as a data address, without loss: WebP, or PNG where it is too large for that."""
    buffer = io.BytesIO()
    image = Image.fromarray(picture.pixels)
    if max(image.size) > _WEBP_LARGEST:
        image.save(buffer, "PNG", compress_level=6)
        return address("image/png", buffer.getvalue())
    effort = 1 if picture.width * picture.height > _QUICK_ABOVE else 4
    image.save(buffer, "WEBP", lossless=True, quality=25 * effort, method=effort)
    return address("image/webp", buffer.getvalue())


def address(kind: str, data: bytes) -> str:
    """Bytes as a data address."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _embedded(value: Any) -> str:
    """JSON that no part of can end the element it stands in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


@dataclass(frozen=True)
class _Column:
    """A column of the table; better: +1 where more is better, -1 where less is."""

    heading: str
    tip: str
    better: int
    values: tuple[float | None, ...]
    texts: tuple[str, ...]

    def best(self) -> set[int]:
        """The rows of the best value; none where all are written alike or there is but one."""
        known = [v for v in self.values if v is not None and not math.isnan(v)]
        if len(known) < 2 or len({t for v, t in zip(self.values, self.texts, strict=True) if v in known}) < 2:
            return set()
        most = max(known) if self.better > 0 else min(known)
        winning = {t for v, t in zip(self.values, self.texts, strict=True) if v == most}
        return {row for row, shown in enumerate(self.texts) if shown in winning}


def _columns(report: Report) -> list[_Column]:
    items = report.items
    made = [item.encoding for item in items]
    sizes = [float(e.bytes) for e in made]
    # Driven to the same size: what is left is chance, and no merit.
    same = max(sizes) - min(sizes) <= TARGET_TOLERANCE * max(sizes)
    columns = [
        _column("Bytes", "The whole file", sizes, [f"{e.bytes:,}" for e in made], 0 if same else -1),
        _column("bpp", "8 x bytes / pixels", [e.bpp for e in made], [f"{e.bpp:.3f}" for e in made],
                0 if same else -1),
    ]  # fmt: skip
    for name in known_metrics(report):
        metric = TABLE[name]
        way = 1 if metric.higher_is_better else -1
        values = [item.metric(name) for item in items]
        tip = f"{'higher' if way > 0 else 'lower'} is better"
        heading = f"{metric.label} {metric.unit}".strip()
        columns.append(_column(heading, tip, values, [written(name, v) for v in values], way))
    for heading, seconds in (("Encode", [e.encode_s for e in made]), ("Decode", [i.decode_s for i in items])):
        shown = [text.seconds(value) for value in seconds]
        columns.append(_column(heading, "on the machine that made this page", seconds, shown, -1))
    return columns


def _column(
    heading: str, tip: str, values: Sequence[float | None], texts: Sequence[str], better: int
) -> _Column:
    return _Column(heading, tip, better, tuple(values), tuple(texts))


def _table(report: Report) -> str:
    """Head and body of the table of numbers; the first row is the original."""
    columns = _columns(report)
    head = "".join(
        f'<th scope="col" title="{html.escape(column.tip)}">{html.escape(column.heading)}</th>'
        for column in columns
    )
    best = [column.best() if column.better else set() for column in columns]
    lines = [
        f'<thead><tr><th class="pick" scope="col">A</th><th class="pick" scope="col">B</th>'
        f'<th class="name" scope="col">Codec</th>{head}<th scope="col">File</th></tr></thead>',
        "<tbody>",
        f'<tr data-id="0">{_picks(0, "Original")}<th class="name" scope="row">Original</th>'
        f"{'<td></td>' * (len(columns) + 1)}</tr>",
    ]
    for row, item in enumerate(report.items):
        cells = "".join(
            f'<td class="best">{html.escape(column.texts[row])}</td>'
            if row in marked
            else f"<td>{html.escape(column.texts[row])}</td>"
            for column, marked in zip(columns, best, strict=True)
        )
        name = f"{item.stem}{item.suffix}"
        source = address("application/octet-stream", item.encoding.data)
        link = f'<a download="{html.escape(name)}" href="{source}">{html.escape(item.suffix)}</a>'
        lines.append(
            f'<tr data-id="{row + 1}">{_picks(row + 1, item.name)}<th class="name" scope="row">'
            f"{html.escape(item.name)}</th>{cells}<td>{link}</td></tr>"
        )
    return "\n".join([*lines, "</tbody>"])


def _picks(id: int, name: str) -> str:
    """The two choices of a row: whether A and whether B shows it."""
    return "".join(
        f'<td class="pick"><input type="radio" name="{side}" value="{id}" '
        f'aria-label="{side.upper()} shows {html.escape(name)}"></td>'
        for side in ("a", "b")
    )


__all__ = ["METRICS", "SUFFIXES", "address", "make_page", "source_of", "write_page"]
