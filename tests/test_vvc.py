"""Does VVC make whole files that any player opens, decode to what went in, and stop when it is not wanted?"""

from __future__ import annotations

import matplotlib.cbook
import numpy as np
import pytest
from PIL import Image

from models import codec, ffmpeg, vvc
from models.codec import Codec, Rate, Watch
from models.errors import BitstreamError, Cancelled, CodecError
from models.footprint import PROGRAM
from models.picture import Picture

here = pytest.mark.skipif(bool(vvc.missing("vvc")), reason=vvc.missing("vvc"))


@pytest.fixture(scope="module")
def photo() -> Picture:
    with Image.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        return Picture(np.asarray(image.convert("RGB"))[120:248, 180:308].copy())


@pytest.fixture(scope="module", autouse=True)
def quick() -> object:
    """What is tested does not depend on how hard vvenc tries."""
    patch = pytest.MonkeyPatch()
    patch.setattr(vvc, "PRESET", "faster")
    yield None
    patch.undo()


def psnr(a: Picture, b: Picture) -> float:
    return float(-10 * np.log10(max(((a.pixels.astype(float) - b.pixels) ** 2).mean(), 1e-6) / 65025))


@here
def test_better_quality_is_larger_and_nearer(photo: Picture) -> None:
    made = codec.get("vvc")
    assert isinstance(made, Codec) and made.info()["chroma"].startswith("4:2:0")
    encodings = [made.encode(photo, Rate(quality=q)) for q in (0, 20, 50, 80, 100)]
    sizes, near = [e.bytes for e in encodings], [psnr(photo, made.decode(e.data)) for e in encodings]
    assert sizes == sorted(sizes) and near == sorted(near)
    assert sizes[3] > 5 * sizes[1] and near[0] > 15 and near[4] > 40
    assert all(e.bpp == 8 * len(e.data) / 128**2 and e.encode_s > 0 for e in encodings)


@here
def test_wanted_bits_are_reached_within_a_step_of_qp(photo: Picture) -> None:
    encoding = codec.get("vvc").encode(photo, Rate(bpp=1.0))
    assert abs(encoding.bpp - 1) < 0.08
    assert abs(encoding.bpp - 1) <= 0.02 or "coarser" in encoding.note


@here
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (17, 3), (3, 47), (33, 31), (64, 32), (127, 65)])
def test_any_size_comes_back_as_it_went_in(size: tuple[int, int]) -> None:
    width, height = size
    ramp = np.linspace(40, 200, width * height).reshape(height, width, 1)
    picture = Picture(np.repeat(ramp, 3, axis=2).astype(np.uint8))
    encoding = codec.get("vvc").encode(picture, Rate(quality=70))
    decoded = codec.decode(encoding.data)
    assert (decoded.width, decoded.height) == size == (encoding.width, encoding.height)
    assert psnr(picture, decoded) > 38
    assert codec.identify(encoding.data) == "vvc"


@here
def test_colours_survive() -> None:
    """Matrix and range must be the same both ways; a wrong one shifts saturated colours by ten levels."""
    blocks = np.array(
        [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [30, 120, 200]], np.uint8
    )
    picture = Picture(np.repeat(np.repeat(blocks.reshape(2, 3, 3), 32, axis=0), 32, axis=1))
    decoded = codec.decode(codec.get("vvc").encode(picture, Rate(quality=95)).data)
    middles = decoded.pixels[16::32, 16::32].astype(int)
    assert np.abs(middles - blocks.reshape(2, 3, 3)).max() <= 2


@here
def test_other_players_see_the_padded_picture_in_the_right_colours(photo: Picture) -> None:
    odd = Picture(photo.pixels[:45, :61].copy())
    data = codec.get("vvc").encode(odd, Rate(quality=80)).data
    raw = ffmpeg.run(["-f", "vvc", "-i", "pipe:0", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"], data)
    seen = np.frombuffer(raw, np.uint8).reshape(46, 62, 3)
    assert np.abs(seen[:45, :61].astype(int) - odd.pixels).mean() < 4


@here
@pytest.mark.parametrize("share", [0.0, 0.03, 0.6, 0.97])
def test_cut_files_are_refused(photo: Picture, share: float) -> None:
    data = codec.get("vvc").encode(photo, Rate(quality=60)).data
    with pytest.raises(BitstreamError) as caught:
        codec.get("vvc").decode(data[: int(share * len(data))])
    assert "\n" not in str(caught.value)


@here
def test_damaged_and_foreign_files_decode_or_are_refused(photo: Picture) -> None:
    made = codec.get("vvc")
    data = made.encode(Picture(photo.pixels[:40, :41].copy()), Rate(quality=60)).data
    rng = np.random.default_rng(5)
    for _ in range(6):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), 3):
            damaged[at] ^= int(rng.integers(1, 256))
        try:
            made.decode(bytes(damaged))
        except BitstreamError as error:
            assert "\n" not in str(error)
    with pytest.raises(BitstreamError):
        made.decode(codec.get("jpeg").encode(photo, Rate(quality=50)).data)


@here
def test_decoding_keeps_to_the_memory_allowed(photo: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    coder = vvc.VvcCodec()
    data = coder.encode(photo, Rate(quality=20)).data
    monkeypatch.setattr(vvc, "_HELD", 4e9 / (photo.width * photo.height - 1))
    monkeypatch.setenv("HFLIC_MEMORY", f"{int(4e9 + PROGRAM)}")
    with pytest.raises(BitstreamError, match=r"more than the 0 megapixels .* allow more with HFLIC_MEMORY"):
        coder.decode(data)
    monkeypatch.setattr(vvc, "_HELD", 50.0)
    assert coder.decode(data).width == photo.width


def test_padding_is_written_behind_the_frame_and_read_again() -> None:
    pixels, note = vvc.padded(np.arange(5 * 33 * 3, dtype=np.uint8).reshape(5, 33, 3))
    assert pixels.shape == (32, 34, 3) and (pixels[5:] == pixels[4]).all()
    assert vvc.padding_of(b"stream" + note) == (1, 27) and 0 not in note[5:]
    even, none = vvc.padded(np.zeros((32, 64, 3), np.uint8))
    assert even.shape == (32, 64, 3) and none == b"" and vvc.padding_of(b"x" * 99) == (0, 0)


def test_quality_is_qp_from_its_worst_to_its_best() -> None:
    assert [vvc.qp_of(q) for q in (0, 50, 100)] == [63, 32, 0]
    assert sorted({vvc.qp_of(q / 10) for q in range(1001)}) == list(range(64))


@here
def test_encoding_can_be_cancelled_while_it_runs(photo: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "POLL", 0.001)
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(Cancelled):
        codec.get("vvc").encode(photo, Rate(quality=90), Watch(cancelled=cancelled))


def test_where_it_is_missing_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "has", lambda kind, name: False)
    monkeypatch.setattr(ffmpeg, "executable", lambda: "ffmpeg")
    assert "Linux x86-64 only" in vvc.missing("vvc")
    monkeypatch.setattr(ffmpeg, "executable", lambda: None)
    assert "pip install" in vvc.missing("vvc")


def test_a_side_too_long_is_explained() -> None:
    with pytest.raises(CodecError, match="8192 pixels a side, not 8193"):
        vvc.create("vvc").encode(Picture(np.zeros((1, 8193, 3), np.uint8)), Rate(quality=50))
    with pytest.raises(CodecError, match="no codec 'vtm'"):
        vvc.create("vtm")


@here
def test_the_quality_that_is_told_is_that_of_its_step(photo: Picture) -> None:
    made = codec.get("vvc")
    told = made.encode(photo, Rate(quality=50.3))
    assert told.quality == pytest.approx(100 - 31 * 100 / 63)
    assert made.encode(photo, Rate(quality=told.quality)).data == told.data
