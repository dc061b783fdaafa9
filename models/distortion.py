"""How wrong is a decoded picture? Functions that gradients pass through, for training and for refinement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

CHARBONNIER_EPS = 1e-6  # He et al. 2022 (PO-ELIC), inside the square root
NORM_EPS = 1e-8  # inside LPIPS's square root: features that are zero everywhere keep a finite gradient


def weighed(errors: Tensor, weights: Tensor | None) -> Tensor:
    """Errors (B, ...) times each picture's weight (B,), where there are weights."""
    return errors if weights is None else errors * weights.reshape(-1, *[1] * (errors.dim() - 1))


def charbonnier(x: Tensor, x_hat: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean of sqrt((x - x_hat)^2 + 1e-6) over everything, (); a mean, so that it knows no picture size.

    weights: one for each picture, (B,).
    """
    return weighed(((x - x_hat).square() + CHARBONNIER_EPS).sqrt(), weights).mean()


def masked_fake(x: Tensor, x_hat: Tensor, mask: Tensor) -> Tensor:
    """x~ = m x + (1 - m) x^: small faces come from the original (Sun et al. 2022, arXiv 2207.14168).

    x, x_hat: (B, 3, H, W); mask: (B, 1, H, W) in 0..1. What judges the whole picture (Charbonnier,
    LPIPS, style, discriminator) sees x~ and so leaves the faces to `face_mse`.
    """
    return mask * x + (1 - mask) * x_hat


def face_mse(
    x: Tensor, x_hat: Tensor, mask: Tensor, cells: Tensor | None = None, weights: Tensor | None = None
) -> Tensor:
    """Mean square error inside the mask: normalised by its area, however small the faces are, ().

    Shapes as in `masked_fake`; 0 for a batch without faces. `cells`: the mask's area, (), where it is
    another than this mask's own because the batch is shared. `weights`: one for each picture, (B,).
    """
    area = (mask.sum() if cells is None else cells) * x.shape[1]
    return weighed(mask * (x - x_hat).square(), weights).sum() / area.clamp(min=1.0)


def unit_features(features: Tensor) -> Tensor:
    """(B, C, H, W) scaled to length 1 over C; the eps is inside the root, so zeros give no NaN."""
    return features / (features.square().sum(1, keepdim=True) + NORM_EPS).sqrt()


def lpips_distance(real: Sequence[Tensor], fake: Sequence[Tensor], heads: Sequence[Tensor]) -> Tensor:
    """LPIPS of each picture, (B,), from the trunk's features of both (Zhang et al. 2018).

    real, fake: (B, C_l, H_l, W_l) of each layer, from `models.trunks`, which takes pictures in 0..1 and
    normalises them itself; heads: non-negative (C_l,) weights.
    """
    distance = real[0].new_zeros(real[0].shape[0])
    for f, g, head in zip(real, fake, heads, strict=True):
        square = (unit_features(f) - unit_features(g)).square()
        distance = distance + (square * head[None, :, None, None]).sum(1).mean((1, 2))
    return distance


class Features(Protocol):
    """A frozen classifier's feature maps and LPIPS's weights for them: `models.trunks.Trunk`."""

    @property
    def heads(self) -> Sequence[Tensor]:
        """(C_l,) for each map."""

    def features(self, x: Tensor, *, count: int) -> Sequence[Tensor]:
        """The first `count` maps (B, C_l, H_l, W_l) of pictures (B, 3, H, W) in 0..1."""
