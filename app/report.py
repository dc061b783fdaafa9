"""What is shown of one picture to others? The results to tell of, their files, numbers and boxes. No Qt.

A report travels to the process that writes it, so it holds no pixels, only the hashes they are found by.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.state import decoded_name
from models.codec import Encoding, Rate, entry
from models.errors import OutputError, PictureError
from models.metrics import TABLE
from models.picture import Picture

METRICS = ("psnr", "ms_ssim", "lpips")  # those of a caption, in the order papers give them
SHORT = 8  # digits of a fingerprint that are told beside a result
OWN_SIDE = 128  # pixels a side of the box that is taken where nobody made one

Pixels = Callable[[str], Picture]  # a picture by its hash


@dataclass(frozen=True)
class Box:
    """A named rectangle in whole picture pixels: left, top and size."""

    name: str
    x: int
    y: int
    width: int
    height: int

    def within(self, width: int, height: int) -> Box:
        """Its part inside a picture of this size. Raises PictureError where nothing is left of it."""
        left, top = max(self.x, 0), max(self.y, 0)
        right, bottom = min(self.x + self.width, width), min(self.y + self.height, height)
        if right <= left or bottom <= top:
            raise PictureError(f"the box {self.name or self.text} lies outside the picture: move it back")
        return Box(self.name, left, top, right - left, bottom - top)

    @property
    def text(self) -> str:
        """As the command line takes it: "x,y,width,height"."""
        return f"{self.x},{self.y},{self.width},{self.height}"


@dataclass(frozen=True)
class Item:
    """One result: its file, the hash of its pixels and what was measured; None is "not measured".

    rate: what was asked for, None where the file was opened and not made here; decode_s: seconds;
    number: tells results apart that would be called alike; realism: what the file was decoded with;
    decoder: the fingerprint of the realistic decoder that was used, "" where none was.
    """

    encoding: Encoding
    digest: str
    decode_s: float
    metrics: tuple[tuple[str, float | None], ...] = ()
    rate: Rate | None = None
    number: int = 1
    realism: float = 0.0
    decoder: str = ""

    @property
    def name(self) -> str:
        """The codec's name for people, and the realism where it is not 0."""
        return decoded_name(self.encoding.codec, self.realism)

    @property
    def stem(self) -> str:
        """What its files are called, without suffix: "hflic-mse-lite-0.251bpp-realism1"."""
        how = f"-realism{self.realism:g}" if self.realism else ""
        again = f"-{self.number}" if self.number > 1 else ""
        return f"{self.encoding.codec.replace(':', '-')}-{self.encoding.bpp:.3f}bpp{how}{again}"

    @property
    def suffix(self) -> str:
        """The suffix of its file."""
        return entry(self.encoding.codec).suffix

    def metric(self, name: str) -> float | None:
        """A metric's value, None where it is not known."""
        return dict(self.metrics).get(name)

    def as_json(self) -> dict[str, Any]:
        """The keys every command gives for a compressed picture, and the metrics."""
        made = self.encoding
        return {
            "codec": made.codec,
            "weights": made.weights,
            "quality": made.quality,
            "width": made.width,
            "height": made.height,
            "bytes": made.bytes,
            "bpp": made.bpp,
            "encode_s": made.encode_s,
            "decode_s": self.decode_s,
            "latents_crc": made.latents_crc,
            "note": made.note,
            **({"realism": self.realism, "decoder": self.decoder[:SHORT] or None} if self.realism else {}),
            **dict(self.metrics),
        }


@dataclass(frozen=True)
class Report:
    """The original's name and hash, the results to tell of, and the boxes to look at.

    name: the file's name without folder; size: width and height in pixels; notices: what reading changed.
    """

    name: str
    digest: str
    size: tuple[int, int]
    items: tuple[Item, ...]
    boxes: tuple[Box, ...] = ()
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # A name of bytes that are no UTF-8 can be opened, but not be written into any file.
        object.__setattr__(self, "name", writable(self.name))
        object.__setattr__(self, "boxes", tuple(replace(b, name=writable(b.name)) for b in self.boxes))
        object.__setattr__(self, "notices", tuple(map(writable, self.notices)))

    @property
    def stem(self) -> str:
        """The name without its suffix, safe as a part of file names."""
        bare = self.name.rpartition(".")[0] or self.name
        return re.sub(r"[^\w.+-]+", "-", bare).strip("-.") or "picture"

    def checked(self) -> Report:
        """Itself. Raises OutputError without results: there would be nothing to compare."""
        if not self.items:
            raise OutputError("there is no result to show yet: wait until a codec has compressed the picture")
        return self


def distinct(report: Report) -> Report:
    """Results that would be called alike keep their own files: the later ones get a number."""
    taken: dict[str, int] = {}
    items = []
    for item in report.items:
        stem = replace(item, number=1).stem
        count = taken[stem] = taken.get(stem, 0) + 1
        items.append(replace(item, number=count))
    return replace(report, items=tuple(items))


def writable(words: str) -> str:
    """The words with a question mark in a diamond for each byte that is no UTF-8, and on one line."""
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", re.sub(r"[\x00-\x1f\x7f]+", " ", words))


def boxes_of(report: Report, pixels: Pixels) -> tuple[Box, ...]:
    """The boxes cut to the picture; without any, the place where the results differ most from the original.

    Raises PictureError for a box that lies outside.
    """
    if report.boxes:
        return tuple(box.within(*report.size) for box in report.boxes)
    from app.sheet import telling_region

    results = [pixels(item.digest) for item in report.items]
    found = telling_region(pixels(report.digest), results, OWN_SIDE)
    return (Box("", found.left, found.top, found.width, found.height),)


def known_metrics(report: Report) -> tuple[str, ...]:
    """The metrics of a caption that at least one result has."""
    return tuple(name for name in METRICS if any(item.metric(name) is not None for item in report.items))


def caption(item: Item, names: Sequence[str] = METRICS) -> str:
    """The numbers as papers print them: "28.41 / 0.9312 / 0.121"; a dash for what is not known."""
    return " / ".join(written(name, item.metric(name)) for name in names)


def caption_key(names: Sequence[str] = METRICS) -> str:
    """What the numbers of a caption are, with the better direction."""
    up, down = "\N{UPWARDS ARROW}", "\N{DOWNWARDS ARROW}"
    return " / ".join(f"{TABLE[n].label} {up if TABLE[n].higher_is_better else down}" for n in names)


def written(name: str, value: float | None) -> str:
    """A metric's value with the digits papers give it."""
    if value is None or math.isnan(value):
        return "\N{EN DASH}"
    if math.isinf(value):
        return "lossless"
    return f"{value:.2f}" if TABLE[name].unit == "dB" else f"{value:.4f}"


def parse_box(text: str) -> Box:
    """A box as the command line gives it: "x,y,width,height" or "name=x,y,width,height".

    Raises PictureError that says how it should look.
    """
    name, _, numbers = text.rpartition("=")
    found = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*", numbers)
    if found is None or not int(found[3]) or not int(found[4]):
        raise PictureError(f"'{text}' is no box: write x,y,width,height in pixels, as in eye=120,80,96,96")
    return Box(name.strip(), *(int(number) for number in found.groups()))
