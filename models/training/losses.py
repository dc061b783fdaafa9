"""The losses of every recipe as small functions of tensors."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from models.networks.base import NetworkOutput


@dataclass(frozen=True)
class RateDistortion:
    """The terms of a batch. loss: (); bpp, mse: (B,), mse in [0, 1] pixel units.

    rate, distortion: () each, detached, the parts of the loss as they weigh in it.
    """

    loss: Tensor
    bpp: Tensor
    mse: Tensor
    rate: Tensor
    distortion: Tensor


def rate_distortion(x: Tensor, output: NetworkOutput, weight: Tensor, reference: float) -> RateDistortion:
    """Each sample's weight * 255^2 * MSE + bpp, divided by sqrt(weight / reference), averaged.

    x: (B, 3, H, W) in 0..1; weight: (B,). The division lets all rates of one model pull equally.
    """
    bpp = (output.y_bits + output.z_bits) / (x.shape[2] * x.shape[3])
    mse = (output.x_hat - x).square().flatten(1).mean(1)
    scale = (weight / reference).sqrt()
    samples = (weight * 255.0**2 * mse + bpp) / scale
    bpp, mse = bpp.detach(), mse.detach()
    rate, distortion = (bpp / scale).mean(), (weight * 255.0**2 * mse / scale).mean()
    return RateDistortion(samples.mean(), bpp, mse, rate, distortion)
