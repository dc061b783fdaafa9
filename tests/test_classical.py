"""Do the classical codecs make whole, clean files of the wanted size that decode to the size that went in?"""

from __future__ import annotations

import io
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import matplotlib.cbook
import numpy as np
import pytest
from PIL import Image, ImageFile

from models import codec, reading
from models.classical import FORMATS, create, jpeg_tables, missing
from models.codec import TARGET_TOLERANCE, Codec, Rate, Watch
from models.errors import BitstreamError, Cancelled, CodecError, PictureError
from models.picture import Picture

IDS = tuple(FORMATS)


@pytest.fixture(scope="module")
def photo() -> Picture:
    path = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    with Image.open(path) as image:
        return Picture(np.asarray(image.convert("RGB"))[60:316, 100:356].copy())


def psnr(a: Picture, b: Picture) -> float:
    return float(-10 * np.log10(max(((a.pixels.astype(float) - b.pixels) ** 2).mean(), 1e-6) / 65025))


@pytest.mark.parametrize("id", IDS)
def test_they_are_codecs_and_present(id: str) -> None:
    assert missing(id) == ""
    made = create(id)
    assert isinstance(made, Codec) and made.id == id and made.weights is None
    assert made.info() and all(isinstance(value, str) for value in made.info().values())


def test_unknown_ids_are_refused() -> None:
    assert "no classical codec" in missing("bpg")
    with pytest.raises(CodecError):
        create("bpg")


def test_missing_plugin_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    reading.register_plugins.cache_clear()
    try:
        assert "pip install pillow-jxl-plugin" in missing("jxl")
        assert "pip install pillow-heif" in missing("heic")
        assert missing("jpeg") == ""
        for data in (b"\xff\x0a" + bytes(40), b"\0\0\0\x20ftypheic" + bytes(40)):
            with pytest.raises(PictureError, match="is not installed: pip install pillow-"):
                reading.read_bytes(data, "it")
        flat = Image.new("RGB", (8, 8))
        made = io.BytesIO()
        flat.save(made, format="PNG")
        assert reading.read_bytes(made.getvalue(), "it").pixels.shape == (8, 8, 3)
    finally:
        reading.register_plugins.cache_clear()


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("bpp", [0.4, 1.2])
def test_wanted_bits_are_reached_or_the_note_says_how_near(photo: Picture, id: str, bpp: float) -> None:
    encoding = codec.get(id).encode(photo, Rate(bpp=bpp))
    off = encoding.bpp / bpp - 1
    assert abs(off) <= TARGET_TOLERANCE or (f"{off:+.1%}" in encoding.note and abs(off) < 0.05)
    assert encoding.bpp == 8 * len(encoding.data) / 256**2 and encoding.encode_s > 0


@pytest.mark.parametrize("id", IDS)
def test_better_quality_is_larger_and_nearer(photo: Picture, id: str) -> None:
    made = codec.get(id)
    encodings = [made.encode(photo, Rate(quality=q)) for q in (5, 30, 49.9, 50, 75, 95)]
    sizes = [e.bytes for e in encodings]
    nearness = [psnr(photo, made.decode(e.data)) for e in encodings]
    assert all(b > 0.97 * a for a, b in pairwise(sizes)), sizes
    assert nearness[0] < nearness[1] < nearness[3] < nearness[4] < nearness[5]
    assert sizes[5] > 3 * sizes[1] and nearness[5] > 38


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("quality", [0, 100])
def test_the_ends_of_the_scale_work(photo: Picture, id: str, quality: float) -> None:
    made = codec.get(id)
    decoded = made.decode(made.encode(photo, Rate(quality=quality)).data)
    assert psnr(photo, decoded) > (40 if quality else 15)


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (17, 3), (3, 17), (33, 31), (127, 65)])
@pytest.mark.parametrize("quality", [20, 80])
def test_any_size_comes_back_as_it_went_in(id: str, size: tuple[int, int], quality: float) -> None:
    width, height = size
    ramp = np.linspace(40, 200, width * height).reshape(height, width, 1)
    picture = Picture(np.repeat(ramp, 3, axis=2).astype(np.uint8))
    made = codec.get(id)
    encoding = made.encode(picture, Rate(quality=quality))
    decoded = made.decode(encoding.data)
    assert (decoded.width, decoded.height) == size == (encoding.width, encoding.height)
    # OpenJPEG codes nothing of a ramp when it aims under 30 dB: what comes back is its mean.
    assert psnr(picture, decoded) > (14 if id == "jpeg2000" and quality == 20 else 22)


@pytest.mark.parametrize("id", IDS)
def test_files_are_recognised_and_hold_nothing_but_the_picture(photo: Picture, id: str) -> None:
    data = codec.get(id).encode(photo, Rate(quality=50)).data
    assert codec.identify(data) == id
    assert codec.decode(data).pixels.shape == photo.pixels.shape
    with Image.open(io.BytesIO(data)) as image:
        assert not image.info.get("exif") and not image.info.get("xmp")
    # libjxl's reader makes a profile up, so the bytes are asked: "acsp" is in every ICC profile.
    assert b"Exif" not in data and b"acsp" not in data


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("share", [0.0, 0.03, 0.6, 0.97])
def test_cut_files_are_refused(photo: Picture, id: str, share: float) -> None:
    data = codec.get(id).encode(photo, Rate(quality=60)).data
    with pytest.raises(BitstreamError) as caught:
        codec.get(id).decode(data[: int(share * len(data))])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("id", IDS)
def test_files_with_flipped_bytes_decode_or_are_refused_but_never_crash(photo: Picture, id: str) -> None:
    made = codec.get(id)
    data = made.encode(Picture(photo.pixels[:64, :64].copy()), Rate(quality=60)).data
    rng = np.random.default_rng(5)
    for _ in range(25):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), 3):
            damaged[at] ^= int(rng.integers(1, 256))
        try:
            made.decode(bytes(damaged))
        except BitstreamError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("id", IDS)
def test_a_codec_refuses_another_codecs_file(photo: Picture, id: str) -> None:
    other = "webp" if id == "jpeg" else "jpeg"
    with pytest.raises(BitstreamError):
        codec.get(id).decode(codec.get(other).encode(photo, Rate(quality=50)).data)


def test_a_side_too_long_for_the_format_is_explained() -> None:
    with pytest.raises(CodecError, match="16383 pixels a side, not 16384"):
        codec.get("webp").encode(Picture(np.zeros((1, 16384, 3), np.uint8)), Rate(quality=50))


def test_cancelling_between_tries(photo: Picture) -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(Cancelled):
        codec.get("jxl").encode(photo, Rate(bpp=0.4), Watch(cancelled=cancelled))


def test_whole_qualities_of_jpeg_are_libjpegs_own(photo: Picture) -> None:
    settings = {"subsampling": "4:4:4", "progressive": True, "optimize": True}
    for quality in (50, 75, 96):
        buffer = io.BytesIO()
        Image.fromarray(photo.pixels).save(buffer, format="JPEG", quality=quality, **settings)
        assert codec.get("jpeg").encode(photo, Rate(quality=quality)).data == buffer.getvalue()
    assert (
        jpeg_tables(80.5) != jpeg_tables(80)
        and max(jpeg_tables(0)[0]) == 255
        and max(jpeg_tables(100)[1]) == 1
    )


def test_fractions_of_heic_quality_make_a_difference(photo: Picture) -> None:
    made = codec.get("heic")
    sizes = [made.encode(photo, Rate(quality=q)).bytes for q in (40, 40.5, 41, 41.5, 42)]
    assert sizes == sorted(sizes) and len(set(sizes)) == 5


def test_jpeg_encoding_lets_other_threads_run() -> None:
    picture = Picture(np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), dtype=np.uint8))
    made, gaps, done = codec.get("jpeg"), [0.0], threading.Event()

    def tick() -> None:
        last = time.perf_counter()
        while not done.is_set():
            time.sleep(0.002)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    thread = threading.Thread(target=tick)
    thread.start()
    encoding = made.encode(picture, Rate(quality=90))
    done.set()
    thread.join()
    assert max(gaps) < 0.5 * encoding.encode_s


def test_a_rotated_jpeg_of_another_program_is_decoded_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20)).save(buffer, format="JPEG", exif=exif)
    decoded = codec.decode(buffer.getvalue())
    assert (decoded.width, decoded.height) == (20, 40) and decoded.notices


@pytest.mark.parametrize("size", [(200, 200), (7, 509)])
def test_jpeg_takes_noise_at_its_highest_quality(size: tuple[int, int], tmp_path: Path) -> None:
    """A file of more than two bytes a pixel, which is what Pillow reckons with."""
    noise = np.random.default_rng(0).integers(0, 2, (*size, 3), dtype=np.uint8) * 255
    picture, before = Picture(noise), ImageFile.MAXBLOCK
    assert codec.get("jpeg").encode(picture, Rate(quality=100)).bpp > 20
    assert abs(codec.get("jpeg").encode(picture, Rate(bpp=20)).bpp / 20 - 1) < 0.1
    picture.save(tmp_path / "noise.jpg")
    assert Picture.open(tmp_path / "noise.jpg").pixels.shape == noise.shape
    assert before == ImageFile.MAXBLOCK


def test_the_quality_that_is_told_is_the_one_worked_with(photo: Picture) -> None:
    made = codec.get("avif")
    told = made.encode(photo, Rate(quality=50.6))
    assert told.quality == 51 and made.encode(photo, Rate(quality=told.quality)).data == told.data
    assert codec.get("jpeg").encode(photo, Rate(quality=50.6)).quality == 50.6
