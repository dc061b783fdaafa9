"""Pictures to train on in tests: smooth colours with edges, so that there is something to learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def make_photos(folder: Path, count: int = 3) -> Path:
    """`count` PNG files of 192 x 160, always the same ones."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    rows, columns = np.mgrid[0:160, 0:192] / 40.0
    for index in range(count):
        planes = []
        for _ in range(3):
            a, b, c, d = rng.uniform(0.5, 3, 4)
            wave = np.sin(a * rows + c) * np.cos(b * columns + d) + 0.4 * (rows * a > columns * b)
            planes.append(np.clip(120 + 80 * wave, 0, 255))
        Image.fromarray(np.stack(planes, axis=2).astype(np.uint8)).save(folder / f"{index}.png")
    return folder
