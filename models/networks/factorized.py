"""The factorised prior of the hyper-latent, with the parameter names of CompressAI's EntropyBottleneck.

Balle et al. 2018, appendix 6.1. Kept apart from CompressAI because importing it costs seconds at every
start of the program; a test holds both to the same numbers.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.noise import uniform_like

FILTERS = (3, 3, 3, 3)
_INIT_SCALE = 10.0
_TAIL = 1e-9


class LowerBound(nn.Module):
    """max(x, bound) whose gradient also passes where it would lift x towards the bound."""

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.bound = bound

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        out: Tensor = _LowerBound.apply(x, self.bound)
        return out


class _LowerBound(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bound: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp(min=bound)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        (gradient,) = gradients
        return gradient * ((x >= ctx.bound) | (gradient < 0)), None


class EntropyBottleneck(nn.Module):
    """One learned cumulative distribution a channel; quantiles hold (lower tail, median, upper tail).

    `filters`: hidden widths; `bent_end`: the last layer has a factor, a bend, like the others
    (Justin-Tan's HiFiC; CompressAI's ends straight).
    """

    def __init__(self, channels: int, filters: tuple[int, ...] = FILTERS, *, bent_end: bool = False) -> None:
        super().__init__()
        widths = (1, *filters, 1)
        scale = _INIT_SCALE ** (1 / (len(filters) + 1))
        self.matrices, self.biases, self.factors = (nn.ParameterList() for _ in range(3))
        for index, (inputs, outputs) in enumerate(pairwise(widths)):
            start = math.log(math.expm1(1 / scale / outputs))
            self.matrices.append(nn.Parameter(torch.full((channels, outputs, inputs), start)))
            self.biases.append(nn.Parameter(torch.empty(channels, outputs, 1).uniform_(-0.5, 0.5)))
            if index < len(filters) or bent_end:
                self.factors.append(nn.Parameter(torch.zeros(channels, outputs, 1)))
        start_quantiles = torch.tensor([-_INIT_SCALE, 0.0, _INIT_SCALE])
        self.quantiles = nn.Parameter(start_quantiles.repeat(channels, 1, 1))
        target = math.log(2 / _TAIL - 1)
        self.register_buffer("target", torch.tensor([-target, 0.0, target]), persistent=False)
        self._likelihood_bound = LowerBound(1e-9)

    target: Tensor

    def logits(self, x: Tensor, *, fixed: bool = False) -> Tensor:
        """The logit of the cumulative at x: (C, 1, n). `fixed` stops gradients to the distribution."""
        for index, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            weights, shift = (matrix.detach(), bias.detach()) if fixed else (matrix, bias)
            x = functional.softplus(weights) @ x + shift
            if index < len(self.factors):
                factor = self.factors[index].detach() if fixed else self.factors[index]
                x = x + torch.tanh(factor) * torch.tanh(x)
        return x

    def mass(self, x: Tensor) -> Tensor:
        """The probability of the unit bin around x: (C, 1, n)."""
        return torch.sigmoid(self.logits(x + 0.5)) - torch.sigmoid(self.logits(x - 0.5))

    def loss(self) -> Tensor:
        """Pulls the quantiles to where the cumulative passes the tails and one half: ()."""
        return (self.logits(self.quantiles, fixed=True) - self.target).abs().sum()

    def forward(self, z: Tensor, training: bool = True) -> tuple[Tensor, Tensor]:
        """z: (B, C, h, w) with noise (training) or rounded around the medians, and its likelihood."""
        batch, channels, height, width = z.shape
        values = z.permute(1, 0, 2, 3).reshape(channels, 1, -1)
        if training:
            values = values + uniform_like(values, -0.5, 0.5, dim=2)
        else:
            medians = self.quantiles[:, :, 1:2].detach()
            values = torch.round(values - medians) + medians
        likelihood = self._likelihood_bound(self.mass(values))
        shape = (channels, batch, height, width)
        return values.reshape(shape).permute(1, 0, 2, 3), likelihood.reshape(shape).permute(1, 0, 2, 3)
