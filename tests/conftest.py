"""What several test modules share: a photo, and an untrained learned codec that can be used."""

import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# A shell starts what it runs in the background with Ctrl+C ignored, and every program begun here would
# inherit that: those that are to be interrupted would not hear of it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained lite network as installed weights."""
    import torch

    from models import weights
    from models.networks import builders

    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(1)
    card = weights.Card("elic-5:lite", "elic-5-lite", "test", 0, 0.0, "none", "none", "0", "2026-01-01")
    weights.save(builders.build(builders.config("elic-5-lite")), card, folder / "elic-5-lite.safetensors")
    return folder


@pytest.fixture
def learned(weights_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The id of a learned codec that can be used."""
    from models import codec as codecs

    monkeypatch.setenv("HFLIC_WEIGHTS", str(weights_folder))
    monkeypatch.setattr(codecs, "_instances", {})
    yield "elic-5:lite"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Smooth shapes with grain, 200 x 170 pixels."""
    random = np.random.default_rng(3)
    coarse = Image.fromarray(random.integers(0, 256, (9, 10, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((200, 170), Image.Resampling.BICUBIC), dtype=np.float64)
    noisy = np.clip(pixels + random.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(noisy).save(path)
    return path


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch on one thread, so that sums come out alike from run to run."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
