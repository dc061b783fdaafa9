"""Run by test_exactness in processes of their own: decode and encode as another machine would.

Arguments: the weights, a .hflic file, a .npy to write the pixels to, a .hflic to write, and settings.
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
from models.learned import LearnedCodec
from tests.untrained import photo


def main(weights_path: str, source: str, pixels: str, again: str, *settings: str) -> None:
    """settings: "threads=N", "no-mkldnn", "contiguous"."""
    for setting in settings:
        if setting.startswith("threads="):
            torch.set_num_threads(int(setting.removeprefix("threads=")))
    torch.backends.mkldnn.enabled = "no-mkldnn" not in settings  # type: ignore[assignment]
    codec = LearnedCodec(weights.read_header(Path(weights_path)))
    if "contiguous" in settings:
        codec.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
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
    answer["capability"] = torch.backends.cpu.get_cpu_capability()
    sys.stdout.write(json.dumps(answer))


main(*sys.argv[1:])
