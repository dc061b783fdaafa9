"""How often does each symbol really occur? Tables counted on photographs, in place of the Gaussian's.

Latents have a higher peak and heavier tails than the Gaussian the networks are trained with. Tables that
were counted on training photographs save 0.9% of the bits on others, and nothing changes in a decoder: the
tables are read from the weights file (docs/format.md, section 2). By group or quality they save no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.bitstream.coder import Symbols
from models.bitstream.latents import Indexes
from models.bitstream.tables import Tables, measured_tables
from models.errors import PictureError
from models.learned import LearnedCodec
from models.picture import Picture
from models.training.data import photo_paths

PICTURES = 24
_SCALE = 0.5  # takes the traces of the JPEG away, as training does
_SIDE = 512  # of what is coded: the middle
_QUALITIES = (10.0, 30.0, 50.0, 70.0, 90.0)


def measured_on(codec: LearnedCodec, folder: Path) -> Tables:
    """The codec's tables for the latents, corrected by the symbols of photographs spread over a folder.

    Raises DataError where the folder holds none.
    """
    tables = codec.entropy.data.y_tables
    found: NDArray[np.int64] = np.zeros(len(tables.counts), dtype=np.int64)

    def seen(indexes: Indexes, symbols: Symbols) -> None:
        nonlocal found
        found += np.bincount(tables.places(indexes, symbols), minlength=len(found))

    for picture in _spread(folder):
        latents = codec.analyse(picture)
        for quality in (100.0,) if codec.one_rate else _QUALITIES:
            codec.code(latents, quality, seen=seen)
    return measured_tables(tables, found)


def _spread(folder: Path) -> Iterator[Picture]:
    """The middles of photographs spread over a folder; one that cannot be read is passed over."""
    paths = photo_paths(folder)
    for path in paths[:: max(len(paths) // PICTURES, 1)][:PICTURES]:
        try:
            picture = Picture.open(path)
        except PictureError:
            continue
        width, height = (max(round(side * _SCALE), 1) for side in (picture.width, picture.height))
        pixels = picture.scaled(width, height).pixels
        left, top = (max(side - _SIDE, 0) // 2 for side in (width, height))
        yield Picture(np.ascontiguousarray(pixels[top : top + _SIDE, left : left + _SIDE]))
