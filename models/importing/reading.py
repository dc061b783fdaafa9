"""How is a foreign checkpoint read without trusting it?

Nothing in the file is executed: torch's restricted unpickler takes tensors and plain containers alone.
Sizes are compared with the file's before anything large is made.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.errors import WeightsError

MAX_BYTES = 8 << 30  # HiFiC's with the optimizer's state are 2 GB
_MOST_TENSORS = 20_000
# Where trainings keep the weights, most specific first; beside them are optimizers and counters.
_INSIDE = ("state_dict", "model_state_dict", "model", "net", "network")
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds: tensors by name without `module.`, and plain values beside them (args)."""

    name: str
    tensors: dict[str, Tensor] = field(repr=False)
    beside: dict[str, Any] = field(repr=False)


def read(path: Path) -> Checkpoint:
    """The weights in a .pth, .pth.tar, .pt, .ckpt or .safetensors file.

    Raises WeightsError in one line that names the first thing that is wrong.
    """
    path = Path(path)
    if path.is_dir():
        raise WeightsError(f"{path} is a folder: give the checkpoint file")
    try:
        size = path.stat().st_size
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error
    if size > MAX_BYTES:
        raise WeightsError(f"{path.name} has {size / 1e9:.0f} GB, more than any checkpoint of these networks")
    with path.open("rb") as file:
        start = file.read(16)
    safetensors = start[8:9] == b"{" and int.from_bytes(start[:8], "little") < size
    value = _read_safetensors(path) if safetensors else _read_torch(path, start)
    return _checked(path.name, size, value)


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path.name} is damaged ({_first_line(error)}): fetch it again") from error


def _read_torch(path: Path, start: bytes) -> Any:
    in_zip = start.startswith(b"PK\x03\x04")
    if in_zip:
        _check_zip(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=in_zip)
    except Exception as error:  # whatever a hostile stream makes the unpickler stumble over
        text = _first_line(error)
        if "GLOBAL" in str(error) or "Unsupported" in str(error):
            raise WeightsError(
                f"{path.name} holds more than tensors and plain values ({_culprit(str(error))}), "
                "and running what a file brings along is not safe: save its state_dict alone"
            ) from error
        raise WeightsError(f"{path.name} is no checkpoint, or a damaged one ({text})") from error


def _check_zip(path: Path) -> None:
    """Refuse what would not fit its own size: compressed entries, or lengths beyond the end."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise WeightsError(f"{path.name} is cut short or damaged ({error}): fetch it again") from error
    packed = next((entry for entry in entries if entry.compress_type != zipfile.ZIP_STORED), None)
    if packed is not None:
        raise WeightsError(f"{path.name}: {packed.filename} is compressed, which no checkpoint of torch is")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise WeightsError(f"{path.name} claims to hold more than its own size: it is damaged")


def _checked(name: str, size: int, value: Any) -> Checkpoint:
    if not isinstance(value, Mapping):
        raise WeightsError(f"{name} holds a {type(value).__name__}, not named tensors")
    weights, beside = _weights_in(value)
    if not weights:
        keys = ", ".join(str(key)[:30] for key in list(value)[:4]) or "nothing"
        raise WeightsError(f"{name} holds no named tensors but {keys}")
    if len(weights) > _MOST_TENSORS:
        raise WeightsError(f"{name} holds {len(weights)} tensors, more than any network known here")
    tensors: dict[str, Tensor] = {}
    total = 0
    for key, tensor in weights.items():
        short = str(key).removeprefix("module.")
        if short in tensors:
            raise WeightsError(f"{name} has the tensor {short} twice")
        total += tensor.numel() * tensor.element_size()
        if problem := _unfit(tensor):
            raise WeightsError(f"{name}: the tensor {short[:80]} {problem}")
        if total > size:
            raise WeightsError(f"{name}: the tensors up to {short[:80]} need more than the file's own size")
        tensors[short] = tensor.detach()
    return Checkpoint(name, tensors, beside)


def _weights_in(value: Mapping[Any, Any]) -> tuple[dict[Any, Tensor], dict[str, Any]]:
    """The named tensors of a file or of the part of a training's file that has them."""
    for key in _INSIDE:
        inside = value.get(key)
        if isinstance(inside, Mapping) and any(isinstance(entry, Tensor) for entry in inside.values()):
            beside = {str(k): v for k, v in value.items() if k != key and not isinstance(v, Tensor)}
            return {k: v for k, v in inside.items() if isinstance(v, Tensor)}, beside
    return {k: v for k, v in value.items() if isinstance(v, Tensor)}, {}


def _unfit(tensor: Tensor) -> str:
    """What is wrong with a tensor, "" where nothing is."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        return "is of a kind no weights are (sparse, quantised or without values)"
    if tensor.dim() > 4:
        return f"has {tensor.dim()} dimensions"
    held = tensor.untyped_storage().nbytes()
    if tensor.numel() * tensor.element_size() > held:
        return "claims more values than the file holds for it"
    if tensor.dtype in _FLOATS and not bool(torch.isfinite(tensor).all()):
        return "has values that are not finite"
    return ""


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0].strip() or type(error).__name__
    return text[:120]


def _culprit(text: str) -> str:
    """The name the restricted unpickler stopped at."""
    for part in ("Unsupported global: GLOBAL ", "GLOBAL "):
        if part in text:
            return text.split(part, 1)[1].split(maxsplit=1)[0].strip(".,`'")[:60]
    return text.strip().split("\n")[0][:60]
