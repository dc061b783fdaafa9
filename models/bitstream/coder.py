"""Symbols to bytes and back with integer tables: a range coder, one pass at a time, bucketed by table.

The coder is constriction's (Bamler 2022). It builds its intervals from the tables' exact multiples of
2^-20 with plain scalar float64 arithmetic, which is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from models.bitstream.tables import Tables
from models.errors import BitstreamError

Symbols = NDArray[np.int32]
_ESCAPE_LIMIT = 1 << 24  # no latent is larger; keeps damaged files from overflowing
_IMPLIED_ZEROS = 8  # bytes the encoder may leave out at the end and the decoder adds
# Symbols never take fewer bits than this share of what their tables promise, but for what the coder's state
# holds: an interval of docs/format.md, 3, is at most 2 of 2^24 longer than the table's, which is at least 16
# short of the whole.
_LEAST_SHARE = 0.85
_STATE_BYTES = 24
ESCAPE_BITS = 5.6  # of its sign and width


def least_bytes(bits: float) -> int:
    """The shortest payload whose symbols, by their tables, take so many bits."""
    return max(int(bits * _LEAST_SHARE / 8) - _STATE_BYTES, 0)


class TableModels:
    """The coder's models of a set of tables, each made when first used."""

    def __init__(self, tables: Tables) -> None:
        self.first = tables.first
        self.escape = tables.lengths - 1
        self._tables = tables
        self._models: dict[int, object] = {}
        self._bits: dict[int, NDArray[np.float64]] = {}

    def __getitem__(self, index: int) -> object:
        if index not in self._models:
            probabilities = self._tables.probabilities(index)
            self._models[index] = constriction.stream.model.Categorical(probabilities, perfect=False)
        return self._models[index]

    def bits(self, index: int, shifted: NDArray[np.int64]) -> float:
        """What symbols, counted from the table's first, take by their table."""
        if index not in self._bits:
            self._bits[index] = self._tables.bits(index)
        return float(self._bits[index][shifted].sum())


def _buckets(indexes: NDArray[np.integer[Any]]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each table in use with the places of its symbols, in order."""
    if not len(indexes):
        return
    order = np.argsort(indexes, kind="stable")
    counts = np.bincount(indexes)
    ends = np.cumsum(counts)
    for index in np.flatnonzero(counts).tolist():
        yield index, order[ends[index] - counts[index] : ends[index]]


def _bit_model(bits: int) -> object:
    return constriction.stream.model.Uniform(1 << bits)


_WIDTHS = 25  # an escaped magnitude is below 2^25
_WIDTH_MODEL = constriction.stream.model.Uniform(_WIDTHS)


class SymbolEncoder:
    """Collects passes of symbols into one payload."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def encode(self, symbols: Symbols, indexes: NDArray[np.integer[Any]], models: TableModels) -> None:
        """symbols, indexes: (n,); a symbol outside its table is coded by the escape and its distance."""
        for index, places in _buckets(indexes):
            first, escape = int(models.first[index]), int(models.escape[index])
            shifted = symbols[places].astype(np.int64) - first
            outside = (shifted < 0) | (shifted >= escape)
            self._coder.encode(np.where(outside, escape, shifted).astype(np.int32), models[index])
            for value in shifted[outside].tolist():
                self._escape(value if value < 0 else value - escape)

    def _escape(self, value: int) -> None:
        """A sign, the width of the magnitude, then its bits. value: below 0, or 0 and above."""
        magnitude = -value if value < 0 else value + 1
        if magnitude >= _ESCAPE_LIMIT:
            raise BitstreamError("a latent is too large to be coded: the picture or the weights are unusual")
        width = magnitude.bit_length() - 1
        self._one(int(value < 0), _bit_model(1))
        self._one(width, _WIDTH_MODEL)
        rest = magnitude - (1 << width)
        for shift in range(0, width, 12):
            bits = min(12, width - shift)
            self._one((rest >> shift) & ((1 << bits) - 1), _bit_model(bits))

    def _one(self, symbol: int, model: object) -> None:
        self._coder.encode(np.array([symbol], dtype=np.int32), model)

    def payload(self) -> bytes:
        """All that was encoded, as little-endian 32-bit words without the last few zero bytes."""
        words: NDArray[np.uint32] = self._coder.get_compressed()
        data = words.astype("<u4").tobytes()
        end = len(data)
        while end > max(len(data) - _IMPLIED_ZEROS, 0) and data[end - 1] == 0:
            end -= 1
        return data[:end]


class SymbolDecoder:
    """Reads the passes back in the order they were written."""

    def __init__(self, payload: bytes) -> None:
        padded = payload + b"\0" * (_IMPLIED_ZEROS + -len(payload) % 4)
        words = np.frombuffer(padded, dtype="<u4").astype(np.uint32)
        self._coder = constriction.stream.queue.RangeDecoder(words)
        self._length = len(payload)
        self._bits = 0.0

    def decode(self, indexes: NDArray[np.integer[Any]], models: TableModels) -> Symbols:
        """indexes: (n,). Returns (n,) symbols.

        Raises BitstreamError for a payload that cannot be, also as soon as it is too short for its symbols:
        a forged size ends here and not after minutes of decoding zeros.
        """
        out = np.empty(len(indexes), dtype=np.int32)
        try:
            for index, places in _buckets(indexes):
                first, escape = int(models.first[index]), int(models.escape[index])
                shifted = self._coder.decode(models[index], len(places)).astype(np.int64)
                self._spend(models.bits(index, shifted))
                for place in np.flatnonzero(shifted == escape).tolist():
                    value = self._unescape()
                    shifted[place] = value if value < 0 else value + escape
                out[places] = shifted + first
        except (ValueError, AssertionError) as error:
            raise BitstreamError("the file's coded data is damaged") from error
        return out

    def _spend(self, bits: float) -> None:
        self._bits += bits
        if least_bytes(self._bits) > self._length:
            raise BitstreamError("the file's coded data is too short for its picture: it is damaged")

    def _unescape(self) -> int:
        negative = self._one(_bit_model(1))
        width = self._one(_WIDTH_MODEL)
        self._spend(ESCAPE_BITS + width)
        rest = 0
        for shift in range(0, width, 12):
            rest |= self._one(_bit_model(min(12, width - shift))) << shift
        magnitude = (1 << width) + rest
        return -magnitude if negative else magnitude - 1

    def _one(self, model: object) -> int:
        return int(self._coder.decode(model, 1)[0])
