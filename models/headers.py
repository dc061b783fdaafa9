"""What do a picture file's own bytes tell that Pillow's readers do not?"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from PIL import TiffImagePlugin

_JXL_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
# Major brands of ISO media files that hold a still picture first of all; the others are films and the like.
_PICTURE_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis")


@dataclass(frozen=True)
class Told:
    """depth: bits a channel, 0 where unknown; primaries, transfer: codes of ITU-T H.273, 2 is "unspecified";
    hidden: whether the alpha channel may be none, as the header counts no bit of it.
    """

    depth: int = 0
    primaries: int = 2
    transfer: int = 2
    hidden: bool = False


def told(data: bytes, format: str) -> Told:
    """What a file in Pillow's `format` says; nothing of what is damaged."""
    try:
        if format == "PNG":
            return _png(data)
        if format in {"AVIF", "HEIF"}:
            return _iso_media(data)
        if format == "TGA":
            return Told(hidden=data[17] & 15 == 0)
        if format == "SGI":
            return Told(depth=8 * data[3])
        if format == "JPEG2000":
            start = data.index(b"\xff\x4f\xff\x51")  # ISO/IEC 15444-1, A.5.1
            return Told(depth=(data[start + 42] & 127) + 1)
    except (IndexError, ValueError):
        pass
    return Told()


def is_film(data: bytes) -> bool:
    """Whether it is an ISO media file whose brand names no picture: MP4, QuickTime and their kin."""
    return data[4:8] == b"ftyp" and data[8:12] not in _PICTURE_BRANDS


def is_whole_tiff(data: bytes) -> bool:
    """Whether a TIFF's first directory can be read and all that it points at is there."""
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if 43 in data[2:4] else 8])
        file = io.BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
        strips = TiffImagePlugin.STRIPOFFSETS, TiffImagePlugin.STRIPBYTECOUNTS
        tiles = TiffImagePlugin.TILEOFFSETS, TiffImagePlugin.TILEBYTECOUNTS
        for starts, counts in (strips, tiles):
            if starts in tags:
                ends = [at + length for at, length in zip(tags[starts], tags[counts], strict=True)]
                return bool(max(ends) <= len(data))
    except Exception:  # a damaged directory raises nearly anything
        pass
    return False


def _png(data: bytes) -> Told:
    """The chunk cICP (PNG 3, 11.3.2.6), which stands before the pixels."""
    at = 8
    while at + 12 <= len(data) and data[at + 4 : at + 8] != b"IDAT":
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"cICP" and length == 4:
            return Told(primaries=data[at + 8], transfer=data[at + 9])
        at += 12 + length
    return Told()


def _boxes(data: bytes, skipped: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the boxes one after another (ISO/IEC 14496-12, 4.2)."""
    at = skipped
    while at + 8 <= len(data):
        length, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if length == 1:
            length, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = at + length if length else len(data)
        if end < at + head:
            return
        yield kind, data[at + head : end]
        at = end


def _iso_media(data: bytes) -> Told:
    """The properties of the primary picture (ISO/IEC 23008-12, 9.3)."""
    meta = next((content for kind, content in _boxes(data) if kind == b"meta"), b"")
    parts = dict(_boxes(meta, skipped=4))
    primary = int.from_bytes(parts[b"pitm"][4:], "big") if b"pitm" in parts else 0
    inside = list(_boxes(parts.get(b"iprp", b"")))
    properties = [one for kind, content in inside if kind == b"ipco" for one in _boxes(content)]
    depth, primaries, transfer = 0, 2, 2
    for number in _owned(next((content for kind, content in inside if kind == b"ipma"), b""), primary):
        kind, content = properties[number - 1]
        if kind == b"pixi":
            depth = max(content[5 : 5 + content[4]])
        elif kind == b"av1C" and not depth:
            depth = 8 + 2 * (content[2] >> 6 & 1) + 2 * (content[2] >> 5 & 1)
        elif kind == b"colr" and content[:4] == b"nclx":
            primaries, transfer = content[5], content[7]
    return Told(depth, primaries, transfer)


def _owned(table: bytes, item: int) -> list[int]:
    """Numbers of an item's properties in the box ipma, from 1 on."""
    wide, long = table[0] > 0, table[3] & 1
    at = 8
    for _ in range(int.from_bytes(table[4:8], "big")):
        name = int.from_bytes(table[at : at + (4 if wide else 2)], "big")
        at += 4 if wide else 2
        count, step = table[at], 2 if long else 1
        ends = range(at + 1, at + 2 + count * step, step)
        if name == item:
            mask = 0x7FFF if long else 0x7F
            numbers = [int.from_bytes(table[a:b], "big") & mask for a, b in pairwise(ends)]
            return [number for number in numbers if number]
        at = ends[-1]
    return []


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
    found = b""
    for kind, content in _boxes(data, skipped=len(_JXL_CONTAINER)):
        if kind in {b"jxlc", b"jxlp"}:
            number = 4 if kind == b"jxlp" else 0  # bytes of the part's number before it
            found += content[number : number + 14]
        if len(found) >= 14:
            break
    return found[:14]
