"""Which quality gives the file size somebody asked for?"""

from __future__ import annotations

import math
from collections.abc import Callable

from models.watch import QUIET, Watch

_GUESSES = 3  # tries that follow a guess before the search goes by itself
TARGET_TOLERANCE = 0.02  # a wanted size counts as reached within this share of it


def reach(
    encode_at: Callable[[float], bytes],
    target: float,
    watch: Watch = QUIET,
    *,
    lowest: float = 0.0,
    highest: float = 100.0,
    resolution: float = 1.0,
    tries: int = 16,
    start: float | None = None,
    expect: Callable[[float], float] | None = None,
) -> tuple[float, bytes, str]:
    """Search the quality whose file comes nearest to `target` bytes.

    `encode_at(quality)` gives a file that on the whole grows with quality; plateaus, jumps and local
    dips are allowed. `resolution` is the smallest step of quality that makes a difference; `start` is
    where to try first; `expect(quality)` guesses the bytes, cheaply and never falling, and saves tries where
    its ratios are good. Returns quality, file, and a note that is "" when the size is within
    TARGET_TOLERANCE. Raises Cancelled.
    """
    search = _SizeSearch(encode_at, target, watch, lowest, highest, resolution, tries)
    return search.run(start, expect)


def reach_slowly(
    find: Callable[[float], tuple[float, bytes]],
    slow_at: Callable[[float], bytes],
    target: float,
    *,
    lowest: float = 0.0,
    highest: float = 100.0,
    usual: float,
    tries: int = 3,
) -> tuple[float, bytes, str]:
    """As `reach`, for files that take long and come out at a share of quick ones of the same quality.

    `find(size)` gives the quality and the quick file that comes nearest to a size, `slow_at(quality)` the
    file that is wanted. `usual` is the share expected first, later on it is the one seen. As few slow files
    are made as lead to TARGET_TOLERANCE. Raises Cancelled.
    """
    made: dict[float, bytes] = {}
    share, coarse = usual, False
    while len(made) < tries:
        quality, quick = find(target / share)
        if coarse := quality in made:
            break
        made[quality] = slow_at(quality)
        if abs(len(made[quality]) / target - 1) <= TARGET_TOLERANCE:
            break
        share = len(made[quality]) / len(quick)
    quality = min(made, key=lambda q: abs(len(made[q]) - target))
    got = len(made[quality])
    off = got / target - 1
    if abs(off) <= TARGET_TOLERANCE:
        return quality, made[quality], ""
    why = _COARSE if coarse else f"the search stopped after {len(made)} tries"
    if off > 0 and quality == lowest:
        why = _LARGER
    elif off < 0 and quality == highest:
        why = _SMALLER
    return quality, made[quality], _missed(target, got, why)


_LARGER, _SMALLER = "its lowest quality is larger", "its highest quality is smaller"
_COARSE = "its quality steps are coarser than that"


def _missed(target: float, got: int, why: str) -> str:
    return f"wanted {target:.0f} bytes, got {got} ({got / target - 1:+.1%}): {why}"


class _SizeSearch:
    """Bracket the target from one first try, then narrow the bracket down.

    The ends of the scale are tried only when the search gets there: they are the slowest to encode.
    """

    def __init__(
        self,
        encode_at: Callable[[float], bytes],
        target: float,
        watch: Watch,
        lowest: float,
        highest: float,
        resolution: float,
        tries: int,
    ) -> None:
        self.encode_at, self.target, self.watch = encode_at, target, watch
        self.lowest, self.highest, self.resolution, self.tries = lowest, highest, resolution, tries
        self.files: dict[float, bytes] = {}

    def run(
        self, start: float | None, expect: Callable[[float], float] | None = None
    ) -> tuple[float, bytes, str]:
        first = self.lowest + 0.4 * (self.highest - self.lowest) if start is None else start
        if expect is not None:
            first = self.guided(expect)
        bracket = self.around() or self.bracket(self.on_grid(first))
        if bracket is None:
            bracket = self.dip_at_the_end()
        if bracket is not None:
            self.narrow(*bracket)
        quality = min(self.files, key=lambda q: abs(len(self.files[q]) - self.target))
        return quality, self.files[quality], self.note(quality, bracket)

    def on_grid(self, quality: float) -> float:
        steps = round((quality - self.lowest) / self.resolution)
        return min(max(self.lowest + steps * self.resolution, self.lowest), self.highest)

    def attempt(self, quality: float) -> float:
        """log(size / target) at a quality."""
        if quality not in self.files:
            self.watch.step(f"searching the size: quality {quality:.4g}", len(self.files) / self.tries)
            self.files[quality] = self.encode_at(quality)
        return math.log(max(len(self.files[quality]), 1) / self.target)

    def settled(self) -> bool:
        """Near enough; the more tries were spent, the wider that is, up to the tolerance itself."""
        share = 0.25 if len(self.files) < 6 else 0.5 if len(self.files) < 9 else 1.0
        wanted = share * TARGET_TOLERANCE
        return any(abs(len(data) / self.target - 1) <= wanted for data in self.files.values())

    def guided(self, expect: Callable[[float], float]) -> float:
        """Try where the guess says; each file tells by how much it is wrong. Gives the last quality tried."""
        quality = self.expected_at(expect, self.target)
        for _ in range(_GUESSES):
            off = self.attempt(quality)
            there = self.expected_at(expect, expect(quality) * math.exp(-off))
            if self.settled() or there in self.files:
                break
            quality = there
        return quality

    def expected_at(self, expect: Callable[[float], float], size: float) -> float:
        """The lowest quality that is expected to give so many bytes."""
        low, high = self.lowest, self.highest
        if expect(low) >= size:
            return low
        while high - low > self.resolution:
            middle = (low + high) / 2
            low, high = (middle, high) if expect(middle) < size else (low, middle)
        return self.on_grid(high)

    def around(self) -> tuple[float, float] | None:
        """The closest bracket among what was tried, None where there is none."""
        below = [q for q in self.files if self.attempt(q) < 0]
        above = [q for q in self.files if self.attempt(q) >= 0]
        found = (max(below), min(above)) if below and above else None
        return found if found is not None and found[0] < found[1] else None

    def bracket(self, quality: float) -> tuple[float, float] | None:
        """Two qualities, the lower one's file below the target, the upper one's not; None without any."""
        off = self.attempt(quality)
        growth = math.log(30) / (self.highest - self.lowest)  # of the size, a first guess for photographs
        while not self.settled() and len(self.files) < self.tries:
            end = self.highest if off < 0 else self.lowest
            if quality == end:
                return None
            # Aim a third beyond the guess: landing just short of the target would cost another try.
            there = self.on_grid(quality - 1.33 * off / growth)
            if there == quality:
                there = self.on_grid(quality + math.copysign(self.resolution, -off))
            if abs(end - there) < 0.1 * abs(end - quality):
                there = end
            before, off_before, quality = quality, off, there
            off = self.attempt(quality)
            if (off < 0) != (off_before < 0):
                return min(before, quality), max(before, quality)
            slope = (off - off_before) / (quality - before)
            # A plateau or a dip says nothing of the slope; then, as always, the steps at least double.
            growth = min(max(slope, 0.1 * growth), 0.7 * growth)
        return None

    def dip_at_the_end(self) -> tuple[float, float] | None:
        """A bracket next to an end that missed narrowly: some encoders are not monotone there."""
        for end in (self.lowest, self.highest):
            if end not in self.files or self.settled() or abs(self.attempt(end)) > 0.3:
                continue
            for share in (0.01, 0.05):
                near = self.on_grid(end + share * (self.highest + self.lowest - 2 * end))
                across = (self.attempt(near) < 0) != (self.attempt(end) < 0)
                if across and end == self.lowest:
                    return near, min((q for q in self.files if q > near), default=near)
                if across:
                    return max((q for q in self.files if q < near), default=near), near
        return None

    def narrow(self, low: float, high: float) -> None:
        """Close in on a crossing: `low`'s file is below the target, `high`'s is not.

        Sizes grow about exponentially with quality, so the aim is linear in their logarithms, halving
        instead whenever two aims did not halve the bracket between them.
        """
        widths = [high - low]
        while not self.settled() and len(self.files) < self.tries:
            width = high - low
            if width <= self.resolution * 1.0001:
                return
            off_low, off_high = self.attempt(low), self.attempt(high)
            slow = len(widths) > 2 and width > 0.5 * widths[-3]
            share = 0.5 if slow else min(max(-off_low / (off_high - off_low), 0.03), 0.97)
            middle = self.on_grid(low + (high - low) * share)
            if middle in {low, high}:
                middle = self.on_grid(middle + math.copysign(self.resolution, (low + high) / 2 - middle))
            if middle in {low, high}:
                return
            if self.attempt(middle) < 0:
                low = middle
            else:
                high = middle
            widths.append(high - low)

    def note(self, quality: float, bracket: tuple[float, float] | None) -> str:
        got = len(self.files[quality])
        off = got / self.target - 1
        if abs(off) <= TARGET_TOLERANCE:
            return ""
        if bracket is None and off > 0 and self.lowest in self.files:
            why = _LARGER
        elif bracket is None and off < 0 and self.highest in self.files:
            why = _SMALLER
        elif len(self.files) >= self.tries:
            why = f"the search stopped after {self.tries} tries"
        else:
            why = _COARSE
        return _missed(self.target, got, why)
