"""Run by test_exactness in processes of their own: decode and encode as another machine would.

Arguments: the weights, a .hflic file, a .npy to write the pixels to, a .hflic to write, and settings. The
golden files of all weights that are shipped are decoded too.
"""

import json
import sys
import zlib
from pathlib import Path

import numpy as np
import torch

from models import weights
from models.bitstream.container import parse
from models.codec import Rate
from models.errors import HflicError
from models.footprint import Plan
from models.learned import LearnedCodec
from models.picture import Picture
from tests import golden_files
from tests.untrained import photo

PLANS = {
    "whole": Plan(None, False, 0.0),
    "tiles": Plan(2, True, 0.0),
}  # the lean entropy model with the tiles


def golden(settings: tuple[str, ...]) -> dict[str, int | str]:
    """How far each golden file's pixels are from the recorded ones at most, or why it was not decoded.

    Decoding compares the latents with the checksum that the index has too.
    """
    codecs = {file.fingerprint: LearnedCodec(file) for file in golden_files.shipped()}
    answers: dict[str, int | str] = {}
    for codec in codecs.values():
        ordered(codec, settings)
    for line in golden_files.read():
        codec, data = codecs[line.fingerprint], (golden_files.FOLDER / f"{line.name}.hflic").read_bytes()
        recorded = Picture.open(golden_files.FOLDER / f"{line.name}.png").pixels.astype(int)
        for name, plan in PLANS.items():
            codec._planner.plan = lambda *_, plan=plan: plan  # type: ignore[method-assign]
            try:
                off: int | str = int(np.abs(codec.decode(data).pixels - recorded).max())
            except HflicError as error:
                off = str(error)
            answers[f"{line.name} {name}"] = off
    return answers


def ordered(codec: LearnedCodec, settings: tuple[str, ...]) -> None:
    """The transforms' memory order of these settings."""
    if "contiguous" in settings:
        codec.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


def main(weights_path: str, source: str, pixels: str, again: str, *settings: str) -> None:
    """settings: "threads=N", "no-mkldnn", "contiguous"."""
    for setting in settings:
        if setting.startswith("threads="):
            torch.set_num_threads(int(setting.removeprefix("threads=")))
    torch.backends.mkldnn.enabled = "no-mkldnn" not in settings  # type: ignore[assignment]
    codec = LearnedCodec(weights.read_header(Path(weights_path)))
    ordered(codec, settings)
    file = parse(Path(source).read_bytes())
    y_hat, crc = codec.entropy.decode(file.payload, -(-file.height // 16), -(-file.width // 16))
    np.save(pixels, codec.synthesise(y_hat, file.quality, file.height, file.width))  # whatever the checksum
    latents = codec.analyse(photo(file.width, file.height))
    encoding = codec.encode(photo(file.width, file.height), Rate(quality=file.quality))
    Path(again).write_bytes(encoding.data)
    answer = {"crc": crc, "y_hat": float(y_hat.abs().sum()), "threads": torch.get_num_threads()}
    torch.manual_seed(0)
    product = torch.randn(128, 960) @ torch.randn(960, 70)
    answer["product"] = zlib.crc32(product.numpy().tobytes())
    answer["floats"] = zlib.crc32(latents.contiguous().numpy().tobytes())
    answer["golden"] = golden(settings)
    answer["capability"] = torch.backends.cpu.get_cpu_capability()
    sys.stdout.write(json.dumps(answer))


main(*sys.argv[1:])
