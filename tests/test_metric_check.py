"""Is every metric its package's own number, and does `hflic bench --metrics` show where one is not?"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace

import matplotlib.cbook
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app import cli_bench
from models import metric_check, metrics
from models.bench import bench_picture
from models.metric_check import REFERENCES, MetricRow, Reference, measure
from models.picture import Picture
from tests.command_line import one_line, run

# What the pairs of `pairs` differ by for certain: references of equal pictures would prove nothing.
PLAIN = {
    "psnr": 40,
    "psnr_small_faces": 40,
    "psnr_y": 40,
    "ms_ssim": 0.99,
    "ssimulacra2": 90,
    "cvvdp": 9.9,
    "vmaf": 95,
}
OF_FACES = ("psnr_small_faces", "lpips_elsewhere")
AT_LEAST = {"lpips_elsewhere": 0.05, "lpips": 0.05, "lpips_vgg": 0.05, "dists": 0.05, "flip": 0.03}


@pytest.fixture(scope="module")
def pair() -> tuple[Picture, Picture]:
    """A face, 170 x 165, and the same enlarged from a third."""
    with Image.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        pixels: NDArray[np.uint8] = np.asarray(image.convert("RGB"))[80:245, 150:320].copy()
    return Picture(pixels), blurred(Picture(pixels))


@pytest.fixture(scope="module")
def small_face() -> tuple[Picture, Picture]:
    original = metric_check.with_small_face(bench_picture(340, 320))
    return original, blurred(original)


def blurred(picture: Picture) -> Picture:
    """Enlarged again from a third."""
    size = (picture.width, picture.height)
    small = Image.fromarray(picture.pixels).resize((size[0] // 3, size[1] // 3), Image.Resampling.BOX)
    return Picture(np.asarray(small.resize(size, Image.Resampling.BICUBIC)))


@pytest.mark.parametrize("name", list(REFERENCES))
def test_a_metric_is_its_packages_own(
    pair: tuple[Picture, Picture], small_face: tuple[Picture, Picture], name: str
) -> None:
    if reason := metrics.missing(name):
        pytest.skip(reason)
    before = list(sys.path)
    row = measure(name, *(small_face if name in OF_FACES else pair), repeats=1)
    assert row.agrees, (row.value, row.reference)
    assert row.value is not None and row.seconds is not None and row.first_s is not None
    assert row.value < PLAIN.get(name, math.inf) and row.value > AT_LEAST.get(name, 0)
    assert 0 < row.seconds < 60 and row.first_s > 0 and not row.missing
    assert not [path for path in sys.path if path.endswith("pycvvdp") and path not in before]


def test_every_metric_of_two_pictures_has_a_reference_or_needs_weights_nobody_may_ship() -> None:
    assert set(metrics.pairwise()) - set(REFERENCES) == {"pieapp", "iqt"}


def test_a_number_that_cannot_be_there_says_why(pair: tuple[Picture, Picture]) -> None:
    for name in OF_FACES:  # the face fills the picture
        assert measure(name, *pair, repeats=1).missing == "there is no small face in the original"
    iqt = measure("iqt", *pair, repeats=1)
    assert iqt.value is None and iqt.agrees is None and "pyiqa" in iqt.missing
    tiny = [Picture(picture.pixels[:20, :20].copy()) for picture in pair]
    assert "needs 161 pixels" in measure("ms_ssim", tiny[0], tiny[1], repeats=1).missing


def test_a_reference_without_its_package_leaves_the_number(
    pair: tuple[Picture, Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(a: object, b: object) -> float:
        raise ModuleNotFoundError("No module named 'torchvision'", name="torchvision")

    monkeypatch.setattr(metric_check, "REFERENCES", {"psnr": Reference("nobody", absent, 1.0)})
    row = measure("psnr", *pair, repeats=1)
    assert row.value is not None and row.agrees is None
    assert row.missing == "the reference of PSNR needs the package torchvision"


def test_equal_pictures_agree_though_their_number_is_infinite(pair: tuple[Picture, Picture]) -> None:
    assert measure("psnr", pair[0], pair[0], repeats=1).agrees is True


def test_the_command_shows_the_table_and_fails_where_a_number_is_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = {name: metrics.TABLE[name] for name in ("psnr", "psnr_y", "iqt")}
    monkeypatch.setattr(metrics, "TABLE", few)
    code, out, errors = run("bench", "--metrics", "--size", "200x180", "--repeats", "1", "--json")
    found = json.loads(out)
    assert code == 0 and [row["metric"] for row in found["metrics"]] == list(few)
    assert [row["agrees"] for row in found["metrics"]] == [True, True, None]
    code, out, errors = run("bench", "--metrics", "--size", "200x180", "--repeats", "1")
    assert code == 0 and "definition, double precision" in out and "pyiqa" in errors
    wrong = {"psnr": replace(REFERENCES["psnr"], compute=lambda a, b: 3.0)}
    monkeypatch.setattr(metric_check, "REFERENCES", wrong)
    code, out, errors = run("bench", "--metrics", "--size", "200x180", "--repeats", "1", "--json")
    assert code == 1 and json.loads(out)["metrics"][0]["agrees"] is False
    assert one_line(errors) and "psnr: not what the package" in errors


def test_what_does_not_go_together_is_bad_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in (["--metrics", "--viewer"], ["--metrics", "--codecs", "jpeg"]):
        code, _, errors = run("bench", *arguments)
        assert code == 2 and one_line(errors)
    monkeypatch.setattr(cli_bench, "frozen", lambda: True)
    for what in ("--metrics", "--viewer"):
        code, _, errors = run("bench", what)
        assert code == 2 and one_line(errors) and "install HFLIC with pip" in errors


def test_a_row_agrees_within_what_it_names() -> None:
    row = MetricRow("psnr", 30.0, 30.5, within=0.6)
    assert row.agrees is True and replace(row, within=0.4).agrees is False
    assert replace(row, reference=None).agrees is None
