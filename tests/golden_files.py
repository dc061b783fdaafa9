"""Golden files: small .hflic files that must decode for ever. `make golden` writes them to tests/golden.

    python -m tests.golden_files [folder]

One for each weights file in assets/weights and a low and a high quality, with the picture it decodes to and a
line in index.json: the weights' whole fingerprint, the latents' checksum, the file's own hash.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from models import weights
from models.bitstream.container import parse
from models.codec import Rate
from models.files import write_file
from models.learned import LearnedCodec
from models.picture import Picture
from models.realism import is_decoder

FOLDER = Path(__file__).parent / "golden"
INDEX = "index.json"
LARGEST = 1024  # bytes of a file
_WIDTH, _HEIGHT = 64, 48
_QUALITIES = (15, 60)


@dataclass(frozen=True)
class Golden:
    """A line of the index. latents_crc: of all decoded latents; sha256: of the .hflic file."""

    name: str
    codec: str
    fingerprint: str
    latents_crc: int
    sha256: str


def scene() -> Picture:
    """A horizon, a disc, stripes and grain, the same everywhere: integers alone."""
    down, across = np.mgrid[0:_HEIGHT, 0:_WIDTH]
    pixels = np.stack([40 + 3 * down, 90 + 2 * down, 200 - 2 * down], axis=-1)
    pixels[(across - 44) ** 2 + (down - 16) ** 2 < 100] = (240, 200, 60)
    pixels[(down > 30) & (across < 32)] = (60, 110, 50)
    pixels[34:44, 36:60:2] = (30, 30, 40)
    pixels += (across * 7919 + down * 104_729)[..., None] % 11 - 5
    return Picture(pixels.clip(0, 255).astype(np.uint8))


def make(found: list[weights.WeightsFile], folder: Path = FOLDER) -> list[Golden]:
    """Write the golden files of these weights; those of others are removed. Raises HflicError."""
    folder.mkdir(exist_ok=True)
    made = []
    for file in found:
        codec = LearnedCodec(file)
        for quality in _QUALITIES if codec.network.gain is not None else _QUALITIES[-1:]:
            data = codec.encode(scene(), Rate(quality=quality)).data
            if len(data) > LARGEST:
                raise ValueError(f"{file.name} at quality {quality} takes {len(data)} bytes, over {LARGEST}")
            name = f"{file.card.codec.replace(':', '-')}-q{quality}"
            write_file(folder / f"{name}.hflic", data)
            codec.decode(data).save(folder / f"{name}.png")
            crc = parse(data).latents_crc
            made.append(
                Golden(name, file.card.codec, file.fingerprint, crc, hashlib.sha256(data).hexdigest())
            )
    text = json.dumps([asdict(golden) for golden in made], indent=1) + "\n"
    write_file(folder / INDEX, text.encode())
    wanted = {f"{golden.name}.{suffix}" for golden in made for suffix in ("hflic", "png")} | {INDEX}
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink()
    return made


def read(folder: Path = FOLDER) -> list[Golden]:
    """What the index lists, nothing where there is none yet."""
    path = folder / INDEX
    return [Golden(**line) for line in json.loads(path.read_text())] if path.exists() else []


def shipped() -> list[weights.WeightsFile]:
    """The weights in assets/weights."""
    folder = weights.asset_folder() / "weights"
    paths = sorted(path for path in folder.glob(f"*{weights.SUFFIX}") if not is_decoder(path))
    return [weights.read_header(path) for path in paths]


def check(golden: Golden, found: list[weights.WeightsFile], folder: Path = FOLDER) -> str:
    """What is wrong with a golden file, "" where nothing is."""
    data = (folder / f"{golden.name}.hflic").read_bytes()
    if hashlib.sha256(data).hexdigest() != golden.sha256:
        return f"{golden.name}.hflic is not the file that was recorded: restore it"
    file = next((f for f in found if f.fingerprint == golden.fingerprint), None)
    if file is None:
        return (
            f"{golden.name}.hflic was made with the {golden.codec} weights {golden.fingerprint[:8]}, which "
            "are gone from assets/weights: files people have made with them cannot be decoded any more. Put "
            "them back or, where no release has them, replace the golden files in the same commit "
            "(make golden)"
        )
    codec = LearnedCodec(file)
    head = parse(data)
    height, width = -(-head.height // 16), -(-head.width // 16)
    _, crc = codec.entropy.decode(head.payload, height, width)
    if crc != golden.latents_crc or head.latents_crc != golden.latents_crc:
        return f"{golden.name}.hflic decodes to other latents ({crc:08x}, not {golden.latents_crc:08x})"
    pixels = codec.decode(data).pixels.astype(int)
    recorded = Picture.open(folder / f"{golden.name}.png").pixels
    if pixels.shape != recorded.shape or np.abs(pixels - recorded).max() > 1:
        return f"{golden.name}.hflic decodes to another picture than {golden.name}.png"
    return ""


if __name__ == "__main__":
    for line in make(shipped(), Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER):
        sys.stdout.write(f"{line.name} {line.fingerprint[:8]} {line.latents_crc:08x}\n")
