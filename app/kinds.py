"""Which differences can be shown, and in which colours? Plain numbers and colours, nothing of Qt."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

ZERO = 128  # the byte of the signed difference that stands for none
# Neighbours differ in brightness, so that the scale can be read without its hues too.
_HEAT = ((0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164))
_COLD, _NONE, _WARM = (64, 160, 255), (0, 0, 0), (255, 150, 30)


class Kind(Enum):
    """What difference mode shows. Its raster holds bytes; `colours` makes them visible.

    ABSOLUTE: the distance of each channel; SIGNED: how much brighter side A is than B, ZERO for equal;
    PERCEPTUAL: LPIPS by place, 255 for 1.
    """

    ABSOLUTE = "absolute"
    SIGNED = "signed"
    PERCEPTUAL = "perceptual"

    @property
    def title(self) -> str:
        """For people."""
        return {
            Kind.ABSOLUTE: "Difference",
            Kind.SIGNED: "Signed difference",
            Kind.PERCEPTUAL: "Perceptual difference",
        }[self]

    @property
    def next(self) -> Kind:
        """The one after it, around the end."""
        kinds = list(Kind)
        return kinds[(kinds.index(self) + 1) % len(kinds)]


def full_scale(kind: Kind, gain: int) -> tuple[str, str, str]:
    """What stands at the start, in the middle and at the end of the colour scale."""
    if kind is Kind.ABSOLUTE:
        return "0", f"{255 / gain / 2:.3g}", f"{255 / gain:.3g} of 255"
    if kind is Kind.SIGNED:
        end = f"{127 / gain:.3g}"
        return f"B brighter, {end}", "equal", f"{end}, A brighter"
    return "alike", f"{0.5 / gain:.2g}", f"LPIPS {1 / gain:.2g}"


@lru_cache(maxsize=16)
def colours(kind: Kind, gain: int) -> NDArray[np.uint8]:
    """(256, 3) red, green, blue for each byte of a difference's raster."""
    byte = np.arange(256)
    if kind is Kind.SIGNED:
        share = ((byte - ZERO) / 127 * gain).clip(-1, 1)
        return _mixed(share, np.array([-1.0, 0.0, 1.0]), (_COLD, _NONE, _WARM))
    share = (byte / 255 * gain).clip(0, 1)
    if kind is Kind.PERCEPTUAL:
        return _mixed(share, np.linspace(0, 1, len(_HEAT)), _HEAT)
    return _mixed(share, np.array([0.0, 1.0]), ((0, 0, 0), (255, 255, 255)))


def coloured(grey: NDArray[np.uint8], kind: Kind, gain: int) -> NDArray[np.uint8]:
    """A difference's bytes (H, W, 3) as they are seen, (H, W, 3)."""
    if kind is Kind.ABSOLUTE:  # each channel by itself
        return np.minimum(grey.astype(np.uint16) * gain, 255).astype(np.uint8)
    return np.asarray(colours(kind, gain)[grey[..., 0]], np.uint8)


def _mixed(
    share: NDArray[np.float64], stops: NDArray[np.float64], at: tuple[tuple[int, int, int], ...]
) -> NDArray[np.uint8]:
    channels = np.array(at, np.float64).T
    mixed = np.stack([np.interp(share, stops, channel) for channel in channels], axis=-1)
    return np.asarray(np.rint(mixed), np.uint8)
