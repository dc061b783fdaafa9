"""How do values of any depth become eight bits, and what is said about it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin

from models.headers import Told

_STRIP = 1 << 20  # pixels looked at together


@dataclass(frozen=True)
class Depth:
    """bits a channel; white: the greatest value of grey in more than eight bits; inverted: 0 is white."""

    bits: int = 8
    white: int = 65535
    inverted: bool = False

    @property
    def note(self) -> str:
        """What is said of a depth that Pillow's readers or this module reduce, "" for none."""
        return f"{self.bits} bits a channel were reduced to 8." if self.bits > 8 else ""


def depth_of(image: Image.Image, told: Told) -> Depth:
    """Of an opened picture; to be asked before it is loaded, which forgets it."""
    tiles: list[Any] = list(getattr(image, "tile", None) or [])
    coder, raw = (str(tiles[0][0]), str(tiles[0][3])) if tiles else ("", "")
    bits = told.depth or int(image.info.get("bit_depth", 8))
    if coder.startswith("ppm") and isinstance(tiles[0][3], tuple):  # a bitmap in letters has none
        bits = int(tiles[0][3][1]).bit_length()
    elif ";16" in raw and "BGR;16" not in raw:  # which is five or six bits
        bits = 16
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    if image.mode.startswith("I;16"):
        twelve = tags.get(TiffImagePlugin.BITSPERSAMPLE) == (12,)
        bits = max(bits, 12 if twelve else 16)
        # Pillow turns white and black for the depths up to eight alone.
        return Depth(bits, 4095 if twelve else 65535, _white_is_zero(tags))
    if image.mode in {"I", "F"}:
        return Depth(bits if bits > 8 else 32, inverted=_white_is_zero(tags))
    return Depth(bits)


def _white_is_zero(tags: Any) -> bool:
    return bool(tags) and tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0


def mend_transparency(image: Image.Image) -> None:
    """Where Pillow widens or narrows a PNG's values, do so with the one that stands for transparency."""
    hidden = image.info.get("transparency")
    tiles: list[Any] = list(getattr(image, "tile", None) or [])
    raw = str(tiles[0][3]) if tiles and image.format == "PNG" else ""
    if raw == "RGB;16B" and isinstance(hidden, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in hidden)
    elif raw in {"L;2", "L;4"} and isinstance(hidden, int):
        most = 3 if raw == "L;2" else 15
        image.info["transparency"] = (hidden & most) * (255 // most)


def eight_bits(image: Image.Image, depth: Depth) -> tuple[Image.Image, list[str]]:
    """Greyscale of 16 bits, 32 bits or floats to mode L; other modes as they are."""
    if not image.mode.startswith(("I", "F")):
        return image, []
    grey, note = _grey(image, depth)
    if depth.inverted:
        grey = ImageOps.invert(grey)
    hidden = image.info.get("transparency")
    if image.mode.startswith("I;16") and isinstance(hidden, int):
        grey = Image.merge("LA", (grey, _all_but(image, hidden)))
    return grey, [note]


def _grey(image: Image.Image, depth: Depth) -> tuple[Image.Image, str]:
    if image.mode.startswith("I;16"):
        return _scaled(image, 0, depth.white), depth.note
    low, high = _extremes(image)
    usual = 65535.0 if image.mode == "I" else 1.0
    if low >= 0 and high <= usual:
        return _scaled(image, 0, usual), depth.note
    ends = (high, low) if depth.inverted else (low, high)
    return _scaled(image, low, high), f"{depth.note[:-1]}: {ends[0]:g} became black and {ends[1]:g} white."


def _strips(image: Image.Image) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Rows of a picture and their values, few at a time: Pillow copies twice what it hands out."""
    rows = max(_STRIP // max(image.width, 1), 1)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        yield slice(top, bottom), np.asarray(image.crop((0, top, image.width, bottom)))


def pixels_of(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W, 3) of a picture in mode RGB."""
    pixels: NDArray[np.uint8] = np.empty((image.height, image.width, 3), np.uint8)
    for rows, values in _strips(image):
        pixels[rows] = values
    return pixels


def _extremes(image: Image.Image) -> tuple[float, float]:
    """The least and the greatest finite value, 0 where there is none."""
    ends = []
    for _, values in _strips(image):
        finite = values[np.isfinite(values)]
        if len(finite):
            ends += [float(finite.min()), float(finite.max())]
    return min(ends, default=0.0), max(ends, default=0.0)


def _scaled(image: Image.Image, low: float, high: float) -> Image.Image:
    """Mode L: `low` becomes 0 and `high` 255; what is no finite number becomes 0."""
    span = max(high - low, 1e-12)
    levels: NDArray[np.uint8] = np.empty((image.height, image.width), np.uint8)
    for rows, values in _strips(image):
        here = np.nan_to_num(values.astype(np.float64), nan=low, posinf=low, neginf=low)
        levels[rows] = np.rint((here - low) * (255 / span)).clip(0, 255)
    return Image.fromarray(levels)


def _all_but(image: Image.Image, hidden: int) -> Image.Image:
    """Mode L: 0 where the value is the one that stands for transparency, else 255."""
    alpha: NDArray[np.uint8] = np.empty((image.height, image.width), np.uint8)
    for rows, values in _strips(image):
        alpha[rows] = np.where(values == hidden, 0, 255)
    return Image.fromarray(alpha)
