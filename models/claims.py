"""May a picture file of this size take the memory that its header asks for?"""

from __future__ import annotations

import math

from models.errors import CodecError, PictureError
from models.memory import VARIABLE, budget

# Bytes a pixel takes at most while it is read: the reader's own copies, transparency, a profile and a turn
# together. Measured; a TIFF in one strip may hold sixteen bits a channel beside all that.
_HELD = {"WEBP": 25, "JPEG2000": 25, "TIFF": 24, "AVIF": 21, "JXL": 18}
_HELD_ELSE = 17
# Formats that cannot hold more pixels in a byte than this: deflate shrinks to 1/1032 and no further, and a
# PNG may have a bit a pixel; the others count runs of at most 255.
_BOUNDED, _MOST = ("PNG", "BMP", "DIB", "PPM", "TGA", "QOI", "SGI", "PCX"), 10_000
# The others have no bound. Their encoders' pictures of a single colour, 24 megapixels large, take a byte for
# 40,000 pixels (JPEG 2000), 23,000 (AVIF), 12,000 (TIFF, group 4), 10,000 (JPEG XL), 200 (JPEG, which takes a
# bit a block at least with Huffman codes); lossless WebP takes 38 bytes whatever the size.
_FLATTEST, _FLATTEST_ELSE = {"JPEG": 10_000}, 50_000
_UNPAID = 4  # of the budget, the part that a file may take for which its bytes do not vouch


def check(width: int, height: int, format: str, length: int, name: str) -> None:
    """Before anything is decoded: `length` bytes in Pillow's `format` claim width x height pixels.

    Raises PictureError where no file of the format can be so small, where reading would take more than a
    quarter of the budget though hardly any honest file is so small, and where it would take more than that.
    """
    pixels = width * height
    claim = f"{name} claims {width}x{height} pixels in {length} bytes"
    if format in _BOUNDED and pixels > _MOST * length:
        raise PictureError(f"{claim}, more than {format} can hold: it is damaged")
    try:
        limit = budget()
    except CodecError as error:
        raise PictureError(str(error)) from error
    needed = pixels * _HELD.get(format, _HELD_ELSE) + length
    if needed > limit / _UNPAID and pixels > _FLATTEST.get(format, _FLATTEST_ELSE) * length:
        raise PictureError(
            f"{claim}: it is damaged or made to fill the memory. If you trust it, allow the "
            f"{needed / 1e9:.1f} GB that reading it may take with {VARIABLE}={_gigabytes(_UNPAID * needed)}"
        )
    if needed > limit:
        share = math.sqrt(max(limit - length, 0) / (needed - length))
        sides = int(width * share), int(height * share)
        scale = f"scale it to {sides[0]}x{sides[1]}, or " if min(sides) > 0 else ""
        raise PictureError(
            f"{name} has {width}x{height} pixels: reading it takes up to {needed / 1e9:.1f} GB of memory, "
            f"{limit / 1e9:.1f} GB are allowed: {scale}allow more with {VARIABLE}={_gigabytes(needed)}"
        )


def _gigabytes(amount: float) -> str:
    return f"{math.ceil(amount / 1e9)}G"
