"""How is a valid file spoilt? Seeded, blindly or by its structure, its checksums made right again."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from models.bitstream.container import NETWORKS, HflicFile, parse

Random = np.random.Generator
_ODD = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000)
# Sides that are small, huge, over limits, and at the edges of what field widths hold.
_SIDES = (
    *(0, 1, 15, 16, 17, 255, 4095, 7071, 14_142, 16_383, 20_000, 65_535, 65_536),
    *(1 << 20, 200_000_000, (1 << 31) - 1),
)


def flip(data: bytes, random: Random) -> bytes:
    """Up to eight bits turned round."""
    out = bytearray(data)
    for _ in range(int(random.integers(1, 9))):
        out[random.integers(len(out))] ^= 1 << int(random.integers(8))
    return bytes(out)


def cut(data: bytes, random: Random) -> bytes:
    """The end is missing."""
    return data[: int(random.integers(len(data)))]


def append(data: bytes, random: Random) -> bytes:
    """Something follows: noise, zeros, or the file again."""
    more = (random.bytes(int(random.integers(1, 200))), bytes(int(random.integers(1, 5000))), data)
    return data + more[random.integers(3)]


def swap(data: bytes, random: Random) -> bytes:
    """Two neighbouring pieces change places."""
    a, b, c = sorted(int(at) for at in random.integers(0, len(data) + 1, 3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def drop(data: bytes, random: Random) -> bytes:
    """A piece in the middle is missing, or there twice."""
    a, b = sorted(int(at) for at in random.integers(0, len(data) + 1, 2))
    return data[:a] + data[b:] if random.integers(2) else data[:b] + data[a:]


def overwrite(data: bytes, random: Random) -> bytes:
    """A piece becomes zeros, ones or noise."""
    at, count = int(random.integers(len(data))), int(random.integers(1, 33))
    what = (bytes(count), b"\xff" * count, random.bytes(count))[random.integers(3)]
    return data[:at] + what + data[at + count :]


def odd_number(data: bytes, random: Random) -> bytes:
    """A number of two or four bytes becomes one that lengths and counts go wrong with."""
    form = ("<H", ">H", "<I", ">I")[random.integers(4)]
    size = struct.calcsize(form)
    if len(data) < size:
        return data
    at = int(random.integers(len(data) - size + 1))
    value = _ODD[random.integers(len(_ODD))] & ((1 << 8 * size) - 1)
    return data[:at] + struct.pack(form, value) + data[at + size :]


BLIND: tuple[Callable[[bytes, Random], bytes], ...] = (
    *(flip, cut, append, swap, drop, overwrite, odd_number),
)


def blind(data: bytes, random: Random) -> bytes:
    """One to three of the above."""
    for _ in range(int(random.integers(1, 4))):
        if data:
            data = BLIND[random.integers(len(BLIND))](data, random)
    return data


def sealed_bytes(data: bytes, random: Random) -> bytes:
    """A .hflic file spoilt anywhere after its version, under a right checksum of the whole."""
    body = data[:5] + blind(data[5:-4], random)
    return body + struct.pack("<I", zlib.crc32(body))


def forged(data: bytes, random: Random) -> bytes:
    """A .hflic file with another header field or payload, everything else as it should be."""
    file = parse(data)
    kind = int(random.integers(7))
    if kind == 0:
        file = replace(file, width=side(random), height=side(random))
    elif kind == 1:
        file = replace(file, width=file.width + int(random.integers(-20, 2000)) or 1)
    elif kind == 2:
        file = replace(file, quality=float(random.integers(0, 65536)) / 100)
    elif kind == 3:
        file = replace(file, latents_crc=int(random.integers(1 << 32)))
    elif kind == 4:
        file = replace(file, network=list(NETWORKS.values())[random.integers(len(NETWORKS))])
    else:
        file = replace(file, payload=spoilt_payload(file, random))
    return file.to_bytes() if file.width >= 0 else data[:-1]


def spoilt_payload(file: HflicFile, random: Random) -> bytes:
    """Another payload: spoilt, noise, zeros, ones, nothing, or far too long."""
    count = int(random.integers(0, 4000))
    made = (
        *(blind(file.payload or b"\0", random), random.bytes(count), bytes(count), b"\xff" * count),
        *(b"", file.payload * int(random.integers(2, 9))),
    )
    return made[random.integers(len(made))]


def side(random: Random) -> int:
    """A length in pixels that programs go wrong with."""
    return _SIDES[random.integers(len(_SIDES))]


def png_with_right_checksums(data: bytes) -> bytes:
    """Every chunk that is still one gets the CRC of its content."""
    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        length = int.from_bytes(out[at : at + 4], "big")
        if at + 12 + length > len(out):
            break
        crc = zlib.crc32(out[at + 4 : at + 8 + length])
        out[at + 8 + length : at + 12 + length] = struct.pack(">I", crc)
        at += 12 + length
    return bytes(out)


def resized(data: bytes, width: int, height: int, random: Random) -> bytes:
    """Every place where a header might say its size, in one form of number, says another one."""
    form = ("<H", ">H", "<I", ">I")[random.integers(4)]
    limit = (1 << 8 * struct.calcsize(form)) - 1
    for old, value in zip((width, height), (side(random), side(random)), strict=True):
        data = data[:300].replace(struct.pack(form, old), struct.pack(form, min(value, limit))) + data[300:]
    return data
