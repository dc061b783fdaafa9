"""What a file claims is believed as far as its bytes or the memory go: flat pictures are no forgeries."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models import claims, levels, reading
from models import codec as codecs
from models.codec import Rate
from models.errors import PictureError
from models.picture import Picture
from tests.fuzz.mutations import png_with_right_checksums
from tests.fuzz.sizes import claimed
from tests.untrained import photo

COLOUR = (120, 130, 90)
WIDTH, HEIGHT = 6000, 4000
# By Pillow's name: how the flattest file is made, and the fewest pixels that it holds in a byte.
FLAT: dict[str, tuple[str, dict[str, Any], int]] = {
    "PNG": ("1", {}, 2000),
    "JPEG": ("RGB", {"quality": 20}, 60),
    "GIF": ("P", {}, 1000),
    "WEBP": ("RGB", {"lossless": True, "method": 0}, 500_000),
    "AVIF": ("RGB", {"speed": 10}, 15_000),
    "TIFF": ("1", {"compression": "group4"}, 10_000),
    "JPEG2000": ("RGB", {}, 20_000),
}


def flat(format: str, width: int, height: int) -> bytes:
    mode, settings, _ = FLAT[format]
    image = Image.new(mode, (width, height), {"1": 1, "P": 5}.get(mode, COLOUR))
    buffer = io.BytesIO()
    image.save(buffer, format=format, **settings)
    return buffer.getvalue()


@pytest.mark.parametrize("format", FLAT)
def test_a_picture_of_24_megapixels_and_one_colour_opens(format: str) -> None:
    data = flat(format, WIDTH, HEIGHT)
    assert WIDTH * HEIGHT / len(data) > FLAT[format][2]
    pixels = Picture.from_bytes(data).pixels
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert not np.ptp(pixels[::97].reshape(-1, 3), axis=0).any()


@pytest.mark.parametrize("codec", ["jpeg", "webp", "avif", "jxl", "heic", "jpeg2000"])
def test_codecs_read_their_own_flat_pictures(codec: str) -> None:
    """Two megapixels that take AVIF and JPEG 2000 a few hundred bytes."""
    if codecs.missing(codec):
        pytest.skip(f"{codec} is not installed")
    picture = Picture(np.full((1400, 1500, 3), COLOUR, np.uint8))
    coder = codecs.get(codec)
    decoded = coder.decode(coder.encode(picture, Rate(quality=50)).data)
    assert np.abs(decoded.pixels.astype(int) - COLOUR).max() < 12


def test_a_claim_without_bytes_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = flat("WEBP", 2000, 1500)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    monkeypatch.setenv("HFLIC_MEMORY", "200M")  # a quarter of it is less than the picture takes
    with pytest.raises(PictureError, match=r"2000x1500 pixels in \d+ bytes.*HFLIC_MEMORY=1G"):
        Picture.from_bytes(data)


def test_whoever_trusts_it_may_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the text says."""
    data = flat("WEBP", 2000, 1500)
    monkeypatch.setenv("HFLIC_MEMORY", "1G")
    assert Picture.from_bytes(data).width == 2000


def test_bytes_vouch_for_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary picture of the same size needs no trust."""
    monkeypatch.setenv("HFLIC_MEMORY", "200M")
    buffer = io.BytesIO()
    Image.fromarray(photo(2000, 1500).pixels).save(buffer, format="WEBP", quality=30, method=0)
    assert Picture.from_bytes(buffer.getvalue()).width == 2000


def test_reading_over_the_budget_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    Image.fromarray(photo(1200, 1000).pixels).save(buffer, format="WEBP", quality=30)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    monkeypatch.setenv("HFLIC_MEMORY", "20M")
    with pytest.raises(PictureError, match=r"takes up to 0\.0 GB .*scale it to 9\d\dx8\d\d.*HFLIC_MEMORY=1G"):
        Picture.from_bytes(buffer.getvalue())
    monkeypatch.setenv("HFLIC_MEMORY", "plenty")
    with pytest.raises(PictureError, match="no amount of memory"):
        Picture.from_bytes(buffer.getvalue())


@pytest.mark.parametrize("format", ["PNG", "BMP"])
def test_formats_with_a_bound_are_held_to_it(format: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(photo(61, 47).pixels).convert("P").save(buffer, format=format)
    data = claimed(format.lower(), buffer.getvalue(), 10_000, 9_000)
    if format == "PNG":
        data = png_with_right_checksums(data)
    with pytest.raises(PictureError, match=f"10000x9000 pixels in .* more than {format} can hold"):
        Picture.from_bytes(data)


def test_a_giant_jpeg_xl_is_refused_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reader decodes while it opens."""
    size = sum(value << at for at, value in ((1, 3), (3, 8999), (36, 3), (38, 9999)))
    data = b"\xff\x0a" + size.to_bytes(12, "little")
    assert reading.jxl_size(data) == (10_000, 9_000)
    with pytest.raises(PictureError, match="10000x9000 pixels in 14 bytes: it is damaged or made to fill"):
        Picture.from_bytes(data)


def test_no_file_may_have_200_megapixels_and_more_memory_than_the_budget() -> None:
    """What each format takes at most, from the table, against the default of 4 GB."""
    for format in reading.FORMATS:
        claims.check(12_000, 12_000, format, 40_000_000, "it")  # 144 megapixels always may
    with pytest.raises(PictureError, match=r"5\.0 GB"):
        claims.check(16_000, 12_500, "WEBP", 40_000_000, "it")
    claims.check(16_000, 12_500, "JPEG", 40_000_000, "it")


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_deep_pictures_are_the_same_in_strips(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).integers(0, 60_000, (33, 40))
    dtype = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
    values = values.astype(dtype) if mode != "F" else (values / 30_000 - 0.5).astype(np.float32)
    image = Image.fromarray(values)
    assert image.mode == mode
    whole = reading.read_image(image)
    monkeypatch.setattr(levels, "_STRIP", 40 * 7)
    parts = reading.read_image(image)
    assert np.array_equal(whole.pixels, parts.pixels) and whole.notices == parts.notices
    assert whole.pixels.std() > 30


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
@pytest.mark.parametrize("mode", ["RGB", "F"])
def test_a_picture_without_pixels_is_refused(mode: str, size: tuple[int, int]) -> None:
    with pytest.raises(PictureError, match="at least one pixel"):
        Picture.from_pil(Image.new(mode, size))


def test_no_size_of_nothing_is_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HFLIC_MEMORY", "1000")
    with pytest.raises(PictureError, match=r"are allowed: allow more with HFLIC_MEMORY=1G"):
        claims.check(100, 100, "PNG", 2000, "it")
    monkeypatch.setenv("HFLIC_MEMORY", "10K")
    # A thousand times as wide as high: the shorter side would be none.
    with pytest.raises(PictureError, match=r"are allowed: allow more with"):
        claims.check(10_000, 10, "PNG", 2000, "it")
