"""Does every kind of picture file arrive upright, in sRGB and eight bits, or as one clear error?"""

from __future__ import annotations

import io
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.cbook
import numpy as np
import pytest
from PIL import Image

from models import reading
from models.errors import OutputError, PictureError
from models.picture import Picture

DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841))
SRGB = ((0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
ADOBE_RGB = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))


@pytest.fixture(scope="module")
def photo() -> Picture:
    return Picture.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))


def encoded(image: Image.Image, format: str, **settings: Any) -> bytes:
    reading.register_plugins()
    buffer = io.BytesIO()
    image.save(buffer, format=format, **settings)
    return buffer.getvalue()


def flat(mode: str, color: Any, size: tuple[int, int] = (16, 12)) -> Image.Image:
    return Image.new(mode, size, color)


def icc_profile(space: bytes, tags: dict[bytes, bytes], description: str) -> bytes:
    """A version 2 ICC profile of the tags given, with description and D50 white point."""
    text = description.encode()
    desc = b"desc" + bytes(4) + struct.pack(">I", len(text) + 1) + text + bytes(1 + 4 + 4 + 2 + 1 + 67)
    tags = {b"desc": desc, b"wtpt": xyz(0.9642, 1.0, 0.8249), b"cprt": b"text" + bytes(4) + b"none\0", **tags}
    at, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, value in tags.items():
        table += name + struct.pack(">II", at + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    pcs = b"Lab " if b"A2B0" in tags else b"XYZ "
    head = struct.pack(
        ">I4sI4s4s4s", 0, b"lcms", 0x02400000, b"prtr" if pcs == b"Lab " else b"mntr", space, pcs
    )
    head = head + bytes(12) + b"acsp" + bytes(28) + xyz(0.9642, 1.0, 0.8249)[8:] + bytes(48)
    whole = head + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in values))


def gamma(value: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(value * 256))


def srgb_curve() -> bytes:
    x = np.linspace(0, 1, 1024)
    y = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    return b"curv" + bytes(4) + struct.pack(">I1024H", 1024, *np.rint(y * 65535).astype(int))


def rgb_profile(primaries: tuple[tuple[float, ...], ...], curve: bytes, description: str) -> bytes:
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    tags = {name: xyz(*values) for name, values in zip(names, primaries, strict=True)}
    return icc_profile(b"RGB ", {**tags, b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}, description)


def cmyk_profile() -> bytes:
    """Two grid points an ink: all inks darken, cyan is green-blue, magenta and yellow are neutral."""
    identity = bytes(range(256))
    nodes = b""
    for cyan in (0, 1):
        for magenta in (0, 1):
            for yellow in (0, 1):
                for black in (0, 1):
                    light = max(0, 255 - 60 * (cyan + magenta + yellow) - 255 * black)
                    nodes += bytes((light, 128 - 60 * cyan * (1 - black), 128 - 30 * cyan * (1 - black)))
    head = (
        b"mft1"
        + bytes(4)
        + bytes((4, 3, 2, 0))
        + struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    )
    return icc_profile(b"CMYK", {b"A2B0": head + identity * 4 + nodes + identity * 3}, "Test inks")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied_once(format: str, orientation: int) -> None:
    upright = np.zeros((16, 24, 3), np.uint8)
    upright[:8, :8] = (255, 0, 0)
    upright[:8, 16:] = (0, 0, 255)
    # The inverse turns, written out from the EXIF standard: where row 0 and column 0 of the file lie.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright[:, ::-1].transpose(1, 0, 2),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: upright[::-1].transpose(1, 0, 2),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    settings = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}.get(format, {})
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), format, exif=exif, **settings)
    picture = Picture.from_bytes(data)
    assert picture.pixels.shape == upright.shape
    assert np.abs(picture.pixels.astype(int) - upright).max() <= (12 if format == "JPEG" else 0)
    assert bool(picture.notices) == (orientation != 1)


def test_heic_and_avif_with_orientation_stand_upright() -> None:
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:, :32] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying, the left side becomes the top
    for format in ("HEIF", "AVIF"):
        picture = Picture.from_bytes(
            encoded(Image.fromarray(pixels), format, exif=exif.tobytes(), quality=90)
        )
        assert (picture.width, picture.height) == (32, 64), format
        assert picture.pixels[:30].mean() > 240 and picture.pixels[34:].mean() < 15, format


def test_jxl_is_not_turned_a_second_time_by_its_exif() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(flat("RGB", (10, 200, 30), (40, 20)), "JXL", exif=exif.tobytes(), use_container=True)
    picture = Picture.from_bytes(data)
    assert (picture.width, picture.height) == (40, 20)


def test_display_p3_is_converted_to_srgb_and_told() -> None:
    profile = rgb_profile(DISPLAY_P3, srgb_curve(), "Display P3")
    picture = Picture.from_bytes(encoded(flat("RGB", (200, 100, 50)), "PNG", icc_profile=profile))
    # Linear P3 to linear sRGB by the published matrix, by hand.
    matrix = np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]])
    linear = ((np.array([200, 100, 50]) / 255 + 0.055) / 1.055) ** 2.4
    expected = 255 * (1.055 * (matrix @ linear).clip(0) ** (1 / 2.4) - 0.055)
    assert np.abs(picture.pixels[3, 3] - expected).max() < 2.5
    assert picture.notices == ("Colours were converted from Display P3 to sRGB.",)


def test_adobe_rgb_green_becomes_more_saturated_in_srgb() -> None:
    profile = rgb_profile(ADOBE_RGB, gamma(2.2), "Adobe RGB (1998)")
    picture = Picture.from_bytes(
        encoded(flat("RGB", (100, 180, 100)), "JPEG", icc_profile=profile, quality=95)
    )
    red, green, _ = picture.pixels[3, 3].astype(int)
    assert red < 70 and abs(green - 181) < 4
    assert "Adobe RGB" in picture.notices[0]


def test_srgb_profile_changes_nothing_and_is_not_told() -> None:
    profile = rgb_profile(SRGB, srgb_curve(), "Some name for it")
    noise = np.random.default_rng(1).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    picture = Picture.from_bytes(encoded(Image.fromarray(noise), "PNG", icc_profile=profile))
    assert np.array_equal(picture.pixels, noise) and picture.notices == ()


def test_grey_profile_of_another_gamma_brightens() -> None:
    profile = icc_profile(b"GRAY", {b"kTRC": gamma(1.0)}, "Linear grey")
    picture = Picture.from_bytes(encoded(flat("L", 55), "PNG", icc_profile=profile))
    assert abs(int(picture.pixels[0, 0, 0]) - 128) <= 2
    assert "Linear grey" in picture.notices[0]


def test_broken_profile_is_told_and_the_picture_shown() -> None:
    picture = Picture.from_bytes(encoded(flat("RGB", (9, 8, 7)), "PNG", icc_profile=b"not a profile" * 20))
    assert tuple(picture.pixels[0, 0]) == (9, 8, 7)
    assert picture.notices == ("Its colour profile cannot be used; the colours are taken as sRGB.",)


def test_cmyk_jpeg_uses_its_profile() -> None:
    with_profile = encoded(flat("CMYK", (255, 0, 0, 0)), "JPEG", quality=95, icc_profile=cmyk_profile())
    picture = Picture.from_bytes(with_profile)
    red, green, blue = picture.pixels[0, 0].astype(int)
    assert red < 100 < green < 240 and blue > 150  # the profile's cyan, not the full (0, 255, 255)
    assert "Test inks" in picture.notices[0]


def test_cmyk_jpeg_without_a_profile_is_approximate_and_told() -> None:
    picture = Picture.from_bytes(encoded(flat("CMYK", (255, 0, 0, 0)), "JPEG", quality=95))
    assert np.abs(picture.pixels[0, 0].astype(int) - (0, 255, 255)).max() < 6
    assert "approximate" in picture.notices[0]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_over_white_and_told(mode: str) -> None:
    color = (200, 0, 0, 51) if mode == "RGBA" else (0, 51)
    picture = Picture.from_bytes(encoded(flat(mode, color), "PNG"))
    expected = (244, 204, 204) if mode == "RGBA" else (204, 204, 204)
    assert np.abs(picture.pixels[0, 0].astype(int) - expected).max() <= 1
    assert picture.notices == ("Transparent areas are laid over white.",)


def test_alpha_that_hides_nothing_is_not_told() -> None:
    picture = Picture.from_bytes(encoded(flat("RGBA", (1, 2, 3, 255)), "PNG"))
    assert tuple(picture.pixels[0, 0]) == (1, 2, 3) and picture.notices == ()


def test_palette_with_a_transparent_colour() -> None:
    image = flat("P", 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (8, 0, 16, 12))
    picture = Picture.from_bytes(encoded(image, "GIF", transparency=1))
    assert tuple(picture.pixels[0, 0]) == (255, 0, 0) and tuple(picture.pixels[0, 15]) == (255, 255, 255)


@pytest.mark.parametrize(("mode", "color", "expected"), [("1", 1, 255), ("L", 77, 77), ("P", 0, None)])
def test_few_coloured_modes(mode: str, color: int, expected: int | None) -> None:
    picture = Picture.from_bytes(encoded(flat(mode, color), "PNG"))
    assert picture.pixels.shape == (12, 16, 3) and picture.pixels.flags.c_contiguous
    assert expected is None or tuple(picture.pixels[0, 0]) == (expected,) * 3


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_not_clipped(format: str) -> None:
    ramp = np.linspace(0, 65535, 256).reshape(16, 16)
    picture = Picture.from_bytes(encoded(Image.fromarray(ramp.astype(np.uint16)), format))
    assert np.array_equal(picture.pixels[..., 1].ravel(), np.rint(ramp.ravel() / 257).astype(np.uint8))
    assert picture.notices == ("16 bits a channel were reduced to 8.",)


def test_sixteen_bit_grey_keeps_its_transparent_value() -> None:
    values = np.array([[0, 1000], [40_000, 65_535]], np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG", transparency=1000)
    picture = Picture.from_bytes(buffer.getvalue())
    assert picture.pixels[..., 0].tolist() == [[0, 255], [156, 255]]
    assert "Transparent areas are laid over white." in picture.notices


def test_sixteen_bit_colour_png_is_told() -> None:
    import cv2

    pixels = np.full((8, 8, 3), (10 * 257, 20 * 257, 30 * 257), np.uint16)
    picture = Picture.from_bytes(cv2.imencode(".png", pixels[..., ::-1])[1].tobytes())
    assert tuple(picture.pixels[0, 0]) == (10, 20, 30)
    assert picture.notices == ("16 bits a channel were reduced to 8.",)


def test_float_tiff_of_zero_to_one_is_scaled() -> None:
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    picture = Picture.from_bytes(encoded(Image.fromarray(values), "TIFF"))
    assert picture.pixels[0, 0, 0] == 0 and picture.pixels[7, 7, 0] == 255
    assert abs(int(picture.pixels[4, 0, 0]) - 255 * 32 / 63) < 1


def test_float_tiff_of_other_values_says_what_is_black_and_white() -> None:
    values = np.array([[-2.0, np.nan], [0.0, 6.0]], np.float32)
    picture = Picture.from_bytes(encoded(Image.fromarray(values), "TIFF"))
    assert picture.pixels[..., 0].tolist() == [[0, 0], [64, 255]]  # what is no number becomes black
    assert "-2 became black and 6 white" in picture.notices[0]


def test_first_frame_of_an_animation_with_a_notice() -> None:
    frames = [flat("RGB", (250, 0, 0)), flat("RGB", (0, 250, 0))]
    for format in ("GIF", "TIFF", "WEBP"):
        picture = Picture.from_bytes(encoded(frames[0], format, save_all=True, append_images=frames[1:]))
        assert picture.pixels[5, 5, 0] > 200 > picture.pixels[5, 5, 1], format
        assert "only the first" in picture.notices[0], format


@pytest.mark.parametrize("format", ["HEIF", "JXL", "AVIF", "WEBP", "JPEG2000"])
def test_modern_formats_are_read(photo: Picture, format: str) -> None:
    small = Image.fromarray(photo.pixels).resize((128, 150))
    picture = Picture.from_bytes(encoded(small, format))
    difference = picture.pixels.astype(float) - np.asarray(small)
    assert picture.pixels.shape == (150, 128, 3) and np.sqrt((difference**2).mean()) < 8


def test_pil_pictures_are_converted_like_files() -> None:
    picture = Picture.from_pil(flat("LA", (0, 0)))
    assert picture.pixels.min() == 255 and picture.path is None and picture.notices


def test_pixels_are_made_contiguous_and_odd_arrays_refused() -> None:
    picture = Picture(np.zeros((4, 6, 3), np.uint8)[:, ::2])
    assert picture.pixels.flags.c_contiguous and (picture.width, picture.height) == (3, 4)
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(PictureError):
            Picture(wrong)


def one_line(path: Path) -> str:
    with pytest.raises(PictureError) as caught:
        Picture.open(path)
    text = str(caught.value)
    assert "\n" not in text and path.name in text
    return text


def test_bad_files_give_one_clear_line(tmp_path: Path) -> None:
    assert "no file" in one_line(tmp_path / "absent.png")
    assert "folder" in one_line(tmp_path)
    (tmp_path / "empty.png").touch()
    assert "empty" in one_line(tmp_path / "empty.png")
    (tmp_path / "notes.png").write_text("these are notes, not a picture\n" * 50)
    assert "not a picture" in one_line(tmp_path / "notes.png")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "JXL", "TIFF", "GIF", "JPEG2000"])
@pytest.mark.parametrize("share", [0.98, 0.5, 0.1])
def test_truncated_files_are_refused_not_shown_grey(
    photo: Picture, tmp_path: Path, format: str, share: float
) -> None:
    data = encoded(Image.fromarray(photo.pixels[:200, :200].copy()), format)
    path = tmp_path / "cut.bin"
    path.write_bytes(data[: int(len(data) * share)])
    assert "damaged or cut short" in one_line(path)


def test_progressive_jpeg_without_its_last_scans_is_refused(photo: Picture) -> None:
    data = encoded(Image.fromarray(photo.pixels), "JPEG", progressive=True)
    with pytest.raises(PictureError, match="cut short"):
        Picture.from_bytes(data[: len(data) * 3 // 4])


def test_unreadable_file_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(b"x")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "permission denied" in one_line(path)


@pytest.mark.parametrize("format", ["PNG", "JXL"])
def test_pictures_above_the_limit_are_refused_before_decoding(
    monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    data = encoded(flat("L" if format == "PNG" else "RGB", 0, (400, 300)), format)
    monkeypatch.setattr(reading, "MAX_PIXELS", 100_000)
    with pytest.raises(PictureError, match="400x300 = 0 megapixels"):
        Picture.from_bytes(data, "big")


def test_very_long_pictures_open_and_pillows_own_limit_is_off() -> None:
    picture = Picture.from_bytes(encoded(Image.new("1", (40_000, 3)), "PNG"))
    assert (picture.width, picture.height) == (40_000, 3)
    assert Image.MAX_IMAGE_PIXELS is None  # it would warn from 89 megapixels on


@pytest.mark.parametrize(
    "size", [(1, 1), (17, 3), (256, 256), (640, 480), (300, 200), (1, 3000), (1920, 1080)]
)
@pytest.mark.parametrize("container", [False, True])
def test_jxl_header_gives_the_size(size: tuple[int, int], container: bool) -> None:
    data = encoded(flat("RGB", 0, size), "JXL", effort=1, use_container=container)
    assert reading.jxl_size(data) == size
    assert reading.jxl_size(b"\xff\xd8\xff\xe0") is None and reading.jxl_size(b"") is None


def boxed(*parts: bytes) -> bytes:
    """A JPEG XL container whose codestream is cut into these."""
    last = len(parts) - 1
    boxes = [b"ftypjxl \0\0\0\0jxl "]
    boxes += [b"jxlp" + (at | (at == last) << 31).to_bytes(4, "big") + part for at, part in enumerate(parts)]
    return b"\0\0\0\x0cJXL \r\n\x87\n" + b"".join((len(b) + 4).to_bytes(4, "big") + b for b in boxes)


@pytest.mark.parametrize("cuts", [(0,), (2,), (0, 1, 5), ()])
def test_a_jxl_codestream_may_be_cut_anywhere(cuts: tuple[int, ...]) -> None:
    """Its header too: what is read of it before decoding has to see through that."""
    bare = encoded(flat("RGB", 0, (640, 480)), "JXL", effort=1, use_container=False)
    ends = [0, *cuts, len(bare)]
    data = boxed(*(bare[begin:end] for begin, end in pairwise(ends)))
    assert reading.jxl_size(data) == (640, 480)
    assert Picture.from_bytes(data).width == 640


def test_a_jxl_container_without_a_picture_is_damaged() -> None:
    for data in (boxed(), boxed(b"", b"\xff")):
        assert reading.jxl_size(data) == (0, 0)
        with pytest.raises(PictureError, match="damaged"):
            Picture.from_bytes(data)


def test_icons_are_no_photographs() -> None:
    """Pillow decodes the PNG in one while it opens it, whatever size that claims."""
    data = encoded(Image.new("RGBA", (16, 16)), "ICO")
    with pytest.raises(PictureError, match="not a picture that can be read"):
        Picture.from_bytes(data)


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".bmp", ".ppm", ".webp"])
def test_saving_loses_nothing(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (9, 13, 3), dtype=np.uint8)
    Picture(noise).save(tmp_path / f"x{suffix}")
    assert np.array_equal(Picture.open(tmp_path / f"x{suffix}").pixels, noise)
    assert [p.name for p in tmp_path.iterdir()] == [f"x{suffix}"]


def test_saving_where_it_cannot_be_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = Picture(np.zeros((2, 2, 3), np.uint8))
    there = tmp_path / "there.png"
    there.write_bytes(b"before")
    for path in (tmp_path / "no" / "x.png", tmp_path, tmp_path / "x.unknown"):
        with pytest.raises(OutputError):
            picture.save(path)

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        picture.save(there)
    assert there.read_bytes() == b"before" and list(tmp_path.iterdir()) == [there]


def test_equal_pixels_have_equal_digests() -> None:
    pixels = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    assert Picture(pixels).digest == Picture(pixels.copy()).digest
    assert Picture(pixels).digest != Picture(pixels.reshape(4, 3, 3)).digest
