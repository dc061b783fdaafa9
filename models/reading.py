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
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from models import claims
from models.assets import how_to_install
from models.errors import PictureError

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
_JXL_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
_STRIP = 1 << 20  # pixels looked at together
# What a file shows that began as a picture: if it cannot be opened then, it is damaged.
_SIGNATURES = (
    *((0, b"\xff\xd8\xff"), (0, b"\x89PNG"), (8, b"WEBP"), (4, b"ftyp"), (0, b"II*\0"), (0, b"MM\0*")),
    *((0, b"GIF8"), (0, b"\xff\x0a"), (4, b"JXL "), (4, b"jP  ")),
)
# Pillow's names of what optional packages read and write. Both carry code under the GPL (x265; the plug-in
# itself), so neither is a dependency.
PLUGINS = {"HEIF": "pillow-heif", "JXL": "pillow-jxl-plugin"}
_PQ_AND_HLG = (16, 18)  # transfer characteristics of ITU-T H.273
# Whatever the readers raise for bytes that make no sense; Pillow's PNG reader asserts, for example.
_DAMAGED = (
    *(OSError, ValueError, SyntaxError, EOFError, RuntimeError, LookupError, TypeError, MemoryError),
    *(AssertionError, ArithmeticError, AttributeError, struct.error, zlib.error),
)

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
            with Image.open(io.BytesIO(data), formats=present) as image:
                check_size(image.width, image.height, name)
                claims.check(image.width, image.height, image.format or "", len(data), name)
                return read_image(image)
        except UnidentifiedImageError as error:
            if (lacks := _plugin_of(data)) in absent and lacks in formats:
                raise PictureError(f"{name} cannot be read: {absent[lacks]}") from error
            if any(data[at : at + len(mark)] == mark for at, mark in _SIGNATURES):
                raise PictureError(_damaged(name)) from error
            raise PictureError(f"{name} is not a picture that can be read: use {FORMATS_TEXT}") from error
        except _DAMAGED as error:
            raise PictureError(_damaged(name)) from error


def read_image(image: Image.Image) -> Reading:
    """An opened PIL picture of any mode. Raises what PIL raises for damaged data, PictureError by size."""
    check_size(image.width, image.height, "the picture")
    with _reading, _quiet():
        notices = []
        deep = _bits_note(image)  # first of all: asking PNG for its EXIF decodes it and forgets the depth
        stored = _orientation(image)
        profile = image.info.get("icc_profile")
        if getattr(image, "is_animated", False):
            notices.append("The file holds several pictures; only the first is used.")
        image.load()
        turn = _UPRIGHT.get(_orientation(image))  # asked again: TIFF's reader has turned the picture already
        if deep:
            notices.append(deep)
        image, note = _eight_bits(image)
        notices += note
        image, alpha, note = _to_srgb(image, profile)
        notices += note
        if alpha is not None and alpha.getextrema() != (255, 255):
            backdrop = Image.new("RGB", image.size, BACKGROUND)
            backdrop.paste(image, mask=alpha)
            image = backdrop
            notices.append(f"Transparent areas are laid over {BACKGROUND_NAME}.")
        if turn is not None:
            image = image.transpose(turn)
        if stored in _UPRIGHT:
            notices.append("Turned upright as its EXIF orientation says.")
        return Reading(_pixels(image), tuple(notices))


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


def jxl_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in a JPEG XL file's header, None where it is none (ISO/IEC 18181-1, D.2).

    (0, 0) for a container without a codestream. The plug-in decodes the whole picture while opening it, too
    late to refuse a giant one.
    """
    header = _jxl_codestream(data)
    if header[:2] != b"\xff\x0a":
        return (0, 0) if data[:12] == _JXL_CONTAINER else None
    bits = int.from_bytes(header[2:].ljust(12, b"\0"), "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    def side(small: bool) -> int:
        return (take(5) + 1) * 8 if small else take((9, 13, 18, 30)[take(2)]) + 1

    small = bool(take(1))
    height = side(small)
    ratio = take(3)
    shapes = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
    if ratio == 0:
        return side(small), height
    across, down = shapes[ratio - 1]
    return height * across // down, height


def _jxl_codestream(data: bytes) -> bytes:
    """The first 14 bytes of the codestream: the file's own, or those of the container's boxes, joined.

    A codestream may be cut into `jxlp` boxes anywhere, some of them empty (ISO/IEC 18181-2, 9.9).
    """
    if data[:12] != _JXL_CONTAINER:
        return data[:14]
    found, at = b"", 12
    while at + 8 <= len(data) and len(found) < 14:
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        head = 8
        if length == 1:
            length, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = at + length if length else len(data)
        if end < at + head:
            break
        if kind in {b"jxlc", b"jxlp"}:
            begin = at + head + (4 if kind == b"jxlp" else 0)
            found += data[begin : min(end, begin + 14)]
        at = end
    return found[:14]


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


def _bits_note(image: Image.Image) -> str:
    """What Pillow's reader itself reduces without telling."""
    depth = image.info.get("bit_depth", 8) if image.format in {"HEIF", "AVIF"} else 8
    tiles: list[Any] = list(getattr(image, "tile", None) or [])
    raw = str(tiles[0].args) if tiles and image.mode in {"RGB", "RGBA", "LA", "CMYK"} else ""
    if ";16" in raw:
        depth = 16
    return f"{depth} bits a channel were reduced to 8." if depth > 8 else ""


def _eight_bits(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Greyscale of 16 bits, 32 bits or floats to mode L; other modes as they are."""
    if not image.mode.startswith(("I", "F")):
        return image, []
    if image.mode.startswith("I;16"):
        told = ["16 bits a channel were reduced to 8."]
        hidden = image.info.get("transparency")
        grey = _scaled(image, 0, 65535)
        return (Image.merge("LA", (grey, _all_but(image, hidden))) if isinstance(hidden, int) else grey), told
    low, high = _extremes(image)
    usual = 65535.0 if image.mode == "I" else 1.0
    if low >= 0 and high <= usual:
        return _scaled(image, 0, usual), ["32 bits a channel were reduced to 8."]
    note = f"32 bits a channel were reduced to 8: {low:g} became black and {high:g} white."
    return _scaled(image, low, high), [note]


def _strips(image: Image.Image) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Rows of a picture and their values, few at a time: Pillow copies twice what it hands out."""
    rows = max(_STRIP // max(image.width, 1), 1)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        yield slice(top, bottom), np.asarray(image.crop((0, top, image.width, bottom)))


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
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


def _to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, Image.Image | None, list[str]]:
    """The picture in mode RGB, its alpha (L) where it has one, and what was done about colours."""
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert("RGB")
    elif image.mode not in {"RGB", "L", "CMYK", "LAB"}:
        image = image.convert("L" if image.mode == "1" else "RGB")
    if profile:
        converted, note = _through_profile(image, profile)
    elif image.mode == "LAB":
        converted, note = _through_lab(image), ["Colours were converted from CIELAB to sRGB."]
    elif image.mode == "CMYK":
        converted, note = (
            image.convert("RGB"),
            ["CMYK without a colour profile: the colours are approximate."],
        )
    else:
        nclx = image.info.get("nclx_profile") or {}
        hdr = nclx.get("transfer_characteristics") in _PQ_AND_HLG
        converted = image if image.mode == "RGB" else image.convert("RGB")
        note = ["HDR without a colour profile: brightness and colours look flat."] if hdr else []
    return converted, alpha, note


def _through_lab(image: Image.Image) -> Image.Image:
    lab = ImageCms.createProfile("LAB")
    return _transformed(image, ImageCms.ImageCmsProfile(lab))


def _through_profile(image: Image.Image, profile: bytes) -> tuple[Image.Image, list[str]]:
    """Through the file's ICC profile; a profile that says sRGB changes nothing."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space == "RGB" and image.mode == "L":
            image = image.convert("RGB")
        if space == "GRAY" and image.mode == "RGB":  # a grey picture that was stored as palette or with alpha
            image = image.convert("L")
        if image.mode == "RGB" and _is_srgb(profile):
            return image, []
        converted = _transformed(image, source)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image.convert("RGB"), ["Its colour profile cannot be used; the colours are taken as sRGB."]
    name = " ".join(ImageCms.getProfileDescription(source).split()) or "its colour profile"
    if image.mode == "L" and np.array_equal(np.asarray(converted)[..., 0], np.asarray(image)):
        return converted, []
    return converted, [f"Colours were converted from {name} to sRGB."]


def _transformed(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    transform = ImageCms.buildTransform(
        source, _srgb(), image.mode, "RGB", ImageCms.Intent.PERCEPTUAL, ImageCms.Flags.BLACKPOINTCOMPENSATION
    )
    converted = transform.apply(image)
    converted.info.pop("icc_profile", None)
    return converted


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@lru_cache(maxsize=8)
def _is_srgb(profile: bytes) -> bool:
    """Whether an RGB profile moves no colour of a lattice by more than two levels.

    Its behaviour is asked, not its name: there are dozens of names for sRGB.
    """
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(27, 27, 3)
    moved = _transformed(Image.fromarray(lattice), ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    return int(np.abs(np.asarray(moved, dtype=np.int16) - lattice).max()) <= 2
