"""Is a wanted size reached, whatever the shape of the size curve, and are rates and files told apart?"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import codec
from models.codec import TARGET_TOLERANCE, Encoding, Rate, Watch, reach
from models.errors import BitstreamError, Cancelled, CodecError
from models.picture import Picture

BLANK = Picture(np.zeros((100, 200, 3), np.uint8))


def maker(size_at: Callable[[float], float]) -> tuple[Callable[[float], bytes], list[float]]:
    tried: list[float] = []

    def encode_at(quality: float) -> bytes:
        tried.append(quality)
        return bytes(max(round(size_at(quality)), 1))

    return encode_at, tried


@given(
    target=st.floats(1100, 900_000),
    bend=st.floats(0.6, 4),
    start=st.one_of(st.none(), st.floats(0, 100)),
)
@settings(max_examples=300, deadline=None)
def test_smooth_curves_are_reached_whatever_their_bend(
    target: float, bend: float, start: float | None
) -> None:
    encode_at, tried = maker(lambda q: 1000 * 1000 ** ((q / 100) ** bend))
    quality, data, note = reach(encode_at, target, resolution=0.001, start=start)
    assert abs(len(data) / target - 1) <= TARGET_TOLERANCE and note == ""
    assert len(data) == len(encode_at(quality)) and len(tried) <= 17


def test_ordinary_curves_take_few_tries() -> None:
    counts = []
    for target in np.geomspace(1500, 60_000, 40):
        encode_at, tried = maker(lambda q: 1200 * 60 ** (q / 100) * (1 + 0.1 * math.sin(q / 9)))
        assert reach(encode_at, float(target), resolution=0.1)[2] == ""
        counts.append(len(tried))
    assert np.mean(counts) < 5 and max(counts) <= 8


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_jagged_curves_end_at_a_crossing(data: st.DataObject) -> None:
    """Plateaus and dips of up to 20%: the answer is near, or the curve jumps over the target there."""
    wobble = data.draw(st.lists(st.floats(0.9, 1.1), min_size=101, max_size=101))
    flat = data.draw(st.sampled_from([1, 2, 7]))
    sizes = [2000 * 40 ** ((q - q % flat) / 100) * wobble[q - q % flat] for q in range(101)]
    target = data.draw(st.floats(min(sizes) * 1.3, max(sizes) / 1.3))
    encode_at, tried = maker(lambda q: sizes[round(q)])
    _, found, note = reach(encode_at, target)
    assert len(set(tried)) == len(tried), "no quality is encoded twice"
    if note:
        assert "steps are coarser" in note
        crossings = [(a, b) for a, b in pairwise(sizes) if a < target <= b]
        assert abs(len(found) - target) <= 1 + max(min(target - a, b - target) for a, b in crossings)
    else:
        assert abs(len(found) / target - 1) <= TARGET_TOLERANCE


def test_targets_beyond_the_ends_say_so() -> None:
    encode_at, _ = maker(lambda q: 1000 + 10 * q)
    quality, data, note = reach(encode_at, 100)
    assert (quality, len(data)) == (
        0,
        1000,
    ) and note == "wanted 100 bytes, got 1000 (+900.0%): its lowest quality is larger"
    quality, data, note = reach(encode_at, 9000)
    assert (quality, len(data)) == (100, 2000) and "its highest quality is smaller" in note


def test_a_constant_size_ends_quickly() -> None:
    encode_at, tried = maker(lambda q: 500)
    assert "highest quality is smaller" in reach(encode_at, 600)[2]
    assert len(tried) <= 8


def test_one_giant_jump_gives_the_nearer_side() -> None:
    encode_at, _ = maker(lambda q: 1000 if q < 63 else 9000)
    quality, data, note = reach(encode_at, 4000)
    assert quality < 63 and len(data) == 1000 and "coarser" in note


def test_a_dip_next_to_the_lowest_quality_is_found() -> None:
    sizes = {0: 317, 1: 168, 2: 175, 3: 190}
    encode_at, _ = maker(lambda q: sizes.get(round(q), 200 + 5 * q))
    quality, data, _ = reach(encode_at, 251)
    assert abs(len(data) - 251) <= 4
    dip, _ = maker(lambda q: sizes.get(round(q), 400 + 5 * q))
    quality, data, note = reach(dip, 290)
    assert quality == 0 and len(data) == 317 and note


def test_other_scales_and_grids_are_kept() -> None:
    encode_at, tried = maker(lambda q: 1000 * 2**q)
    quality, _, note = reach(encode_at, 5000, lowest=1.0, highest=4.0, resolution=0.25)
    assert quality in {2.25, 2.5} and "coarser" in note
    assert all(1 <= q <= 4 and (q * 4) % 1 == 0 for q in tried)


def test_the_ends_are_not_encoded_without_need() -> None:
    encode_at, tried = maker(lambda q: 1000 * 100 ** (q / 100))
    reach(encode_at, 12_000)
    assert 100 not in tried and 0 not in tried


def test_cancelling_stops_between_tries() -> None:
    encode_at, tried = maker(lambda q: 1000 * 100 ** (q / 100))
    with pytest.raises(Cancelled):
        reach(encode_at, 1300, Watch(cancelled=lambda: len(tried) == 2))
    assert len(tried) == 2


def test_progress_names_the_quality_and_stays_in_range() -> None:
    steps: list[tuple[str, float]] = []
    encode_at, _ = maker(lambda q: 1000 * 100 ** (q / 100))
    reach(encode_at, 1300, Watch(report=lambda stage, done: steps.append((stage, done))))
    assert steps and all(0 <= done <= 1 and "quality" in stage for stage, done in steps)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"quality": 1, "bpp": 1},
        {"quality": 101},
        {"quality": -1},
        {"bpp": 0},
        {"bytes": -5},
        {"bpp": math.nan},
    ],
)
def test_impossible_rates_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(CodecError):
        Rate(**wrong)  # type: ignore[arg-type]


def test_targets_count_the_whole_file() -> None:
    assert Rate(bpp=0.5).target(BLANK) == 1250
    assert Rate(bytes=77).target(BLANK) == 77
    assert Rate(quality=5).target(BLANK) is None
    assert Encoding(bytes(1250), "x", 1, 200, 100, 0.0).bpp == 0.5


def test_every_id_has_one_line_in_the_catalogue() -> None:
    ids = [line.id for line in codec.CATALOGUE]
    assert len(set(ids)) == len(ids)
    assert codec.entry("elic:lite").id == "elic"
    with pytest.raises(CodecError, match="choose one of hflic, "):
        codec.entry("nothing")


def test_foreign_bytes_belong_to_no_codec() -> None:
    for data in (b"", b"\x89PNG\r\n\x1a\n", b"some text"):
        with pytest.raises(BitstreamError):
            codec.identify(data)


@given(target=st.floats(1100, 900_000), bend=st.floats(0.6, 4), wrong=st.floats(0.2, 5))
@settings(max_examples=200, deadline=None)
def test_a_guess_that_is_wrong_by_a_factor_needs_two_tries(target: float, bend: float, wrong: float) -> None:
    def size_at(quality: float) -> float:
        return 1000.0 * 1000 ** ((quality / 100) ** bend)

    encode_at, tried = maker(size_at)
    _, data, note = reach(encode_at, target, resolution=0.001, expect=lambda q: wrong * size_at(q))
    assert abs(len(data) / target - 1) <= TARGET_TOLERANCE and note == ""
    assert len(tried) <= 3  # the third where the grid is too coarse for the first


@given(target=st.floats(1100, 900_000), guesses=st.lists(st.floats(1, 1e7), min_size=101, max_size=101))
@settings(max_examples=200, deadline=None)
def test_any_guess_at_all_does_no_harm(target: float, guesses: list[float]) -> None:
    rising = sorted(guesses)
    encode_at, tried = maker(lambda q: 1000 * 1000 ** (q / 100))
    quality, data, note = reach(encode_at, target, resolution=0.001, expect=lambda q: rising[int(q)])
    assert abs(len(data) / target - 1) <= TARGET_TOLERANCE and note == ""
    assert 0 <= quality <= 100 and len(set(tried)) == len(tried)


def test_with_a_guess_the_ends_say_so_too() -> None:
    encode_at, tried = maker(lambda q: 1000 + 10 * q)
    quality, _, note = reach(encode_at, 100, expect=lambda q: 1000 + 10 * q)
    assert quality == 0 and "its lowest quality is larger" in note and tried == [0]
    quality, _, note = reach(encode_at, 9000, expect=lambda q: 1000 + 10 * q)
    assert quality == 100 and "its highest quality is smaller" in note
