"""What is spoilt, and how is each case judged? In 2 s and 1 GB it ends in a line for people or a picture."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from models import reading, weights
from models.bitstream.container import parse
from models.codec import Rate
from models.errors import BitstreamError, PictureError
from models.learned import LearnedCodec
from models.memory import forget_peak, peak_mib
from models.picture import Picture
from tests.fuzz import mutations, sizes
from tests.untrained import photo, untrained

SECONDS = 2.0  # of processor time
BYTES = 1 << 30
_SIZES = ((64, 48), (1, 1), (130, 70))
_SIDE = (61, 47)  # of the pictures; odd, so that a header's numbers are found


class BrokenError(Exception):
    """A case that did not end as it should."""


@dataclass(frozen=True)
class Result:
    """How a case ended: "refused" or "read", and what it took."""

    ended: str
    seconds: float
    kind: str


def peak() -> float:
    """The most memory this process ever held, in bytes."""
    return peak_mib() * 2**20


class Limits:
    """Runs cases one after the other and looks at the clock and the memory."""

    def __init__(self) -> None:
        forget_peak()
        self._before = peak()

    def judge(self, kind: str, work: Callable[[], str]) -> Result:
        """Raises BrokenError with what went wrong."""
        begin = time.process_time()
        try:
            ended = work()
        except BrokenError:
            raise
        except BaseException as error:
            raise BrokenError(f"{kind}: {type(error).__name__}: {error}") from error
        seconds = time.process_time() - begin
        if seconds > SECONDS:
            raise BrokenError(f"{kind}: {seconds:.1f} s")
        if peak() - self._before > BYTES:
            raise BrokenError(f"{kind}: {(peak() - self._before) / 1e6:.0f} MB")
        return Result(ended, seconds, kind)


class HflicCases:
    """Spoilt .hflic files of every kind of network, and of all weights that are shipped."""

    name = "hflic"

    def __init__(self, folder: Path, shipped: bool) -> None:
        names = ("elic-5-lite", "hific-lite")
        self._codecs = [untrained(name, folder / f"{name}.safetensors") for name in names]
        if shipped:
            for path in sorted((weights.asset_folder() / "weights").glob(f"*-lite{weights.SUFFIX}")):
                self._codecs.append(LearnedCodec(weights.read_header(path)))
        self._files = [
            (codec, codec.encode(photo(*size), Rate(quality=quality)).data)
            for codec in self._codecs
            for size in _SIZES
            for quality in (10, 80)
        ]
        self._limits = Limits()

    def run(self, seed: int) -> Result:
        """One case. Raises BrokenError."""
        random = np.random.default_rng((1, seed))
        codec, data = self._files[random.integers(len(self._files))]
        kind = ("blind", "sealed", "forged", "forged", "complete")[random.integers(5)]
        if kind == "complete":
            return self._limits.judge(kind, lambda: self._complete(codec, data, random))
        spoil = {"blind": mutations.blind, "sealed": mutations.sealed_bytes, "forged": mutations.forged}[kind]
        spoilt = spoil(data, random)
        return self._limits.judge(kind, lambda: self._decode(codec, data, spoilt))

    def _decode(self, codec: LearnedCodec, data: bytes, spoilt: bytes) -> str:
        try:
            picture = codec.decode(spoilt)
        except BitstreamError as error:
            if "\n" in str(error) or len(str(error)) > 300:
                raise BrokenError(f"not one line: {error}") from error
            return "refused"
        was, now = parse(data), parse(spoilt)
        if (picture.width, picture.height) != (now.width, now.height):
            raise BrokenError("another size than the file says")
        if now.latents_crc != was.latents_crc:
            raise BrokenError("a picture of other latents")
        return "read"

    def _complete(self, codec: LearnedCodec, data: bytes, random: np.random.Generator) -> str:
        """A forger who computes every checksum: what he made is a valid file, and any picture."""
        file = parse(data)
        file = replace(file, payload=mutations.spoilt_payload(file, random))
        try:
            _, crc = codec.entropy.decode(file.payload, -(-file.height // 16), -(-file.width // 16))
        except BitstreamError:
            return "refused"
        picture = codec.decode(replace(file, latents_crc=crc).to_bytes())
        return "read" if (picture.width, picture.height) == (file.width, file.height) else "wrong"


class PictureCases:
    """Spoilt pictures of the usual formats."""

    name = "pictures"

    def __init__(self, folder: Path, shipped: bool) -> None:
        self._path = folder / "spoilt.bin"
        self._files = pictures()
        self._limits = Limits()

    def run(self, seed: int) -> Result:
        """One case. Raises BrokenError."""
        random = np.random.default_rng((2, seed))
        name, data = self._files[random.integers(len(self._files))]
        kind = int(random.integers(5))
        if kind == 0:
            spoilt = mutations.resized(data, *_SIDE, random)
        elif kind == 1:
            spoilt = sizes.claimed(name, data, mutations.side(random), mutations.side(random))
        elif kind == 2:  # deep in: the first bytes stay
            head = int(random.integers(8, 80))
            spoilt = data[:head] + mutations.blind(data[head:], random)
        else:
            spoilt = mutations.blind(data, random)
        if name == "png" and kind != 3:
            spoilt = mutations.png_with_right_checksums(spoilt)
        self._path.write_bytes(spoilt)
        return self._limits.judge(name, self._open)

    def _open(self) -> str:
        try:
            picture = Picture.open(self._path)
        except PictureError as error:
            if "\n" in str(error) or len(str(error)) > 400:
                raise BrokenError(f"not one line: {error}") from error
            return "refused"
        return "read" if picture.pixels.size else "wrong"


def pictures() -> list[tuple[str, bytes]]:
    """Valid files to spoil: the name of the format, and the bytes."""
    colour = Image.fromarray(photo(*_SIDE).pixels)
    other = Image.fromarray(photo(*_SIDE, seed=1).pixels)
    alpha = colour.convert("RGBA")
    alpha.putalpha(other.convert("L"))
    deep = Image.fromarray(np.asarray(colour.convert("L")).astype(np.uint16) * 257)
    more = {"save_all": True, "append_images": [other]}
    exif = Image.Exif()
    exif[0x0112] = 6
    wanted: list[tuple[str, Image.Image, dict[str, object]]] = [
        ("png", colour, {"exif": exif}),
        ("png", alpha, {}),
        ("png", deep, {}),
        ("png", colour.quantize(16), {}),
        ("png", colour.convert("1"), {}),
        ("jpeg", colour, {"quality": 80, "exif": exif}),
        ("jpeg", colour, {"quality": 70, "progressive": True}),
        ("jpeg", colour.convert("CMYK"), {}),
        ("jpeg", colour.convert("L"), {}),
        ("webp", colour, {"quality": 60}),
        ("webp", alpha, {"lossless": True}),
        ("webp", colour, {**more, "exif": exif}),
        ("avif", colour, {"quality": 50, "speed": 8}),
        ("avif", alpha, {"quality": 50, "speed": 8}),
        ("tiff", colour, {"exif": exif}),
        ("tiff", colour, {"compression": "tiff_lzw", **more}),
        ("tiff", colour, {"compression": "tiff_adobe_deflate"}),
        ("tiff", colour, {"compression": "jpeg"}),
        ("tiff", deep, {}),
        ("tiff", colour.convert("1"), {"compression": "group4"}),
        ("gif", colour, more),
        ("gif", colour.quantize(4), {"transparency": 1}),
        ("jpeg2000", colour, {"quality_layers": [20]}),
        ("bmp", colour, {}),
        ("bmp", colour.quantize(16), {}),
        ("ppm", colour, {}),
        ("tga", colour, {"compression": "tga_rle"}),
        ("pcx", colour, {}),
        ("sgi", colour, {}),
        ("ico", colour, {}),
        ("dds", alpha, {}),
        ("qoi", colour, {}),
    ]
    absent = reading.register_plugins()
    wanted += [(f.lower(), colour, {"quality": 60}) for f in ("JXL", "HEIF") if f not in absent]
    made = []
    for format, image, settings in wanted:
        buffer = io.BytesIO()
        image.save(buffer, format=format.upper(), **settings)
        made.append((format, buffer.getvalue()))
    return made
