"""What does exact coding cost a published network? Measured when it is imported, kept in its card."""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.weights import Card


@dataclass(frozen=True)
class ExactLoss:
    """What fixed point and integer tables cost: bits per pixel and PSNR (dB) of the published float model, by
    its own likelihoods, against a payload really coded and decoded. bpp: of the whole file.
    """

    float_bpp: float
    exact_bpp: float
    float_psnr: float
    exact_psnr: float
    bpp: float

    @property
    def rate(self) -> float:
        """The payload against the float model's estimate, in percent more."""
        return 100 * (self.exact_bpp / self.float_bpp - 1)

    @property
    def psnr(self) -> float:
        """PSNR lost, in dB."""
        return self.float_psnr - self.exact_psnr

    def describe(self) -> str:
        """One line for a person."""
        gained = round(-self.psnr, 3) + 0.0  # no "-0.000"
        return (
            f"float model {self.float_bpp:.4f} bpp, {self.float_psnr:.2f} dB; exact bitstream "
            f"{self.exact_bpp:.4f} bpp ({self.rate:+.2f}%), {self.exact_psnr:.2f} dB ({gained:+.3f} dB)"
        )

    def row(self) -> dict[str, float]:
        """As a card keeps it, readable as a validation row of any other."""
        return {
            "quality": 100.0,
            "bpp": self.bpp,
            "psnr": self.exact_psnr,
            "float_bpp": self.float_bpp,
            "exact_bpp": self.exact_bpp,
            "float_psnr": self.float_psnr,
        }

    @classmethod
    def of(cls, card: Card) -> ExactLoss | None:
        """What a card keeps of it, None where that is nothing or makes no sense."""
        row: object = card.validation[0] if card.configuration and card.validation else {}
        keys = ("float_bpp", "exact_bpp", "float_psnr", "psnr", "bpp")
        values = [row.get(key) if isinstance(row, dict) else None for key in keys]
        numbers = [float(v) for v in values if isinstance(v, int | float) and math.isfinite(v)]
        return cls(*numbers) if len(numbers) == len(values) and numbers[0] > 0 else None
