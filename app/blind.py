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
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum

from app import text
from app.crops import Crop
from app.state import Side

CONFIDENCE = 0.95
GRID, GRID_SIDE = 9, 180  # places proposed, and their pixels a side: three at 2x fill a small window
FEWEST = 6  # of n places that all agree, these are the fewest that reach p < 0.05


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
    """Counts of answers, and of places that more answers were for one side than for the other.

    share: A's among the answers for a side. low, high: 95% interval of A's share among the places for a side:
    answers about one place are no independent ones. NaN where there is nothing to count. p_value: see there.
    """

    a: int
    b: int
    none: int
    places_a: int
    places_b: int
    share: float
    low: float
    high: float
    p_value: float

    @property
    def decided(self) -> int:
        """Answers for one of the sides."""
        return self.a + self.b

    @property
    def places(self) -> int:
        """Places for one of the sides."""
        return self.places_a + self.places_b

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

    @property
    def told(self) -> str:
        """Name and size; the original has no file."""
        return f"{self.name}, {self.bpp:.3f} bpp" if self.bytes else self.name


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
        made: list[Trial] = []
        for _ in range(self.rounds):
            order = list(self.crops)
            dice.shuffle(order)
            if made and len(order) > 1 and order[0] == made[-1].crop:  # not the same place twice in a row
                other = dice.randrange(1, len(order))
                order[0], order[other] = order[other], order[0]
            # A coin for each trial. Sides that were balanced would make the later ones foreseeable, and the
            # test of whoever sees nothing less sure than it says.
            made += [Trial(crop, dice.choice(list(Side))) for crop in order]
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
        share = a / (a + b) if a + b else math.nan
        sums = list(self.sums().values())
        for_a, for_b = sum(s > 0 for s in sums), sum(s < 0 for s in sums)
        low, high = interval(for_a, for_a + for_b)
        none = len(self.answers) - a - b
        return Outcome(a, b, none, for_a, for_b, share, low, high, p_value(sums))

    def sums(self) -> dict[Crop, int]:
        """Of each place that was judged, how many answers more were for A than for B."""
        sums = dict.fromkeys((each.trial.crop for each in self.answers), 0)
        for each in self.answers:
            if each.preferred is not None:
                sums[each.trial.crop] += 1 if each.preferred is Side.LEFT else -1
        return sums


def p_value(sums: Sequence[int]) -> float:
    """How often chance gives places whose sum is as far from 0: the exact two-sided sign-flip test.

    sums: of each place; whoever sees no difference makes each as often the one sign as the other (Fisher
    1935, The Design of Experiments, section 21). With one answer a place it is the binomial test against
    1/2. 1 where there is nothing to test.
    """
    ways = {0: 1}  # sum to how many of the 2^n choices of signs give it
    for size in map(abs, sums):
        after: dict[int, int] = {}
        for total, count in ways.items():
            for sign in (size, -size):
                after[total + sign] = after.get(total + sign, 0) + count
        ways = after
    seen = abs(sum(sums))
    return sum(n for total, n in ways.items() if abs(total) >= seen) / sum(ways.values())


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
    across = max(1, min(round(math.sqrt(count * width / height)), width // side, count))
    down = max(1, min(count // across, height // side))
    made: list[Crop] = []
    for row in range(down):
        for column in range(across):
            x = round((column + 0.5) * width / across - side / 2)
            y = round((row + 0.5) * height / down - side / 2)
            crop = Crop(f"Place {len(made) + 1}", x, y, side, side)
            made.append(crop.within(width, height))
    return tuple(made)


def table(test: BlindTest, picture: str, a: Contestant, b: Contestant) -> str:
    """The answers as CSV, a line each; what was compared stands in every line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["trial", "crop", "x", "y", "width", "height", "on_left", "verdict", "preferred", "seconds",
         "a", "b", "image", "seed"]
    )  # fmt: skip
    whole = [a.told, b.told, picture, test.seed]
    for number, each in enumerate(test.answers, 1):
        crop = each.trial.crop
        preferred = each.preferred.letter if each.preferred is not None else "none"
        place = [crop.name, crop.x, crop.y, crop.width, crop.height]
        seconds = f"{each.seconds:.2f}" if math.isfinite(each.seconds) else ""
        said = [each.trial.on_left.letter, each.verdict.value, preferred, seconds]
        writer.writerow([number, *place, *said, *whole])
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
        "interval": "Clopper-Pearson, of A's share of the places that more answers were for one side at",
        "test": "exact two-sided sign-flip over places; with one round the binomial against 1/2",
        "answers": answers,
        "versions": versions,
    }
    return json.dumps(whole, indent=1, allow_nan=False) + "\n"


def in_words(outcome: Outcome, a: Contestant, b: Contestant) -> str:
    """What a result means, in a sentence or two."""
    if not outcome.decided:
        return "No answer was for one of the sides: no difference was seen."
    if outcome.significant:
        better, letter = (a, "A") if outcome.a > outcome.b else (b, "B")
        name = better.name if a.name != b.name else f"{letter} ({better.told})"
        return f"{name} was preferred, more often than chance explains."
    return "Neither side was preferred more often than chance explains."


def in_numbers(outcome: Outcome, rounds: int = 1) -> str:
    """The share, how sure it is, what was counted, and whether that was enough to tell anything."""
    if not outcome.decided:
        return ""
    p = f"{outcome.p_value:.3f}" if outcome.p_value >= 0.001 else "below 0.001"
    words = f"A was preferred in {outcome.share:.0%} of {text.counted(outcome.decided, 'decided trial')}"
    counted, each = "trials", ""
    if rounds > 1:
        words += f", and at {outcome.places_a} of {text.counted(outcome.places, 'decided place')}"
        counted, each = "places", "\nAll trials of one place count together, as one."
    if outcome.places:
        words += f" (95% interval {outcome.low:.0%} to {outcome.high:.0%})"
    few = f"\nWith fewer than {FEWEST} decided {counted} nothing can be told from chance."
    return f"{words}, p = {p}{each}" + (few if outcome.places < FEWEST else "")


def _absent(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
