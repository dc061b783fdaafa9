"""Which side do people prefer when they do not know which is which? A seeded blind test. No widgets.

Two alternatives beside the reference, as in the user study of HiFiC (Mentzer et al. 2020, section 4.1), with
"no difference" as a third answer that counts for neither side.
"""

from __future__ import annotations

import csv
import io
import json
import math
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import Enum

from app.crops import Crop
from app.state import Side

CONFIDENCE = 0.95
GRID, GRID_SIDE = 9, 180  # places proposed, and their pixels a side: three at 2x fill a small window
FEWEST = 6  # of n answers that all agree, these are the fewest that reach p < 0.05


class Verdict(Enum):
    """What a person says of a trial: the picture on that side of the screen is nearer to the reference."""

    LEFT = "left"
    RIGHT = "right"
    NONE = "none"


@dataclass(frozen=True)
class Trial:
    """A place of the picture and which side of the comparison stands on the left of the screen."""

    crop: Crop
    on_left: Side

    def preferred(self, verdict: Verdict) -> Side | None:
        """The side a verdict is for, None for neither."""
        if verdict is Verdict.NONE:
            return None
        return self.on_left if verdict is Verdict.LEFT else self.on_left.other


@dataclass(frozen=True)
class Answer:
    """A trial and what was said of it. `seconds`: how long it took."""

    trial: Trial
    verdict: Verdict
    seconds: float

    @property
    def preferred(self) -> Side | None:
        """The side it is for."""
        return self.trial.preferred(self.verdict)


@dataclass(frozen=True)
class Outcome:
    """Counts, and what they say. `low`, `high`: 95% interval of A's share among the answers for a side.

    share, low and high are NaN without such an answer. p_value: exact two-sided binomial test against 1/2.
    """

    a: int
    b: int
    none: int
    share: float
    low: float
    high: float
    p_value: float

    @property
    def decided(self) -> int:
        """Answers for one of the sides."""
        return self.a + self.b

    @property
    def significant(self) -> bool:
        """Whether chance alone would rarely give this."""
        return self.p_value < 1 - CONFIDENCE


@dataclass(frozen=True)
class Contestant:
    """What a side showed, told only in the result."""

    codec: str
    name: str
    bytes: int
    bpp: float
    weights: str | None = None


@dataclass
class BlindTest:
    """Trials in a shuffled order with shuffled sides, from a seed alone. Answers can be taken back."""

    crops: tuple[Crop, ...]
    seed: int
    rounds: int = 1
    trials: tuple[Trial, ...] = ()
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.crops or self.rounds < 1:
            raise ValueError("a blind test needs at least one crop and one round")
        # Mersenne Twister: the same seed gives the same test on every machine.
        dice = random.Random(self.seed)
        first = {crop.name: dice.choice(list(Side)) for crop in self.crops}
        made: list[Trial] = []
        for number in range(self.rounds):
            order = list(self.crops)
            dice.shuffle(order)
            # Each place stands as often this way as the other, so a habit of the hand evens out.
            made += [Trial(c, first[c.name] if number % 2 == 0 else first[c.name].other) for c in order]
        self.trials = tuple(made)

    @property
    def current(self) -> Trial | None:
        """What is to be judged now; None when all is."""
        return self.trials[len(self.answers)] if not self.done else None

    @property
    def done(self) -> bool:
        """Whether all trials are judged."""
        return len(self.answers) == len(self.trials)

    def answer(self, verdict: Verdict, seconds: float = math.nan) -> None:
        """Judge the current trial. Raises ValueError when there is none."""
        if self.current is None:
            raise ValueError("all trials are judged")
        self.answers.append(Answer(self.current, verdict, seconds))

    def back(self) -> None:
        """Take the last answer back."""
        if self.answers:
            self.answers.pop()

    def outcome(self) -> Outcome:
        """What the answers so far say."""
        counts = {side: sum(each.preferred is side for each in self.answers) for side in Side}
        a, b = counts[Side.LEFT], counts[Side.RIGHT]
        low, high = interval(a, a + b)
        share = a / (a + b) if a + b else math.nan
        return Outcome(a, b, len(self.answers) - a - b, share, low, high, p_value(a, a + b))


def p_value(successes: int, count: int) -> float:
    """Exact two-sided binomial test of a fair coin: 1 where there is nothing to test."""
    if not count:
        return 1.0
    more = max(successes, count - successes)
    return min(1.0, 2 * _at_least(more, count, 0.5))


def interval(successes: int, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The interval of Clopper and Pearson (1934): never too short, at any count. NaN without a count."""
    if not count:
        return math.nan, math.nan
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else _solve(lambda p: _at_least(successes, count, p) - tail)
    misses = count - successes
    high = 1.0 if misses == 0 else 1 - _solve(lambda p: _at_least(misses, count, p) - tail)
    return low, high


def _at_least(k: int, n: int, p: float) -> float:
    """The chance of at least k of n; logarithms, so that large n do not overflow."""
    if k <= 0:
        return 1.0
    if p <= 0.0:
        return 0.0
    if p >= 1.0:
        return 1.0
    whole = math.lgamma(n + 1)
    return math.fsum(
        math.exp(
            whole - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p)
        )
        for i in range(k, n + 1)
    )


def _solve(rising: Callable[[float], float]) -> float:
    """Where a rising function of 0..1 crosses zero, by halving."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def places(width: int, height: int, count: int = GRID, side: int = GRID_SIDE) -> tuple[Crop, ...]:
    """Crops spread evenly over a picture, for want of chosen ones; fewer where it is too small for them."""
    side = max(min(side, width, height), 1)
    across = max(1, min(round(math.sqrt(count * width / height)), width // side))
    down = max(1, min(count // across, height // side))
    made: list[Crop] = []
    for row in range(down):
        for column in range(across):
            x = round((column + 0.5) * width / across - side / 2)
            y = round((row + 0.5) * height / down - side / 2)
            crop = Crop(f"Place {len(made) + 1}", x, y, side, side)
            made.append(crop.within(width, height))
    return tuple(made)


def table(test: BlindTest) -> str:
    """The answers as CSV, a line each."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["trial", "crop", "x", "y", "width", "height", "on_left", "verdict", "preferred", "seconds"]
    )
    for number, each in enumerate(test.answers, 1):
        crop = each.trial.crop
        preferred = each.preferred.letter if each.preferred is not None else "none"
        place = [crop.name, crop.x, crop.y, crop.width, crop.height]
        seconds = f"{each.seconds:.2f}" if math.isfinite(each.seconds) else ""
        writer.writerow([number, *place, each.trial.on_left.letter, each.verdict.value, preferred, seconds])
    return out.getvalue()


def report(test: BlindTest, picture: str, a: Contestant, b: Contestant, versions: dict[str, str]) -> str:
    """All of a test as JSON: what was compared, every answer, and what they say."""
    outcome = test.outcome()
    numbers = {name: None if _absent(value) else value for name, value in asdict(outcome).items()}
    answers = [
        {
            "crop": asdict(each.trial.crop),
            "on_left": each.trial.on_left.letter,
            "verdict": each.verdict.value,
            "preferred": each.preferred.letter if each.preferred is not None else None,
            "seconds": round(each.seconds, 2) if math.isfinite(each.seconds) else None,
        }
        for each in test.answers
    ]
    whole = {
        "image": picture,
        "a": asdict(a),
        "b": asdict(b),
        "seed": test.seed,
        "rounds": test.rounds,
        "trials": len(test.trials),
        "outcome": numbers,
        "confidence": CONFIDENCE,
        "interval": "Clopper-Pearson, of A's share of the answers for a side",
        "test": "exact two-sided binomial against 1/2",
        "answers": answers,
        "versions": versions,
    }
    return json.dumps(whole, indent=1, allow_nan=False) + "\n"


def in_words(outcome: Outcome, a: Contestant, b: Contestant) -> str:
    """What a result means, in a sentence or two."""
    if not outcome.decided:
        return "No answer was for one of the sides: no difference was seen."
    if outcome.significant:
        better = a if outcome.a > outcome.b else b
        return f"{better.name} was preferred, more often than chance explains."
    return "Neither side was preferred more often than chance explains."


def in_numbers(outcome: Outcome) -> str:
    """The share, how sure it is, and whether there were answers enough to tell anything."""
    if not outcome.decided:
        return ""
    p = f"{outcome.p_value:.3f}" if outcome.p_value >= 0.001 else "below 0.001"
    words = (
        f"A was preferred in {outcome.share:.0%} of {outcome.decided} decided trials "
        f"(95% interval {outcome.low:.0%} to {outcome.high:.0%}), p = {p}"
    )
    few = f"\nWith fewer than {FEWEST} decided trials nothing can be told from chance."
    return words + (few if outcome.decided < FEWEST else "")


def _absent(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
