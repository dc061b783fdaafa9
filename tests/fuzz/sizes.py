"""How does a picture file say another size than its own, by the rules of its format?"""

from __future__ import annotations

import re
import struct


def claimed(name: str, data: bytes, width: int, height: int) -> bytes:
    """A picture file whose headers all say width x height; as it was where `name` is a format not known here.

    Sides are cut to what their fields hold. PNG needs its checksums made right afterwards.
    """
    out = bytearray(data)
    write = {"png": _png, "jpeg": _jpeg, "gif": _gif, "webp": _webp, "tiff": _tiff}.get(name)
    if write is not None:
        write(out, width, height)
    elif name in {"avif", "heif", "jpeg2000", "bmp"}:
        _boxes(out, width, height)
    return bytes(out)


def _put(out: bytearray, at: int, form: str, *values: int) -> None:
    limit = (1 << 8 * struct.calcsize(form[:2])) - 1
    if at + struct.calcsize(form) <= len(out):
        struct.pack_into(form, out, at, *(min(max(value, 0), limit) for value in values))


def _put24(out: bytearray, at: int, *values: int) -> None:
    for number, value in enumerate(values):
        out[at + 3 * number : at + 3 * number + 3] = min(max(value, 0), (1 << 24) - 1).to_bytes(3, "little")


def _png(out: bytearray, width: int, height: int) -> None:
    _put(out, 16, ">II", width, height)


def _jpeg(out: bytearray, width: int, height: int) -> None:
    for found in re.finditer(rb"\xff[\xc0-\xc2]\x00[\x0b\x11\x14]\x08", bytes(out)):
        _put(out, found.start() + 5, ">HH", height, width)


def _gif(out: bytearray, width: int, height: int) -> None:
    _put(out, 6, "<HH", width, height)
    for found in re.finditer(rb"\x2c\x00\x00\x00\x00....", bytes(out), re.DOTALL):
        _put(out, found.start() + 5, "<HH", width, height)


def _webp(out: bytearray, width: int, height: int) -> None:
    across, down = (min(max(side, 1), 16_384) for side in (width, height))
    for found in re.finditer(rb"VP8 ....|VP8L....|VP8X....|ANMF....", bytes(out), re.DOTALL):
        at, kind = found.end(), found.group()[:4]
        if kind == b"VP8 ":
            _put(out, at + 6, "<HH", min(across, 16_383), min(down, 16_383))
        elif kind == b"VP8L" and at + 5 <= len(out):
            (bits,) = struct.unpack_from("<I", out, at + 1)
            struct.pack_into("<I", out, at + 1, bits & 0xF0000000 | (down - 1) << 14 | (across - 1))
        elif kind == b"VP8X":
            _put24(out, at + 4, width - 1, height - 1)
        else:
            _put24(out, at + 6, across - 1, down - 1)


def _tiff(out: bytearray, width: int, height: int) -> None:
    order = "<" if out[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", out, 4)
    (count,) = struct.unpack_from(f"{order}H", out, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(f"{order}HH", out, at)
        value = {256: width, 257: height, 278: height}.get(tag)  # 278: the rows of a strip
        if value is not None:
            _put(out, at + 8, f"{order}{'H' if kind == 3 else 'I'}", value)


def _boxes(out: bytearray, width: int, height: int) -> None:
    """Of HEIF's family, JPEG 2000 and BMP."""
    for found in re.finditer(rb"ispe\x00\x00\x00\x00", bytes(out)):
        _put(out, found.end(), ">II", width, height)
    for found in re.finditer(rb"ihdr", bytes(out)):
        _put(out, found.end(), ">II", height, width)
    for found in re.finditer(rb"\xff\x4f\xff\x51", bytes(out)):
        _put(out, found.end() + 4, ">II", width, height)
    if out[:2] == b"BM":
        _put(out, 18, "<II", width, height)
