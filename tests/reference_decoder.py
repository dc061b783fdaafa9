"""A decoder of .hflic files written from docs/format.md alone: plain Python and NumPy.

It shares no code with `models`. Convolutions are sums of shifted planes over int64, so it is slow and
for small pictures only.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.int64]
TOTAL_BITS = 24
CLAMP = 1 << 23


class RangeReader:
    """The range decoder: 32-bit words, 64-bit numbers, probabilities of 24 bits."""

    def __init__(self, payload: bytes) -> None:
        padded = payload + bytes(8 + -len(payload) % 4)
        self._words = list(struct.unpack(f"<{len(padded) // 4}I", padded))
        self._next = 2
        self._point = self._words[0] << 32 | self._words[1]
        self._low, self._range = 0, (1 << 64) - 1

    def symbol(self, edges: list[int]) -> int:
        """`edges`: the model's cumulative counts, from 0 to 2^24."""
        scale = self._range >> TOTAL_BITS
        place = (self._point - self._low) % (1 << 64) // scale
        assert place < 1 << TOTAL_BITS, "no encoder makes such a payload"
        found = int(np.searchsorted(edges, place, side="right")) - 1
        self._low = (self._low + scale * edges[found]) % (1 << 64)
        self._range = scale * (edges[found + 1] - edges[found])
        if self._range < 1 << 32:
            word = self._words[self._next] if self._next < len(self._words) else 0
            self._next += 1
            self._point = (self._point << 32 | word) % (1 << 64)
            self._low = (self._low << 32) % (1 << 64)
            self._range <<= 32
        return found


def uniform(count: int) -> list[int]:
    """Edges of a model whose symbols are equally likely; the last one takes the rest."""
    each = (1 << TOTAL_BITS) // count
    return [each * k for k in range(count)] + [1 << TOTAL_BITS]


def categorical(counts: NDArray[np.int32]) -> list[int]:
    """Edges of a stored table: counts add up to 2^20; every symbol gets 1 and its share of the rest."""
    before = np.concatenate([[0], np.cumsum(counts[:-1], dtype=np.int64)]) / (1 << 20)
    scale = float((1 << TOTAL_BITS) - len(counts))
    return [int(c * scale) + k for k, c in enumerate(before.tolist())] + [1 << TOTAL_BITS]


class Tables:
    """The stored tables of a kind, by index."""

    def __init__(self, tensors: dict[str, NDArray[Any]], kind: str) -> None:
        stored = {part: tensors[f"entropy_data.{kind}.{part}"] for part in ("counts", "lengths", "first")}
        ends = np.cumsum(stored["lengths"])
        starts = ends - stored["lengths"]
        self.edges = [categorical(stored["counts"][a:b]) for a, b in zip(starts, ends, strict=True)]
        self.first = stored["first"].tolist()
        self.escape = (stored["lengths"] - 1).tolist()


def read_pass(reader: RangeReader, indexes: NDArray[np.int64], tables: Tables) -> Plane:
    """Symbols of a pass (n,): table by table in rising order, then the order of the pass."""
    out = np.zeros(len(indexes), dtype=np.int64)
    for index in np.unique(indexes).tolist():
        places = np.flatnonzero(indexes == index)
        found = [reader.symbol(tables.edges[index]) for _ in places]
        for at, value in enumerate(found):  # escapes follow all symbols of the table in the pass
            if value == tables.escape[index]:
                found[at] = escaped(reader, tables.escape[index])
        out[places] = np.array(found) + tables.first[index]
    return out


def escaped(reader: RangeReader, escape: int) -> int:
    """A symbol outside its table, counted from the table's first."""
    negative = reader.symbol(uniform(2))
    width = reader.symbol(uniform(25))
    rest = 0
    for shift in range(0, width, 12):
        rest |= reader.symbol(uniform(1 << min(12, width - shift))) << shift
    magnitude = (1 << width) + rest
    return -magnitude if negative else magnitude - 1 + escape


# Fixed point


def grid(weight: NDArray[Any]) -> Plane:
    """Weights times 2^14, halves to even."""
    return np.rint(weight.astype(np.float64) * (1 << 14)).astype(np.int64)


def bias_of(tensor: NDArray[Any]) -> Plane:
    """A bias times 2^24, with the half that rounds."""
    return np.rint(tensor.astype(np.float64) * (1 << 24)).astype(np.int64) + (1 << 13)


def finish(sums: Plane, *, relu: bool) -> Plane:
    """Sums times 2^24 to activations times 2^10."""
    return np.clip(sums >> 14, 0 if relu else -CLAMP, CLAMP)


def conv(x: Plane, weight: NDArray[Any], bias: NDArray[Any], *, relu: bool) -> Plane:
    """Stride 1, zero-padded by half the kernel: x (C, h, w), weight (out, C, k, k)."""
    kernel = weight.shape[-1]
    half, (height, width) = kernel // 2, x.shape[1:]
    padded = np.pad(x, ((0, 0), (half, half), (half, half)))
    fixed = grid(weight)
    sums = np.repeat(bias_of(bias), height * width).reshape(-1, height, width)
    for row in range(kernel):
        for column in range(kernel):
            window = padded[:, row : row + height, column : column + width]
            sums = sums + np.einsum("oc,chw->ohw", fixed[:, :, row, column], window)
    return finish(sums, relu=relu)


def deconv(x: Plane, weight: NDArray[Any], bias: NDArray[Any], stride: int, *, relu: bool) -> Plane:
    """Transposed, output `stride` times as large: x (C, h, w), weight (C, out, k, k)."""
    kernel = weight.shape[-1]
    half, (height, width) = kernel // 2, x.shape[1:]
    fixed = grid(weight)
    big = np.zeros((weight.shape[1], stride * height + kernel, stride * width + kernel), dtype=np.int64)
    for row in range(kernel):
        for column in range(kernel):
            share = np.einsum("co,chw->ohw", fixed[:, :, row, column], x)
            rows = slice(row, row + stride * height, stride)
            columns = slice(column, column + stride * width, stride)
            big[:, rows, columns] += share
    cut = big[:, half : half + stride * height, half : half + stride * width]
    return finish(cut + bias_of(bias)[:, None, None], relu=relu)


@dataclass(frozen=True)
class Header:
    """The fields of a file."""

    network: int
    fingerprint: str
    width: int
    height: int
    quality: int
    latents_crc: int
    payload: bytes


def header(data: bytes) -> Header:
    """Read a file of version 1."""
    assert data[:5] == b"\x8bHFL\x01"
    assert zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "little")
    at, sides = 10, []
    for _ in range(2):
        value = shift = 0
        while True:
            value |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if data[at - 1] < 0x80:
                break
        sides.append(value)
    quality, crc = struct.unpack_from("<HI", data, at)
    return Header(data[5], data[6:10].hex(), sides[0], sides[1], quality, crc, data[at + 6 : -4])


def tensors_of(weights: bytes) -> dict[str, NDArray[Any]]:
    """The tensors of a safetensors file: a length, a JSON table of contents, raw bytes."""
    length = int.from_bytes(weights[:8], "little")
    contents = json.loads(weights[8 : 8 + length])
    kinds = {"F16": np.float16, "F32": np.float32, "F64": np.float64, "I32": np.int32}
    body = weights[8 + length :]
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], kinds[entry["dtype"]]).reshape(
            entry["shape"]
        )
        for name, entry in contents.items()
        if name != "__metadata__"
    }


def decode_latents(data: bytes, weights: bytes) -> tuple[Plane, int]:
    """y_hat times 2^10 (M, h, w) and its checksum, of an ELIC with shared parameter nets."""
    file, tensors = header(data), tensors_of(weights)
    reader = RangeReader(file.payload)
    height, width = -(-file.height // 16), -(-file.width // 16)
    medians = np.rint(tensors["entropy_data.medians"] * 1024).astype(np.int64)[:, None, None]
    shape = (len(medians), -(-height // 4), -(-width // 4))
    z_indexes = np.repeat(np.arange(shape[0]), shape[1] * shape[2])
    z = read_pass(reader, z_indexes, Tables(tensors, "z")).reshape(shape)
    hyper = np.clip(z * 1024 + medians, -CLAMP, CLAMP)
    for layer, stride in ((0, 2), (2, 2), (4, 1)):
        name = f"h_s.{layer}"
        hyper = deconv(hyper, tensors[f"{name}.weight"], tensors[f"{name}.bias"], stride, relu=layer < 4)
    hyper = hyper[:, :height, :width]
    tables, thresholds = Tables(tensors, "y"), tensors["entropy_data.thresholds"]
    rows, columns = np.mgrid[0:height, 0:width]
    anchors = (rows + columns) % 2 == 1
    groups: list[Plane] = []
    while f"context.groups.{len(groups)}.spatial.weight" in tensors:
        name = f"context.groups.{len(groups)}"
        known = hyper
        if groups:
            channel = np.clip(np.concatenate(groups), -CLAMP, CLAMP)
            last = 2
            for layer in (0, 2, 4):
                if f"{name}.channel.{layer}.weight" in tensors:
                    last = layer
            for layer in range(0, last + 1, 2):
                key = f"{name}.channel.{layer}"
                channel = conv(channel, tensors[f"{key}.weight"], tensors[f"{key}.bias"], relu=layer < last)
            known = np.concatenate([channel, hyper])
        stored = tensors[f"{name}.spatial.weight"]  # (2C, C, taps): only the taps of the other colour
        outputs = len(stored)
        group = np.zeros((outputs // 2, height, width), dtype=np.int64)
        for here in (anchors, ~anchors):
            if not here.any():
                continue
            near = np.zeros((outputs, height, width), dtype=np.int64)
            if here is not anchors:
                kernel = np.zeros((outputs, outputs // 2, 25), dtype=stored.dtype)
                kernel[:, :, [t for t in range(25) if (t // 5 + t % 5) % 2]] = stored
                kernel = kernel.reshape(outputs, outputs // 2, 5, 5)
                near = conv(
                    np.clip(group, -CLAMP, CLAMP), kernel, tensors[f"{name}.spatial.bias"], relu=False
                )
            x = np.concatenate([near, known])
            for layer in (0, 2, 4):
                key = f"{name}.non_anchor.{layer}"
                x = conv(x, tensors[f"{key}.weight"], tensors[f"{key}.bias"], relu=layer < 4)
            scales, means = x[: outputs // 2, here].ravel(), x[outputs // 2 :, here].ravel()
            indexes = np.searchsorted(thresholds, scales, side="left")
            symbols = np.zeros(len(indexes), dtype=np.int64)
            symbols[indexes >= 4] = read_pass(reader, indexes[indexes >= 4], tables)
            group[:, here] = (symbols * 1024 + means).reshape(outputs // 2, -1)
        groups.append(group)
    y_hat = np.concatenate(groups)
    crc = zlib.crc32(z.astype("<i4").tobytes())
    return y_hat, zlib.crc32(y_hat.astype("<i8").tobytes(), crc)
