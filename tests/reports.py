"""A report of real results for tests of what is exported, and the pictures it speaks of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.report import Box, Item, Report
from models import codec
from models.codec import Rate
from models.picture import Picture
from tests.app.conftest import scene

BOXES = (Box("eye", 10, 8, 24, 16), Box("edge", 60, 30, 30, 30))


def made(
    codecs: tuple[str, ...] = ("jpeg", "webp"), size: tuple[int, int] = (120, 90), name: str = "cat.png"
) -> tuple[Report, dict[str, Picture]]:
    """Files of classical codecs with a measured PSNR; nothing else was measured."""
    original = Picture(scene(*size))
    known, items = {original.digest: original}, []
    for id in codecs:
        rate = Rate(bpp=2.0)
        encoding = codec.get(id).encode(original, rate)
        decoded = codec.get(id).decode(encoding.data)
        known[decoded.digest] = decoded
        error = np.square(decoded.pixels.astype(float) - original.pixels).mean()
        psnr = float(10 * np.log10(255**2 / error))
        items.append(Item(encoding, decoded.digest, 0.01, (("psnr", psnr), ("lpips", None)), rate))
    return Report(name, original.digest, size, tuple(items), BOXES), known


def many(report: Report, count: int) -> Report:
    """The first result so often."""
    return replace(report, items=report.items[:1] * count)
