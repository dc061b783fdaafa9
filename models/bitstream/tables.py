"""The integer probability tables: made once at export, stored with the weights, never recomputed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr, ndtri
from torch import Tensor

from models.bitstream.fixed_point import CLAMP, GRID
from models.errors import WeightsError
from models.networks.factorized import EntropyBottleneck

TOTAL = 1 << 20  # counts of a table add up to this
_TAIL = 1e-7  # mass outside a table, coded by its escape
_BELIEVED = 200.0  # symbols; measured: from 20 to 500 the bits differ by 0.03%
_LONGEST = 1 << 14  # no table of ours comes near; a longer one in a file is damage


@dataclass(frozen=True)
class Tables:
    """Tables laid end to end. Table i covers symbols first[i].. and ends with its escape.

    counts: (sum of lengths,) int32; lengths, first: (tables,) int32.
    """

    counts: NDArray[np.int32]
    lengths: NDArray[np.int32]
    first: NDArray[np.int32]

    def __post_init__(self) -> None:
        ok = (
            self.lengths.ndim == self.first.ndim == self.counts.ndim == 1
            and len(self.lengths) == len(self.first) > 0
            and self.lengths.min() >= 2
            and self.lengths.max() <= _LONGEST
            and int(self.lengths.sum()) == len(self.counts)
            and self.counts.min() >= 1
            and int(np.abs(self.first.astype(np.int64)).max()) <= _LONGEST
        )
        if not ok or np.any(np.add.reduceat(self.counts.astype(np.int64), self.starts) != TOTAL):
            raise WeightsError("the probability tables of the weights are damaged: fetch the weights again")

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each table begins in `counts`."""
        return np.concatenate([[0], np.cumsum(self.lengths[:-1], dtype=np.int64)])

    def probabilities(self, index: int) -> NDArray[np.float64]:
        """Table `index` as exact multiples of 1 / TOTAL, escape last."""
        start = int(self.starts[index])
        return self.counts[start : start + int(self.lengths[index])].astype(np.float64) / TOTAL

    def places(
        self, indexes: NDArray[np.integer[Any]], symbols: NDArray[np.integer[Any]]
    ) -> NDArray[np.int64]:
        """Where in `counts` each symbol of its table stands; its escape for one outside. Both (n,)."""
        ends = self.lengths[indexes].astype(np.int64) - 1
        shifted = symbols.astype(np.int64) - self.first[indexes]
        inside = (shifted >= 0) & (shifted < ends)
        found: NDArray[np.int64] = self.starts[indexes] + np.where(inside, shifted, ends)
        return found

    def bits(self, index: int) -> NDArray[np.float64]:
        """-log2 of the table, escape last."""
        bits: NDArray[np.float64] = -np.log2(self.probabilities(index))
        return bits


def _to_counts(pmf: NDArray[np.float64]) -> NDArray[np.int32]:
    """Probabilities (escape last) to integers that are at least 1 and add up to TOTAL."""
    counts = np.maximum(np.round(pmf / pmf.sum() * TOTAL), 1).astype(np.int64)
    largest = int(counts.argmax())
    if int(counts.sum()) - TOTAL > counts[largest] // 2:  # a long tail of ones: all give a share for them
        counts = 1 + np.floor(pmf / pmf.sum() * (TOTAL - len(pmf))).astype(np.int64)
    counts[largest] += TOTAL - int(counts.sum())
    rounded: NDArray[np.int32] = counts.astype(np.int32)
    return rounded


def _join(parts: list[tuple[int, NDArray[np.float64]]]) -> Tables:
    counts = [_to_counts(np.append(pmf, max(1.0 - pmf.sum(), 0.0))) for _, pmf in parts]
    return Tables(
        np.concatenate(counts),
        np.array([len(c) for c in counts], dtype=np.int32),
        np.array([first for first, _ in parts], dtype=np.int32),
    )


def gaussian_tables(scales: NDArray[np.float64]) -> Tables:
    """One table a scale: the mass of N(0, scale^2) in unit bins around the integers."""
    return _scaled_tables(scales, ndtr, -float(ndtri(_TAIL / 2)))


def measured_tables(tables: Tables, seen: NDArray[np.int64]) -> Tables:
    """Tables of a symmetric distribution, corrected by how often each of their symbols was seen.

    seen: laid out as `tables.counts`. Both signs count as one, and what `tables` say counts as _BELIEVED more
    symbols, so that one that was never used stays as it is. Raises WeightsError where one is not symmetric.
    """
    if np.any(2 * tables.first + tables.lengths != 2):  # -n..n and the escape
        raise WeightsError("only tables of a symmetric distribution can be measured")
    parts = []
    for index, start in enumerate(tables.starts.tolist()):
        found = seen[start : start + int(tables.lengths[index])].astype(np.float64)
        found[:-1] = (found[:-1] + found[-2::-1]) / 2
        mixed = found + _BELIEVED * tables.probabilities(index)
        parts.append(_to_counts(mixed / mixed.sum()))
    return Tables(np.concatenate(parts), tables.lengths, tables.first)


def logistic_tables(scales: NDArray[np.float64]) -> Tables:
    """One table a scale: the mass of the logistic distribution in unit bins around the integers."""
    return _scaled_tables(scales, expit, -float(logit(_TAIL / 2)))


def _scaled_tables(
    scales: NDArray[np.float64], cumulative: Callable[[Any], NDArray[np.float64]], tail: float
) -> Tables:
    """`tail`: where the cumulative of scale 1 leaves half the tail's mass."""
    parts = []
    for scale in scales:
        reach = max(math.ceil(tail * scale), 1)
        edges = np.arange(-reach, reach + 2) - 0.5
        parts.append((-reach, np.diff(cumulative(edges / scale))))
    return _join(parts)


def unreached(count: int) -> NDArray[np.int32]:
    """Thresholds that every raw scale is above: the tables before them are never used."""
    return (np.arange(count) - int(CLAMP) - count).astype(np.int32)


def scale_thresholds(scales: NDArray[np.float64], *, log_scale: bool) -> NDArray[np.int32]:
    """Where the raw scale (times 2^10, an integer) passes from one table to the next: (levels - 1,).

    The table whose scale is nearest by ratio serves; thresholds are the geometric means.
    """
    log_bounds = (np.log(scales[:-1]) + np.log(scales[1:])) / 2
    bounds = log_bounds if log_scale else np.exp(log_bounds)
    thresholds: NDArray[np.int32] = np.floor(bounds * GRID).astype(np.int32)
    return thresholds


def medians_on_grid(bottleneck: EntropyBottleneck) -> Tensor:
    """The bottleneck's medians, (C,) float64 multiples of 2^-10."""
    medians = bottleneck.quantiles[:, 0, 1].detach().double()
    rounded: Tensor = torch.round(medians * GRID) / GRID
    return rounded


@torch.inference_mode()
def bottleneck_tables(bottleneck: EntropyBottleneck) -> Tables:
    """One table a channel of z: the learned mass of unit bins around median + integer."""
    medians = medians_on_grid(bottleneck).float()
    reach = 1024
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
    samples = (medians[:, None] + offsets[None, :])[:, None, :]
    likelihood = bottleneck.mass(samples)[:, 0].double().numpy()
    parts = []
    for pmf in likelihood:
        heavy = np.flatnonzero(pmf > _TAIL)
        low, high = (heavy[0], heavy[-1]) if len(heavy) else (reach, reach)
        parts.append((int(low) - reach, pmf[low : high + 1]))
    return _join(parts)
