"""How do the transforms run quickest on a CPU? Convolution, activation and residual sum in one pass.

oneDNN can add a residual and apply a ReLU while a convolution's results are still in the cache; PyTorch
reaches that through the operators its compiler uses, which need no compiler themselves. Residual blocks run
in strips of rows, in place: a strip's hidden activations stay near the cache, and no large tensor is made,
whose pages the system would have to clear first. Sums are those of the plain layers in another order, so
results differ by rounding alone; nothing that leads to a coding parameter runs here.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.layers import AttentionBlock, ResidualBottleneck
from models.networks.subpixel import as_convolution

_STRIP_BYTES = 16 << 20  # of a strip's hidden activations
_FEW_OUTPUTS = 8  # oneDNN's transposed convolution leaves most of a vector empty then


@cache
def _operators() -> tuple[Any, Any] | None:
    """The convolution with an activation, and the one that adds to its residual in place; None without."""
    if not torch._C._has_mkldnn:
        return None
    try:
        plain = torch.ops.mkldnn._convolution_pointwise.default
        adding = torch.ops.mkldnn._convolution_pointwise_.binary
    except (AttributeError, RuntimeError):
        return None
    return plain, adding


def usable(x: Tensor) -> bool:
    """Whether the quick way is there for a tensor."""
    return bool(
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.shape[0] == 1
        and not torch.is_grad_enabled()
        and x.is_contiguous(memory_format=torch.channels_last)
        and torch.backends.mkldnn.enabled
        and _operators() is not None
    )


def run(layer: nn.Module, x: Tensor, *, own: bool) -> Tensor:
    """What `layer(x)` gives, up to rounding. `own`: nobody else needs x, so it may be overwritten."""
    if not usable(x):
        out: Tensor = layer(x)
        return out
    if isinstance(layer, nn.Sequential):
        for number, part in enumerate(layer):
            x = run(part, x, own=own or number > 0)
        return x
    if isinstance(layer, ResidualBottleneck):
        return _bottleneck(layer, x if own else x.clone(memory_format=torch.preserve_format), relu=False)
    if isinstance(layer, AttentionBlock):
        return _attention(layer, x)
    return _single(layer, x)


def _single(layer: nn.Module, x: Tensor) -> Tensor:
    """One layer that is no block."""
    if isinstance(layer, nn.Conv2d) and _is_plain(layer):
        return _convolve(layer, x, "none")
    if isinstance(layer, nn.ConvTranspose2d) and _has_few_outputs(layer):
        return _subpixel(layer, x)
    result: Tensor = layer(x)
    return result


def _is_plain(layer: nn.Conv2d) -> bool:
    return type(layer) is nn.Conv2d and layer.padding_mode == "zeros" and isinstance(layer.padding, tuple)


def _has_few_outputs(layer: nn.ConvTranspose2d) -> bool:
    """Whether a layer is a plain one to a picture's colours."""
    kernel, stride = layer.kernel_size[0], layer.stride[0]
    return (
        type(layer) is nn.ConvTranspose2d
        and layer.out_channels <= _FEW_OUTPUTS
        and kernel % 2 == 1
        and layer.kernel_size == (kernel, kernel)
        and layer.stride == (stride, stride)
        and layer.padding == (kernel // 2, kernel // 2)
        and layer.output_padding == (stride - 1, stride - 1)
        and layer.dilation == (1, 1)
        and layer.groups == 1
    )


def _subpixel(layer: nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """A transposed convolution as one at x's size; its few weights are rewritten at each call."""
    operators = _operators()
    assert operators is not None
    stride = layer.stride[0]
    weight = as_convolution(layer.weight, stride).contiguous(memory_format=torch.channels_last)
    bias = layer.bias.repeat_interleave(stride**2) if layer.bias is not None else None
    half = weight.shape[-1] // 2
    out = operators[0](x, weight, bias, [half, half], [1, 1], [1, 1], 1, "none", [], "")
    return functional.pixel_shuffle(out, stride)


def _convolve(layer: nn.Conv2d, x: Tensor, activation: str, padding: tuple[int, int] | None = None) -> Tensor:
    operators = _operators()
    assert operators is not None
    out: Tensor = operators[0](
        x, layer.weight, layer.bias, list(padding or layer.padding), list(layer.stride), list(layer.dilation),
        layer.groups, activation, [], "",
    )  # fmt: skip
    return out


def _add_to(x: Tensor, layer: nn.Conv2d, hidden: Tensor, *, relu: bool) -> None:
    """Add layer(hidden) to x, then a ReLU."""
    operators = _operators()
    assert operators is not None
    operators[1](
        x, hidden, layer.weight, layer.bias, [0, 0], [1, 1], [1, 1], 1, "add", 1.0, "relu" if relu else None,
        [], "",
    )  # fmt: skip


def _bottleneck(block: ResidualBottleneck, x: Tensor, *, relu: bool) -> Tensor:
    """See ResidualBottleneck; in place, strip by strip of rows, then a ReLU."""
    first, middle, last = block.branch[0], block.branch[2], block.branch[4]
    assert isinstance(first, nn.Conv2d) and isinstance(middle, nn.Conv2d) and isinstance(last, nn.Conv2d)
    height, width = x.shape[2:]
    rows = max(_STRIP_BYTES // (4 * first.out_channels * width), 4)
    narrow = None  # W1 x of the strip with the rows on either side of it
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        # Rows above `known` are overwritten already; what the middle layer needs of them is kept.
        known = min(top + 1, height) if narrow is not None else 0
        kept = narrow[:, :, -2:] if narrow is not None else None
        fresh = x[:, :, known : min(bottom + 1, height)]
        if fresh.shape[2]:
            new = _convolve(first, fresh, "relu")
            narrow = torch.cat([kept, new], dim=2) if kept is not None else new
        else:
            narrow = kept
        assert narrow is not None
        hidden = _convolve(middle, narrow, "relu")
        above = top - max(top - 1, 0)
        hidden = hidden[:, :, above : above + bottom - top]
        _add_to(x[:, :, top:bottom], last, hidden, relu=relu)
    return x


def _attention(block: AttentionBlock, x: Tensor) -> Tensor:
    """See AttentionBlock."""
    sides = []
    for side in (block.trunk, block.mask):
        v = x.clone(memory_format=torch.preserve_format)
        for unit in side:
            inner = getattr(unit, "block", None)
            if isinstance(inner, ResidualBottleneck):
                v = _bottleneck(inner, v, relu=True)
            else:
                assert isinstance(unit, nn.Conv2d)
                v = _convolve(unit, v, "none")
        sides.append(v)
    return torch.addcmul(x, sides[0], sides[1].sigmoid_())
