"""A decoder of .hflic files written from docs/format.md alone: plain Python and NumPy.

It shares no code with `models`. Convolutions are sums of shifted planes over int64, so it is slow and
for small pictures only. This part finds the latents; `tests.reference_pixels` makes the picture of them.
"""

from __future__ import annotations

import hashlib
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


def finish(sums: Plane, *, relu: bool = False, leaky: bool = False) -> Plane:
    """Sums times 2^24 to activations times 2^10."""
    found = np.clip(sums >> 14, 0 if relu else -CLAMP, CLAMP)
    return np.where(found < 0, (found * 164 + (1 << 13)) >> 14, found) if leaky else found


def conv(x: Plane, weight: NDArray[Any], bias: NDArray[Any], **bend: bool) -> Plane:
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
    return finish(sums, **bend)


def deconv(x: Plane, weight: NDArray[Any], bias: NDArray[Any], stride: int, **bend: bool) -> Plane:
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
    return finish(cut + bias_of(bias)[:, None, None], **bend)


def shuffle(x: NDArray[Any], factor: int) -> NDArray[Any]:
    """Pixel shuffle: (C f^2, h, w) to (C, f h, f w)."""
    channels, height, width = len(x) // factor**2, *x.shape[1:]
    parts = x.reshape(channels, factor, factor, height, width).transpose(0, 3, 1, 4, 2)
    return parts.reshape(channels, factor * height, factor * width)


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


def configuration_of(weights: bytes) -> dict[str, Any]:
    """What an imported network's card says of its shape; of others nothing."""
    length = int.from_bytes(weights[:8], "little")
    card = json.loads(json.loads(weights[8 : 8 + length])["__metadata__"]["card"])
    found: dict[str, Any] = card.get("configuration", {})
    return found


def tensors_of(weights: bytes) -> dict[str, NDArray[Any]]:
    """The tensors of a safetensors file: a length, a JSON table of contents, raw bytes."""
    length = int.from_bytes(weights[:8], "little")
    contents = json.loads(weights[8 : 8 + length])
    kinds = {"F16": np.float16, "F32": np.float32, "F64": np.float64, "I32": np.int32, "I8": np.int8}
    body = weights[8 + length :]
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], kinds[entry["dtype"]]).reshape(
            entry["shape"]
        )
        for name, entry in contents.items()
        if name != "__metadata__"
    }


def fingerprint_of(tensors: dict[str, NDArray[Any]]) -> str:
    """Of the weights, by their tensors."""
    hasher = hashlib.sha256()
    for name in sorted(tensors):
        hasher.update(f"{name} {tensors[name].dtype.str} {tensors[name].shape}\n".encode())
        hasher.update(tensors[name].tobytes())
    return hasher.hexdigest()


@dataclass
class Decoding:
    """A file being decoded with its weights."""

    file: Header
    tensors: dict[str, NDArray[Any]]
    configuration: dict[str, Any]

    def __post_init__(self) -> None:
        self.reader = RangeReader(self.file.payload)
        self.height, self.width = -(-self.file.height // 16), -(-self.file.width // 16)
        self.y_tables = Tables(self.tensors, "y")

    def hyper_symbols(self, down: int) -> Plane:
        """One pass, channel by channel, the table is the channel's: (C, h / down, w / down)."""
        channels = len(self.tensors["entropy_data.medians"])
        shape = (channels, -(-self.height // down), -(-self.width // down))
        indexes = np.repeat(np.arange(channels), shape[1] * shape[2])
        return read_pass(self.reader, indexes, Tables(self.tensors, "z")).reshape(shape)

    def with_medians(self, z: Plane) -> Plane:
        """Symbols to hyper-latents times 2^10."""
        medians = np.rint(self.tensors["entropy_data.medians"] * 1024).astype(np.int64)
        return z * 1024 + medians[:, None, None]

    def layer(self, x: Plane, name: str, stride: int = 0, **bend: bool) -> Plane:
        """A convolution or, with a stride, a transposed one."""
        weight, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        return deconv(x, weight, bias, stride, **bend) if stride else conv(x, weight, bias, **bend)

    def stack(self, x: Plane, name: str, **bend: bool) -> Plane:
        """Convolutions name.0, name.2 ..., bent between them."""
        last = max(at for at in range(0, 9, 2) if f"{name}.{at}.weight" in self.tensors)
        for at in range(0, last + 1, 2):
            x = self.layer(x, f"{name}.{at}", **(bend if at < last else {}))
        return x

    def symbols(self, scales: Plane, means: Plane) -> Plane:
        """A pass of flat raw scales and means to latents times 2^10."""
        indexes = np.searchsorted(self.tensors["entropy_data.thresholds"], scales, side="left")
        found = np.zeros(len(indexes), dtype=np.int64)
        found[indexes >= 4] = read_pass(self.reader, indexes[indexes >= 4], self.y_tables)
        return found * 1024 + means


def decode_latents(data: bytes, weights: bytes) -> tuple[Plane, int]:
    """y_hat times 2^10 (M, h, w) and its checksum."""
    one = Decoding(header(data), tensors_of(weights), configuration_of(weights))
    network = one.file.network
    z = one.hyper_symbols(1 if network == 8 else 4)
    hyper = one.with_medians(z)
    if network <= 6:
        y_hat = elic(one, np.clip(hyper, -CLAMP, CLAMP))
    elif network == 8:
        y_hat = hyper
    else:
        y_hat = (serial if network >= 11 else one_pass)(one, np.clip(hyper, -CLAMP, CLAMP))
    crc = zlib.crc32(z.astype("<i4").tobytes())
    return y_hat, zlib.crc32(y_hat.astype("<i8").tobytes(), crc)


def elic(one: Decoding, hyper: Plane) -> Plane:
    """Channel groups, each in two passes over a checkerboard."""
    for layer, stride in ((0, 2), (2, 2), (4, 1)):
        hyper = one.layer(hyper, f"h_s.{layer}", stride, relu=layer < 4)
    hyper = hyper[:, : one.height, : one.width]
    context = one.configuration.get("context", {})
    rows, columns = np.mgrid[0 : one.height, 0 : one.width]
    anchors = (rows + columns) % 2 == context.get("anchor_parity", 1)
    groups: list[Plane] = []
    while f"context.groups.{len(groups)}.spatial.weight" in one.tensors:
        name = f"context.groups.{len(groups)}"
        known = hyper
        if groups:
            ends = context.get("channel_reach") == "ends" and len(groups) > 1
            seen = np.concatenate([groups[0], groups[-1]] if ends else groups)
            channel = one.stack(np.clip(seen, -CLAMP, CLAMP), f"{name}.channel", relu=True)
            known = np.concatenate([channel, hyper])
        stored = one.tensors[f"{name}.spatial.weight"]  # (2C, C, taps): only the taps of the other colour
        outputs = len(stored)
        group = np.zeros((outputs // 2, one.height, one.width), dtype=np.int64)
        for here in (anchors, ~anchors):
            if not here.any():
                continue
            if here is anchors and f"{name}.anchor.0.weight" in one.tensors:
                x = one.stack(known, f"{name}.anchor", relu=True)
            else:
                near = np.zeros((outputs, one.height, one.width), dtype=np.int64)
                if here is not anchors:
                    kernel = np.zeros((outputs, outputs // 2, 25), dtype=stored.dtype)
                    kernel[:, :, [t for t in range(25) if (t // 5 + t % 5) % 2]] = stored
                    kernel = kernel.reshape(outputs, outputs // 2, 5, 5)
                    near = conv(np.clip(group, -CLAMP, CLAMP), kernel, one.tensors[f"{name}.spatial.bias"])
                x = one.stack(np.concatenate([near, known]), f"{name}.non_anchor", relu=True)
            scales, means = x[: outputs // 2, here].ravel(), x[outputs // 2 :, here].ravel()
            group[:, here] = one.symbols(scales, means).reshape(outputs // 2, -1)
        groups.append(group)
    return np.concatenate(groups)


def hyper_synthesis(
    one: Decoding, hyper: Plane, name: str, last_bend: dict[str, bool], **bend: bool
) -> Plane:
    """Two transposed convolutions of stride 2 and a convolution, cut to the latents' size."""
    for layer in (0, 2):
        hyper = one.layer(hyper, f"{name}.{layer}", 2, **bend)
    return one.layer(hyper, f"{name}.4", **last_bend)[:, : one.height, : one.width]


def one_pass(one: Decoding, hyper: Plane) -> Plane:
    """All latents at once: HiFiC, and the zoo's hyperpriors without a context."""
    if one.file.network == 7:
        scales = hyper_synthesis(one, hyper, "h_s_scale", {}, relu=True)
        means = hyper_synthesis(one, hyper, "h_s_mean", {}, relu=True)
    elif one.file.network == 9:
        scales = hyper_synthesis(one, hyper, "h_s", {"relu": True}, relu=True)
        means = np.zeros_like(scales)
    else:
        scales, means = np.split(hyper_synthesis(one, hyper, "h_s", {}, leaky=True), 2)
    return one.symbols(scales.ravel(), means.ravel()).reshape(scales.shape)


def serial(one: Decoding, hyper: Plane) -> Plane:
    """Waves of latents that know nothing of each other."""
    if one.file.network == 11:
        hyper = hyper_synthesis(one, hyper, "h_s", {}, leaky=True)
    else:
        for name in ("0", "2.0", "4", "6.0", "8"):
            hyper = one.layer(hyper, f"h_s.{name}", leaky=name != "8")
            hyper = shuffle(hyper, 2) if "." in name else hyper
        hyper = hyper[:, : one.height, : one.width]
    weight = one.tensors["context.spatial.weight"].copy()
    weight.reshape(*weight.shape[:2], 25)[:, :, 12:] = 0
    y_hat = np.zeros((weight.shape[1], one.height, one.width), dtype=np.int64)
    rows, columns = np.mgrid[0 : one.height, 0 : one.width]
    for wave in range(one.width + 3 * (one.height - 1)):
        here = columns + 3 * rows == wave
        if not here.any():
            continue
        near = conv(np.clip(y_hat, -CLAMP, CLAMP), weight, one.tensors["context.spatial.bias"])
        known = np.concatenate([hyper, near])
        x = one.stack(known[:, here][:, :, None], "context.joint", leaky=True)[:, :, 0]
        scales, means = np.split(x, 2)
        y_hat[:, here] = one.symbols(scales.ravel(), means.ravel()).reshape(len(y_hat), -1)
    return y_hat
