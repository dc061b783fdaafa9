"""How do JPEG, WebP, AVIF, JPEG XL, HEIC and JPEG 2000 serve as codecs, at settings worth comparing with?"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from PIL import Image, features

from models import jpeg
from models.codec import QUIET, Encoding, Rate, Watch, entry, reach, timed
from models.errors import BitstreamError, CodecError, PictureError
from models.footprint import PROGRAM
from models.memory import refusal
from models.picture import Picture
from models.reading import read_bytes, register_plugins

# Where 4:4:4 begins to beat 4:2:0 at equal size (PSNR and MS-SSIM on six photographs of the validation
# set): about 0.9 bpp for JPEG, where 4:4:4 at 50 is as large as 4:2:0 at 64; 0.5 to 0.8 bpp for HEIC,
# where both are as large at 50. AVIF's 4:4:4 is better from 0.25 bpp on and not worse below.
JPEG_FULL_CHROMA_FROM = 50.0
JPEG_SUBSAMPLED_QUALITY = 64.0
HEIC_FULL_CHROMA_FROM = 50.0
JXL_HIGHEST = 99.99  # the plug-in takes 100 as a request for another mode
X265_IP_RATIO = 1.4  # x265's default


def _jpeg(quality: float) -> dict[str, Any]:
    full = quality >= JPEG_FULL_CHROMA_FROM
    own = quality if full else quality * JPEG_SUBSAMPLED_QUALITY / JPEG_FULL_CHROMA_FROM
    return {
        "qtables": jpeg_tables(own),
        "subsampling": "4:4:4" if full else "4:2:0",
        "progressive": True,
        "optimize": True,
    }


def _heic(quality: float) -> dict[str, Any]:
    """CRF for the quality; libheif takes whole steps of it, 7% of the size each.

    The fraction goes into x265's I-frame ratio: a factor 2^(1/6) there is one CRF step (measured).
    """
    crf, beyond = divmod((100 - quality) / 2, 1)
    parameters = {"preset": "slow", "x265:ipratio": f"{X265_IP_RATIO * 2 ** (-beyond / 6):.5f}"}
    return {
        "quality": 100 - 2 * int(crf),
        "chroma": 444 if quality >= HEIC_FULL_CHROMA_FROM else 420,
        "enc_params": parameters,
    }


def _jpeg2000(quality: float) -> dict[str, Any]:
    return {
        "quality_mode": "dB",
        "quality_layers": [18 + 0.34 * quality],
        "irreversible": True,
        "mct": 1,
        "no_jp2": True,
        "comment": "-",  # the library's own advertises it in 33 bytes
    }


@dataclass(frozen=True)
class Format:
    """pillow: the format's name there; side: the longest side it holds, pixels; step: the smallest
    step of quality that makes a difference; held: bytes a pixel that encoding takes at most, beside the
    picture, measured at 1.5 and 6 megapixels; settings: quality 0..100 to Pillow's save arguments;
    used: the quality that is really worked with.
    """

    pillow: str
    side: int
    step: float
    held: int
    settings: Callable[[float], dict[str, Any]]
    info: Mapping[str, str]
    used: Callable[[float], float] = float


FORMATS: Mapping[str, Format] = {
    "jpeg": Format(
        "JPEG",
        side=65500,
        step=0.25,
        held=14,
        settings=_jpeg,
        info={
            "encoder": "libjpeg-turbo, progressive, optimised Huffman tables",
            "chroma": "4:2:0 below quality 50, 4:4:4 from there: better at equal size from 0.9 bpp on",
            "quality": "libjpeg's own from 50, 1.28 times it below; fractions scale its tables",
        },
    ),
    "webp": Format(
        "WEBP",
        side=16383,
        step=0.1,
        held=15,
        settings=lambda quality: {"quality": quality, "method": 6},
        info={"encoder": "libwebp, method 6", "chroma": "4:2:0, the format has no other"},
    ),
    "avif": Format(
        "AVIF",
        side=65536,
        step=1,
        held=62,
        settings=lambda quality: {"quality": round(quality), "speed": 4, "subsampling": "4:4:4"},
        info={
            "encoder": "libaom through libavif, speed 4, its tuning for still pictures",
            "chroma": "4:4:4: 0.3 dB better at 0.25 bpp and 0.6 dB at 0.75 bpp than 4:2:0",
            "quality": "whole numbers, 64 different steps",
        },
        used=lambda quality: float(round(quality)),
    ),
    "jxl": Format(
        "JXL",
        side=1 << 30,
        step=0.05,
        held=48,
        settings=lambda quality: {"quality": min(quality, JXL_HIGHEST), "effort": 7, "use_container": False},
        info={
            "encoder": "libjxl, VarDCT, effort 7",
            "chroma": "4:4:4 in XYB",
            "quality": "distance 0.1 + 0.09 (100 - quality) from 30 on, up to 25 below",
        },
    ),
    "heic": Format(
        "HEIF",
        side=65535,
        step=0.1,
        held=50,
        settings=_heic,
        info={
            "encoder": "x265 through libheif, preset slow, tuned for SSIM",
            "chroma": "4:2:0 below quality 50, 4:4:4 from there: +0.6 dB at 0.75 bpp, -0.2 dB at 0.25 bpp",
            "quality": "CRF is (100 - quality) / 2, in fractions",
        },
    ),
    "jpeg2000": Format(
        "JPEG2000",
        side=65535,
        step=0.1,
        held=42,
        settings=_jpeg2000,
        info={
            "encoder": "OpenJPEG, irreversible 9/7 wavelet, one layer, codestream without boxes",
            "chroma": "4:4:4 in YCbCr",
            "quality": "a PSNR of 18 + 0.34 quality dB is aimed at",
        },
    ),
}


# Codecs inside Pillow and what it calls their library.
_BUILT_IN = {"jpeg": "jpg", "webp": "webp", "avif": "avif", "jpeg2000": "jpg_2000"}


def create(id: str) -> ClassicalCodec:
    """The codec of an id in FORMATS. Raises CodecError for any other."""
    if id not in FORMATS:
        raise CodecError(f"there is no classical codec '{id}': choose one of {', '.join(FORMATS)}")
    return ClassicalCodec(id)


def missing(id: str) -> str:
    """Why the codec cannot be used here and what to do, "" where it can."""
    if id not in FORMATS:
        return f"there is no classical codec '{id}': choose one of {', '.join(FORMATS)}"
    if id in _BUILT_IN:
        present = features.check(_BUILT_IN[id])
        return "" if present else f"this Pillow was built without {id.upper()}: install Pillow's own wheel"
    if absent := register_plugins().get(FORMATS[id].pillow):
        return absent
    present = FORMATS[id].pillow in Image.SAVE
    return "" if present else f"the {id.upper()} plug-in of Pillow has no encoder: install its own wheel"


class ClassicalCodec:
    """One of FORMATS as a models.codec.Codec. All work happens in memory; files carry no metadata."""

    weights: str | None = None

    def __init__(self, id: str) -> None:
        self.id = id
        self.suffix = entry(id).suffix
        self._format = FORMATS[id]

    def encode(self, picture: Picture, rate: Rate, watch: Watch = QUIET) -> Encoding:
        """Raises CodecError for a picture too large for format or memory, Cancelled between two tries."""
        side = max(picture.width, picture.height)
        if side > self._format.side:
            raise CodecError(
                f"{entry(self.id).name} holds at most {self._format.side} pixels a side, not {side}: "
                "scale the picture down or use another codec"
            )
        if reason := refusal(self.memory, picture.width, picture.height):
            raise CodecError(f"{entry(self.id).name}: {reason}")
        register_plugins()
        watch.step("encoding", 0.0)
        encoding = timed(lambda: self._encode(picture, rate, watch))
        watch.step("encoding", 1.0)
        return encoding

    def _encode(self, picture: Picture, rate: Rate, watch: Watch) -> Encoding:
        image = Image.fromarray(picture.pixels)

        def at(quality: float) -> bytes:
            settings = {"format": self._format.pillow, **self._format.settings(quality)}
            try:
                if self.id != "jpeg":
                    return _saved(image, settings)
                with jpeg.room(picture.width, picture.height):
                    return _saved_through_pipe(image, settings)
            except (OSError, ValueError, RuntimeError, MemoryError) as error:
                size = f"{picture.width}x{picture.height}"
                raise CodecError(f"{entry(self.id).name} cannot take this {size} picture: {error}") from error

        target = rate.target(picture)
        if target is None:
            assert rate.quality is not None
            quality, data, note = float(rate.quality), at(float(rate.quality)), ""
        else:
            quality, data, note = reach(at, target, watch, resolution=self._format.step)
        quality = self._format.used(quality)
        return Encoding(data, self.id, quality, picture.width, picture.height, 0.0, note=note)

    def decode(self, data: bytes, watch: Watch = QUIET) -> Picture:
        """Any file of the format, turned upright and converted to sRGB. Raises BitstreamError, Cancelled."""
        watch.step("decoding", 0.0)
        name = entry(self.id).name
        try:
            read = read_bytes(data, f"the {name} file", formats=(self._format.pillow,))
        except PictureError as error:
            raise BitstreamError(str(error)) from error
        watch.step("decoding", 1.0)
        return Picture(read.pixels, read.notices)

    def memory(self, width: int, height: int) -> float:
        """Bytes that encoding a picture of this size takes at most."""
        return PROGRAM + width * height * (3.0 + self._format.held)

    def info(self) -> dict[str, str]:
        """Encoder, chroma format, the meaning of quality and where the format is defined."""
        return {**self._format.info, "defined by": entry(self.id).source}


def _saved(image: Image.Image, settings: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **settings)
    return buffer.getvalue()


def _saved_through_pipe(image: Image.Image, settings: Mapping[str, Any]) -> bytes:
    """As `_saved`, but other threads run meanwhile.

    Pillow holds the interpreter lock while its JPEG encoder fills a Python buffer (0.2 to 0.6 s for
    12 megapixels, which freezes the viewer), and releases it only for a file descriptor.
    """
    read_end, write_end = os.pipe()
    parts: list[bytes] = []

    def collect() -> None:
        with os.fdopen(read_end, "rb") as pipe:
            parts.append(pipe.read())

    reader = threading.Thread(target=collect, name="jpeg-bytes", daemon=True)
    reader.start()
    try:
        with os.fdopen(write_end, "wb") as pipe:
            image.save(pipe, **settings)
    finally:
        reader.join()
    return parts[0]


@lru_cache(maxsize=1)
def _base_tables() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The tables of ITU-T T.81 annex K, luma and chroma, natural order: libjpeg's own at quality 50."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, format="JPEG", quality=50)
    with Image.open(buffer, formats=("JPEG",)) as image:
        tables: dict[int, list[int]] = image.quantization  # type: ignore[attr-defined]
        return tuple(tables[0]), tuple(tables[1])


def jpeg_tables(quality: float) -> list[list[int]]:
    """Quantisation tables as libjpeg makes them, for a quality 0..100 that may have a fraction."""
    quality = max(quality, 1.0)
    percent = 5000 / quality if quality < 50 else 200 - 2 * quality
    return [[min(max(int((v * percent + 50) / 100), 1), 255) for v in table] for table in _base_tables()]
