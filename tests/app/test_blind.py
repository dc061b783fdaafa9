"""The blind test's logic: what is hidden and shuffled, what the counts say, and what is exported."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math

import numpy as np
import pytest
from scipy import stats

from app.blind import (
    FEWEST,
    BlindTest,
    Contestant,
    Verdict,
    in_numbers,
    in_words,
    interval,
    p_value,
    places,
    report,
    table,
)
from app.crops import Crop
from app.state import Side

CROPS = tuple(Crop(f"c{n}", 10 * n, 0, 32, 32) for n in range(12))
A = Contestant("hflic", "HFLIC", 1000, 0.15, "abcd")
B = Contestant("jpeg", "JPEG", 1010, 0.152)


def prefer(test: BlindTest, side: Side | None) -> None:
    assert test.current is not None
    if side is None:
        test.answer(Verdict.NONE, 1.5)
    else:
        test.answer(Verdict.LEFT if test.current.on_left is side else Verdict.RIGHT, 1.5)


def test_a_seed_gives_the_same_test_and_another_one_another() -> None:
    assert BlindTest(CROPS, 7).trials == BlindTest(CROPS, 7).trials
    assert BlindTest(CROPS, 7).trials != BlindTest(CROPS, 8).trials


def test_sides_and_places_are_shuffled_and_every_place_comes_once_a_round() -> None:
    test = BlindTest(CROPS, 3, rounds=2)
    assert len(test.trials) == 24
    for half in (test.trials[:12], test.trials[12:]):
        assert {trial.crop for trial in half} == set(CROPS)
        assert [trial.crop for trial in half] != list(CROPS)
        assert {trial.on_left for trial in half} == set(Side)


def test_a_round_does_not_tell_how_a_later_one_stands() -> None:
    same = 0
    for seed in range(100):
        sides: dict[Crop, list[Side]] = {}
        for trial in BlindTest(CROPS, seed, rounds=2).trials:
            sides.setdefault(trial.crop, []).append(trial.on_left)
        same += sum(first is second for first, second in sides.values())
    assert 500 < same < 700  # half of 1200, within six standard deviations


@pytest.mark.parametrize("count", [2, 3, 12])
def test_no_place_comes_twice_in_a_row(count: int) -> None:
    for seed in range(60):
        trials = BlindTest(CROPS[:count], seed, rounds=4).trials
        assert all(one.crop != two.crop for one, two in itertools.pairwise(trials))
    assert len(BlindTest(CROPS[:1], 1, rounds=4).trials) == 4


def test_answers_count_for_what_stood_there() -> None:
    test = BlindTest(CROPS, 1)
    for number in range(12):
        prefer(test, [Side.LEFT, Side.LEFT, Side.RIGHT, None][number % 4])
    assert test.done
    assert test.current is None
    outcome = test.outcome()
    assert (outcome.a, outcome.b, outcome.none) == (6, 3, 3)
    assert outcome.share == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="judged"):
        test.answer(Verdict.LEFT)
    test.back()
    assert not test.done
    assert test.outcome().none == 2


@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (3, 9), (17, 20), (50, 100), (400, 1000)])
def test_interval_and_p_value_are_those_of_scipy(k: int, n: int) -> None:
    exact = stats.binomtest(k, n)
    low, high = exact.proportion_ci(0.95, "exact")
    assert interval(k, n) == pytest.approx((low, high), abs=1e-9)
    assert p_value([1] * k + [-1] * (n - k)) == pytest.approx(exact.pvalue, rel=1e-9)


def test_the_test_over_places_is_that_of_scipy() -> None:
    sums = np.array([4, 3, -1, 2, 0, 1, -2, 4, 3])
    found = stats.permutation_test(
        (sums,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert p_value(sums.tolist()) == pytest.approx(found.pvalue)


def test_answers_about_one_place_count_as_one() -> None:
    """Four looks at each of three places are no twelve independent answers."""
    test = BlindTest(CROPS[:3], 1, rounds=4)
    while not test.done:
        prefer(test, Side.LEFT)
    outcome = test.outcome()
    assert (outcome.a, outcome.b, outcome.places_a, outcome.places_b) == (12, 0, 3, 0)
    assert outcome.p_value == 0.25 and not outcome.significant
    assert (outcome.low, outcome.high) == interval(3, 3)
    told = in_numbers(outcome, test.rounds)
    assert "100% of 12 decided trials, and at 3 of 3 decided places" in told
    assert "All trials of one place count together" in told and "fewer than 6 decided places" in told


def test_nothing_to_test_is_no_certainty() -> None:
    assert p_value([]) == p_value([0, 0]) == 1.0
    assert all(math.isnan(bound) for bound in interval(0, 0))
    assert "no difference was seen" in in_words(BlindTest(CROPS, 1).outcome(), A, B)


def test_words_follow_the_numbers() -> None:
    few, many, even = BlindTest(CROPS[: FEWEST - 1], 1), BlindTest(CROPS[:FEWEST], 1), BlindTest(CROPS, 1)
    for test in (few, many):
        while not test.done:
            prefer(test, Side.LEFT)
    assert in_words(few.outcome(), A, B).startswith("Neither side")
    assert f"fewer than {FEWEST}" in in_numbers(few.outcome())
    assert f"fewer than {FEWEST}" not in in_numbers(many.outcome())
    assert "A was preferred in 100% of 6" in in_numbers(many.outcome())
    assert in_words(many.outcome(), A, B).startswith("HFLIC was preferred")
    for number in range(12):
        prefer(even, list(Side)[number % 2])
    assert in_words(even.outcome(), A, B).startswith("Neither side")
    twin = Contestant("hflic", "HFLIC", 1500, 0.225, "abcd")
    assert in_words(many.outcome(), A, twin).startswith("A (HFLIC, 0.150 bpp) was preferred")


@pytest.mark.parametrize("size", [(512, 512), (4000, 3000), (3000, 500), (100, 900), (20, 20)])
def test_places_lie_in_the_picture_and_do_not_overlap(size: tuple[int, int]) -> None:
    found = places(*size)
    assert 1 <= len(found) <= 9
    assert len({crop.name for crop in found}) == len(found)
    for crop in found:
        assert crop.x >= 0
        assert crop.y >= 0
        assert crop.right <= size[0]
        assert crop.bottom <= size[1]
        for other in found:
            apart = crop.right <= other.x or other.right <= crop.x
            apart |= crop.bottom <= other.y or other.bottom <= crop.y
            assert other is crop or apart


def test_a_large_picture_gets_several_places() -> None:
    assert len(places(4000, 3000)) >= 8


def test_the_table_has_a_line_an_answer() -> None:
    test = BlindTest(CROPS, 5)
    prefer(test, Side.LEFT)
    prefer(test, None)
    rows = list(
        csv.DictReader(io.StringIO(table(test, "cat.png", A, Contestant("original", "Original", 0, 0))))
    )
    assert all(row["a"] == "HFLIC, 0.150 bpp" and row["b"] == "Original" for row in rows)
    assert all((row["image"], row["seed"]) == ("cat.png", "5") for row in rows)
    assert [row["preferred"] for row in rows] == ["A", "none"]
    assert rows[0]["crop"] == test.trials[0].crop.name
    assert rows[0]["on_left"] == test.trials[0].on_left.letter
    assert rows[0]["seconds"] == "1.50"


def test_the_report_holds_all_and_is_strict_json() -> None:
    test = BlindTest(CROPS, 5, rounds=2)
    whole = json.loads(report(test, "cat.png", A, B, {"HFLIC": "1"}))
    assert whole["outcome"]["share"] is None  # nothing judged yet
    prefer(test, Side.RIGHT)
    whole = json.loads(report(test, "cat.png", A, B, {"HFLIC": "1"}))
    assert (whole["outcome"]["a"], whole["outcome"]["b"]) == (0, 1)
    assert whole["answers"][0]["preferred"] == "B"
    assert (whole["seed"], whole["rounds"], whole["trials"]) == (5, 2, 24)
    assert whole["a"]["codec"] == "hflic"
    assert whole["versions"] == {"HFLIC": "1"}


def test_a_test_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one crop"):
        BlindTest((), 1)
