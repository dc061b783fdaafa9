"""What does the canvas draw? A picture as Qt's 32-bit pixels, with halved copies for zooming out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.picture import Picture

SMALLEST_LEVEL = 256  # the last halving has no longer side above this


@dataclass(frozen=True, eq=False)
class Raster:
    """levels[k]: (ceil(H / 2^k), ceil(W / 2^k), 4) uint8 as blue, green, red, 255: QImage.Format_RGB32.

    digest: the picture's hash; notices: what reading changed; path: where it came from, if from a file.
    """

    digest: str
    levels: tuple[NDArray[np.uint8], ...] = field(repr=False)
    notices: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return int(self.levels[0].shape[1])

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return int(self.levels[0].shape[0])

    @property
    def bytes(self) -> int:
        """Memory of all levels."""
        return sum(level.nbytes for level in self.levels)

    def same_size(self, other: Raster) -> bool:
        """Whether both can be compared."""
        return (self.width, self.height) == (other.width, other.height)

    def level_for(self, scale: float) -> int:
        """The level to draw at `scale` screen pixels a picture pixel: what is left to shrink is above 1/2.

        Qt's smooth scaling looks at two pixels a direction, so shrinking further would alias texture.
        """
        level = 0
        while level + 1 < len(self.levels) and scale * 2 ** (level + 1) <= 1.0:
            level += 1
        return level

    def colour_at(self, x: int, y: int) -> tuple[int, int, int] | None:
        """Red, green and blue of a pixel, None outside."""
        if not (0 <= x < self.width and 0 <= y < self.height):
            return None
        blue, green, red, _ = self.levels[0][y, x]
        return int(red), int(green), int(blue)

    def picture(self) -> Picture:
        """The pixels as codecs take them; a copy."""
        return Picture(np.ascontiguousarray(self.levels[0][..., 2::-1]), self.notices, self.path)


def from_picture(picture: Picture) -> Raster:
    """Convert and halve until small. Takes a while: not for the interface thread."""
    base = np.empty((picture.height, picture.width, 4), np.uint8)
    base[..., :3] = picture.pixels[..., ::-1]
    base[..., 3] = 255
    return Raster(picture.digest, pyramid(base), picture.notices, picture.path)


def pyramid(base: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], ...]:
    """`base` (H, W, 4) and its halvings, each pixel the mean of the up to four below it."""
    levels = [base]
    while max(levels[-1].shape[:2]) > SMALLEST_LEVEL:
        height, width = levels[-1].shape[:2]
        image = Image.frombuffer("RGBX", (width, height), levels[-1], "raw", "RGBX", 0, 1)
        levels.append(np.array(image.reduce((min(2, width), min(2, height)))))
    return tuple(levels)
