"""Do the metrics of other packages give those packages' own numbers, and say what they lack?"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib.cbook
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.cli_compare import checked_metrics
from app.cli_console import UsageError
from models import ffmpeg, inception, metric_packages, metrics
from models.errors import Cancelled, HflicError, PictureError, WeightsError
from models.metrics import MetricAbsent, compute
from models.picture import Picture
from models.watch import Watch


def needed(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(bool(metrics.missing(name)), reason=metrics.missing(name))


@pytest.fixture(scope="module")
def photo() -> NDArray[np.uint8]:
    with Image.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        return np.asarray(image.convert("RGB"))[80:240, 150:320].copy()


@pytest.fixture(scope="module")
def blurred(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    small = Image.fromarray(photo).resize((57, 53), Image.Resampling.BOX)
    return np.asarray(small.resize((170, 160), Image.Resampling.BICUBIC))


def waves() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A pair anybody can make again: smooth, and the same in steps of 24."""
    y, x = np.mgrid[:96, :112]
    made = np.stack([np.sin(x / 5) + np.cos(y / 7), np.sin((x + y) / 9), np.cos(x * y / 400)], axis=-1)
    smooth = (127 + 60 * made).clip(0, 255).astype(np.uint8)
    return smooth, (smooth // 24 * 24 + 12).astype(np.uint8)


@needed("flip")
def test_flip_of_black_and_white_is_nearly_one() -> None:
    black, white = (Picture(np.full((40, 40, 3), v, np.uint8)) for v in (0, 255))
    assert compute("flip", black, white) == pytest.approx(0.96742, abs=1e-3)  # as its authors' code gives


@pytest.mark.parametrize(
    ("name", "pinned", "tolerance"),
    [("ssimulacra2", -5.271, 0.05), ("flip", 0.09140, 2e-4), ("cvvdp", 9.6736, 5e-3), ("vmaf", 88.030, 0.05)],
)
def test_the_numbers_of_a_fixed_pair_do_not_move(name: str, pinned: float, tolerance: float) -> None:
    if reason := metrics.missing(name):
        pytest.skip(reason)
    a, b = waves()
    assert compute(name, Picture(a), Picture(b)) == pytest.approx(pinned, abs=tolerance)


@pytest.mark.parametrize(("name", "side"), [("ssimulacra2", 8), ("cvvdp", 16), ("vmaf", 17), ("flip", 1)])
def test_small_pictures_have_a_number_from_the_side_the_table_says(name: str, side: int) -> None:
    if reason := metrics.missing(name):
        pytest.skip(reason)
    assert metrics.TABLE[name].smallest == side
    a, b = waves()
    for height, width in ((side, side), (side, side + 5), (side + 2, side)):
        value = compute(name, Picture(a[:height, :width].copy()), Picture(b[:height, :width].copy()))
        assert math.isfinite(value)
    if side > 1:
        small = Picture(a[: side - 1, :90].copy())
        with pytest.raises(MetricAbsent, match=f"needs {side} pixels a side"):
            compute(name, small, small)


@needed("ssimulacra2")
def test_large_pictures_are_absent_where_memory_would_not_do() -> None:
    large = Picture(np.zeros((2001, 2000, 3), np.uint8))
    with pytest.raises(MetricAbsent, match="limited to 4 megapixels"):
        compute("ssimulacra2", large, large)


@needed("vmaf")
def test_vmaf_can_be_cancelled_while_ffmpeg_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "POLL", 0.001)
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 1

    noise = np.random.default_rng(0).integers(0, 256, (900, 1600, 3), dtype=np.uint8)
    with pytest.raises(Cancelled):
        compute("vmaf", Picture(noise), Picture(noise), Watch(cancelled=cancelled))
    assert len(asked) == 2


@needed("vmaf")
def test_input_goes_on_while_somebody_looks_whether_it_is_still_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ffmpeg, "POLL", 0.001)
    noise = np.random.default_rng(0).integers(0, 256, 1200 * 900 * 3, dtype=np.uint8).tobytes()
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "1200x900", "-i", "pipe:0")
    back = ffmpeg.run([*source, "-f", "rawvideo", "-"], noise, Watch(cancelled=lambda: False))
    assert back == noise


def test_without_ffmpeg_the_reason_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "executable", lambda: None)
    assert "imageio-ffmpeg" in metrics.missing("vmaf")
    with pytest.raises(ffmpeg.FfmpegError, match="imageio-ffmpeg"):
        ffmpeg.run(["-version"])


@needed("vmaf")
def test_an_ffmpeg_that_fails_is_quoted_in_one_line() -> None:
    with pytest.raises(ffmpeg.FfmpegError) as caught:
        ffmpeg.run(["-i", "/no/such/file.png", "-f", "null", "-"])
    assert "No such file" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [("pieapp", "put PieAPPv0.1.pth"), ("fid", "weights-inception"), ("kid", "weights-inception")],
)
def test_metrics_that_lack_weights_say_where_to_put_them(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "package" in metrics.missing(name):
        pytest.skip(metrics.missing(name))
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(tmp_path / "own"))
    reason = metrics.missing(name)
    assert words in reason and str(tmp_path) in reason and "https://" in reason
    with pytest.raises(UsageError, match=words):
        checked_metrics(name)


def test_iqt_says_that_its_licence_is_in_the_way(photo: NDArray[np.uint8]) -> None:
    assert "non-commercial" in metrics.missing("iqt")
    with pytest.raises(MetricAbsent, match="pyiqa"):
        compute("iqt", Picture(photo), Picture(photo))


class SmallPieApp:
    """The network's weights, drawn at random; those of its largest layer are zeros but for a few."""

    def __init__(self) -> None:
        import torch
        from piq.pieapp import PieAPPModel

        torch.manual_seed(3)
        with torch.device("meta"):
            shapes = {name: tensor.shape for name, tensor in PieAPPModel().state_dict().items()}
        self.state = {name: torch.randn(shape) * 0.05 for name, shape in shapes.items() if len(shape) != 2}
        for name, shape in shapes.items():
            if len(shape) == 2:
                self.state[name] = torch.rand(1, 1).expand(shape) * 0.001
        self.state["ref_score_subtract.weight"] = torch.ones(1)


@pytest.mark.skipif(
    bool(metrics.missing("pieapp")) and "package" in metrics.missing("pieapp"), reason="no piq"
)
def test_pieapp_with_given_weights_is_the_packages_own(
    photo: NDArray[np.uint8], blurred: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from piq.pieapp import PieAPP

    state = SmallPieApp().state
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path))
    (tmp_path / metric_packages.PIEAPP_FILE).touch()
    monkeypatch.setattr(metric_packages, "load_state", lambda path: dict(state))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: dict(state))
    a, b = photo[:100, :70].copy(), blurred[:100, :70].copy()
    metric_packages._pieapp_network.cache_clear()
    measured = compute("pieapp", Picture(a), Picture(b))
    x, y = (torch.from_numpy(p.transpose(2, 0, 1)[None].astype(np.float32) / 255) for p in (b, a))
    with torch.no_grad():
        expected = float(PieAPP(data_range=1.0)(x, y))
    assert measured == pytest.approx(expected, rel=1e-3) and expected != 0
    metric_packages._pieapp_network.cache_clear()


def test_files_of_weights_may_not_run_programs(tmp_path: Path) -> None:
    import os
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, ("true",)

    path = tmp_path / inception.FILE
    path.write_bytes(pickle.dumps({"x": Evil()}))
    with pytest.raises(WeightsError, match="get it again"):
        metric_packages.load_state(path)
    if "package" not in metrics.missing("fid"):
        with pytest.raises(WeightsError, match="get it again"):
            inception.extractor(path)
    path.write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="get it again"):
        metric_packages.load_state(path)


class Eye:
    """A network that sees the mean colour of a patch, as torch-fidelity's extractor answers."""

    def __call__(self, batch: Any) -> tuple[Any]:
        return (batch.float().mean(dim=(2, 3)),)


fidelity = pytest.mark.skipif("package" in metrics.missing("fid"), reason=metrics.missing("fid"))


@pytest.fixture
def few_subsets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inception, "KID_SUBSETS", 4)


@fidelity
@pytest.mark.usefixtures("few_subsets")
def test_fid_of_gaussians_is_the_formula() -> None:
    """Heusel et al. 2017: |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), which has a closed form here."""
    rng = np.random.default_rng(1)
    base = rng.normal(size=(1000, 4)).astype(np.float32)
    base = (base - base.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(base.T))).T
    shifted = base * 3 + np.array([1, 0, 2, 0])
    found = inception.compare(base.astype(np.float32), shifted.astype(np.float32))
    assert found.fid == pytest.approx(5 + 4 * (3 - 1) ** 2, rel=1e-3)
    assert found.patches == (1000, 1000)


@fidelity
@pytest.mark.usefixtures("few_subsets")
def test_equal_sets_have_no_distance_and_distant_ones_a_large_one() -> None:
    rng = np.random.default_rng(2)
    a, b = (rng.normal(size=(300, 5)).astype(np.float32) for _ in range(2))
    same, near, far = inception.compare(a, a), inception.compare(a, b), inception.compare(a, b + 4)
    assert same.fid == pytest.approx(0, abs=1e-4) and abs(near.kid) < 0.05
    assert near.fid < 0.2 < far.fid and far.kid > 10 * abs(near.kid)
    gamma = (np.arange(1, 6) / 5).astype(np.float32)[None] * np.ones((2, 1), np.float32)
    kernel = (gamma @ gamma.T / 5 + 1) ** 3  # unbiased MMD of two equal rows against themselves
    assert inception.compare(gamma, gamma).kid == pytest.approx(
        2 * kernel[0, 1] - 2 * kernel.mean(), abs=1e-6
    )


@fidelity
def test_folders_are_compared_by_their_patches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inception, "extractor", lambda weights: Eye())
    rng = np.random.default_rng(3)
    for name, offset in (("a", 0), ("b", 40)):
        (tmp_path / name).mkdir()
        for at in range(3):
            pixels = rng.integers(0, 200, (200, 136, 3)) // 64 * 40 + offset
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name / f"{at}.png")
    found = inception.distance(tmp_path / "a", tmp_path / "b", patch=64)
    assert found.patches == (3 * (3 * 2 + 2 * 1),) * 2
    assert found.fid == pytest.approx(3 * 40**2, rel=0.05)
    with pytest.raises(PictureError, match="two patches of 256"):
        inception.distance(tmp_path / "a", tmp_path / "b")


@fidelity
def test_the_network_of_a_given_file_is_the_packages_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from torch_fidelity import feature_extractor_inceptionv3 as package

    class Drawn(package.FeatureExtractorInceptionV3):  # type: ignore[misc]
        """With the weights its layers are made with: the real ones may not be fetched."""

        def load_state_dict(self, state: Any) -> None:
            assert state == {}

    monkeypatch.setattr(package, "load_state_dict_from_url", lambda *_, **__: {})
    drawn = Drawn("drawn", ["2048"])
    path = tmp_path / inception.FILE
    torch.save(drawn.state_dict(), path)
    batch = torch.from_numpy(np.random.default_rng(6).integers(0, 256, (2, 3, 64, 64), dtype=np.uint8))
    ours = inception.extractor(path)(batch)[0]
    assert ours.shape == (2, inception.FEATURES) and torch.equal(ours, drawn(batch)[0])
    torch.save({"other": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match="Inception weights"):
        inception.extractor(path)


def test_patches_are_a_grid_and_a_shifted_one() -> None:
    rows = np.arange(10 * 10 * 3).reshape(10, 10, 3).astype(np.uint8)
    cuts = inception.patches(Picture(rows), 4)
    assert len(cuts) == 4 + 4
    assert np.array_equal(cuts[0], rows[:4, :4]) and np.array_equal(cuts[4], rows[2:6, 2:6])
    assert inception.patches(Picture(rows), 11) == []


def test_folder_metrics_are_refused_for_two_pictures(photo: NDArray[np.uint8], monkeypatch: Any) -> None:
    monkeypatch.setattr(metrics, "missing", lambda name: "")
    for name in ("fid", "kid"):
        with pytest.raises(MetricAbsent, match="hflic fid"):
            compute(name, Picture(photo), Picture(photo))
        with pytest.raises(UsageError, match="hflic fid"):
            checked_metrics(name)


def test_without_the_package_fid_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(HflicError, match="torch-fidelity"):
        inception.extractor(Path("x"))
