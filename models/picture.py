"""A picture as every codec sees it: sRGB, eight bits, upright; and what was done to get there."""

from __future__ import annotations

import hashlib
import io
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.errors import OutputError, PictureError, SuffixError
from models.files import write_file

if TYPE_CHECKING:
    from PIL import Image

# How a picture is written, by suffix: without loss, except JPEG.
_SAVED_AS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {"compress_level": 6}),
    ".tif": ("TIFF", {"compression": "tiff_lzw"}),
    ".tiff": ("TIFF", {"compression": "tiff_lzw"}),
    ".bmp": ("BMP", {}),
    ".ppm": ("PPM", {}),
    ".webp": ("WEBP", {"lossless": True, "method": 4}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": "4:4:4", "optimize": True}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": "4:4:4", "optimize": True}),
}
SAVED_SUFFIXES = tuple(_SAVED_AS)  # what Picture.save writes


@dataclass(frozen=True, eq=False)
class Picture:
    """pixels: (H, W, 3) uint8 sRGB, C-contiguous; notices: one sentence for each change reading made.

    `path` is where it came from, None for pasted and decoded pictures.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    notices: tuple[str, ...] = ()
    path: Path | None = None

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype != np.uint8:
            raise PictureError("a picture must be an array of (height, width, 3) bytes")
        if not self.pixels.size:
            raise PictureError("a picture must have at least one pixel")
        if not self.pixels.flags.c_contiguous:
            object.__setattr__(self, "pixels", np.ascontiguousarray(self.pixels))

    @classmethod
    def open(cls, path: Path | str) -> Picture:
        """Read a picture file.

        Raises PictureError for a missing or unreadable file, a folder, what is no picture, is damaged
        or cut short, or is above models.reading.MAX_PIXELS.
        """
        from models.reading import MAX_FILE_BYTES, read_bytes

        path = Path(path)
        try:
            if path.is_dir():
                raise PictureError(f"{path} is a folder: give a picture file")
            if path.exists() and not path.is_file():
                raise PictureError(f"{path} is not a plain file: give a picture file")
            if path.stat().st_size > MAX_FILE_BYTES:
                raise PictureError(f"{path} is larger than {MAX_FILE_BYTES >> 30} GiB: scale it down first")
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise PictureError(f"there is no file {path}: check the name") from error
        except PermissionError as error:
            raise PictureError(f"{path} cannot be read: permission denied, change its rights") from error
        except (OSError, ValueError) as error:
            raise PictureError(
                f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
            ) from error
        read = read_bytes(data, path.name)
        return cls(read.pixels, read.notices, path)

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "the picture") -> Picture:
        """Read a file's bytes; `name` is what error texts call it. Raises PictureError as `open` does."""
        from models.reading import read_bytes

        read = read_bytes(data, name)
        return cls(read.pixels, read.notices)

    @classmethod
    def from_pil(cls, image: Image.Image) -> Picture:
        """Convert a PIL picture of any mode, as if it had been read from a file. Raises PictureError."""
        from models.reading import read_image

        try:
            read = read_image(image)
        except (OSError, ValueError) as error:
            raise PictureError(f"the picture cannot be converted: {error}") from error
        return cls(read.pixels, read.notices)

    @staticmethod
    def check_suffix(path: Path) -> None:
        """Raises SuffixError where `save` knows no format for the suffix."""
        if path.suffix.lower() not in _SAVED_AS:
            raise SuffixError(f"cannot write {path}: use one of the suffixes {', '.join(SAVED_SUFFIXES)}")

    def save(self, path: Path | str) -> None:
        """Write the pixels in the format of the suffix, without loss for all but JPEG.

        Raises SuffixError for an unknown suffix, OutputError for an unwritable place; an existing file is
        then unchanged.
        """
        from PIL import Image

        from models.jpeg import room

        path = Path(path)
        self.check_suffix(path)
        format, settings = _SAVED_AS[path.suffix.lower()]
        buffer = io.BytesIO()
        try:
            with room(self.width, self.height) if format == "JPEG" else nullcontext():
                Image.fromarray(self.pixels).save(buffer, format=format, **settings)
        except (OSError, ValueError) as error:
            hint = f"{format} cannot hold this picture of {self.width}x{self.height} pixels, use .png"
            raise OutputError(f"cannot write {path}: {hint} ({error})") from error
        write_file(path, buffer.getvalue())

    def scaled(self, width: int, height: int) -> Picture:
        """The picture in another size, by Lanczos' filter; a notice tells of it."""
        from PIL import Image

        image = Image.fromarray(self.pixels).resize((width, height), Image.Resampling.LANCZOS)
        note = f"Scaled from {self.width}x{self.height} to {width}x{height}."
        return Picture(np.array(image), (*self.notices, note), self.path)

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return int(self.pixels.shape[0])

    @cached_property
    def digest(self) -> str:
        """A hash of size and pixels, for caches."""
        hasher = hashlib.blake2b(f"{self.width}x{self.height}".encode(), digest_size=16)
        hasher.update(self.pixels.data)
        return hasher.hexdigest()
