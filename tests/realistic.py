"""A codec with a realistic decoder that was made here, not trained: for tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from models import realism, weights
from models.learned import LearnedCodec
from models.realism import DecoderFile
from tests.untrained import untrained

NAME = "elic-5-lite"
ID = "elic-5:lite"


def other_decoder(file: weights.WeightsFile, path: Path | None = None, seed: int = 7) -> DecoderFile:
    """A realistic decoder of weights: theirs with every parameter moved a little."""
    network, _ = weights.load(file)
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.startswith(realism.DECODER_PARTS):
                value.add_(0.1 * value.abs().mean() * torch.randn_like(value))
    card = replace(file.card, recipe="hflic-realistic-lite", steps=5)
    return realism.save(network, file, card, path or realism.beside(file.path))


def codec_with_both(folder: Path, seed: int = 3) -> LearnedCodec:
    """A small codec in a folder, with both decoders."""
    codec = untrained(NAME, folder / f"{NAME}{weights.SUFFIX}", seed)
    other_decoder(codec.file)
    return codec
