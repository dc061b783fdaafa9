"""Learned codecs without training that behave like trained ones, and a picture for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from models import weights
from models.learned import LearnedCodec
from models.networks import builders
from models.networks.base import CompressionNetwork, last_conv
from models.networks.elic import ELIC
from models.networks.hific import HiFiC
from models.picture import Picture

CALIBRATED = 50  # the quality whose latents fit the scales of `varied`


def photo(width: int, height: int, seed: int = 0) -> Picture:
    """Smooth shapes with grain."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (7, 8, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float64)
    return Picture(np.clip(pixels + random.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8))


def varied(name: str, seed: int = 3) -> CompressionNetwork:
    """A network whose scales are those its latents have, channel by channel, as after a little training.

    They spread over the tables; many are so small that their latents are never coded.
    """
    torch.manual_seed(seed)
    network = builders.build(builders.config(name))
    x = torch.from_numpy(photo(192, 128, seed=9).pixels).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        spread = network.analyse(x, torch.tensor([CALIBRATED / 100 * 8]))[0].flatten(1).std(1)
        for scales, channels in scale_biases(network):
            scales.copy_(spread[channels].clamp(min=0.05).log())
    return network


def scale_biases(network: CompressionNetwork) -> Iterator[tuple[torch.Tensor, slice]]:
    """What the parameter nets add to the logarithm of the scale, with the channels it is for."""
    if isinstance(network, ELIC):
        for nets, channels in network.context.slices():
            bias = last_conv(nets.non_anchor).bias
            assert bias is not None
            yield bias[: len(bias) // 2], channels
    elif isinstance(network, HiFiC):
        bias = last_conv(network.h_s_scale).bias
        assert bias is not None
        yield bias, slice(None)


def untrained(name: str, path: Path, seed: int = 3, eight_bit: str | tuple[str, ...] = "") -> LearnedCodec:
    """A codec of a lite network, its weights saved at `path`."""
    codec = name.replace("-lite", ":lite")
    card = weights.Card(codec, name, "test", 0, 0.0, "none", "none", "0", "2026-01-01")
    return LearnedCodec(weights.save(varied(name, seed), card, path, eight_bit=eight_bit))
