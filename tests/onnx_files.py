"""How do tests make small ONNX files without the package onnx? The few protobuf messages a network needs."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _part(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _tensor(name: str, value: NDArray[np.generic]) -> bytes:
    kind = {"float32": 1, "int64": 7}[str(value.dtype)]
    dims = b"".join(_number(1, side) for side in value.shape)
    return dims + _number(2, kind) + _part(8, name) + _part(9, value.tobytes())


def _value(name: str, shape: Sequence[int]) -> bytes:
    dims = b"".join(_part(1, _number(1, side)) for side in shape)
    return _part(1, name) + _part(2, _part(1, _number(1, 1) + _part(2, dims)))


def _attribute(name: str, value: Sequence[int] | int | float) -> bytes:
    if isinstance(value, float):
        return _part(1, name) + _varint(2 << 3 | 5) + struct.pack("<f", value) + _number(20, 1)
    if isinstance(value, int):
        return _part(1, name) + _number(3, value) + _number(20, 2)
    return _part(1, name) + b"".join(_number(8, v) for v in value) + _number(20, 7)


def node(kind: str, inputs: Sequence[str], output: str, **attributes: Sequence[int] | int | float) -> bytes:
    """One operation."""
    names = b"".join(_part(1, name) for name in inputs) + _part(2, output) + _part(3, output)
    return names + _part(4, kind) + b"".join(_part(5, _attribute(k, v)) for k, v in attributes.items())


def model(
    nodes: Sequence[bytes],
    constants: Mapping[str, NDArray[np.generic]],
    inputs: Mapping[str, Sequence[int]],
    outputs: Mapping[str, Sequence[int]],
) -> bytes:
    """A whole file, operator set 13."""
    graph = b"".join(_part(1, n) for n in nodes) + _part(2, "test")
    graph += b"".join(_part(5, _tensor(name, value)) for name, value in constants.items())
    graph += b"".join(_part(11, _value(name, shape)) for name, shape in inputs.items())
    graph += b"".join(_part(12, _value(name, shape)) for name, shape in outputs.items())
    return _number(1, 7) + _part(7, graph) + _part(8, _part(1, "") + _number(2, 13))
