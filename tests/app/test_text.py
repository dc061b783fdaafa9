"""Numbers as people read them: no 1000 kB, no 0 times smaller, no 1 jobs."""

from __future__ import annotations

import pytest

from app import text


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (999, "999 B"),
        (1000, "1.00 kB"),
        (9_994, "9.99 kB"),
        (9_996, "10.0 kB"),
        (99_960, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (999_950_000, "1.00 GB"),
        (5_000_000_000_000, "5000 GB"),
    ],
)
def test_a_size_has_three_digits_and_the_unit_that_fits_them(count: int, words: str) -> None:
    assert text.size(count) == words


def test_counted_things_have_their_plural() -> None:
    assert [text.counted(count, "job") for count in (0, 1, 2)] == ["0 jobs", "1 job", "2 jobs"]
    assert [text.counted(count, "box", "boxes") for count in (1, 3)] == ["1 box", "3 boxes"]


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (0.25, "4.0 times larger"),
        (0.96, "as large as the pixels"),
        (1.4, "1.4 times smaller"),
        (9.96, "10 times smaller"),
        (120.3, "120 times smaller"),
    ],
)
def test_how_much_smaller_a_file_is_never_is_nought(times: float, words: str) -> None:
    assert text.smaller(times) == words


def test_bits_per_pixel_keep_their_digits_where_they_are_rounded_up() -> None:
    assert [text.bpp(value) for value in (0.25, 9.9994, 9.9996)] == ["0.250", "9.999", "10.00"]
