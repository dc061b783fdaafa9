import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models import codec as codecs
from models.errors import WeightsError
from models.picture import Picture
from tests.command_line import KEYS, one_line, run, run_json

# --- compare ---


def test_compare_gives_the_agreed_json_and_a_sheet(photo: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    found = run_json("compare", photo, "--codecs", "jpeg,webp", "--bpp", "1.5", "--metrics", "psnr,ms_ssim",
                     "-o", sheet)  # fmt: skip
    assert found["image"] == str(photo)
    assert [line["codec"] for line in found["results"]] == ["jpeg", "webp"]
    for line in found["results"]:
        assert line.keys() >= KEYS | {"psnr", "ms_ssim"}
        assert line["bpp"] == pytest.approx(1.5, rel=0.05)
        assert 20 < line["psnr"] < 50 and 0.5 < line["ms_ssim"] < 1
        assert line["decode_s"] > 0
    opened = Picture.open(sheet)
    assert opened.width > 3 * 400 and opened.height > 800


def test_a_metric_that_is_not_defined_for_a_small_picture_is_null(tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    Image.new("RGB", (64, 48), (200, 30, 90)).save(small)
    found = run_json("compare", small, "--codecs", "jpeg", "--quality", "50", "--metrics", "psnr,ms_ssim")
    assert found["results"][0]["ms_ssim"] is None
    code, text, _ = run("compare", small, "--codecs", "jpeg", "--quality", "50", "--metrics", "psnr,ms_ssim")
    assert code == 0 and text.rstrip().endswith("-")


def test_usual_metrics_that_are_not_installed_are_left_out_and_said(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.metrics.missing", lambda name: "get it" if name == "lpips" else "")
    code, text, errors = run("compare", photo, "--codecs", "jpeg", "--bpp", "1")
    assert code == 0 and "ms_ssim" in text and "lpips" not in text
    assert "lpips is left out: get it" in errors
    code, _, errors = run("compare", photo, "--codecs", "jpeg", "--bpp", "1", "--metrics", "lpips")
    assert code == 2 and "get it" in errors


def test_compare_refuses_before_any_work(photo: Path, tmp_path: Path) -> None:
    for options, text in (
        (["--codecs", "jpeg"], "--bpp or --quality"),
        (["--codecs", "jpeg", "--bpp", "1", "--quality", "5"], "exactly one"),
        (["--codecs", "jpeg,tiff", "--bpp", "1"], "no codec 'tiff'"),
        (["--codecs", "jpeg", "--bpp", "1", "--metrics", "beauty"], "no metric 'beauty'"),
        (["--codecs", "jpeg", "--bpp", "1", "-o", str(photo)], "is the input itself"),
    ):
        code, printed, errors = run("compare", photo, *options)
        assert (code, printed) == (2, "") and one_line(errors) and text in errors, errors


def test_compare_looks_at_the_place_of_the_sheet_first(photo: Path, tmp_path: Path) -> None:
    for out, code, text in (
        (tmp_path / "s.pdf", 2, "use one of the suffixes"),
        (tmp_path / "no" / "s.png", 1, "create it"),
    ):
        found, printed, errors = run("compare", photo, "--codecs", "jpeg", "--bpp", "1", "-o", out)
        assert (found, printed) == (code, "") and one_line(errors) and text in errors


def test_a_suffix_that_names_no_format_is_bad_usage_in_every_command(photo: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "made.webp", tmp_path / "made.gif"
    assert run("encode", photo, "--codec", "webp", "--quality", "20", "-o", file)[0] == 0
    for command in (
        ("decode", file, "-o", out),
        ("compare", photo, "--codecs", "jpeg", "--bpp", "1", "-o", out),
        ("figure", photo, "--codecs", "jpeg", "--bpp", "1", "-o", out),
        ("faces", photo, "--mask", out),
        ("faces", photo, "--overlay", out),
        ("evaluate", tmp_path, "--codecs", "jpeg", "--rates", "1", "-o", tmp_path / "r.json", "--plot", out),
    ):
        code, printed, errors = run(*command)
        assert (code, printed) == (2, "") and one_line(errors) and ".png" in errors, (command, errors)
        assert not out.exists()


def test_damaged_weights_leave_the_other_codecs_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    real = codecs.get

    def damaged(id: str) -> codecs.Codec:
        if id == "elic":
            raise WeightsError("elic-lite.safetensors is damaged")
        return real(id)

    monkeypatch.setattr(codecs, "get", damaged)
    rows = {row["codec"]: row for row in run_json("models", "list")["codecs"]}
    assert (rows["elic"]["usable"], rows["elic"]["missing"]) == (False, "elic-lite.safetensors is damaged")
    assert rows["hflic-mse"]["usable"] and rows["jpeg"]["usable"]


def test_the_sheet_enlarges_where_the_results_differ(photo: Path) -> None:
    from app.sheet import Cell, make_sheet, telling_region

    original = Picture.open(photo)
    spoiled = original.pixels.copy()
    spoiled[100:130, 20:50] = 0
    region = telling_region(original, [Picture(spoiled)], side=40)
    assert region.left <= 20 and region.left + region.width >= 50
    assert region.top <= 100 and region.top + region.height >= 130
    cells = [Cell(original, "Original"), Cell(Picture(spoiled), "A name that is far too long " * 5, ("x",))]
    page = make_sheet("t", cells, region)
    assert (page.pixels[:20] == 255).all(), "the margin is white"
    tiny = Picture(np.zeros((1, 3, 3), np.uint8))
    assert telling_region(tiny, [tiny]).box == (0, 0, 3, 1)
    assert make_sheet("t", [Cell(tiny, "a")] * 7, telling_region(tiny, [tiny])).height > 0


@pytest.mark.parametrize("side", [200, 100, 7])
def test_the_sheet_enlarges_by_whole_factors(side: int) -> None:
    from app.sheet import CELL, GAP, MARGIN, Cell, Region, make_sheet

    pixels = np.random.default_rng(0).integers(0, 200, (600, 500, 3), dtype=np.uint8)
    page = make_sheet("t", [Cell(Picture(pixels), "Original")], Region(50, 60, side, side)).pixels
    zoom = CELL // side
    left, top = MARGIN + (CELL - zoom * side) // 2, MARGIN + 44 + CELL + GAP
    crop = pixels[60 : 60 + side, 50 : 50 + side].repeat(zoom, 0).repeat(zoom, 1)
    assert np.array_equal(page[top : top + zoom * side, left : left + zoom * side], crop)


def test_the_sheet_names_the_size_where_two_would_be_called_alike() -> None:
    from app.cli_compare import _names

    names = _names(["elic:lite", "elic:paper", "hflic-mse:lite", "hflic-mse:lite+1", "jpeg"])
    assert list(names.values()) == [
        "ELIC lite", "ELIC paper", "HFLIC (MSE)", "HFLIC (MSE), realism 1", "JPEG"
    ]  # fmt: skip


# --- info, train, view ---


def test_info_tells_size_rate_and_settings(photo: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.jpg"
    run_json("encode", photo, "--codec", "jpeg", "--quality", "30", "-o", file)
    found = run_json("info", file)
    assert (found["codec"], found["width"], found["height"], found["bytes"]) == (
        "jpeg",
        200,
        170,
        file.stat().st_size,
    )
    assert "progressive" in found["settings"]["encoder"]
    code, text, _ = run("info", file)
    assert code == 0 and "200 x 170 pixels" in text and "bpp" in text


def test_training_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    for arguments, text in (
        ([], "say what to train"),
        (["nothing"], "there is no recipe 'nothing'"),
        (["elic-lite"], "give --data"),
        (["elic-lite", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "run")], "is not a folder"),
        (["queue"], "give --data"),
        (["queue", "--devices", "2"], "give --data"),
        (
            ["elic-lite", "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--device", "tpu"],
            "no device 'tpu'",
        ),
        (["publish"], "give --validation"),
        (["publish", "--resume"], "--resume does nothing here"),
        (["queue", "--data", str(tmp_path), "--until", "5"], "--until does nothing here"),
        (["queue", "--data", str(tmp_path), "--threads", "1"], "--threads does nothing here"),
    ):
        code, printed, errors = run("train", *arguments)
        assert (code, printed) == (2, ""), errors
        assert one_line(errors) and text in errors


def test_the_plan_says_what_is_done_and_left(tmp_path: Path) -> None:
    from models.training.recipes import QUEUE, RECIPES
    from models.training.start import recipe_named
    from models.training.trainer import CHECKPOINT, atomic_save

    name, _ = QUEUE[0]
    first = RECIPES[name].rounds[0].steps
    (tmp_path / name).mkdir()
    atomic_save({"step": first // 4, "seconds": 0.5 * (first // 4)}, tmp_path / name / CHECKPOINT)
    told = run_json("train", "--plan", "--runs", tmp_path)
    rows = told["queue"]
    assert {frozenset(row) for row in told["others"]} <= {frozenset(rows[0])}
    assert {row["recipe"] for row in told["others"]}.isdisjoint(row["recipe"] for row in rows)
    assert len(rows) == len(QUEUE)
    assert (rows[0]["done"], rows[0]["to_go"]) == (first // 4, first - first // 4)
    assert rows[0]["seconds_per_step"] == pytest.approx(0.5)
    assert rows[0]["hours_left"] == pytest.approx((first - first // 4) / 2 / 3600)
    assert rows[0]["waits_for"] is None
    assert next(row for row in rows[1:] if row["to_go"])["waits_for"] is not None
    for recipe in {row["recipe"] for row in rows}:
        goal = max(rounds for entry, rounds in QUEUE if entry == recipe)
        steps = sum(part.steps for part in recipe_named(recipe).rounds[:goal])
        assert sum(row["done"] + row["to_go"] for row in rows if row["recipe"] == recipe) == steps


def test_the_viewer_gets_what_was_asked_for(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import app.view

    asked: list[tuple[Any, ...]] = []

    def open_viewer(*arguments: Any) -> int:
        asked.append(arguments)
        return 0

    monkeypatch.setattr(app.view, "open_viewer", open_viewer)
    code, _, _ = run("view", photo, "--left", "jpeg", "--bpp", "0.5", "--mode", "side")
    assert code == 0
    assert asked == [([photo], "jpeg", None, 0.5, "side", None, None)]
    code, _, errors = run("view", photo, "--left", "gif")
    assert code == 2 and one_line(errors)
    code, _, errors = run("view", photo, "--mode", "sideways")
    assert code == 2 and one_line(errors)
    monkeypatch.setattr(sys, "argv", ["hflic"])
    from app.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0 and len(asked) == 2


def test_faces_gives_the_agreed_json(photo: Path) -> None:
    from matplotlib.cbook import get_sample_data

    hopper = Path(get_sample_data("grace_hopper.jpg", asfileobj=False))
    found = run_json("faces", hopper)["faces"]
    assert len(found) == 1 and found[0].keys() == {"box", "score", "small"}
    left, top, right, bottom = found[0]["box"]
    assert left < 265 < right and top < 210 < bottom, "the box surrounds the nose"
    assert 100 < right - left < 260 and 150 < bottom - top < 320
    code, text, errors = run("faces", hopper)
    assert (code, errors) == (0, "") and "1 face, " in text
    code, text, _ = run("faces", photo)
    assert code == 0 and "0 faces" in text
