"""The losses of the perceptual recipes as small functions of tensors, beside those of `models.distortion`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from models.distortion import weighed

STYLE_PATCH = 16  # cells of a feature map, He et al. 2022 (PO-ELIC)
GRID_BLOCK = 16  # pixels; the transforms repeat themselves at this distance and its parts
GRID_CALM = 5 / 255  # the standard deviation of a block's pixels at which it weighs half


@dataclass(frozen=True)
class HificConstants:
    """Mentzer et al. 2020, section 4.2: target in bits per pixel, rate weights above and below it.

    `mse` weighs the 255^2 MSE, `lpips` LPIPS-Alex, `gan` the non-saturating generator loss. During the
    first `warm_steps` the target is `warm_target` and the weight above it `warm_above` times the usual.
    """

    target: float
    above: float
    below: float = 2.0**-4
    mse: float = 0.075 * 2.0**-5
    lpips: float = 1.0
    gan: float = 0.15
    warm_steps: int = 50_000
    warm_target: float = 0.20 / 0.14
    warm_above: float = 0.5

    def rate_weight(self, bpp: Tensor, step: int) -> Tensor:
        """The weight of the rate at a step, () for the batch's bits per pixel ()."""
        warm = step < self.warm_steps
        target = self.target * (self.warm_target if warm else 1.0)
        above = self.above * (self.warm_above if warm else 1.0)
        return rate_multiplexer(bpp, target, above, self.below)


HIFIC_LOW = HificConstants(target=0.14, above=2.0)
HIFIC_MIDDLE = HificConstants(target=0.30, above=1.0)
HIFIC_HIGH = HificConstants(target=0.45, above=0.5)


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """relu(1 - D(x)) + relu(1 + D(x_hat)) on raw logits of any shape, means, () (Lim and Ye 2017)."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """-D(x_hat) on raw logits, mean, ()."""
    return -fake.mean()


def nonsaturating_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """-log D(x) - log(1 - D(x_hat)) from raw logits, means, () (HiFiC)."""
    return softplus(-real).mean() + softplus(fake).mean()


def nonsaturating_generator(fake: Tensor) -> Tensor:
    """-log D(x_hat) from raw logits, mean, () (HiFiC)."""
    return softplus(-fake).mean()


def grid_pattern(x: Tensor, x_hat: Tensor, share: Callable[[Tensor], Tensor] = torch.detach) -> Tensor:
    """What the errors of all 16x16 blocks have in common, as a mean square in grey levels, ().

    x, x_hat: (B, C, H, W) in 0..1, sides multiples of 16. A decoder that LPIPS and style ask for grain, and
    that has no random numbers to make it from, draws the same dots into every block. Errors that differ from
    block to block are free, and so is a shift of a whole colour. Calm blocks, where a pattern is seen and
    other errors are small, weigh most. `share`: means over all the processes of a batch, without gradient.
    """
    original, error = _blocks(x), _blocks(x_hat - x) * 255
    variance = original.var((3, 5), correction=0).mean(1)
    weight = 1 / (1 + variance / GRID_CALM**2)
    own = torch.einsum("bchiwj,bhw->cij", error, weight) / share(weight.sum())
    pattern = share(own)
    pattern = pattern - pattern.mean((1, 2), keepdim=True)
    # The square of a mean over several processes, with the gradient that is this one's part of it.
    return pattern.square().mean() + (2 * pattern * (own - own.detach())).mean()


def _blocks(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, H / 16, 16, W / 16, 16)."""
    batch, channels, height, width = x.shape
    return x.reshape(batch, channels, height // GRID_BLOCK, GRID_BLOCK, width // GRID_BLOCK, GRID_BLOCK)


def rate_multiplexer(bpp: Tensor, target: float, above: float, below: float) -> Tensor:
    """lambda(R, R*): `above` where R exceeds the target R*, else `below`; shaped like bpp, no gradient."""
    return torch.where(bpp.detach() > target, above, below)


def patch_grams(features: Tensor, side: int = STYLE_PATCH) -> Tensor:
    """Gram matrices of patches of a feature map: (B, C, H, W) to (B, patches, C, C).

    Patches are `side` cells wide on the feature map itself (whole maps that are smaller are one
    patch, a rest at the right and bottom is left out); entries are means over a patch's cells.
    """
    batch, channels, height, width = features.shape
    side = min(side, height, width)
    rows, columns = height // side, width // side
    # Channels last, as training's maps are, are copied quickly.
    cut = features[:, :, : rows * side, : columns * side].permute(0, 2, 3, 1)
    cells = cut.reshape(batch, rows, side, columns, side, channels).transpose(2, 3)
    cells = cells.reshape(batch, rows * columns, side * side, channels)
    return cells.transpose(2, 3) @ cells / (side * side)


def style_loss(
    real: Sequence[Tensor], fake: Sequence[Tensor], side: int = STYLE_PATCH, weights: Tensor | None = None
) -> Tensor:
    """Mean absolute difference of the patches' Gram matrices, averaged over the layers, ().

    weights: one for each picture, (B,).
    """
    differences = [
        weighed((patch_grams(f, side) - patch_grams(g, side)).abs(), weights).mean()
        for f, g in zip(real, fake, strict=True)
    ]
    return torch.stack(differences).mean()
