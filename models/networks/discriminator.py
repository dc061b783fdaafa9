"""HiFiC's conditional discriminator: is this patch a photograph, given what was coded for it?"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2  # of every leaky ReLU (Mentzer et al. 2020, A.1)
STRIDE = 16  # pixels a latent covers


def _normed_conv(inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding))


class Discriminator(nn.Module):
    """Raw logits for each 8x8 patch of a picture together with its quantised latents.

    `latent`: channels of y_hat; `width`: of the first of four 4x4 convolutions, each twice as wide as
    the one before (64 as published, less for lite); `condition`: channels the latents are reduced to.
    Spectrally normalised throughout, no batch norm, no sigmoid at the end.
    """

    def __init__(self, latent: int, width: int = 64, condition: int = 12) -> None:
        super().__init__()
        self.condition = nn.Sequential(
            _normed_conv(latent, condition, 3, 1, 1), nn.LeakyReLU(SLOPE), nn.Upsample(scale_factor=STRIDE)
        )
        layers: list[nn.Module] = []
        inputs = 3 + condition
        for level in range(3):
            layers += [_normed_conv(inputs, width << level, 4, 2, 1), nn.LeakyReLU(SLOPE)]
            inputs = width << level
        # A 4x4 kernel of stride 1 keeps the size with one row before and two after.
        layers += [nn.ZeroPad2d((1, 2, 1, 2)), _normed_conv(inputs, width * 8, 4, 1, 0), nn.LeakyReLU(SLOPE)]
        layers += [nn.ZeroPad2d((1, 2, 1, 2)), _normed_conv(width * 8, 1, 4, 1, 0)]
        self.judge = nn.Sequential(*layers)

    def forward(self, x: Tensor, y_hat: Tensor) -> Tensor:
        """x: (B, 3, H, W) in 0..1, H and W multiples of 16; y_hat: (B, M, H/16, W/16).

        Logits (B, 1, H/8, W/8), positive for photographs. No gradient flows into y_hat.
        """
        condition = self.condition(y_hat.detach())
        logits: Tensor = self.judge(torch.cat([2 * x - 1, condition], dim=1))
        return logits

    def compare(self, real: Tensor, fake: Tensor, y_hat: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the real and of the decoded pictures of a batch, each with its own latents.

        One pass over both, so that the spectral norm's power iteration advances once a step.
        """
        condition = torch.cat([y_hat, y_hat])  # picture i of either half meets the latents i
        logits = self(torch.cat([real, fake]), condition)
        return logits[: len(real)], logits[len(real) :]
