"""Which numbers stand in for rounding in training? The same ones, however many processes share a batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

# The number of this process and of all that share the batch under way.
_share: ContextVar[tuple[int, int]] = ContextVar("share", default=(0, 1))


@contextmanager
def sharing(rank: int, count: int) -> Iterator[None]:
    """Inside, tensors hold the share `rank` of a batch that `count` processes share equally."""
    token = _share.set((rank, count))
    try:
        yield
    finally:
        _share.reset(token)


def uniform_like(x: Tensor, low: float, high: float, *, dim: int = 0) -> Tensor:
    """Numbers from low to high in the shape and layout of x.

    Where the batch is shared, those of the whole batch are drawn and the share of this process
    returned: `dim` is the dimension of x that grows with the batch, its first part the first process's.
    """
    rank, count = _share.get()
    if count == 1:
        return torch.empty_like(x).uniform_(low, high)
    shape = [size * count if d == dim else size for d, size in enumerate(x.shape)]
    strides = x.stride()
    slowest_first = sorted(range(x.dim()), key=lambda d: -strides[d])
    whole = torch.empty_permuted(shape, slowest_first, dtype=x.dtype, device=x.device)
    return whole.uniform_(low, high).narrow(dim, rank * x.shape[dim], x.shape[dim])
