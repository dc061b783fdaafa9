"""Do the numbers inside and outside of faces tell where a picture was damaged, and do commands give them?"""

from __future__ import annotations

import json
import math
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.cbook import get_sample_data
from PIL import Image

from models import face_metrics, metrics, perceptual
from models.face_metrics import cut_of, measure
from models.faces import Face, mask
from models.metrics import MetricAbsent, compute
from models.picture import Picture
from tests.command_line import KEYS, one_line, run, run_json

FACE = Face((40.0, 30.0, 100.0, 110.0), 0.9, (), True)
TINY = Face((150.0, 150.0, 158.0, 160.0), 0.8, (), True)
HOPPER = Path(get_sample_data("grace_hopper.jpg", asfileobj=False))


@pytest.fixture(scope="module")
def photo() -> Picture:
    with Image.open(HOPPER) as image:
        return Picture(np.asarray(image.convert("RGB"))[100:280, 150:330].copy())


def changed(picture: Picture, rows: slice, columns: slice, by: int) -> Picture:
    pixels = picture.pixels.astype(int)
    pixels[rows, columns] += by
    return Picture(pixels.clip(0, 255).astype(np.uint8))


def test_damage_outside_faces_does_not_count_inside() -> None:
    grey = Picture(np.full((180, 180, 3), 100, np.uint8))
    outside = measure(grey, changed(grey, slice(120, 140), slice(0, 180), 10), [FACE])
    assert outside.inside.psnr is None and outside.outside.psnr is not None
    area = 180 * 180 - mask((180, 180), [FACE]).sum()
    assert outside.outside.psnr == pytest.approx(10 * math.log10(255**2 / (100 * 20 * 180 / area)), abs=1e-3)
    assert outside.inside.lpips is not None and outside.outside.lpips is not None
    assert outside.inside.lpips < 0.2 * outside.outside.lpips
    inside = measure(grey, changed(grey, slice(30, 110), slice(40, 100), 10), [FACE])
    assert inside.inside.psnr == pytest.approx(20 * math.log10(25.5), abs=1e-3)


def test_every_face_has_its_own_numbers(photo: Picture) -> None:
    worse = changed(photo, slice(20, 120), slice(30, 110), 25)
    found = measure(photo, worse, [FACE, TINY])
    first, second = found.each
    assert first.psnr is not None and first.psnr < 25 and first.lpips is not None and first.lpips > 0
    assert (second.psnr, second.lpips) == (None, pytest.approx(0, abs=1e-6))
    rows, columns = cut_of(FACE, 180, 180)
    cut = [Picture(np.ascontiguousarray(p.pixels[rows, columns])) for p in (photo, worse)]
    assert first.lpips == pytest.approx(compute("lpips", *cut))


def test_cuts_stay_inside_the_picture_and_are_never_too_small_to_judge() -> None:
    assert cut_of(FACE, 180, 180) == (slice(10, 130), slice(20, 120))
    rows, columns = cut_of(TINY, 180, 180)
    assert rows.stop - rows.start == columns.stop - columns.start == face_metrics.SMALLEST
    assert cut_of(TINY, 160, 160)[0].stop == 160
    assert cut_of(TINY, 170, 20) == (slice(0, 20), slice(122, 170))


def test_no_faces_leave_everything_outside(photo: Picture) -> None:
    found = measure(photo, changed(photo, slice(0, 90), slice(0, 90), 9), [])
    assert (found.inside.psnr, found.inside.lpips, found.each) == (None, None, ())
    assert found.outside.lpips is not None and found.outside.psnr is not None


def test_weights_of_one_everywhere_give_lpips_itself(photo: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    worse = changed(photo, slice(0, 180), slice(0, 180, 3), 30)
    ones, left = (np.zeros((180, 180), np.float32) for _ in range(2))
    ones[:], left[:, :90] = 1, 0.5
    even, some = perceptual.lpips_over("alex", photo.pixels, worse.pixels, [ones, left])
    assert even == pytest.approx(perceptual.lpips("alex", photo.pixels, worse.pixels), rel=1e-5)
    assert abs(some - even) > 1e-4
    monkeypatch.setattr(perceptual, "WHOLE", 0)
    monkeypatch.setattr(perceptual, "CORE", {"alex": 96, "vgg": 96})
    tiled = perceptual.lpips_over("alex", photo.pixels, worse.pixels, [ones, left])
    assert tiled == pytest.approx([even, some], rel=0.01)


def test_tiny_pictures_have_no_lpips_but_a_psnr() -> None:
    one = Picture(np.full((9, 9, 3), 50, np.uint8))
    found = measure(
        one, changed(one, slice(0, 9), slice(0, 9), 5), [Face((2.0, 2.0, 7.0, 7.0), 0.9, (), True)]
    )
    assert found.inside.psnr == found.outside.psnr == pytest.approx(20 * math.log10(51))
    assert found.inside.lpips is None and found.each[0].lpips is None and found.each[0].psnr is not None


def test_small_faces_and_the_rest_are_metrics_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    grey = Picture(np.full((180, 180, 3), 100, np.uint8))
    searched: list[Picture] = []

    def detect(picture: Picture) -> list[Face]:
        searched.append(picture)
        return [TINY, replace(FACE, small=False)]

    monkeypatch.setattr(face_metrics, "detect", detect)
    monkeypatch.setattr(face_metrics, "_searched", {})
    outside = changed(grey, slice(20, 120), slice(0, 180), 10)  # the large face, and nothing of the small one
    assert compute("psnr_small_faces", grey, outside) == math.inf
    whole = compute("lpips", grey, outside)
    assert 0.9 * whole < compute("lpips_elsewhere", grey, outside) < 1.1 * whole
    inside = changed(grey, slice(150, 160), slice(150, 158), 10)
    assert compute("psnr_small_faces", grey, inside) == pytest.approx(20 * math.log10(25.5), abs=1e-3)
    for worse in (outside, inside):
        rest = measure(grey, worse, [TINY]).outside.lpips
        assert compute("lpips_elsewhere", grey, worse) == pytest.approx(rest) and rest
    assert len(searched) == 1, "one original is searched once"


def test_without_a_small_face_there_is_no_such_number(photo: Picture) -> None:
    for name in ("psnr_small_faces", "lpips_elsewhere"):
        with pytest.raises(MetricAbsent, match="no small face"):
            compute(name, photo, photo)  # the face fills the picture


def test_small_faces_need_the_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.detectors.data_file", lambda package, file: None)
    assert "make setup" in metrics.missing("psnr_small_faces")
    code, text, errors = run(
        "compare", HOPPER, "--codecs", "jpeg", "--quality", "30", "--metrics", "psnr_small_faces"
    )
    assert code == 2 and text == "" and "face detector" in errors and one_line(errors)


def test_compare_gives_the_numbers_of_faces_as_json_and_in_a_table() -> None:
    arguments = ("compare", HOPPER, "--codecs", "jpeg", "--quality", "30", "--metrics", "psnr", "--faces")
    value = run_json(*arguments)
    (face,), (result,) = value["faces"], value["results"]
    assert face.keys() == {"box", "score", "small"} and result.keys() >= KEYS | {"psnr", "faces"}
    numbers = result["faces"]
    assert numbers.keys() == {"inside", "outside", "each"} and len(numbers["each"]) == 1
    for part in (numbers["inside"], numbers["outside"], *numbers["each"]):
        assert 20 < part["psnr"] < 50 and 0 < part["lpips"] < 1
    code, text, errors = run(*arguments)
    assert (code, errors) == (0, "") and "faces: 1" in text and "lpips outside" in text


def test_faces_writes_a_mask_and_an_overlay(tmp_path: Path) -> None:
    hard, soft, boxes = tmp_path / "m.png", tmp_path / "s.png", tmp_path / "o.png"
    (face,) = run_json("faces", HOPPER, "--mask", hard, "--overlay", boxes)["faces"]
    run_json("faces", HOPPER, "--mask", soft, "--shape", "box", "--feather", "0.3")
    original, covered, drawn = (Picture.open(p).pixels for p in (HOPPER, hard, boxes))
    left, top, right, bottom = face["box"]
    assert set(np.unique(covered)) == {0, 255} and covered.shape == original.shape == drawn.shape
    assert covered[..., 0].sum() / 255 == pytest.approx(
        math.pi / 4 * (right - left) * (bottom - top), rel=0.01
    )
    assert len(np.unique(Picture.open(soft).pixels)) > 50
    moved = (drawn != original).any(axis=2)
    assert moved[round(top) - 1, round(left) : round(right)].all() and not moved[: int(top) - 9].any()
    assert not moved[int(top) + 9 : int(bottom) - 9, int(left) + 9 : int(right) - 9].any()


def test_only_small_faces_can_be_asked_for() -> None:
    assert run_json("faces", HOPPER, "--small")["faces"] == []


def test_wrong_wishes_are_one_line(tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    for arguments, words in (
        (["--mask", out, "--overlay", out], "two names"),
        (["--detector", "haar"], "choose centerface"),
        (["--detector", "yunet", "--weights", tmp_path / "no.onnx"], "no file"),
        (["--mask", HOPPER], "the input itself"),
        (["--feather", "-1"], "--feather"),
    ):
        code, text, errors = run("faces", HOPPER, *arguments)
        assert code == 2 and text == "" and words in errors and one_line(errors), errors
    assert not out.exists()


def test_fid_of_folders_needs_weights_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from models import inception

    for name, value in (("a", 100), ("b", 160)):
        (tmp_path / name).mkdir()
        for at in range(2):
            pixels = np.random.default_rng(at).integers(value - 9, value + 9, (70, 70, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{at}.png")
    code, _, errors = run("fid", tmp_path / "a", tmp_path / "b", "--weights", tmp_path / "a" / "0.png")
    assert code == 2 and one_line(errors)
    if "torch-fidelity" in errors:
        pytest.skip(errors)
    monkeypatch.setattr(inception, "extractor", lambda weights: lambda x: (x.float().mean(dim=(2, 3)),))
    found = json.loads(run("fid", tmp_path / "a", tmp_path / "b", "--patch", "64", "--json")[1])
    assert found["fid"] == pytest.approx(3 * 60**2, rel=0.05) and found["patches"] == [2, 2]


def test_the_metrics_are_listed_with_what_they_lack() -> None:
    from models.metrics import TABLE

    rows = run_json("compare", HOPPER, "--codecs", "jpeg", "--metrics", "list")["metrics"]
    assert [row["metric"] for row in rows] == list(TABLE)
    assert all(
        row["source"] and row["better"] in {"higher", "lower"} and len(row["range"]) == 2 for row in rows
    )
    code, text, errors = run("compare", HOPPER, "--codecs", "jpeg", "--metrics", "list")
    assert code == 0 and all(f"{name} " in text for name in TABLE)
    assert "iqt: IQT has no implementation" in errors and "ready" in text


def test_a_large_picture_is_measured_without_copies_of_it() -> None:
    a, b = (np.random.default_rng(seed).integers(0, 256, (1500, 1000, 3), dtype=np.uint8) for seed in (1, 2))
    weights = np.zeros((1500, 1000), np.float32)
    weights[200:900, 100:300] = 1
    tracemalloc.start()
    found = face_metrics._psnr_over(a, b, weights)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    off = a[200:900, 100:300].astype(float) - b[200:900, 100:300]
    assert found == pytest.approx(10 * math.log10(255**2 / (off**2).mean()))
    assert peak < 12 * 1500 * 1000  # a whole picture in floats
