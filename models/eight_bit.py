"""How are weights stored in 8 bits? One byte a value and one step for each index of the first axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

STEP = ".step"  # after the name of the tensor whose steps these are
_LARGEST = 127


def takes(name: str, value: Tensor, prefix: str | tuple[str, ...]) -> bool:
    """Whether a parameter is stored so: a kernel whose name begins with (one of) `prefix`; none for ""."""
    return bool(prefix) and name.startswith(prefix) and name.endswith(".weight") and value.ndim == 4


def packed(value: Tensor) -> tuple[Tensor, Tensor]:
    """A kernel (out, in, height, width) as int8 and the float32 (out,) steps they are multiples of.

    Each channel's step is its largest magnitude / 127: no value is clipped, or off by over half a step. Of a
    transposed convolution, whose inputs come first, they are the inputs'.
    """
    import torch

    channels = value.detach().float()
    steps = channels.flatten(1).abs().amax(1) / _LARGEST
    steps = torch.where(steps > 0, steps, torch.ones_like(steps))  # a channel of zeros
    return (channels / steps[:, None, None, None]).round().to(torch.int8), steps


def unpacked(stored: Any, steps: Any) -> Tensor:
    """The float32 kernel of NumPy's int8 (out, in, height, width) and float32 (out,)."""
    import torch

    return torch.from_numpy(stored).float() * torch.from_numpy(steps)[:, None, None, None]
