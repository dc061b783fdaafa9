"""How do exact convolutions take fewer products? By minimal filtering (Winograd 1980), in whole numbers.

A tile of 6 x 6 inputs gives 2 x 2 outputs of a 5x5 kernel, or 4 x 4 of a 3x3 one, from 36 products where
the definition takes 100 and 144. The usual transforms divide by 24; here they are multiplied by it instead
and the sums divided by 24^2 at the end, which leaves no remainder. So the sums are those of the definition,
bit for bit, as long as float64 holds every number on the way: `Winograd.limit` says up to which inputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

TILE = 6
_SCALE = 24.0  # of the kernel's transform, in each direction
_STRIP_BYTES = 16 << 20  # of a strip's rows transformed, and of one sixth of its tiles
_POINTS = (0, 1, -1, 2, -2)  # and infinity

# What a polynomial of degree 5 is at the points, taken back: rows times inputs.
_INPUT = torch.tensor(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    dtype=torch.float64,
)
_WEIGHING = (6, -4, -4, 1, 1)  # 24 over the products of a point's distances to the others


def _kernel_transform(kernel: int) -> Tensor:
    """(6, kernel) whole numbers: 24 times the kernel at each point."""
    rows = [
        [w * point**power for power in range(kernel)] for w, point in zip(_WEIGHING, _POINTS, strict=True)
    ]
    return torch.tensor([*rows, [0] * (kernel - 1) + [int(_SCALE)]], dtype=torch.float64)


def _output_transform(outputs: int) -> Tensor:
    """(outputs, 6) whole numbers: what the products at the points add to each output."""
    rows = [[*(point**power for point in _POINTS), 0] for power in range(outputs)]
    rows[-1][-1] = 1
    return torch.tensor(rows, dtype=torch.float64)


@dataclass(frozen=True)
class Winograd:
    """One convolution of a fixed layer, without its bias.

    weight: (36, out, in) float64, exact; limit: the largest magnitude of inputs, whole numbers, for which
    every sum on the way is exact in any order.
    """

    kernel: int
    weight: Tensor
    limit: float

    @classmethod
    def of(cls, matrix: Tensor, kernel: int, exact_sum: float) -> Winograd:
        """matrix: (out, in * kernel^2) as of a `FixedLayer`; exact_sum: what sums must stay below."""
        one = _kernel_transform(kernel)
        outputs = len(matrix)
        taps = matrix.view(outputs, -1, kernel**2)
        weight = torch.einsum("tk,oik->toi", torch.kron(one, one), taps).contiguous()
        ends = _output_transform(TILE + 1 - kernel).abs()
        grown = _INPUT.abs().sum(1)  # how much larger than inputs their transform can be
        reach = torch.kron(grown, grown)[:, None] * weight.abs().sum(2)
        worst = float((torch.kron(ends, ends) @ reach).max())
        return cls(kernel, weight, exact_sum / max(worst, 1.0))

    @property
    def step(self) -> int:
        """Rows, and columns, of outputs that one tile gives."""
        return TILE + 1 - self.kernel

    def takes(self, x: Tensor) -> bool:
        """Whether sums for x, whole numbers of any shape, are exact."""
        least, most = torch.aminmax(x)
        return max(-float(least), float(most)) < self.limit

    def strips(self, height: int, width: int, channels: int) -> Iterator[slice]:
        """Output rows cut, at tiles, so that a strip's tiles stay near the cache."""
        across = -(-width // self.step)
        row = 8 * TILE * channels * (2 * across + across * self.step + self.kernel - 1)
        tiles = -(-height // self.step)
        count = -(-tiles // max(_STRIP_BYTES // row, 1))
        rows = self.step * -(-tiles // count)  # strips of one size: a short one would take as many products
        return (slice(start, min(start + rows, height)) for start in range(0, height, rows))

    def sums(self, x: Tensor, rows: slice) -> Tensor:
        """x: (in, h, w) whole numbers, zero beyond the edges; to the sums (out, len(rows), w)."""
        (inputs, height, width), step, half = x.shape, self.step, self.kernel // 2
        count = rows.stop - rows.start
        down, across = -(-count // step), -(-width // step)
        top, bottom = rows.start - half, rows.start + down * step + half
        seen = x[:, max(top, 0) : min(bottom, height)].permute(1, 2, 0)  # channels side by side
        right = across * step + half - width
        seen = functional.pad(seen, (0, 0, half, right, max(-top, 0), max(bottom - height, 0)))
        # Rows of a tile first, then row by row its columns: 6 of 36 planes of products are held at a time.
        by_row = x.new_empty(TILE, down, seen.shape[1], inputs)
        _transform([seen[i::step][:down] for i in range(TILE)], by_row)
        tiles = x.new_empty(TILE, down, across, inputs)
        ends = _output_transform(step)
        total = x.new_zeros(step, step, self.weight.shape[1], down, across)
        for row, adds in enumerate(ends.T.tolist()):
            _transform([by_row[row, :, i::step][:, :across] for i in range(TILE)], tiles)
            weight = self.weight[TILE * row : TILE * (row + 1)]
            products = torch.bmm(weight, tiles.view(TILE, -1, inputs).transpose(1, 2))
            part = (ends @ products.flatten(1)).view(total.shape[1:])
            for place, factor in enumerate(adds):
                if factor:
                    total[place].add_(part, alpha=factor)
        total = total.div_(_SCALE**2).permute(2, 3, 0, 4, 1)
        return total.reshape(-1, down * step, across * step)[:, :count, :width]


def _transform(taps: list[Tensor], out: Tensor) -> None:
    """out[t] becomes the sum of `_INPUT`[t, i] taps[i]; sums that two rows share are taken once."""
    first, *rest, last = taps
    one, two, three, four = rest
    torch.sub(four, two, alpha=5, out=out[0]).add_(first, alpha=4)
    torch.sub(last, three, alpha=5, out=out[5]).add_(one, alpha=4)
    for factor, weight, place in ((4, 1, 1), (1, 2, 3)):
        even, odd = torch.sub(four, two, alpha=factor), torch.sub(three, one, alpha=factor)
        torch.add(even, odd, alpha=weight, out=out[place])
        torch.sub(even, odd, alpha=weight, out=out[place + 1])
