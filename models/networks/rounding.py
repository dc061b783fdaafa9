"""What takes the place of rounding while latents are learned? A gradient that passes it, or chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_EDGE = 1e-4  # atanh of a fraction of 0 or 1 is infinite

_offsets: ContextVar[Callable[[Tensor], Tensor] | None] = ContextVar("offsets", default=None)


def round_around(y: Tensor, mean: Tensor) -> Tensor:
    """round(y - mean) + mean with the gradient of the identity in y and none in the rounding.

    Within `annealed`, what that says of y - mean, plus the mean.
    """
    offset = y - mean
    by_chance = _offsets.get()
    if by_chance is not None:
        return by_chance(offset) + mean
    return y + (offset.round() - offset).detach()


@contextmanager
def annealed(temperature: float, generator: torch.Generator) -> Iterator[None]:
    """Inside, numbers are rounded up or down by chance, the nearer the likelier, and softly.

    Stochastic Gumbel annealing (Yang, Bamler and Mandt 2020, "Improving inference for neural image
    compression", eq. 6 to 8): the logits of both neighbours are -atanh(distance) / temperature, and a Gumbel
    sample of that temperature lies between them. Near temperature 0 it is rounding to the nearest.
    """

    def sample(offset: Tensor) -> Tensor:
        below = offset.detach().floor()
        above = (offset - below).clamp(_EDGE, 1 - _EDGE)  # the distance from below
        noise = torch.empty(2, *offset.shape, dtype=offset.dtype).exponential_(generator=generator)
        gumbel = noise.to(offset.device).log().neg()
        logits = (torch.atanh(above) - torch.atanh(1 - above)) / temperature
        return below + torch.sigmoid((logits + gumbel[0] - gumbel[1]) / temperature)

    token = _offsets.set(sample)
    try:
        yield
    finally:
        _offsets.reset(token)
