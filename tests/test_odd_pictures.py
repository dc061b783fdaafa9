"""Do pictures of rare kinds come out right, and is what cannot be read named for what it is?"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, TiffImagePlugin

from models import headers, reading
from models.errors import PictureError
from models.picture import Picture

TOLD_16 = ("16 bits a channel were reduced to 8.",)


def tiff(
    width: int,
    height: int,
    bits: tuple[int, ...],
    photometric: int,
    parts: list[bytes],
    **more: tuple[int, ...],
) -> bytes:
    """An uncompressed little-endian TIFF; `more` are further tags, "t284" and so on."""
    tags: dict[int, tuple[int, ...]] = {
        **{256: (width,), 257: (height,), 258: bits, 259: (1,), 262: (photometric,)},
        **{277: (len(bits),), 278: (height,), 273: (0,) * len(parts), 279: tuple(map(len, parts))},
        **{int(name[1:]): values for name, values in more.items()},
    }
    start = 8 + 2 + 12 * len(tags) + 4
    beside = start + sum(4 * len(v) for v in tags.values() if len(v) > 1)
    tags[273] = tuple(beside + sum(map(len, parts[:i])) for i in range(len(parts)))
    entries, values = b"", b""
    for tag, numbers in sorted(tags.items()):
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        at = packed if len(numbers) == 1 else struct.pack("<I", start + len(values))
        values += packed if len(numbers) > 1 else b""
        entries += struct.pack("<HHI", tag, 4, len(numbers)) + at
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + directory + values + b"".join(parts)


def png(width: int, height: int, bits: int, kind: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of rows that each begin with their filter."""
    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    made = b"\x89PNG\r\n\x1a\n"
    for name, content in ((b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        made += (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )
    return made


def read(data: bytes) -> NDArray[Any]:
    return Picture.from_bytes(data).pixels.astype(int)


def test_sixteen_bit_planes_of_a_tiff_are_not_garbage() -> None:
    values = np.random.default_rng(3).integers(0, 256, (3, 5, 7)).astype("<u2") * 257
    data = tiff(7, 5, (16,) * 3, 2, [plane.tobytes() for plane in values], t284=(2,))
    picture = Picture.from_bytes(data)
    assert np.array_equal(picture.pixels, values.transpose(1, 2, 0) // 257)
    assert picture.notices == TOLD_16
    assert TiffImagePlugin.READ_LIBTIFF is False


def test_a_bitmap_in_letters_is_read() -> None:
    assert Picture.from_bytes(b"P1\n2 2\n0 1\n1 0\n").pixels[..., 0].tolist() == [[255, 0], [0, 255]]


def test_twelve_bit_grey_goes_from_black_to_white() -> None:
    rows = bytes((0x00, 0x08, 0x00)) + bytes((0xFF, 0xFF, 0xFF))  # 0, 2048; 4095, 4095
    picture = Picture.from_bytes(tiff(2, 2, (12,), 1, [rows]))
    assert picture.pixels[..., 0].tolist() == [[0, 128], [255, 255]]
    assert picture.notices == ("12 bits a channel were reduced to 8.",)


def test_sixteen_bit_grey_where_zero_is_white_is_no_negative() -> None:
    rows = np.array([[0, 65535], [13 * 257, 0]], "<u2").tobytes()
    assert read(tiff(2, 2, (16,), 0, [rows]))[..., 0].tolist() == [[255, 0], [242, 255]]
    rows = np.array([[0.0, 1.0]], "<f4").tobytes()
    assert read(tiff(2, 1, (32,), 0, [rows], t339=(3,)))[..., 0].tolist() == [[255, 0]]


def test_grey_with_premultiplied_alpha_is_laid_over_white() -> None:
    picture = Picture.from_bytes(tiff(2, 1, (8, 8), 1, [bytes((50, 128, 7, 255))], t338=(1,)))
    assert np.abs(picture.pixels[0, :, 0].astype(int) - (177, 7)).max() <= 1
    assert picture.notices == ("Transparent areas are laid over white.",)


def test_transparent_colour_of_a_sixteen_bit_png() -> None:
    rows = b"\0" + struct.pack(">6H", 0x1234, 0x5678, 0x9ABC, 0x8000, 0x5678, 0x9ABC)
    data = png(2, 1, 16, 2, rows, (b"tRNS", struct.pack(">3H", 0x1234, 0x5678, 0x9ABC)))
    assert read(data).tolist() == [[[255] * 3, [0x80, 0x56, 0x9A]]]


@pytest.mark.parametrize(("bits", "row"), [(2, 0b00_01_10_11), (4, 0x1A)])
def test_transparent_value_of_grey_in_few_bits(bits: int, row: int) -> None:
    most, count = (1 << bits) - 1, 8 // bits
    values = [row >> bits * (count - 1 - i) & most for i in range(count)]
    data = png(count, 1, bits, 0, bytes((0, row)), (b"tRNS", struct.pack(">H", values[1])))
    expected = [255 if v == values[1] else v * 255 // most for v in values]
    assert read(data)[0, :, 0].tolist() == expected


@pytest.mark.parametrize("attributes", [0, 8])
def test_a_tga_whose_header_counts_no_alpha_is_not_white(attributes: int) -> None:
    head = bytes((0, 0, 2)) + bytes(9) + struct.pack("<HHBB", 4, 3, 32, attributes | 0x20)
    pixels = read(head + bytes((10, 20, 30, 0)) * 12)
    assert pixels[0, 0].tolist() == ([30, 20, 10] if attributes == 0 else [255] * 3)


def test_films_and_unread_tiffs_are_not_called_damaged() -> None:
    film = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(64)
    with pytest.raises(PictureError, match="is not a picture that can be read"):
        Picture.from_bytes(film)
    with pytest.raises(PictureError, match="damaged or cut short"):
        Picture.from_bytes(film.replace(b"mp42", b"heic"))
    data = tiff(4, 4, (24,) * 3, 2, [bytes(4 * 4 * 9)])
    with pytest.raises(PictureError, match="TIFF of a kind that cannot be read: save it as"):
        Picture.from_bytes(data)
    with pytest.raises(PictureError, match="TIFF of a kind"):  # a compression nobody knows
        Picture.from_bytes(tiff(4, 4, (8,) * 3, 2, [bytes(48)], t259=(4711,)))
    with pytest.raises(PictureError, match="damaged or cut short"):
        Picture.from_bytes(data[:-1])


def test_a_lack_of_memory_is_not_called_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(reading, "read_image", full)
    with pytest.raises(PictureError, match="not enough memory"):
        Picture.from_bytes(tiff(1, 1, (8,), 1, [b"\7"]))


def through(levels: tuple[int, int, int], matrix: list[list[float]]) -> NDArray[Any]:
    """sRGB of a colour whose light is taken through a matrix."""
    linear = ((np.array(levels) / 255 + 0.055) / 1.055) ** 2.4
    return 255 * (1.055 * (np.array(matrix) @ linear).clip(0) ** (1 / 2.4) - 0.055)


# Published matrices from linear light of these primaries to that of sRGB.
P3 = [[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]]
BT2020 = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]


@pytest.mark.parametrize(("code", "name", "matrix"), [(12, "Display P3", P3), (9, "BT.2020", BT2020)])
def test_primaries_that_a_png_names_by_code_become_srgb(
    code: int, name: str, matrix: list[list[float]]
) -> None:
    row = b"\0" + bytes((180, 140, 120))
    picture = Picture.from_bytes(png(1, 1, 8, 2, row, (b"cICP", bytes((code, 13, 0, 1)))))
    assert np.abs(picture.pixels[0, 0] - through((180, 140, 120), matrix)).max() < 2.5
    assert picture.notices == (f"Colours were converted from {name} to sRGB.",)
    plain = Picture.from_bytes(png(1, 1, 8, 2, row, (b"cICP", bytes((1, 13, 0, 1)))))
    assert plain.pixels[0, 0].tolist() == [180, 140, 120] and plain.notices == ()


def with_codes(format: str, primaries: int, transfer: int) -> bytes:
    """A flat picture in the colours of the codes: the encoder writes an nclx box, which is changed."""
    reading.register_plugins()
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (180, 140, 120)).save(buffer, format=format, quality=100)
    data = bytearray(buffer.getvalue())
    at = data.index(b"colrnclx") + 8
    data[at : at + 4] = struct.pack(">HH", primaries, transfer)
    return bytes(data)


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_primaries_of_avif_and_heic_become_srgb_and_hdr_is_told(format: str) -> None:
    picture = Picture.from_bytes(with_codes(format, 12, 13))
    assert np.abs(picture.pixels[30, 30] - through((180, 140, 120), P3)).max() < 5
    assert picture.notices == ("Colours were converted from Display P3 to sRGB.",)
    hdr = Picture.from_bytes(with_codes(format, 9, 16))
    assert hdr.notices == ("HDR without a colour profile: brightness and colours look flat.",)


def test_the_depth_of_an_avif_is_read_from_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(with_codes("AVIF", 1, 13))
    at = data.index(b"pixi")
    assert Picture.from_bytes(bytes(data)).notices == ()
    data[at + 9 : at + 12] = bytes((10, 10, 10))
    deep = headers.told(bytes(data), "AVIF")
    assert deep.depth == 10
    # libavif refuses a box that contradicts the stream, and Pillow's encoder makes eight bits only.
    monkeypatch.setattr(reading, "told", lambda *_: deep)
    assert Picture.from_bytes(with_codes("AVIF", 1, 13)).notices == ("10 bits a channel were reduced to 8.",)


def test_sixteen_bits_are_told_whatever_the_format() -> None:
    for head, channels in ((b"P6 2 1 65535 ", 3), (b"P5 2 1 65535 ", 1)):
        picture = Picture.from_bytes(head + struct.pack(">H", 40_000) * 2 * channels)
        assert picture.notices == TOLD_16 and abs(int(picture.pixels[0, 0, 0]) - 156) <= 1
    assert Picture.from_bytes(b"P6 2 1 255 " + bytes(6)).notices == ()
    signed = tiff(2, 1, (16,), 1, [struct.pack("<2h", -100, 100)], t339=(2,))
    assert Picture.from_bytes(signed).notices == (
        "16 bits a channel were reduced to 8: -100 became black and 100 white.",
    )
    sgi = struct.pack(">HBBHHHH", 474, 0, 2, 3, 2, 2, 3).ljust(512, b"\0") + bytes(24)
    assert Picture.from_bytes(sgi).notices == TOLD_16


def test_a_five_bit_bmp_is_not_called_deep() -> None:
    head = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 16, 3, 4, 0, 0, 0, 0)
    masks = struct.pack("<3I", 0xF800, 0x7E0, 0x1F)
    data = b"BM" + struct.pack("<IHHI", 14 + 52 + 4, 0, 0, 14 + 52) + head + masks + b"\0\xf8\0\xf8"
    picture = Picture.from_bytes(data)
    assert picture.pixels[0, 0].tolist() == [255, 0, 0] and picture.notices == ()


def test_a_heic_that_was_turned_upright_says_so() -> None:
    reading.register_plugins()
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (64, 32)).save(buffer, format="HEIF", exif=exif.tobytes())
    picture = Picture.from_bytes(buffer.getvalue())
    assert (picture.width, picture.height) == (32, 64)
    assert picture.notices == ("Turned upright as its EXIF orientation says.",)


def test_a_profile_whose_name_cannot_be_read_does_not_refuse_the_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_: object) -> str:
        raise ImageCms.PyCMSError("no text")

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    buffer = io.BytesIO()
    Image.new("LAB", (4, 4), (150, 140, 120)).save(buffer, format="TIFF", icc_profile=profile)
    assert Picture.from_bytes(buffer.getvalue()).notices[0].startswith("Colours were converted from")
    monkeypatch.setattr(ImageCms, "getProfileDescription", broken)
    assert "cannot be used" in Picture.from_bytes(buffer.getvalue()).notices[0]
