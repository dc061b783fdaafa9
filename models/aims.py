"""What should refined latents be good at? At what their codec was trained on, for one picture.

Of the terms of its recipe (`models.training.perceptual_recipes`) those that need neither a batch nor a
discriminator, and with more of the plain error.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from models import trunks
from models.distortion import Features, charbonnier, lpips_distance, masked_fake
from models.errors import CodecError

LEVELS = 255.0**2  # squared errors count in grey levels

_SHIFTS = 8  # rows and columns of a picture that the trunk sees cut off or not: features know no grid so
_MAPS = 6  # of each layer there are: both pictures', those of length 1, their differences and squares
_LEAST_SHARE = 0.01  # of a picture: as much as one face of a training batch
_WAYS = 3  # the original and the decoded picture go through the trunk, a gradient comes back


class Aim(Protocol):
    """What a search lowers beside bits."""

    @property
    def kept(self) -> float:
        """Bytes that are kept of every pixel for the way back."""

    @property
    def macs(self) -> float:
        """Multiply-accumulates a pixel of one step."""

    @property
    def faces(self) -> bool:
        """Whether small faces count apart."""

    def with_faces(self, share: float) -> Aim:
        """For a picture of which small faces cover this share."""

    def distortion(self, x: Tensor, x_hat: Tensor, mask: Tensor | None, generator: torch.Generator) -> Tensor:
        """x, x_hat: (1, 3, H, W) in 0..1; mask: (1, 1, H, W), 1 in small faces; means over pixels, ()."""


@dataclass(frozen=True)
class SquaredError:
    """255^2 MSE."""

    kept: float = 0.0
    macs: float = 0.0
    faces: bool = False

    def with_faces(self, share: float) -> Aim:
        """See Aim."""
        return self

    def distortion(self, x: Tensor, x_hat: Tensor, mask: Tensor | None, generator: torch.Generator) -> Tensor:
        """See Aim."""
        return LEVELS * (x_hat - x).square().mean()


@dataclass(frozen=True)
class Eye:
    """LPIPS (AlexNet) with weight 1, Charbonnier, squared error in grey levels, and that in small faces.

    face: of the mean over all pixels of the squared error in small faces, which the other terms do not see;
    before `with_faces` of the mean over the faces alone.
    """

    trunk: Features
    kept: float
    macs: float
    charbonnier: float = 0.0
    squared: float = 0.0
    face: float = 0.0

    @property
    def faces(self) -> bool:
        """See Aim."""
        return self.face > 0

    def with_faces(self, share: float) -> Aim:
        """See Aim. Few pixels do not weigh without bounds."""
        return replace(self, face=self.face / max(share, _LEAST_SHARE))

    def distortion(self, x: Tensor, x_hat: Tensor, mask: Tensor | None, generator: torch.Generator) -> Tensor:
        """See Aim. Chance decides where the trunk's grid lies."""
        fake = x_hat if mask is None else masked_fake(x, x_hat, mask)
        total = self._lpips(x, fake, generator)
        if self.charbonnier:
            total = total + self.charbonnier * charbonnier(x, fake)
        if self.squared:
            total = total + self.squared * LEVELS * (fake - x).square().mean()
        if mask is not None:
            total = total + self.face * (mask * (x - x_hat).square()).mean()
        return total

    def _lpips(self, x: Tensor, x_hat: Tensor, generator: torch.Generator) -> Tensor:
        top, left = torch.randint(_SHIFTS, (2,), generator=generator).tolist()
        x, x_hat = (_seen(p)[:, :, top:, left:] for p in (x, x_hat))
        with torch.no_grad():
            real = self.trunk.features(x, count=len(self.trunk.heads))
        fake = self.trunk.features(x_hat, count=len(self.trunk.heads))
        return lpips_distance(real, fake, self.trunk.heads).mean()


def _seen(x: Tensor) -> Tensor:
    """A picture of at least what the trunk can see, however it is shifted; edges are repeated."""
    least = trunks.LAYOUTS["alex"].smallest + _SHIFTS
    down, across = (max(least - side, 0) for side in x.shape[2:])
    return functional.pad(x, (0, across, 0, down), mode="replicate") if down or across else x


# So many steps for one picture fit AlexNet better than any eye. With eight times what the recipes weigh plain
# error with, LPIPS gains a little less, and PSNR, DISTS and LPIPS on VGG more (docs/training.md).
_PLAIN = 8.0
_CHARBONNIER, _FACE = 3.1 * _PLAIN, 250.0  # of HFLIC's lite recipe

_SQUARED = ("hflic-mse", "elic", "elic-5")
_EYE = {
    "po-elic": {"charbonnier": _CHARBONNIER},
    "enh-po-elic": {"charbonnier": _CHARBONNIER},
    "hflic": {"charbonnier": _CHARBONNIER, "face": _FACE},
    "hific": {"squared": 0.075 * 2.0**-5 * _PLAIN},
}

_loading = threading.Lock()


def squared_error(base: str) -> bool:
    """Whether a codec (an id without size) is trained on squared error alone."""
    return base in _SQUARED


def unknown(base: str) -> str:
    """Why there is no aim for a codec, whatever is installed, "" where there is one."""
    known = squared_error(base) or base in _EYE
    return "" if known else f"this program does not know what {base} was trained on"


def missing(base: str) -> str:
    """Why a codec's aim cannot be used here and what to do, "" where it can."""
    return "" if squared_error(base) else trunks.missing("alex")


def aim_of(base: str, device: torch.device | None = None) -> Aim:
    """For a codec, on a device. Raises CodecError without an aim, WeightsError where the trunk is missing."""
    if reason := unknown(base):
        raise CodecError(reason)
    if squared_error(base):
        return SquaredError()
    with _loading:
        trunk = _trunk(device or torch.device("cpu"))
    values = macs = 0.0
    for stage, step in zip(trunk.stages, trunk.layout.strides, strict=True):
        for layer in stage.modules():
            if isinstance(layer, nn.Conv2d):
                values += layer.out_channels / step**2
                macs += layer.weight.numel() / step**2
    return Eye(trunk, kept=4.0 * _MAPS * values, macs=_WAYS * macs, **_EYE[base])


@lru_cache(maxsize=2)
def _trunk(device: torch.device) -> trunks.Trunk:
    return trunks.trunk("alex").to(device).to(memory_format=torch.channels_last)
