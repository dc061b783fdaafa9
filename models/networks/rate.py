"""Gain units: one network for all rates (Cui et al. 2021, "Asymmetric gained deep image compression")."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from models.errors import WeightsError


@dataclass(frozen=True)
class RateLadder:
    """The rates a gain unit is trained at.

    `lambdas` weigh the 255^2 MSE against bits per pixel and rise from the lowest to the highest rate.
    A `position` is a real number from 0 (first lambda) to len(lambdas) - 1 (last). A ladder of one lambda is
    a fixed rate.
    """

    lambdas: tuple[float, ...]

    @property
    def top(self) -> float:
        """The highest position."""
        return float(len(self.lambdas) - 1)

    def position(self, quality: float) -> float:
        """The position of a quality in 0..100."""
        return min(max(quality, 0.0), 100.0) / 100.0 * self.top

    def equally(self, share: Tensor) -> Tensor:
        """Positions for shares in 0..1 of the way from the lowest lambda to the highest, by its logarithm.

        Any shape. Levels that lie closer together than others get no more of equally spread shares.
        """
        logs = share.new_tensor([math.log(weight) for weight in self.lambdas])
        if len(logs) == 1:
            return torch.zeros_like(share)
        wanted = torch.lerp(logs[0], logs[-1], share)
        low = (torch.searchsorted(logs, wanted) - 1).clamp(0, len(logs) - 2)
        return low + ((wanted - logs[low]) / (logs[low + 1] - logs[low])).clamp(0, 1)

    def weight(self, position: float) -> float:
        """The lambda at a position, geometric between two trained ones."""
        if len(self.lambdas) == 1:
            return self.lambdas[0]
        low = min(int(position), len(self.lambdas) - 2)
        part = position - low
        between: float = self.lambdas[low] ** (1 - part) * self.lambdas[low + 1] ** part
        return between

    def position_of(self, weight: float) -> float:
        """The position of a lambda, the inverse of `weight`; one beyond the ends has that of the end."""
        for low, (below, above) in enumerate(pairwise(self.lambdas)):
            if weight <= above:
                return low + max(math.log(weight / below) / math.log(above / below), 0.0)
        return self.top


GAINS = "gain."  # how the names of a gain unit's parameters begin


def fitted(
    parameters: Mapping[str, Tensor], theirs: RateLadder | None, ladder: RateLadder | None
) -> dict[str, Tensor]:
    """A network's parameters with the gains (levels, C) of another ladder than theirs.

    A lambda that both have keeps its gains; one between two of theirs, or beyond their ends, gets those on
    the line through the nearest two over the logarithm of lambda. So weights published before a ladder grew
    train on, and a decoder is kept for them. Raises WeightsError for a single rate that should be several.
    """
    if theirs is None or ladder is None or theirs == ladder:
        return dict(parameters)
    if len(theirs.lambdas) < 2:
        raise WeightsError(f"there are the gains of one rate, not of {len(ladder.lambdas)}")
    return {
        name: torch.stack([_row(table, theirs.lambdas, weight) for weight in ladder.lambdas])
        if name.startswith(GAINS)
        else table
        for name, table in parameters.items()
    }


def _row(table: Tensor, lambdas: tuple[float, ...], weight: float) -> Tensor:
    """The gains (C,) of a lambda from those (levels, C) of others, in rising order."""
    if weight in lambdas:
        return table[lambdas.index(weight)]
    low = min(max(bisect(lambdas, weight) - 1, 0), len(lambdas) - 2)
    part = math.log(weight / lambdas[low]) / math.log(lambdas[low + 1] / lambdas[low])
    return table[low] + part * (table[low + 1] - table[low])


def step_of_lambda(weight: float) -> float:
    """The uniform-quantiser step (in [0, 1] pixel units, orthonormal transform) a lambda asks for.

    Setting the derivative of weight * 255^2 * D + R to zero with R = -1/2 log2 D gives
    D = 1 / (2 ln 2 weight 255^2), and a uniform quantiser of step s has D = s^2 / 12.
    """
    return math.sqrt(6.0 / (math.log(2.0) * weight * 255.0**2))


class GainUnit(nn.Module):
    """Channel vectors that scale the latents before and after quantisation.

    Both are kept as logarithms, so that linear interpolation between levels is the geometric one of
    the paper.
    """

    def __init__(self, ladder: RateLadder, channels: int) -> None:
        super().__init__()
        start = torch.tensor([[-math.log(step_of_lambda(w))] for w in ladder.lambdas])
        self.log_gain = nn.Parameter(start.expand(-1, channels).clone())
        self.log_inverse = nn.Parameter(-start.expand(-1, channels).clone())

    def _at(self, table: Tensor, position: Tensor) -> Tensor:
        if table.shape[0] == 1:
            return torch.exp(table.expand(len(position), -1))[:, :, None, None]
        low = position.floor().clamp(0, table.shape[0] - 2).long()
        part = (position - low).unsqueeze(1).to(table.dtype)
        return torch.exp(torch.lerp(table[low], table[low + 1], part))[:, :, None, None]

    def gain(self, position: Tensor) -> Tensor:
        """position: (B,) in 0..levels-1; the factor before quantisation, (B, C, 1, 1)."""
        return self._at(self.log_gain, position)

    def inverse(self, position: Tensor) -> Tensor:
        """position: (B,) in 0..levels-1; the factor after quantisation, (B, C, 1, 1)."""
        return self._at(self.log_inverse, position)
