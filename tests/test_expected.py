"""The guess of a file's size: it grows with quality, and saves the shipped codec most tries."""

from __future__ import annotations

import subprocess
import sys

import matplotlib.cbook
import numpy as np
import pytest
import torch
from PIL import Image

from models import codec
from models.codec import Rate, Watch
from models.expected import ExpectedSize
from models.picture import Picture


def gain(quality: float) -> torch.Tensor:
    return torch.full((1, 8, 1, 1), 2 ** (quality / 20))


def test_it_grows_with_quality_and_is_never_nothing() -> None:
    latents = torch.randn(1, 8, 40, 30, generator=torch.Generator().manual_seed(1))
    sizes = [ExpectedSize(latents, gain)(quality) for quality in range(0, 101, 5)]
    assert sizes == sorted(sizes) and sizes[-1] > 1.5 * sizes[0]
    assert ExpectedSize(torch.zeros(1, 8, 4, 4), gain)(50) == 1.0


def test_of_many_latents_only_a_part_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    latents = torch.randn(1, 8, 160, 160, generator=torch.Generator().manual_seed(2))
    whole = ExpectedSize(latents, gain)(30)
    monkeypatch.setattr("models.expected._ENOUGH", 20_000)
    part = ExpectedSize(latents, gain)
    assert part._sizes.numel() <= 21_000
    assert part(30) == pytest.approx(whole, rel=0.03)


@pytest.mark.parametrize("bpp", [0.2, 0.45])
def test_the_shipped_codec_reaches_a_size_in_few_tries(bpp: float) -> None:
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        photo = Picture(np.array(Image.open(file).convert("RGB").crop((100, 60, 420, 316))))
    stages: list[str] = []
    made = codec.get("elic").encode(photo, Rate(bpp=bpp), Watch(report=lambda stage, _: stages.append(stage)))
    assert made.bpp == pytest.approx(bpp, rel=0.02)
    assert len({stage for stage in stages if stage.startswith("searching")}) <= 3


def test_loading_a_codec_does_not_load_torch_s_compiler() -> None:
    """It takes more than a second, at every start of every command."""
    code = "import sys; from models import codec; codec.get('elic'); print('torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
