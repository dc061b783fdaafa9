"""The .hflic file: 22 to 25 bytes around one coded payload.

offset  size  field
0       4     magic 8B 48 46 4C
4       1     format version, 1
5       1     network number (see NETWORKS)
6       4     first bytes of the weights' fingerprint
10      1..5  width, LEB128
..      1..5  height, LEB128
..      2     quality x 100, little-endian
..      4     CRC-32 of the decoded latents, little-endian
..      n     payload of the range coder
-4      4     CRC-32 of everything before it, little-endian
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from models.errors import BitstreamError

MAGIC = b"\x8bHFL"
VERSION = 1
FINGERPRINT_BYTES = 4
MAX_PIXELS = 200_000_000
_MAX_BLOCKS = 2 * MAX_PIXELS // 16**2  # of 16 x 16 pixels: a strip one pixel wide costs whole blocks
QUALITY_STEPS = 100  # steps of the stored quality in one point of 0..100

# Numbers are for ever: never reuse or reorder one.
NETWORKS: dict[int, str] = {
    1: "hflic",
    2: "hflic-mse",
    3: "po-elic",
    4: "enh-po-elic",
    5: "elic",
    6: "elic-5",
    7: "hific",
    8: "bmshj2018-factorized",
    9: "bmshj2018-hyperprior",
    10: "mbt2018-mean",
    11: "mbt2018",
    12: "cheng2020-anchor",
    13: "cheng2020-attn",
}
_NUMBERS = {name: number for number, name in NETWORKS.items()}
_SMALLEST = 4 + 1 + 1 + FINGERPRINT_BYTES + 1 + 1 + 2 + 4 + 4


@dataclass(frozen=True)
class HflicFile:
    """What a file says. quality: 0..100 in steps of 0.01; fingerprint: FINGERPRINT_BYTES bytes."""

    network: str
    fingerprint: bytes
    width: int
    height: int
    quality: float
    latents_crc: int
    payload: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        """The whole file."""
        head = b"".join(
            (
                MAGIC,
                bytes((VERSION, _NUMBERS[self.network])),
                self.fingerprint,
                _varint(self.width),
                _varint(self.height),
                struct.pack("<HI", round(self.quality * QUALITY_STEPS), self.latents_crc),
            )
        )
        body = head + self.payload
        return body + struct.pack("<I", zlib.crc32(body))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, offset: int) -> tuple[int, int]:
    value = 0
    for place in range(5):
        if offset >= len(data):
            break
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, offset
    raise BitstreamError("the file's header is damaged")


def takes(width: int, height: int) -> bool:
    """Whether a picture of this size can be in a file, its edges filled up to blocks of 16 included."""
    blocks = -(-width // 16) * -(-height // 16)
    return width > 0 and height > 0 and width * height <= MAX_PIXELS and blocks <= _MAX_BLOCKS


def parse(data: bytes) -> HflicFile:
    """Read and check a file. Raises BitstreamError with what is wrong."""
    if data[:4] != MAGIC:
        raise BitstreamError("this is not a .hflic file")
    if len(data) > 4 and data[4] != VERSION:
        raise BitstreamError(
            f"this file has format version {data[4]}, this program reads {VERSION}: use a newer program"
        )
    if len(data) < _SMALLEST:
        raise BitstreamError("the file ends early: it is truncated")
    if zlib.crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
        raise BitstreamError("the file's checksum does not match: it is damaged or truncated")
    if data[5] not in NETWORKS:
        raise BitstreamError(f"this file needs network number {data[5]}, unknown here: use a newer program")
    offset = 6 + FINGERPRINT_BYTES
    fingerprint = data[6:offset]
    width, offset = _read_varint(data, offset)
    height, offset = _read_varint(data, offset)
    if len(data) - 4 < offset + 6:
        raise BitstreamError("the file's header is damaged")
    quality, latents_crc = struct.unpack_from("<HI", data, offset)
    if not takes(width, height):
        raise BitstreamError(
            f"the file claims {width} x {height} pixels, over {MAX_PIXELS // 1_000_000} megapixels"
        )
    if quality > 100 * QUALITY_STEPS:
        raise BitstreamError("the file's quality is out of range: it is damaged")
    return HflicFile(
        NETWORKS[data[5]],
        fingerprint,
        width,
        height,
        quality / QUALITY_STEPS,
        latents_crc,
        data[offset + 6 : -4],
    )
