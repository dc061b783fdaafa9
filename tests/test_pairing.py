"""Are codecs compared on the same pictures, one by one, and do evaluate and bdrate show it?"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models import evaluation
from models.evaluation import ResultsError, Row, read_rows, write_results
from models.pairing import common_pictures, differences, unequal
from tests.command_line import one_line, run, run_json

RATES = (0.1, 0.2, 0.4, 0.8)


def row(
    codec: str, image: str, bpp: float = 0.25, weights: str | None = None, **metrics: float | None
) -> Row:
    return Row(image, f"digest of {image}", codec, weights, {"bpp": 0.25}, bpp=bpp, metrics=dict(metrics))


def test_means_are_over_the_pictures_that_both_have_a_number_for() -> None:
    rows = [
        row("jpeg", "a", psnr=30.0, lpips=0.2),
        row("jpeg", "b", psnr=20.0, lpips=None),
        row("jpeg", "c", psnr=99.0),
        row("webp", "a", 0.26, psnr=31.0, lpips=0.1),
        row("webp", "b", 0.25, psnr=19.5, lpips=0.4),
        row("webp", "d", psnr=1.0),
    ]
    psnr, lpips = differences(rows, "jpeg", ("psnr", "lpips", "dists"))
    assert (psnr.codec, psnr.metric, psnr.pictures, psnr.better) == ("webp", "psnr", 2, 1)
    assert (psnr.base, psnr.value, psnr.by) == (25.0, 25.25, 0.25)
    assert psnr.percent is None and psnr.bpp_percent == pytest.approx(2)
    assert (lpips.pictures, lpips.better) == (1, 1) and lpips.by == pytest.approx(-0.1)
    assert lpips.percent == pytest.approx(-50) and lpips.bpp_percent == pytest.approx(4)


def test_rates_weights_and_contents_are_kept_apart() -> None:
    rows = [
        row("elic", "a", weights="aaaa", psnr=30.0),
        row("elic", "a", weights="bbbb", psnr=31.0),
        row("jpeg", "a", psnr=25.0),
    ]
    with pytest.raises(ResultsError, match="say which as one of elic@aaaa, elic@bbbb"):
        differences(rows, "elic", ["psnr"])
    found = {(d.codec, d.weights): d.by for d in differences(rows, "elic@aaaa", ["psnr"])}
    assert found == {("elic", "bbbb"): 1.0, ("jpeg", None): -5.0}
    with pytest.raises(ResultsError, match="no codec 'avif' in these results: elic, jpeg"):
        differences(rows, "avif", ["psnr"])
    other = Row("a", "another file", "webp", None, {"bpp": 0.25}, bpp=0.25, metrics={"psnr": 40.0})
    dearer = Row("a", "digest of a", "webp", None, {"bpp": 0.5}, bpp=0.5, metrics={"psnr": 40.0})
    assert differences([rows[2], other, dearer], "jpeg", ["psnr"]) == []


def test_means_over_different_pictures_are_told_and_can_be_made_even() -> None:
    rows = [row("jpeg", name, psnr=30.0) for name in "abc"] + [row("webp", name, psnr=30.0) for name in "ab"]
    assert unequal(rows) == "the means are over different pictures (jpeg 3, webp 2)"
    assert [(r.codec, r.image) for r in common_pictures(rows)] == [
        (c, i) for c in ("jpeg", "webp") for i in "ab"
    ]
    assert unequal(common_pictures(rows)) == ""
    failed = Row("b", "digest of b", "webp", None, {"bpp": 0.25}, error="it failed")
    assert unequal([*rows[:3], rows[3], failed]) == "the means are over different pictures (jpeg 3, webp 1)"
    with pytest.raises(ResultsError, match="no picture has a result of every codec"):
        common_pictures([rows[0], rows[4]])


def results(path: Path, factors: dict[str, float], pictures: dict[str, str] | None = None) -> Path:
    """Curves with the same PSNR everywhere; codecs need `factors` times the bits."""
    rows = [
        Row(image, image, codec, None, {"bpp": rate}, bpp=rate * factor, metrics={"psnr": 26.0 + 3 * at})
        for codec, factor in factors.items()
        for image in (pictures or {}).get(codec, "a")
        for at, rate in enumerate(RATES)
    ]
    write_results(path, rows)
    return path


def test_the_matrix_has_every_codec_against_every_other(tmp_path: Path) -> None:
    path = results(tmp_path / "r.json", {"jpeg": 1.0, "webp": 0.8, "avif": 0.5})
    cells = run_json("bdrate", path, "--matrix")["matrix"]
    found = {(cell["codec"], cell["anchor"]): round(cell["bd_rate"], 6) for cell in cells}
    assert found == {
        ("jpeg", "webp"): 25, ("jpeg", "avif"): 100, ("webp", "jpeg"): -20, ("webp", "avif"): 60,
        ("avif", "jpeg"): -50, ("avif", "webp"): -37.5,
    }  # fmt: skip
    assert all(cell["overlap"] == 1 and cell["points"] == 4 for cell in cells)
    code, text, errors = run("bdrate", path, "--matrix")
    assert code == 0 and "least overlap: 100%" in errors
    assert re.search(r"webp\s+-20\.0\s+0\s+\+60\.0", text)
    code, text, _ = run("bdrate", path, "--matrix", "--markdown")
    lines = text.strip().splitlines()
    assert code == 0 and lines[0].startswith("BD-rate %, psnr (pchip)") and lines[1] == ""
    assert lines[2:] == [
        "| psnr | jpeg | webp | avif |",
        "| --- | ---: | ---: | ---: |",
        "| jpeg | 0 | +25.0 | +100.0 |",
        "| webp | -20.0 | 0 | +60.0 |",
        "| avif | -50.0 | -37.5 | 0 |",
    ]


def test_what_cannot_be_compared_is_a_dash_with_its_reason(tmp_path: Path) -> None:
    path = results(tmp_path / "r.json", {"jpeg": 1.0, "webp": 0.8})
    far = [
        Row("a", "a", "vvc", None, {"bpp": rate}, bpp=rate, metrics={"psnr": 60.0 + rate}) for rate in RATES
    ]
    write_results(path, [*read_rows(path), *far])
    code, text, errors = run("bdrate", path, "--matrix", "--markdown")
    assert code == 0 and "| vvc | - | - | 0 |" in text and "| webp | -20.0 | 0 | - |" in text
    assert "left out: vvc and jpeg have no quality in common" in errors
    cells = run_json("bdrate", path, "--matrix")["matrix"]
    assert sum(cell["bd_rate"] is None and "in common" in cell["reason"] for cell in cells) == 4
    code, text, errors = run("bdrate", results(path, {"jpeg": 1.0}), "--matrix")
    assert code == 2 and text == "" and one_line(errors) and "one codec alone" in errors


def test_bdrate_says_where_pictures_differ_and_counts_common_ones(tmp_path: Path) -> None:
    path = results(tmp_path / "r.json", {"jpeg": 1.0, "webp": 0.8}, {"jpeg": "ab", "webp": "a"})
    hard = [
        Row("b", "b", "jpeg", None, {"bpp": rate}, bpp=rate, metrics={"psnr": 20.0 + 3 * at})
        for at, rate in enumerate(RATES)
    ]
    write_results(path, [r for r in read_rows(path) if r.image == "a"] + hard)
    code, uneven, errors = run("bdrate", path, "--anchor", "jpeg", "--json")
    assert code == 0 and "different pictures (jpeg 2, webp 1); --common" in errors
    assert json.loads(uneven)["results"][0]["bd_rate"] < -40
    code, even, errors = run("bdrate", path, "--anchor", "jpeg", "--json", "--common")
    assert errors == "" and json.loads(even)["results"][0]["bd_rate"] == pytest.approx(-20)
    code, text, _ = run("bdrate", path, "--anchor", "jpeg", "--common", "--markdown")
    assert code == 0 and "| webp | -20.00 | 26..35 | 100 | 4 |" in text


def test_bdrate_counts_the_codecs_that_have_the_metric(tmp_path: Path) -> None:
    path = results(tmp_path / "r.json", {"jpeg": 1.0, "webp": 0.8})
    rows = read_rows(path)
    other = [replace(r, codec="avif", metrics={"psnr_y": 30.0}) for r in rows if r.codec == "jpeg"]
    older = [replace(r, digest="older") for r in rows]
    write_results(path, [*rows, *other])
    for options in ((), ("--common",)):
        code, text, errors = run("bdrate", path, "--anchor", "jpeg", "--json", *options)
        assert code == 0 and errors == "" and json.loads(text)["results"][0]["bd_rate"] == pytest.approx(-20)
    write_results(path, [*rows, *older])
    code, text, errors = run("bdrate", path, "--anchor", "jpeg", "--json")
    assert code == 0 and f"{len(older)} rows are left out" in errors
    assert json.loads(text)["results"][0]["bd_rate"] == pytest.approx(-20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for seed in range(2):
        noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((64, 48), Image.Resampling.BICUBIC).save(
            tmp_path / f"photos/{seed}.png"
        )
    return tmp_path / "photos"


def test_evaluate_shows_how_codecs_differ_from_one(folder: Path, tmp_path: Path) -> None:
    command = ("evaluate", folder, "--codecs", "jpeg,webp", "--qualities", "40", "--metrics",
               "psnr,ms_ssim,psnr_y", "-o", tmp_path / "r.json", "--against", "jpeg")  # fmt: skip
    told = run_json(*command)
    assert told["against"] == "jpeg" and {d["metric"] for d in told["differences"]} == {"psnr", "psnr_y"}
    by_codec = {mean["codec"]: mean for mean in told["averages"]}
    (psnr,) = (d for d in told["differences"] if d["metric"] == "psnr")
    assert psnr["by"] == pytest.approx(by_codec["webp"]["psnr"] - by_codec["jpeg"]["psnr"])
    assert psnr["bpp"] == pytest.approx(by_codec["webp"]["bpp"]) and psnr["pictures"] == 2
    code, text, errors = run(*command, "--markdown")
    assert code == 0 and errors == "" and "| codec | rate | pictures |" in text
    assert "\n\nagainst jpeg at the same wanted rate" in text and re.search(
        r"\| webp \| quality 40 \| psnr \| 2", text
    )
    code, text, errors = run(*command[:-1], "avif")
    assert code == 2 and text == "" and one_line(errors) and "none of the codecs that are measured" in errors


def test_a_mean_over_some_of_the_pictures_says_so(folder: Path, tmp_path: Path) -> None:
    Image.effect_noise((200, 170), 60).convert("RGB").save(folder / "large.png")
    code, _, errors = run("evaluate", folder, "--codecs", "jpeg", "--qualities", "40", "--metrics",
                          "psnr,ms_ssim", "-o", tmp_path / "r.json")  # fmt: skip
    assert (
        code == 0
        and errors.strip() == "ms_ssim is defined on 1 of 3 pictures; its means and curves are over those"
    )


def test_finished_rows_of_other_files_count_and_are_not_done_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = ("evaluate", folder, "--qualities", "40", "--metrics", "psnr", "--codecs")
    for codec in ("jpeg", "webp"):
        run_json(*base, codec, "-o", tmp_path / f"{codec}.json")
    before = read_rows(tmp_path / "jpeg.json") + read_rows(tmp_path / "webp.json")

    def never(task: evaluation.Task) -> Row:
        raise AssertionError(f"{task.codec} is done again")

    monkeypatch.setattr(evaluation, "run", never)
    reused = [part for codec in ("jpeg", "webp") for part in ("--reuse", tmp_path / f"{codec}.json")]
    run_json(*base, "jpeg,webp", "-o", tmp_path / "all.json", *reused)
    key = lambda row: row.key  # noqa: E731
    assert sorted(read_rows(tmp_path / "all.json"), key=key) == sorted(before, key=key)
    run_json(*base, "webp", "-o", tmp_path / "one.json", *reused)
    assert {r.codec for r in read_rows(tmp_path / "one.json")} == {"webp"}, "nobody asked for the others"
    code, _, errors = run(*base, "webp", "-o", tmp_path / "no.json", "--reuse", folder / "0.png")
    assert code == 2 and one_line(errors) and "is not a result file" in errors
