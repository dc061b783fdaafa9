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

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.errors import WeightsError

WEIGHT_BITS = 14
ACTIVATION_BITS = 10
GRID = float(1 << ACTIVATION_BITS)
CLAMP = float(1 << (13 + ACTIVATION_BITS))  # of an activation carried as an integer
_EXACT_SUM = float(1 << (53 - WEIGHT_BITS))
# Unfolded columns held at a time: in the cache, and less than what the system clears anew for each call.
_COLUMN_BYTES = 24 << 20


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
        channels, height, _ = x.shape
        if self.kernel == 1:
            return x[:, rows].reshape(channels, -1)
        half = self.kernel // 2
        above, below = max(half - rows.start, 0), max(rows.stop + half - height, 0)
        strip = x[:, max(rows.start - half, 0) : rows.stop + half]
        strip = functional.pad(strip, (half, half, above, below))
        columns = functional.unfold(strip[None], self.kernel)[0]
        if self.taps is None:
            return columns
        window = columns.view(channels, self.kernel**2, -1)[:, list(self.taps)]
        return window.reshape(channels * len(self.taps), -1)

    def strips(self, height: int, width: int, channels: int) -> Iterator[slice]:
        """Output rows cut so that the columns of each strip stay within memory."""
        rows = max(_COLUMN_BYTES // max(channels * self.kernel**2 * width * 8, 1), 1)
        return (slice(start, min(start + rows, height)) for start in range(0, height, rows))

    def __call__(self, x: Tensor) -> Tensor:
        """x: (C, h, w) activations to (out, h, w), or (out / s^2, s h, s w) with a shuffle s."""
        channels, height, width = x.shape
        strips = list(self.strips(height, width, channels))
        if len(strips) == 1:
            out = self.on_columns(self.columns(x, strips[0])).view(-1, height, width)
        else:
            out = x.new_empty(len(self.bias), height, width)
            for rows in strips:
                out[:, rows] = self.on_columns(self.columns(x, rows)).view(len(out), -1, width)
        return functional.pixel_shuffle(out[None], self.shuffle)[0] if self.shuffle > 1 else out


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
    """A transposed convolution as a convolution at the input's size followed by a pixel shuffle.

    Output 2i + a of a kernel of 5 with padding 2 sees the inputs i + j through the tap a + 2 - 2j.
    """
    stride, kernel = layer.stride[0], layer.kernel_size[0]
    half = kernel // 2
    if layer.output_padding[0] != stride - 1 or not _is_plain(layer):
        raise WeightsError(
            "a transposed convolution of the entropy networks must scale by its stride exactly"
        )
    weight = _to_weight_grid(layer.weight)  # (in, out, k, k)
    inputs, outputs = weight.shape[:2]
    reach = half if stride == 1 else (half + stride - 1) // stride
    window = 2 * reach + 1
    matrix = torch.zeros(outputs, stride, stride, inputs, window, window, dtype=torch.float64)

    def taps(phase: int) -> list[tuple[int, int]]:
        pairs = ((j + reach, phase + half - stride * j) for j in range(-reach, reach + 1))
        return [(place, tap) for place, tap in pairs if 0 <= tap < kernel]

    for a in range(stride):
        for b in range(stride):
            for row, tap_row in taps(a):
                for column, tap_column in taps(b):
                    matrix[:, a, b, :, row, column] = weight[:, :, tap_row, tap_column].T
    return FixedLayer(
        matrix.reshape(outputs * stride**2, -1).contiguous(),
        _bias(layer).repeat_interleave(stride**2),
        window,
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
