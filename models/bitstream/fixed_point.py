"""Networks whose results are the same bits on every machine: fixed-point numbers carried by float64.

Weights are multiples of 2^-14. Activations are multiples of 2^-10 clamped to +-2^13 and are carried as
the integers 2^10 times as large. So every product is a multiple of 2^-14, and where the magnitudes of a
sum stay under 2^53 * 2^-14 = 2^39, float64 holds every partial sum exactly: no order of summation,
thread count, instruction set or fused multiply-add can change the result. `FixedLayer` checks that
bound when it is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.bitstream.winograd import Winograd
from models.errors import WeightsError
from models.networks.subpixel import as_convolution

WEIGHT_BITS = 14
ACTIVATION_BITS = 10
GRID = float(1 << ACTIVATION_BITS)
CLAMP = float(1 << (13 + ACTIVATION_BITS))  # of an activation carried as an integer
_EXACT_SUM = float(1 << (53 - WEIGHT_BITS))
# Unfolded columns held at a time: in the cache, and less than what the system clears anew for each call.
_COLUMN_BYTES = 24 << 20
# Minimal filtering is worth its transforms from so many outputs and positions on.
_FILTER_OUTPUTS, _FILTER_POSITIONS = 32, 64


def to_activation(x: Tensor) -> Tensor:
    """Clamp integers (values times 2^10) to what a layer may be given."""
    return x.clamp(-CLAMP, CLAMP)


def _to_weight_grid(weight: Tensor) -> Tensor:
    scale = float(1 << WEIGHT_BITS)
    return torch.round(weight.detach().double() * scale) / scale


@dataclass(frozen=True)
class FixedLayer:
    """One convolution as a matrix on unfolded columns, with its rounding and ReLU.

    matrix: (out, in * taps) float64 multiples of 2^-14; bias: (out,) multiples of 2^-14, times 2^10
    and with the half that turns floor into rounding. `taps` chooses columns of the kernel window (all
    where None); `shuffle` turns the output's channels into space, as a transposed convolution does.
    `leak`: 2^14 times the slope below zero of a leaky ReLU.
    """

    matrix: Tensor
    bias: Tensor
    kernel: int
    relu: bool
    taps: tuple[int, ...] | None = None
    shuffle: int = 1
    leak: int = 0

    def __post_init__(self) -> None:
        worst = (self.matrix.abs().sum(1) * CLAMP + self.bias.abs()).max().item()
        if not worst < _EXACT_SUM:
            raise WeightsError(
                f"an entropy layer's sums may reach {worst:.3g}, over the exact bound {_EXACT_SUM:.3g}: "
                "these weights cannot be decoded alike on every machine"
            )

    def finish(self, sums: Tensor) -> Tensor:
        """Exact sums, bias included, to activations; in place."""
        sums.floor_().clamp_(0.0 if self.relu else -CLAMP, CLAMP)
        if self.leak:  # 23 bits times 14 and a half: exact, and no larger than what it replaces
            leaked = sums.mul(self.leak / (1 << WEIGHT_BITS)).add_(0.5).floor_()
            torch.where(sums < 0, leaked, sums, out=sums)
        return sums

    def on_columns(self, columns: Tensor) -> Tensor:
        """columns: (in * taps, positions) to activations (out, positions)."""
        return self.finish(torch.addmm(self.bias[:, None], self.matrix, columns))

    def columns(self, x: Tensor, rows: slice) -> Tensor:
        """Unfold the output rows `rows` of x: (C, h, w) to (C * taps, len(rows) * w)."""
        channels = x.shape[0]
        if self.taps is not None:
            everywhere = torch.ones(rows.stop - rows.start, x.shape[2], dtype=torch.bool)
            return self.columns_at(x, rows, everywhere)
        if self.kernel == 1:
            return x[:, rows].reshape(channels, -1)
        return functional.unfold(self._window(x, rows)[None], self.kernel)[0]

    def columns_at(self, x: Tensor, rows: slice, chosen: Tensor) -> Tensor:
        """The columns of `chosen` positions, (len(rows), w) booleans, alone: (C * taps, positions)."""
        window = self._window(x, rows)
        across = window.shape[2]
        places = chosen.nonzero()
        taps = torch.tensor(self.taps if self.taps is not None else range(self.kernel**2))
        offsets = taps // self.kernel * across + taps % self.kernel
        seen = offsets[:, None] + (places[:, 0] * across + places[:, 1])[None]
        return window.flatten(1).index_select(1, seen.flatten()).view(-1, len(places))

    def _window(self, x: Tensor, rows: slice) -> Tensor:
        """What the output rows `rows` see of x, with zeros beyond its edges."""
        half = self.kernel // 2
        above, below = max(half - rows.start, 0), max(rows.stop + half - x.shape[1], 0)
        strip = x[:, max(rows.start - half, 0) : rows.stop + half]
        return functional.pad(strip, (half, half, above, below))

    @cached_property
    def filter(self) -> Winograd | None:
        """The quicker way to the same sums, None where there is none."""
        plain = self.taps is None and self.shuffle == 1 and self.kernel in (3, 5)
        if not plain or len(self.bias) < _FILTER_OUTPUTS:
            return None
        return Winograd.of(self.matrix, self.kernel, _EXACT_SUM)

    def strips(self, height: int, width: int, channels: int) -> Iterator[slice]:
        """Output rows cut so that the columns of each strip stay within memory."""
        rows = max(_COLUMN_BYTES // max(channels * self.kernel**2 * width * 8, 1), 1)
        return (slice(start, min(start + rows, height)) for start in range(0, height, rows))

    def __call__(self, x: Tensor) -> Tensor:
        """x: (C, h, w) activations to (out, h, w), or (out / s^2, s h, s w) with a shuffle s."""
        channels, height, width = x.shape
        quick = self.filter if height * width >= _FILTER_POSITIONS else None
        if quick is not None and not quick.takes(x):
            quick = None
        strips = list((quick or self).strips(height, width, channels))
        parts = (self._rows(x, rows, quick) for rows in strips)
        if len(strips) == 1:
            out = next(parts)
        else:
            out = x.new_empty(len(self.bias), height, width)
            for rows, part in zip(strips, parts, strict=True):
                out[:, rows] = part
        return functional.pixel_shuffle(out[None], self.shuffle)[0] if self.shuffle > 1 else out

    def _rows(self, x: Tensor, rows: slice, quick: Winograd | None) -> Tensor:
        """The output rows `rows` of x: (C, h, w)."""
        if quick is not None:
            return self.finish(self.bias[:, None, None] + quick.sums(x, rows))
        return self.on_columns(self.columns(x, rows)).view(len(self.bias), -1, x.shape[2])


@dataclass(frozen=True)
class FixedNet:
    """Fixed layers in a row."""

    layers: tuple[FixedLayer, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """x: (C, h, w) activations."""
        for layer in self.layers:
            x = layer(x)
        return x

    def at(self, columns: Tensor) -> Tensor:
        """The same for a net of 1x1 layers on chosen positions: (C, positions) to (out, positions)."""
        for layer in self.layers:
            columns = layer.on_columns(columns)
        return columns


def _bias(layer: nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    bias = layer.bias if layer.bias is not None else torch.zeros(layer.out_channels)
    scale = float(1 << WEIGHT_BITS)
    return torch.round(bias.detach().double() * GRID * scale) / scale + 0.5


def _is_plain(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    """Square and odd, zero-padded by half the kernel, no groups, no holes."""
    kernel, half = layer.kernel_size[0], layer.kernel_size[0] // 2
    return (
        layer.kernel_size == (kernel, kernel)
        and kernel % 2 == 1
        and layer.padding == (half, half)
        and layer.dilation == (1, 1)
        and layer.groups == 1
    )


def fixed_conv(layer: nn.Conv2d, *, relu: bool, mask: Tensor | None = None) -> FixedLayer:
    """A stride-1 convolution; `mask` (k, k) drops the taps where it is zero."""
    if layer.stride != (1, 1) or layer.padding_mode != "zeros" or not _is_plain(layer):
        raise WeightsError("only plain stride-1 convolutions can lead to a coding parameter")
    weight = _to_weight_grid(layer.weight).flatten(2)
    taps = None
    if mask is not None:
        taps = tuple(int(t) for t in mask.flatten().nonzero().flatten())
        weight = weight[:, :, list(taps)]
    return FixedLayer(weight.flatten(1).contiguous(), _bias(layer), layer.kernel_size[0], relu, taps)


def fixed_deconv(layer: nn.ConvTranspose2d, *, relu: bool) -> FixedLayer:
    """A transposed convolution as a convolution at the input's size followed by a pixel shuffle."""
    stride = layer.stride[0]
    if layer.output_padding[0] != stride - 1 or not _is_plain(layer):
        raise WeightsError(
            "a transposed convolution of the entropy networks must scale by its stride exactly"
        )
    weight = as_convolution(_to_weight_grid(layer.weight), stride)
    return FixedLayer(
        weight.flatten(1).contiguous(),
        _bias(layer).repeat_interleave(stride**2),
        weight.shape[-1],
        relu,
        shuffle=stride,
    )


def fixed_net(stack: nn.Sequential) -> FixedNet:
    """A stack of convolutions, transposed ones, pixel shuffles, ReLUs and leaky ReLUs in fixed point.

    Stacks may be inside it. Raises WeightsError for any other layer and where the exact bound does not hold.
    """
    layers: list[FixedLayer] = []
    for module in _unnested(stack):
        last = layers[-1] if layers else None
        if isinstance(module, nn.Conv2d):
            layers.append(fixed_conv(module, relu=False))
        elif isinstance(module, nn.ConvTranspose2d):
            layers.append(fixed_deconv(module, relu=False))
        elif last is not None and not last.relu and not last.leak and isinstance(module, nn.ReLU):
            layers[-1] = replace(last, relu=True)
        elif last is not None and not last.relu and not last.leak and isinstance(module, nn.LeakyReLU):
            layers[-1] = replace(last, leak=round(module.negative_slope * (1 << WEIGHT_BITS)))
        elif last is not None and last.shuffle == 1 and isinstance(module, nn.PixelShuffle):
            layers[-1] = replace(last, shuffle=module.upscale_factor)
        else:
            raise WeightsError(f"{type(module).__name__} cannot lead to a coding parameter here")
    return FixedNet(tuple(layers))


def _unnested(stack: nn.Sequential) -> Iterator[nn.Module]:
    for module in stack:
        if isinstance(module, nn.Sequential):
            yield from _unnested(module)
        else:
            yield module
