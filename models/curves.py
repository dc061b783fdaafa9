"""What is a rate-distortion curve, and how many bits does one save against another?"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from models.errors import HflicError
from models.evaluation import Average, ResultsError
from models.files import write_file

Method = Literal["pchip", "akima"]
MINIMUM_POINTS = 4  # fewer do not pin down a curve (Bjontegaard, VCEG-M33, took four)


class CurveError(HflicError):
    """Two curves cannot be compared; the text says why."""


@dataclass(frozen=True)
class Curve:
    """Points of a codec, by rising bpp (bits per pixel). `codec` is its id and `weights` its fingerprint."""

    codec: str
    weights: str | None
    bpp: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class BdRate:
    """Bits against the anchor at equal quality: -20 means 20 percent fewer.

    `low` to `high` is the common range in the metric's unit, `overlap` its share of the range both
    curves span together (0..1); `left_out` points of both curves were worse than a cheaper one.
    """

    percent: float
    low: float
    high: float
    overlap: float
    points: int
    left_out: int


def curves(averages: Iterable[Average], metric: str) -> list[Curve]:
    """The curves of a metric, one for each codec and weights. Raises ResultsError where none has it.

    Where not all pictures have the metric, the rate is that of those that do.
    """
    groups: dict[tuple[str, str | None], list[tuple[float, float]]] = {}
    seen: dict[str, None] = {}
    for average in averages:
        seen.update(dict.fromkeys(average.metrics))
        value = average.metrics.get(metric)
        if value is not None and math.isfinite(average.bpp):
            groups.setdefault((average.codec, average.weights), []).append((average.bpp_for(metric), value))
    if not groups:
        raise ResultsError(
            f"these results have no {metric}: they have {', '.join(seen) or 'no metric at all'}"
        )
    return [
        Curve(codec, weights, *zip(*sorted(points), strict=True))
        for (codec, weights), points in groups.items()
    ]


@dataclass(frozen=True)
class Scale:
    """From a metric's value to a quality that more is better of, and back."""

    quality: Callable[[float], float]
    value: Callable[[float], float]


def to_db(similarity: float) -> float:
    """A similarity in 0..1 in decibels, -10 log10(1 - similarity), so that its upper end is not crammed."""
    return -10 * math.log10(max(1 - similarity, 1e-9))


HIGHER = Scale(float, float)
LOWER = Scale(operator.neg, operator.neg)
DECIBEL = Scale(to_db, lambda quality: 1 - 10 ** (-quality / 10))


def scale_of(metric: str) -> Scale:
    """The scale a Bjontegaard delta of a metric runs over.

    MS-SSIM is taken in decibels, as in CompressAI's plots; a metric where less is better is negated.
    Raises ResultsError for an unknown metric.
    """
    from models.metrics import TABLE

    if metric not in TABLE:
        raise ResultsError(f"there is no metric '{metric}': choose one of {', '.join(TABLE)}")
    if metric.startswith("ms_ssim"):
        return DECIBEL
    return HIGHER if TABLE[metric].higher_is_better else LOWER


def bd_rate(anchor: Curve, test: Curve, scale: Scale = HIGHER, method: Method = "pchip") -> BdRate:
    """The Bjontegaard delta rate: log rate interpolated over quality, averaged over the common range.

    Raises CurveError where a curve has fewer than MINIMUM_POINTS usable points or the ranges of
    quality do not overlap. Interpolation and integral are the bjontegaard package's (Herglotz et al. 2022).
    """
    from bjontegaard import bd_rate as delta

    rate_a, quality_a = _rising(anchor, scale)
    rate_t, quality_t = _rising(test, scale)
    low, high = max(quality_a[0], quality_t[0]), min(quality_a[-1], quality_t[-1])
    if high <= low:
        better = test.codec if quality_t[0] > quality_a[0] else anchor.codec
        raise CurveError(
            f"{test.codec} and {anchor.codec} have no quality in common ({better} is better at every point): "
            "evaluate them at more rates"
        )
    span = max(quality_a[-1], quality_t[-1]) - min(quality_a[0], quality_t[0])
    percent = delta(
        rate_a, quality_a, rate_t, quality_t, method=method, require_matching_points=False, min_overlap=0
    )
    ends = sorted((scale.value(float(low)), scale.value(float(high))))
    return BdRate(
        float(percent),
        low=ends[0],
        high=ends[1],
        overlap=float((high - low) / span),
        points=len(rate_t),
        left_out=len(anchor.bpp) + len(test.bpp) - len(rate_a) - len(rate_t),
    )


@dataclass(frozen=True)
class Cell:
    """A codec against another: the delta, or in `reason` why there is none."""

    anchor: Curve
    test: Curve
    delta: BdRate | None
    reason: str = ""


def matrix(found: Sequence[Curve], scale: Scale = HIGHER, method: Method = "pchip") -> list[Cell]:
    """Every curve against every other, in the order of tests and then of anchors."""
    cells = []
    for test in found:
        for anchor in found:
            if test is anchor:
                continue
            try:
                cells.append(Cell(anchor, test, bd_rate(anchor, test, scale, method)))
            except CurveError as error:
                cells.append(Cell(anchor, test, None, str(error)))
    return cells


def _rising(curve: Curve, scale: Scale) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Rates and qualities that both rise; points no better than a cheaper one are left out."""
    rates: list[float] = []
    qualities: list[float] = []
    for bpp, value in sorted(zip(curve.bpp, curve.values, strict=True)):
        quality = scale.quality(value)
        if rates and bpp == rates[-1] and quality > qualities[-1]:
            qualities[-1] = quality
        elif not rates or quality > qualities[-1]:
            rates.append(bpp)
            qualities.append(quality)
    if len(rates) < MINIMUM_POINTS:
        raise CurveError(
            f"{curve.codec} has {len(rates)} usable points: a Bjontegaard delta needs at least "
            f"{MINIMUM_POINTS}, evaluate it at more rates"
        )
    return np.array(rates), np.array(qualities)


def export_names(used: Iterable[tuple[str, str | None]]) -> set[str]:
    """The names that `export_compressai` may give its files, for codecs and weights."""
    return {_export_name(codec, each) for codec, weights in used for each in (None, weights)}


def _export_name(codec: str, weights: str | None) -> str:
    stem = codec if weights is None else f"{codec}-{weights}"
    return f"{stem.replace(':', '-')}.json"


def export_compressai(averages: Sequence[Average], folder: Path) -> list[Path]:
    """One file a codec with the keys of CompressAI's eval output, which its plot tool reads.

    It has one rate for all metrics, so those that some of the pictures lack are left out. Raises OutputError.
    """
    names = {"psnr": "psnr-rgb", "ms_ssim": "ms-ssim-rgb"}
    groups: dict[tuple[str, str | None], list[Average]] = {}
    for average in averages:
        if average.images:
            groups.setdefault((average.codec, average.weights), []).append(average)
    paths = []
    for (codec, weights), group in groups.items():
        group.sort(key=lambda average: average.bpp)
        shared = [
            m
            for m in group[0].metrics
            if all(a.metrics.get(m) is not None and m not in a.over for a in group)
        ]
        results = {
            "bpp": [a.bpp for a in group],
            **{names.get(m, m): [a.metrics[m] for a in group] for m in shared},
            "encoding_time": [a.numbers["encode_s"] for a in group],
            "decoding_time": [a.numbers["decode_s"] for a in group],
        }
        alone = sum(other == codec for other, _ in groups) == 1
        path = folder / _export_name(codec, None if alone else weights)
        value = {
            "name": codec if alone else f"{codec} ({weights})",
            "description": f"hflic evaluate: mean over pictures ({group[0].images}), real files"
            + (f", weights {weights}" if weights else ""),
            "results": results,
        }
        write_file(path, (json.dumps(value, indent=2) + "\n").encode())
        paths.append(path)
    return paths
