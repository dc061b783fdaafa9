"""How does long work tell where it stands, and learn that nobody wants it any more?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from models.errors import Cancelled


@dataclass(frozen=True)
class Watch:
    """How long work tells where it stands and learns that nobody wants it any more.

    `report` gets a stage name and the share done, 0..1; `cancelled` is asked between steps.
    """

    report: Callable[[str, float], None] | None = None
    cancelled: Callable[[], bool] | None = None

    def step(self, stage: str, done: float) -> None:
        """Report a step. Raises Cancelled when the work is not wanted any more."""
        if self.cancelled is not None and self.cancelled():
            raise Cancelled
        if self.report is not None:
            self.report(stage, min(max(done, 0.0), 1.0))


QUIET = Watch()
