"""Symbols through the range coder and back, and the tables it codes with."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm

from models.bitstream.coder import SymbolDecoder, SymbolEncoder, Symbols, TableModels
from models.bitstream.fixed_point import GRID
from models.bitstream.tables import (
    TOTAL,
    Tables,
    bottleneck_tables,
    gaussian_tables,
    measured_tables,
    medians_on_grid,
    scale_thresholds,
)
from models.errors import BitstreamError, WeightsError
from models.networks.factorized import EntropyBottleneck

SCALES = np.exp(np.linspace(np.log(0.11), np.log(256), 64))
GAUSSIANS = gaussian_tables(SCALES)
# one certain symbol but for the escape; a single symbol and an equal escape; far from zero
ODD = Tables(
    np.array([TOTAL - 1, 1, TOTAL // 2, TOTAL // 2, 1, TOTAL - 3, 1, 1], dtype=np.int32),
    np.array([2, 2, 4], dtype=np.int32),
    np.array([0, -7, 1000], dtype=np.int32),
)
MODELS = {"gaussian": TableModels(GAUSSIANS), "odd": TableModels(ODD)}
LARGEST = (1 << 22) + (1 << 12)  # of any latent's distance from a table: latents are cut at 2^22

Pass = tuple[str, NDArray[np.int64], Symbols]


def encode(passes: list[Pass]) -> bytes:
    encoder = SymbolEncoder()
    for name, indexes, symbols in passes:
        encoder.encode(symbols, indexes, MODELS[name])
    return encoder.payload()


def assert_round_trip(passes: list[Pass]) -> bytes:
    payload = encode(passes)
    decoder = SymbolDecoder(payload)
    for name, indexes, symbols in passes:
        assert np.array_equal(decoder.decode(indexes, MODELS[name]), symbols)
    return payload


@st.composite
def one_pass(draw: st.DrawFn) -> Pass:
    name = draw(st.sampled_from(["gaussian", "gaussian", "odd"]))
    tables = {"gaussian": 64, "odd": 3}[name]
    spread = draw(st.sampled_from([0, 3, 3000, LARGEST]))
    cells = draw(st.lists(st.tuples(st.integers(0, tables - 1), st.integers(-spread, spread)), max_size=60))
    indexes, symbols = zip(*cells, strict=True) if cells else ((), ())
    return name, np.array(indexes, dtype=np.int64), np.array(symbols, dtype=np.int32)


@settings(max_examples=150, deadline=None)
@given(st.lists(one_pass(), max_size=6))
def test_any_passes_come_back_as_they_were(passes: list[Pass]) -> None:
    assert_round_trip(passes)


@pytest.mark.parametrize("value", [0, 1, -1, 2, 4095, 4096, -4097, (1 << 12) - 2, 1 << 21, LARGEST, -LARGEST])
def test_escapes_of_every_width_come_back(value: int) -> None:
    for name, tables in MODELS.items():
        indexes = np.arange(len(tables.first), dtype=np.int64)
        last = tables.first + tables.escape - 1
        for edge in (tables.first, last, np.zeros_like(last)):
            assert_round_trip([(name, indexes, (edge + value).astype(np.int32))])


def test_every_symbol_of_every_table_comes_back() -> None:
    starts, lengths = GAUSSIANS.starts, GAUSSIANS.lengths
    indexes = np.repeat(np.arange(64), lengths)
    symbols = np.arange(len(indexes)) - np.repeat(starts, lengths) + np.repeat(GAUSSIANS.first, lengths)
    order = np.random.default_rng(1).permutation(len(indexes))  # the last of each table is an escape
    assert_round_trip([("gaussian", indexes[order], symbols[order].astype(np.int32))])


def test_nothing_at_all_takes_no_bytes() -> None:
    nothing = np.array([], dtype=np.int64)
    assert assert_round_trip([]) == b""
    assert assert_round_trip([("gaussian", nothing, nothing.astype(np.int32))] * 3) == b""


def test_absurd_latents_are_refused_and_not_written_wrong() -> None:
    with pytest.raises(BitstreamError, match="too large"):
        encode([("gaussian", np.array([5]), np.array([1 << 25], dtype=np.int32))])


def test_left_out_zero_bytes_are_added_again() -> None:
    lengths = set()
    for seed in range(400):
        random = np.random.default_rng(seed)
        symbols = random.integers(-40, 40, random.integers(1, 30)).astype(np.int32)
        passes = [("gaussian", np.full(len(symbols), 30), symbols)]
        payload = assert_round_trip(passes)  # type: ignore[arg-type]
        lengths.add(len(payload) % 4)
        longer = SymbolDecoder(payload + bytes(seed % 10))
        assert np.array_equal(longer.decode(np.full(len(symbols), 30), MODELS["gaussian"]), symbols)
    assert lengths - {0}  # some did end in zeros


def ideal_bits(tables: Tables, indexes: NDArray[np.int64], symbols: Symbols) -> float:
    total = 0.0
    for index, symbol in zip(indexes.tolist(), symbols.tolist(), strict=True):
        bits = tables.bits(index)
        place, escape = symbol - int(tables.first[index]), len(bits) - 1
        if 0 <= place < escape:
            total += bits[place]
        else:
            magnitude = -place if place < 0 else place - escape + 1
            total += bits[escape] + 1 + math.log2(25) + magnitude.bit_length() - 1
    return total


@pytest.mark.parametrize("count", [0, 1, 40, 3000])
@pytest.mark.parametrize("stretch", [1.0, 1.5, 12.0])
def test_payloads_are_as_short_as_the_tables_promise(count: int, stretch: float) -> None:
    """A stretch over 1 draws from wider distributions than the tables', so that escapes happen."""
    random = np.random.default_rng(count)
    indexes = random.integers(0, 64, count)
    symbols = np.round(random.normal(0, 1, count) * SCALES[indexes] * stretch).astype(np.int32)
    payload = assert_round_trip([("gaussian", indexes, symbols)])
    ideal = ideal_bits(GAUSSIANS, indexes, symbols) / 8
    # below: the coder gives every symbol 2^-24 on top, which makes escapes a little cheaper
    assert ideal * 0.99 - 4 <= len(payload) <= ideal * 1.005 + 16


@settings(max_examples=300, deadline=2000)
@given(st.binary(max_size=300), st.integers(0, 2**32 - 1), st.sampled_from(["gaussian", "odd"]))
def test_any_bytes_give_symbols_or_a_bitstream_error(payload: bytes, seed: int, name: str) -> None:
    random = np.random.default_rng(seed)
    indexes = random.integers(0, len(MODELS[name].first), 400)
    decoder = SymbolDecoder(payload)
    try:
        for _ in range(3):
            assert decoder.decode(indexes, MODELS[name]).shape == (400,)
    except BitstreamError:
        pass


@settings(max_examples=150, deadline=2000)
@given(st.data())
def test_damaged_payloads_give_symbols_or_a_bitstream_error(data: st.DataObject) -> None:
    random = np.random.default_rng(4)
    indexes = random.integers(0, 64, 300)
    symbols = np.round(random.normal(0, 2, 300) * SCALES[indexes]).astype(np.int32)
    payload = bytearray(encode([("gaussian", indexes, symbols)]))
    bit = data.draw(st.integers(0, 8 * len(payload) - 1))
    payload[bit // 8] ^= 1 << bit % 8
    end = data.draw(st.integers(0, len(payload)))
    for damaged in (bytes(payload), bytes(payload[:end])):
        try:
            got = SymbolDecoder(damaged).decode(indexes, MODELS["gaussian"])
        except BitstreamError:
            continue
        assert got.shape == symbols.shape and np.abs(got).max() < 1 << 26


def test_counts_of_every_table_add_up_exactly() -> None:
    for tables in (GAUSSIANS, ODD):
        sums = np.add.reduceat(tables.counts.astype(np.int64), tables.starts)
        assert (sums == TOTAL).all() and tables.counts.min() >= 1
        for index in range(len(tables.lengths)):
            assert tables.probabilities(index).sum() == 1.0  # multiples of 2^-20 add up without rounding


@pytest.mark.parametrize("index", [0, 10, 31, 63])
def test_gaussian_tables_hold_the_mass_of_unit_bins(index: int) -> None:
    scale = float(SCALES[index])
    probabilities = GAUSSIANS.probabilities(index)
    first, symbols = int(GAUSSIANS.first[index]), len(probabilities) - 1
    assert symbols == 1 - 2 * first  # as far below zero as above
    k = np.arange(first, first + symbols)
    mass = norm.cdf(k + 0.5, scale=scale) - norm.cdf(k - 0.5, scale=scale)
    # half a count each; the likeliest gives what the others' least count of one takes
    off = np.abs(probabilities[:-1] - mass) * TOTAL
    assert np.sort(off)[:-1].max() <= 1.0 and off.max() <= symbols
    assert probabilities[-1] <= 2 / TOTAL  # the escape


def test_measured_tables_come_near_what_was_seen() -> None:
    rng = np.random.default_rng(2)
    indexes = np.repeat([20, 40], 200_000)
    symbols = np.rint(rng.laplace(0, SCALES[indexes] / math.sqrt(2))).astype(np.int64)
    seen = np.bincount(GAUSSIANS.places(indexes, symbols), minlength=len(GAUSSIANS.counts))
    made = measured_tables(GAUSSIANS, seen)
    assert np.array_equal(made.first, GAUSSIANS.first) and np.array_equal(made.lengths, GAUSSIANS.lengths)
    fresh = np.rint(rng.laplace(0, SCALES[indexes] / math.sqrt(2))).astype(np.int64)
    before, after = (
        -np.log2(tables.counts[tables.places(indexes, fresh)] / TOTAL).sum() for tables in (GAUSSIANS, made)
    )
    assert after < 0.985 * before
    for index in range(64):
        chances = made.probabilities(index)
        assert np.abs(chances[:-1] - chances[-2::-1]).max() <= len(chances) / TOTAL, "both signs alike"
        off = np.abs(chances - GAUSSIANS.probabilities(index)).max()
        if index in (20, 40):
            assert off > 0.002
            outside = (GAUSSIANS.lengths[index] - 2) // 2 < np.abs(symbols[indexes == index])
            assert chances[-1] == pytest.approx(outside.mean(), abs=1e-4), "the escape"
        else:
            assert off <= len(chances) / TOTAL, "what was never used stays"


def test_only_symmetric_tables_are_measured() -> None:
    with pytest.raises(WeightsError, match="symmetric"):
        measured_tables(ODD, np.zeros(len(ODD.counts), dtype=np.int64))


def test_places_are_those_of_the_symbols_and_of_the_escape() -> None:
    indexes = np.array([0, 0, 0, 1, 2, 2, 2, 2, 2])
    symbols = np.array([0, 1, -1, -7, 1000, 1002, 1003, 999, 5_000_000])
    assert ODD.places(indexes, symbols).tolist() == [0, 1, 1, 2, 4, 6, 7, 7, 7]


def test_thresholds_choose_the_nearest_scale_by_ratio() -> None:
    raw = np.arange(-5000, 300 * 1024, 7)
    for log_scale, values in ((True, raw[raw < 8 * 1024]), (False, raw[raw > 60])):
        thresholds = scale_thresholds(SCALES, log_scale=log_scale)
        assert thresholds.dtype == np.int32 and (np.diff(thresholds) > 0).all() and len(thresholds) == 63
        logs = values / GRID if log_scale else np.log(values / GRID)
        nearest = np.abs(logs[:, None] - np.log(SCALES)[None]).argmin(1)
        assert np.array_equal(np.searchsorted(thresholds, values), nearest)


def test_bottleneck_tables_hold_the_learned_mass() -> None:
    torch.manual_seed(2)
    bottleneck = EntropyBottleneck(5)
    with torch.no_grad():
        for matrix in bottleneck.matrices:
            matrix.add_(torch.rand_like(matrix))
        bottleneck.quantiles[:, 0, 1] = torch.tensor([0.0, 3.3, -40.7, 0.49, 100.25])
    tables, medians = bottleneck_tables(bottleneck), medians_on_grid(bottleneck)
    assert torch.equal(medians * GRID, (medians * GRID).round())
    assert (medians - bottleneck.quantiles[:, 0, 1].detach()).abs().max() <= 2.0**-11
    for channel in range(5):
        k = torch.arange(int(tables.lengths[channel]) - 1) + int(tables.first[channel])
        values = (medians[channel] + k).float().repeat(5, 1)[:, None]
        mass = bottleneck.mass(values)[channel, 0].detach().double().numpy()
        off = np.abs(tables.probabilities(channel)[:-1] - mass) * TOTAL
        assert np.sort(off)[:-1].max() <= 2.0
        assert mass.sum() > 0.999


@pytest.mark.parametrize(
    ("counts", "lengths", "first"),
    [
        ([TOTAL - 1, 1], [2], [0, 0]),  # a table without symbols
        ([TOTAL - 2, 1], [2], [0]),  # too few counts
        ([TOTAL, 1], [2], [0]),
        ([TOTAL, 0], [2], [0]),  # something impossible could not be coded
        ([TOTAL + 1, -1], [2], [0]),
        ([TOTAL], [1], [0]),  # an escape alone
        ([TOTAL - 1, 1], [3], [0]),  # longer than what is there
        ([TOTAL - 1, 1], [2, 2], [0, 0]),
        ([TOTAL - 1, 1, TOTAL - 1, 1], [3, 1], [0, 0]),  # the sum hides it
        ([], [], []),
        ([1] * TOTAL, [TOTAL], [0]),  # longer than any table
        ([TOTAL - 1, 1], [2], [2**31 - 1]),  # symbols that no latent can be
    ],
)
def test_damaged_tables_are_refused(counts: list[int], lengths: list[int], first: list[int]) -> None:
    with pytest.raises(WeightsError, match="damaged"):
        Tables(*(np.array(part, dtype=np.int32) for part in (counts, lengths, first)))
