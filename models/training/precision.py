"""Which floating point the transforms and the feature trunks compute in while training on a device."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import conv2d

WORTH_IT = 0.9  # of float32's time; what bfloat16 must stay under to be taken on a processor
_TRIES = 5


def reduced_precision(device: torch.device, agree: Callable[[Tensor], Tensor] = torch.detach) -> torch.dtype:
    """bfloat16 where the device multiplies it natively and more quickly than float32, else float32.

    Weights, optimizer, entropy model, last layers and losses stay in float32. The gradient of hflic-lite
    differs from float32's by less than another draw of the quantisation noise changes it (cosine 0.990 to
    1.000 against 0.78 to 0.97, lowest to highest rate). Having the instructions is not enough: a step takes
    0.6 of its time on an AMD processor with AVX512-BF16 and 1.3 times its time on an Intel one (Emerald
    Rapids). So a processor is tried out; `agree` gives what all processes that train together found.
    """
    if device.type == "cpu":
        native = bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
        worth_it = native and agree(torch.tensor(bfloat16_share())).item() < WORTH_IT
    elif device.type == "cuda":
        worth_it = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        worth_it = False
    return torch.bfloat16 if worth_it else torch.float32


@cache
def bfloat16_share() -> float:
    """Time of a typical layer, forward and backward, in bfloat16 on this processor over that in float32.

    The shortest of five each, in turn, once in a process: about a tenth of a second.
    """
    shortest = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    layers = {dtype: _layer(dtype) for dtype in shortest}
    for _ in range(_TRIES + 1):  # the first one also makes the kernels
        for dtype, (x, weight) in layers.items():
            begin = time.perf_counter()
            conv2d(x, weight, padding=1).sum().backward()  # type: ignore[no-untyped-call]
            shortest[dtype] = min(shortest[dtype], time.perf_counter() - begin)
    return shortest[torch.bfloat16] / shortest[torch.float32]


def _layer(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Input (2, 96, 24, 24) and kernels (96, 96, 3, 3) of a convolution, channels last as in training."""
    tensors = (torch.ones(size, dtype=dtype) for size in ((2, 96, 24, 24), (96, 96, 3, 3)))
    x, weight = (t.to(memory_format=torch.channels_last).requires_grad_() for t in tensors)
    return x, weight
