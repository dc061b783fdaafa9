"""Large pictures through codecs, for real: python -m tests.large CODEC SIZE [photo|flat] [quality].

SIZE is megapixels ("100") or "12000x8000". Encoding and decoding have a process each, on the command line as
people use it; the peak of what each held is compared with the budget (HFLIC_MEMORY), the picture that comes
back with the one that went in. `make large` runs it.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.memory import budget
from models.picture import Picture

SEED = 3
_RUN = """
import resource, sys, time
from app.cli import app
from models.memory import peak_mib
code = 0
try:
    app(sys.argv[1:])
except SystemExit as end:
    code = end.code or 0
used = resource.getrusage(resource.RUSAGE_SELF)
child = resource.getrusage(resource.RUSAGE_CHILDREN)
print("MEASURED", code, peak_mib(), child.ru_maxrss / 1024, used.ru_utime + used.ru_stime + child.ru_utime)
"""


@dataclass(frozen=True)
class Measured:
    """code: how it ended; bytes: the most it held, or a program it started; seconds: of processor time."""

    code: int
    bytes: float
    seconds: float


def scene(width: int, height: int, kind: str) -> NDArray[np.uint8]:
    """(height, width, 3): smooth shapes with grain ("photo"), or one colour ("flat"). Made in strips."""
    pixels = np.full((height, width, 3), (120, 90, 200), np.uint8)
    if kind == "flat":
        return pixels
    random = np.random.default_rng(SEED)
    across = np.arange(width, dtype=np.float32)
    waves = [np.sin(across / period) for period in (610, 93, 17)]
    for top in range(0, height, 64):
        down = np.arange(top, min(top + 64, height), dtype=np.float32)[:, None]
        strip = 128 + 50 * np.sin(down / 410) * waves[0] + 25 * np.cos(down / 77) * waves[1]
        strip = strip + 12 * np.sin(down / 13) * waves[2] + random.integers(-5, 6, strip.shape)
        for channel, share in enumerate((1.0, 0.8, 0.6)):
            pixels[top : top + 64, :, channel] = (strip * share + 20 * channel).clip(0, 255)
    return pixels


def command(*arguments: str) -> Measured:
    """One command of the program in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *arguments],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("MEASURED")), None)
    if line is None:  # killed, by the system for want of memory perhaps
        return Measured(done.returncode or 1, float("nan"), float("nan"))
    code, own, child, seconds = line.split()[1:]
    return Measured(int(code), max(float(own), float(child)) * 2**20, float(seconds))


def main() -> int:
    """Prints a line for each direction. 1 where the budget was not kept or the picture did not come back."""
    parser = argparse.ArgumentParser()
    parser.add_argument("codec")
    parser.add_argument("size")
    parser.add_argument("kind", nargs="?", choices=["photo", "flat"], default="photo")
    parser.add_argument("quality", nargs="?", type=float, default=40.0)
    given = parser.parse_args()
    width, _, height = given.size.partition("x")
    if not height:
        side = round(math.sqrt(float(width) * 1e6))
        width, height = str(side), str(side)
    with tempfile.TemporaryDirectory() as folder:
        source, made, back = (str(Path(folder) / name) for name in ("in.png", "out.hflic", "back.png"))
        Picture(scene(int(width), int(height), given.kind)).save(source)
        wanted = (
            ("encode", source, "--codec", given.codec, "--quality", str(given.quality), "-o", made),
            ("decode", made, "-o", back),
        )
        fine = True
        for arguments in wanted:
            took = command(*arguments)
            kept = took.code == 0 and took.bytes <= budget()
            fine = fine and kept
            sys.stdout.write(
                f"{arguments[0]} {given.codec} {width}x{height} {given.kind}: exit {took.code}, "
                f"{took.bytes / 1e9:.2f} GB of {budget() / 1e9:.1f}, {took.seconds:.0f} s of processor time\n"
            )
            sys.stdout.flush()
            if took.code:
                return 1
        off = _difference(Picture.open(back).pixels, int(width), int(height), given.kind)
        sys.stdout.write(f"{Path(made).stat().st_size} bytes, mean difference {off:.2f} levels\n")
    return 0 if fine and off < 15 else 1


def _difference(pixels: NDArray[np.uint8], width: int, height: int, kind: str) -> float:
    """How far a picture is from the scene, on average."""
    if pixels.shape != (height, width, 3):
        return float("inf")
    told = scene(width, height, kind)
    strips = [
        np.abs(pixels[at : at + 64].astype(np.int16) - told[at : at + 64]) for at in range(0, height, 64)
    ]
    return float(np.mean([strip.mean() for strip in strips]))


if __name__ == "__main__":
    sys.exit(main())
