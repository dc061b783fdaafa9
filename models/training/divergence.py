"""Is the loss running away? Known from the losses so far, so that no bad step reaches a checkpoint."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from statistics import median

WINDOW = 400  # losses the usual one is the median of
LEAST = 50  # losses before there is a usual one
FACTOR = 3.0  # above the usual loss by this many times its size
PATIENCE = 25  # such steps in a row
DOUBTFUL = 3  # such steps in a row make a state that is not worth keeping


class LossWatch:
    """The losses of the last steps, and what they say about the newest ones.

    A batch of hard photographs may cost twice the usual loss and comes alone: only `PATIENCE` steps in a
    row, each above `1 + FACTOR` times the usual loss, are taken for a loss that has run away.
    """

    def __init__(self, losses: Iterable[float] = ()) -> None:
        self.losses: deque[float] = deque(losses, maxlen=WINDOW)
        self.high = 0

    def reset(self) -> None:
        """Forget: what the loss is made of has changed."""
        self.losses.clear()
        self.high = 0

    @property
    def usual(self) -> float | None:
        """The median of the last losses, None while there are too few."""
        return median(self.losses) if len(self.losses) >= LEAST else None

    @property
    def settled(self) -> bool:
        """Whether the newest losses are as usual, so that this state is worth keeping."""
        return self.high < DOUBTFUL

    @property
    def diverged(self) -> bool:
        """Whether the loss has run away."""
        return self.high >= PATIENCE

    def add(self, loss: float) -> None:
        """Look at a step's loss. Losses out of the ordinary do not shift what is usual."""
        usual = self.usual
        if not math.isfinite(loss):
            self.high = PATIENCE
        elif usual is not None and loss > usual + FACTOR * self._size(usual):
            self.high += 1
        else:
            self.high = 0
            self.losses.append(loss)

    def _size(self, usual: float) -> float:
        """The usual loss's size: adversarial losses lie around 0, where their spread says more."""
        return max(abs(usual), median(abs(loss - usual) for loss in self.losses))
