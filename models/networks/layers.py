"""What every transform is made of: convolutions, residual bottlenecks, attention, the DCT shortcut."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int = 5, stride: int = 2) -> nn.Conv2d:
    """A convolution that keeps (stride 1) or divides (stride s) the size; padding kernel // 2."""
    return nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2)


def deconv(inputs: int, outputs: int, kernel: int = 5, stride: int = 2) -> nn.ConvTranspose2d:
    """A transposed convolution that multiplies the size by exactly `stride`."""
    return nn.ConvTranspose2d(
        inputs, outputs, kernel, stride=stride, padding=kernel // 2, output_padding=stride - 1
    )


class Transform(nn.Sequential):
    """Layers in a row; under autocast all before the last convolution compute in the reduced precision.

    That one and what follows it keep float32: its output is added to the shortcut's and quantised, or seen.
    """

    def forward(self, x: Tensor) -> Tensor:
        """As the layers say."""
        device = x.device.type
        if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
            whole: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
            return whole
        layers = list(self)
        last = max(i for i, m in enumerate(layers) if isinstance(m, nn.Conv2d | nn.ConvTranspose2d))
        for layer in layers[:last]:
            x = layer(x)
        with torch.autocast(device, enabled=False):
            x = x.float()
            for layer in layers[last:]:
                x = layer(x)
        return x


class Shift(nn.Module):
    """x + amount."""

    def __init__(self, amount: float) -> None:
        super().__init__()
        self.amount = amount

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return x + self.amount


class Scaled(nn.Module):
    """x * factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return x * self.factor


class ReflectedConv(nn.Conv2d):
    """A convolution whose borders mirror the picture, as in Justin-Tan's HiFiC.

    `edges`: rows and columns added left, right, above and below. Of an even size the stride 2 of its 3x3
    layers adds them above and to the right alone. Where there is less picture than edge, which that project
    refuses, the border repeats.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        edges: tuple[int, int, int, int] | None = None,
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride)
        half = kernel // 2
        self.edges = edges or ((half,) * 4 if stride == 1 else (0, half, half, 0))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H / stride, W / stride)."""
        mode = "reflect" if min(x.shape[2:]) > max(self.edges) else "replicate"
        return super().forward(nn.functional.pad(x, self.edges, mode=mode))


class ResidualBottleneck(nn.Module):
    """x + W3 relu(W2 relu(W1 x)): 1x1, dense 3x3 and 1x1 around `hidden` channels (He et al. 2022, fig. 3).

    ELIC narrows to half the width; HFLIC's inverted bottleneck widens to twice of it.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(channels, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        out: Tensor = x + self.branch(x)
        return out


class _ResidualUnit(nn.Module):
    """The unit of the attention block: a bottleneck to half the width with a ReLU after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = ResidualBottleneck(channels, channels // 2)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu(self.block(x))
        return out


class AttentionBlock(nn.Module):
    """Simplified attention, x + a * sigmoid(b) (Cheng et al. 2020, as used in ELIC)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(*(_ResidualUnit(channels) for _ in range(3)))
        self.mask = nn.Sequential(
            *(_ResidualUnit(channels) for _ in range(3)), nn.Conv2d(channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        out: Tensor = x + self.trunk(x) * torch.sigmoid(self.mask(x))
        return out


# BT.601 luma and chroma weights; every column of the inverse has a squared norm near 3, so an error
# of one step costs nearly the same RGB MSE in Y, Cb and Cr.
_RGB_TO_YCBCR = (
    (0.299, 0.587, 0.114),
    (-0.168736, -0.331264, 0.5),
    (0.5, -0.418688, -0.081312),
)


def _dct_matrix(size: int) -> Tensor:
    """The orthonormal DCT-II as a (size, size) float64 matrix, one basis vector a row."""
    n = torch.arange(size, dtype=torch.float64)
    rows = torch.cos(math.pi * (n[None, :] + 0.5) * n[:, None] / size) * math.sqrt(2.0 / size)
    rows[0] /= math.sqrt(2.0)
    return rows


def dct_order(latent: int, block: int = 16) -> list[tuple[int, int, int]]:
    """Which coefficient each latent channel starts as: (colour plane, vertical, horizontal frequency).

    Lowest frequencies first; an eighth of the channels to each chroma plane, spread so that chroma of
    a frequency f comes with luma of a frequency near 2f. Early channel groups so get the lowest.
    """
    by_frequency = sorted(
        ((u, v) for u in range(block) for v in range(block)),
        key=lambda uv: (uv[0] ** 2 + uv[1] ** 2, uv),
    )
    chroma = latent // 8
    ranked = [(u * u + v * v, 0, u, v) for u, v in by_frequency[: latent - 2 * chroma]]
    ranked += [(4 * (u * u + v * v) + 1, plane, u, v) for u, v in by_frequency[:chroma] for plane in (1, 2)]
    return [(plane, u, v) for _, plane, u, v in sorted(ranked)]


def dct_basis(latent: int, block: int = 16) -> tuple[Tensor, Tensor]:
    """Analysis (latent, 3*block^2) and synthesis (3*block^2, latent) of the truncated block DCT in YCbCr.

    Rows follow `torch.pixel_unshuffle`'s channel order: colour, then row, then column in the block.
    """
    matrix = _dct_matrix(block)
    forward_colour = torch.tensor(_RGB_TO_YCBCR, dtype=torch.float64)
    inverse_colour = torch.linalg.inv(forward_colour)
    analysis, synthesis = [], []
    for plane, u, v in dct_order(latent, block):
        basis = torch.outer(matrix[u], matrix[v]).reshape(-1)
        analysis.append(torch.cat([weight * basis for weight in forward_colour[plane]]))
        synthesis.append(torch.cat([weight * basis for weight in inverse_colour[:, plane]]))
    return torch.stack(analysis).float(), torch.stack(synthesis, dim=1).float()


class DctAnalysis(nn.Module):
    """A linear shortcut beside g_a: (B, 3, H, W) to (B, M, H/16, W/16), starting as a 16x16 DCT in YCbCr."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(3 * 256, latent, 1, bias=False)
        self.project.weight.data.copy_(dct_basis(latent)[0][:, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, 3, H, W) around zero; y: (B, M, H/16, W/16)."""
        y: Tensor = self.project(nn.functional.pixel_unshuffle(x, 16))
        return y


class DctSynthesis(nn.Module):
    """The way back: (B, M, H/16, W/16) to (B, 3, H, W), starting as the inverse DCT."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(latent, 3 * 256, 1, bias=False)
        self.project.weight.data.copy_(dct_basis(latent)[1][:, :, None, None])

    def forward(self, y: Tensor) -> Tensor:
        """y: (B, M, H/16, W/16); x: (B, 3, H, W) around zero."""
        return nn.functional.pixel_shuffle(self.project(y), 16)


def init_unit_variance(module: nn.Module) -> None:
    """Set every convolution so that unit-variance inputs give unit-variance outputs, biases zero.

    The stride of a transposed convolution divides its fan-in: each output sees kernel^2 / stride^2
    taps of every input channel. The last layer of a residual branch starts small, so that a fresh
    stack is close to the identity.
    """
    for layer in module.modules():
        if isinstance(layer, nn.ConvTranspose2d):
            taps = layer.kernel_size[0] * layer.kernel_size[1] / (layer.stride[0] * layer.stride[1])
            nn.init.normal_(layer.weight, std=1 / math.sqrt(layer.in_channels * taps))
        elif isinstance(layer, nn.Conv2d):
            fan_in = layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]
            nn.init.normal_(layer.weight, std=1 / math.sqrt(fan_in))
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for layer in module.modules():
        if isinstance(layer, ResidualBottleneck):
            for index, factor in ((0, math.sqrt(2)), (2, math.sqrt(2)), (4, 0.3)):
                weight = layer.branch[index].weight
                assert isinstance(weight, Tensor)
                weight.data.mul_(factor)
