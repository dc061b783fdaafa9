"""How much better is each codec than one of them, picture by picture at the same wanted rate?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.evaluation import ResultsError, Row


@dataclass(frozen=True)
class Difference:
    """Means of a metric over the pictures that both codecs have a number for, and how they differ.

    value, base: of the codec and of the one it is compared with; bpp, base_bpp: of their files on the same
    pictures, bits per pixel; better: on how many of the `pictures` the codec has the better number.
    """

    codec: str
    weights: str | None
    rate: dict[str, float]
    metric: str
    pictures: int
    value: float
    base: float
    bpp: float
    base_bpp: float
    better: int

    @property
    def by(self) -> float:
        """The codec's mean less the other's, in the metric's unit."""
        return self.value - self.base

    @property
    def percent(self) -> float | None:
        """`by` in percent of the other's mean; None where that is zero or the metric is in decibels."""
        from models.metrics import TABLE

        return 100 * self.by / self.base if self.base and TABLE[self.metric].unit != "dB" else None

    @property
    def bpp_percent(self) -> float:
        """How many percent larger the codec's files are: near zero where both reach the wanted rate."""
        return 100 * (self.bpp / self.base_bpp - 1)


def differences(rows: Sequence[Row], against: str, metrics: Iterable[str]) -> list[Difference]:
    """Every other codec against `against`, an id or "ID@WEIGHTS", at each rate and in each metric.

    A metric without a picture in common is left out. Raises ResultsError where `against` has no rows, or has
    them with several weights.
    """
    named = [row for row in rows if _named(row, against)]
    if not named:
        known = dict.fromkeys(row.codec for row in rows)
        raise ResultsError(f"there is no codec '{against}' in these results: {', '.join(known)}")
    several = dict.fromkeys(f"{row.codec}@{row.weights}" for row in named)
    if len(several) > 1:
        names = ", ".join(several)
        raise ResultsError(f"{against} was evaluated with several weights: say which as one of {names}")
    base = {_place(row): row for row in named}
    groups: dict[tuple[str, str | None, str], list[Row]] = {}
    for row in rows:
        if not _named(row, against):
            groups.setdefault((row.codec, row.weights, json.dumps(row.rate)), []).append(row)
    made = []
    names_of_metrics = list(metrics)
    for group in groups.values():
        pairs = [(row, base[_place(row)]) for row in group if _place(row) in base]
        made += [found for name in names_of_metrics if (found := _difference(pairs, name)) is not None]
    return made


def _place(row: Row) -> tuple[str, str, str]:
    """What two rows of different codecs must share to be compared: the picture and the wanted rate."""
    return (row.image, row.digest, json.dumps(row.rate))


def _named(row: Row, id: str) -> bool:
    return id in (row.codec, f"{row.codec}@{row.weights}")


def _difference(pairs: Sequence[tuple[Row, Row]], name: str) -> Difference | None:
    from models.metrics import TABLE

    found = [
        (own, other, a, b)
        for own, other in pairs
        if (a := own.metrics.get(name)) is not None and (b := other.metrics.get(name)) is not None
    ]
    if not found:
        return None
    higher = TABLE[name].higher_is_better
    first, count = found[0][0], len(found)
    return Difference(
        first.codec,
        first.weights,
        first.rate,
        name,
        count,
        value=sum(a for _, _, a, _ in found) / count,
        base=sum(b for _, _, _, b in found) / count,
        bpp=sum(own.bpp or 0.0 for own, _, _, _ in found) / count,
        base_bpp=sum(other.bpp or 0.0 for _, other, _, _ in found) / count,
        better=sum(a > b if higher else a < b for _, _, a, b in found),
    )


def common_pictures(rows: Sequence[Row], metric: str | None = None) -> list[Row]:
    """The rows of pictures that every codec has a result for at every rate it was asked for.

    metric: one that the result has to have. Raises ResultsError where there is none.
    """
    groups = _pictures(rows, metric)
    shared = set.intersection(*groups.values()) if groups else set()
    if not shared:
        raise ResultsError("no picture has a result of every codec at every rate: evaluate the missing ones")
    return [row for row in rows if (row.image, row.digest) in shared]


def unequal(rows: Sequence[Row], metric: str | None = None) -> str:
    """How the means of these rows are over different pictures, "" where they are over the same ones.

    metric: the one whose means are asked about.
    """
    groups = _pictures(rows, metric)
    if len({frozenset(pictures) for pictures in groups.values()}) < 2:
        return ""
    counts: dict[str, set[int]] = {}
    for (codec, _, _), pictures in groups.items():
        counts.setdefault(codec, set()).add(len(pictures))
    told = [f"{codec} {'..'.join(map(str, sorted({min(n), max(n)})))}" for codec, n in counts.items()]
    return f"the means are over different pictures ({', '.join(told)})"


def _pictures(
    rows: Sequence[Row], metric: str | None
) -> dict[tuple[str, str | None, str], set[tuple[str, str]]]:
    """The pictures with a result, by codec, weights and rate."""
    groups: dict[tuple[str, str | None, str], set[tuple[str, str]]] = {}
    for row in rows:
        known = groups.setdefault((row.codec, row.weights, json.dumps(row.rate)), set())
        if not row.error and (metric is None or row.metrics.get(metric) is not None):
            known.add((row.image, row.digest))
    return groups
