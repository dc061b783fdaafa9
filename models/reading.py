"""How does any picture file become upright eight-bit sRGB, and what was changed on the way?"""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from models import claims
from models.assets import how_to_install
from models.colours import to_srgb
from models.errors import PictureError
from models.headers import Told, is_film, is_whole_tiff, jxl_size, told
from models.levels import depth_of, eight_bits, mend_transparency, pixels_of

MAX_PIXELS = 200_000_000
MAX_FILE_BYTES = 2 << 30
BACKGROUND = (255, 255, 255)
BACKGROUND_NAME = "white"

# Formats whose readers work in memory alone; EPS, WMF and the like start other programs. No ICO: its reader
# decodes a PNG inside while it opens the file, too late to refuse a giant one.
FORMATS = (
    *("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "JXL", "TIFF", "GIF", "BMP", "DIB"),
    *("JPEG2000", "PPM", "TGA", "QOI", "SGI", "PCX", "DDS"),
)
FORMATS_TEXT = "JPEG, PNG, WebP, AVIF, HEIC, JPEG XL, TIFF, GIF, BMP, JPEG 2000 and some older formats"

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What a file shows that began as a picture: if it cannot be opened then, it is damaged.
_SIGNATURES = (
    *((0, b"\xff\xd8\xff"), (0, b"\x89PNG"), (8, b"WEBP"), (4, b"ftyp"), (0, b"II*\0"), (0, b"MM\0*")),
    *((0, b"II+\0"), (0, b"MM\0+")),
    *((0, b"GIF8"), (0, b"\xff\x0a"), (4, b"JXL "), (4, b"jP  ")),
)
# Pillow's names of what optional packages read and write. Both carry code under the GPL (x265; the plug-in
# itself), so neither is a dependency.
PLUGINS = {"HEIF": "pillow-heif", "JXL": "pillow-jxl-plugin"}
# Whatever the readers raise for bytes that make no sense; Pillow's PNG reader asserts, for example.
_DAMAGED = (
    *(OSError, ValueError, SyntaxError, EOFError, RuntimeError, LookupError, TypeError, MemoryError),
    *(AssertionError, ArithmeticError, AttributeError, struct.error, zlib.error),
)

_NOTHING = Told()

# catch_warnings changes the process's filters and is not thread-safe: one reader at a time.
_reading = threading.RLock()


@dataclass(frozen=True)
class Reading:
    """pixels: (H, W, 3) uint8 sRGB, C-contiguous; notices: one sentence for each change made."""

    pixels: NDArray[np.uint8]
    notices: tuple[str, ...]


def read_bytes(data: bytes, name: str, formats: tuple[str, ...] = FORMATS) -> Reading:
    """The first picture in a file's bytes; `name` is what error texts call it and
    `formats` are Pillow's names of those to try.

    Raises PictureError for what is no picture, is damaged or cut short, is above MAX_PIXELS, or would take
    more memory than `claims` allows.
    """
    if not data:
        raise PictureError(f"{name} is empty (0 bytes): the picture was not saved or copied completely")
    absent = register_plugins()
    with _reading, _quiet():
        try:
            if ahead := jxl_size(data):
                if ahead == (0, 0):
                    raise PictureError(_damaged(name))
                check_size(*ahead, name)
                claims.check(*ahead, "JXL", len(data), name)
            present = tuple(format for format in formats if format not in absent)
            with _opened(data, present, name) as image:
                check_size(image.width, image.height, name)
                claims.check(image.width, image.height, image.format or "", len(data), name)
                return read_image(image, told(data, image.format or ""))
        except UnidentifiedImageError as error:
            if (lacks := _plugin_of(data)) in absent and lacks in formats:
                raise PictureError(f"{name} cannot be read: {absent[lacks]}") from error
            if not is_film(data) and any(data[at : at + len(mark)] == mark for at, mark in _SIGNATURES):
                raise PictureError(_damaged(name)) from error
            raise PictureError(f"{name} is not a picture that can be read: use {FORMATS_TEXT}") from error
        except MemoryError as error:
            raise PictureError(
                f"there is not enough memory to read {name}: close other programs or scale it down"
            ) from error
        except _DAMAGED as error:
            raise PictureError(_damaged(name)) from error


def _opened(data: bytes, formats: tuple[str, ...], name: str) -> Image.Image:
    """Raises what Image.open raises, PictureError for a TIFF of a kind that Pillow does not read."""
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
    except MemoryError:
        raise
    except _DAMAGED as error:
        if "TIFF" in formats and is_whole_tiff(data):
            raise PictureError(
                f"{name} is a TIFF of a kind that cannot be read: save it as grey or RGB with 8 or 16 bits, "
                "or as PNG"
            ) from error
        raise
    if isinstance(image, TiffImagePlugin.TiffImageFile) and not image.use_load_libtiff:
        tags = image.tag_v2
        if tags.get(TiffImagePlugin.PLANAR_CONFIGURATION) == 2 and max(tags.get(258, (1,))) > 8:
            # Pillow's own way takes one byte of each two, libtiff's is right; one reader at a time is here.
            image.close()
            TiffImagePlugin.READ_LIBTIFF = True
            try:
                return Image.open(io.BytesIO(data), formats=("TIFF",))
            finally:
                TiffImagePlugin.READ_LIBTIFF = False
    return image


def read_image(image: Image.Image, facts: Told = _NOTHING) -> Reading:
    """An opened PIL picture of any mode, with what its file tells beside.

    Raises what PIL raises for damaged data, PictureError by size.
    """
    check_size(image.width, image.height, "the picture")
    with _reading, _quiet():
        notices = []
        depth = depth_of(image, facts)  # first: asking PNG for its EXIF decodes it and forgets the depth
        mend_transparency(image)
        stored = _orientation(image)
        turned = image.info.get("original_orientation")  # what pillow-heif has turned already
        profile = image.info.get("icc_profile")
        if getattr(image, "is_animated", False):
            notices.append("The file holds several pictures; only the first is used.")
        image.load()
        turn = _UPRIGHT.get(_orientation(image))  # asked again: TIFF's reader has turned the picture already
        if depth.note and not image.mode.startswith(("I", "F")):
            notices.append(depth.note)
        if facts.hidden and image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0):
            image = image.convert("RGB")
        image, note = eight_bits(image, depth)
        notices += note
        image, alpha, note = to_srgb(image, profile, facts)
        notices += note
        if alpha is not None and alpha.getextrema() != (255, 255):
            backdrop = Image.new("RGB", image.size, BACKGROUND)
            backdrop.paste(image, mask=alpha)
            image = backdrop
            notices.append(f"Transparent areas are laid over {BACKGROUND_NAME}.")
        if turn is not None:
            image = image.transpose(turn)
        if stored in _UPRIGHT or turned in _UPRIGHT:
            notices.append("Turned upright as its EXIF orientation says.")
        return Reading(pixels_of(image), tuple(notices))


@lru_cache(maxsize=1)
def register_plugins() -> Mapping[str, str]:
    """Teach Pillow JPEG XL and HEIC and leave the size limit to this module; done once, when first needed.

    Gives, for each of PLUGINS that cannot be had, why and what to do.
    """
    absent = {}
    try:
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    except ImportError as error:
        absent["HEIF"] = _how_to_get("HEIF", error)
    try:
        import pillow_jxl  # noqa: F401  (importing registers it)
    except ImportError as error:
        absent["JXL"] = _how_to_get("JXL", error)
    Image.init()
    Image.MAX_IMAGE_PIXELS = None  # Pillow's limit warns; check_size refuses instead
    return absent


def _how_to_get(format: str, error: ImportError) -> str:
    package = PLUGINS[format]
    if isinstance(error, ModuleNotFoundError):
        return f"{package} is not installed: {how_to_install(package)}"
    return f"{package} does not load ({error}): install it again with pip install {package}"


def _plugin_of(data: bytes) -> str:
    """Which of PLUGINS reads these bytes, "" for none."""
    if jxl_size(data) is not None:
        return "JXL"
    return "HEIF" if data[4:11] in (b"ftyphei", b"ftyphev", b"ftypmif") else ""


def check_size(width: int, height: int, name: str) -> None:
    """Raises PictureError for a picture above MAX_PIXELS."""
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"{name} has {width}x{height} = {width * height / 1e6:.0f} megapixels: "
            f"{MAX_PIXELS / 1e6:.0f} is the limit, scale it down first"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Readers warn about odd metadata; nobody can act on it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _damaged(name: str) -> str:
    return f"{name} is damaged or cut short: get a whole copy of it"


def _orientation(image: Image.Image) -> int:
    """1..8. JPEG XL readers turn the picture themselves, unless it wraps a JPEG file."""
    if image.format == "JXL" and not getattr(image, "jpeg", False):
        return 1
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged metadata raises nearly anything, and is no reason to refuse the picture
        return 1
