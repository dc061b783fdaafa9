"""The context of latents coded one after another: a masked convolution and nets on its result.

Minnen et al. 2018, "Joint autoregressive and hierarchical priors"; Cheng et al. 2020 take the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn


class CausalConv(nn.Conv2d):
    """A convolution that sees rows above and, in its own row, columns to the left."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        mask = torch.ones(kernel * kernel)
        mask[kernel * kernel // 2 :] = 0
        self.register_buffer("mask", mask.view(1, 1, kernel, kernel), persistent=False)

    mask: Tensor

    def forward(self, x: Tensor, *, windows: bool = False) -> Tensor:
        """x: (B, C, h, w), or `windows` around one place each, (B, C, kernel, kernel) to (B, C', 1, 1)."""
        padding = 0 if windows else self.padding
        return nn.functional.conv2d(x, self.weight * self.mask, self.bias, padding=padding)


def window_places(
    rows: Tensor, columns: Tensor, width: int, taps: Sequence[int] | None, margin: int
) -> tuple[Tensor, Tensor]:
    """Where latents lie in a plane with `margin` zeros above and on both sides, and what their windows see.

    rows, columns: (n,) in a plane of `width`; returns (n,) and (taps, n) places in the larger plane.
    """
    wide = width + 2 * margin
    inside = (rows + margin) * wide + columns + margin
    kernel = 2 * margin + 1
    chosen = range(kernel * kernel) if taps is None else taps
    offsets = torch.tensor([(tap // kernel - margin) * wide + tap % kernel - margin for tap in chosen])
    return inside, offsets[:, None] + inside[None, :]


class CausalContext(nn.Module):
    """Scales and means of each latent from hyper parameters and the latents before it.

    spatial: the masked convolution, M to 2M; joint: 1x1 layers on [hyper, spatial] to 2M.
    """

    def __init__(self, latent: int, kernel: int, joint_widths: Sequence[int]) -> None:
        super().__init__()
        self.spatial = CausalConv(latent, 2 * latent, kernel)
        self.margin = kernel // 2
        widths = [4 * latent, *joint_widths, 2 * latent]
        layers: list[nn.Module] = []
        for at in range(len(widths) - 1):
            if at:
                layers.append(nn.LeakyReLU())
            layers.append(nn.Conv2d(widths[at], widths[at + 1], 1))
        self.joint = nn.Sequential(*layers)

    def waves(self, height: int, width: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows and columns of latents that know nothing of each other, wave by wave in coding order."""
        slope = self.margin + 1
        for wave in range(width + slope * (height - 1)):
            first = max(-(-(wave - width + 1) // slope), 0)
            rows = torch.arange(first, min(wave // slope, height - 1) + 1)
            if len(rows):
                yield rows, wave - slope * rows

    def known(self, y_hat: Tensor, hyper: Tensor) -> tuple[Tensor, Tensor]:
        """Raw scales and means, (B, M, h, w) each, where all latents are known already."""
        scales, means = self.joint(torch.cat([hyper, self.spatial(y_hat)], dim=1)).chunk(2, dim=1)
        return scales, means

    def forward(self, y: Tensor, hyper: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Round latent after latent around its mean, which depends on those before.

        y: (B, M, h, w); hyper: (B, 2M, h, w). Returns y_hat, raw scales and means, shaped like y.
        """
        batch, latent, height, width = y.shape
        margin, kernel = self.margin, self.spatial.kernel_size[0]
        seen = y.new_zeros(batch, latent, height + 2 * margin, width + 2 * margin)
        scales, means = torch.empty_like(y), torch.empty_like(y)
        for rows, columns in self.waves(height, width):
            windows = torch.stack(
                [
                    seen[:, :, r : r + kernel, c : c + kernel]
                    for r, c in zip(rows.tolist(), columns.tolist(), strict=True)
                ],
                dim=1,
            )
            context = self.spatial(windows.flatten(0, 1), windows=True)
            here = hyper[:, :, rows, columns].transpose(1, 2).reshape(-1, 2 * latent, 1, 1)
            found = self.joint(torch.cat([here, context], dim=1)).view(batch, len(rows), 2 * latent)
            scale, mean = found.transpose(1, 2).chunk(2, dim=1)
            scales[:, :, rows, columns], means[:, :, rows, columns] = scale, mean
            rounded = torch.round(y[:, :, rows, columns] - mean) + mean
            seen[:, :, rows + margin, columns + margin] = rounded
        y_hat = seen[:, :, margin : margin + height, margin : margin + width]
        return y_hat, scales, means
