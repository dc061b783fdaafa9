"""How is the configuration of a network kept in a weights file, and read back with suspicion?

Networks of this program are known by name (`models.networks.builders`); imported ones have widths of their
own, so their card holds the configuration itself, as JSON.
"""

from __future__ import annotations

from dataclasses import asdict, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch

from models.errors import WeightsError
from models.networks.balle import BalleConfig
from models.networks.base import CompressionNetwork
from models.networks.builders import NetworkConfig, build
from models.networks.elic import ElicConfig
from models.networks.hific import HificConfig

_KINDS: dict[str, type[ElicConfig] | type[HificConfig] | type[BalleConfig]] = {
    "elic": ElicConfig,
    "hific": HificConfig,
    "balle": BalleConfig,
}
_LARGEST = 1 << 14  # of any width or count; the widest published layer has 1408 channels
_LONGEST = 256  # groups, stages, layers


def to_json(config: NetworkConfig) -> dict[str, Any]:
    """The configuration as plain values, with the kind of network under "kind"."""
    kind = next(name for name, of in _KINDS.items() if isinstance(config, of))
    return {"kind": kind, **asdict(config)}


def from_json(value: dict[str, Any]) -> NetworkConfig:
    """What `to_json` gave. Raises WeightsError that names the first wrong part."""
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise WeightsError(f"its network is of the unknown kind {kind!r}: use a newer program")
    config = _read(_KINDS[kind], {k: v for k, v in value.items() if k != "kind"}, "network")
    assert isinstance(config, NetworkConfig)
    return config


def skeleton(config: NetworkConfig) -> CompressionNetwork:
    """The network without any memory for its parameters, to compare shapes with. Raises WeightsError."""
    try:
        with torch.device("meta"):
            return build(config)
    except (ValueError, RuntimeError, TypeError, IndexError, ZeroDivisionError) as error:
        raise WeightsError(f"its network cannot be built ({error})") from error


def _read(kind: Any, value: Any, where: str) -> Any:
    """A JSON value as the annotated type."""
    if is_dataclass(kind):
        return _read_dataclass(kind, value, where)
    origin, parts = get_origin(kind), get_args(kind)
    if origin is UnionType and value is None:
        return None
    if origin is UnionType:
        return _read(next(part for part in parts if part is not NoneType), value, where)
    if origin is tuple:
        return _read_tuple(parts, value, where)
    if not (value in parts if origin is Literal else _fits(kind, value)):
        raise WeightsError(f"{where} has the value {str(value)[:40]!r}, which it cannot have")
    return float(value) if kind is float else value


def _fits(kind: type, value: Any) -> bool:
    """Whether a value is of a plain type and within reason."""
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    return isinstance(value, int if kind is int else int | float) and 0 <= value <= _LARGEST


def _read_tuple(parts: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple) or len(value) > _LONGEST:
        raise WeightsError(f"{where} is no list of reasonable length")
    kinds = (parts[0],) * len(value) if parts[-1] is ... else parts
    if len(kinds) != len(value):
        raise WeightsError(f"{where} has {len(value)} entries, not {len(kinds)}")
    return tuple(
        _read(kind, entry, f"{where}[{index}]")
        for index, (kind, entry) in enumerate(zip(kinds, value, strict=True))
    )


def _read_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise WeightsError(f"{where} is no set of named values")
    names = {part.name for part in fields(kind)}
    if unknown := sorted(str(name) for name in value.keys() - names):
        raise WeightsError(f"{where} has the unknown part {unknown[0][:40]!r}: use a newer program")
    hints = get_type_hints(kind)
    read = {name: _read(hints[name], entry, f"{where}.{name}") for name, entry in value.items()}
    try:
        return kind(**read)
    except (ValueError, TypeError) as error:
        raise WeightsError(f"{where} does not fit together ({error})") from error
