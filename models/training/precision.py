"""Which floating point the transforms and the feature trunks compute in while training on a device."""

from __future__ import annotations

import torch


def reduced_precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it natively, else float32.

    Weights, optimizer, entropy model, last layers and losses stay in float32. On two cores with
    AVX512-BF16 a step of hflic-lite takes 0.6 of its time; its gradient differs from float32's by less
    than another draw of the quantisation noise changes it (cosine 0.990 to 1.000 against 0.78 to 0.97,
    lowest to highest rate). Without such instructions bfloat16 is slower than float32 (codecs.md 4.1).
    """
    if device.type == "cpu":
        native = bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
    elif device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = False
    return torch.bfloat16 if native else torch.float32
