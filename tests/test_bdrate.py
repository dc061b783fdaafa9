import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from models import published
from models.curves import DECIBEL, LOWER, Curve, CurveError, Method, bd_rate, curves, export_compressai
from models.evaluation import ResultsError, Row, averages, write_results

RATES = (0.1, 0.2, 0.4, 0.8, 1.6)
PSNR = (26.0, 28.5, 31.0, 34.0, 37.0)


def curve(codec: str = "test", factor: float = 1.0, values: tuple[float, ...] = PSNR) -> Curve:
    return Curve(codec, None, tuple(rate * factor for rate in RATES[: len(values)]), values)


def row(codec: str, bpp: float, **metrics: float | None) -> Row:
    return Row(
        image="a.png",
        digest="0",
        codec=codec,
        weights=None,
        rate={"bpp": bpp},
        bpp=bpp,
        encode_s=0.5,
        decode_s=0.25,
        metrics=dict(metrics),
    )


def results_file(tmp_path: Path, *found: Curve, metric: str = "psnr") -> Path:
    path = tmp_path / "results.json"
    rows = [row(c.codec, b, **{metric: v}) for c in found for b, v in zip(c.bpp, c.values, strict=True)]
    write_results(path, rows)
    return path


@pytest.mark.parametrize("method", ["pchip", "akima"])
@pytest.mark.parametrize("percent", [-20.0, 0.0, 25.0])
def test_shifting_every_rate_by_a_share_gives_that_share(method: Method, percent: float) -> None:
    delta = bd_rate(curve("anchor"), curve(factor=1 + percent / 100), method=method)
    assert delta.percent == pytest.approx(percent, abs=1e-9)
    assert (delta.low, delta.high, delta.overlap) == (26.0, 37.0, 1.0)


def test_interpolation_runs_over_the_logarithm_of_the_rate() -> None:
    # Both curves are straight in log rate. The test needs 2^0 times the bits at the lower end of the
    # common range and 2^1 times at the upper end: the mean exponent is 1/2.
    anchor = Curve("anchor", None, (1, 2, 4, 8), (30, 31, 32, 33))
    test = Curve("test", None, (1, 2**4 / 3**0, 2**8 / 1, 2**12), (30, 33, 36, 39))
    delta = bd_rate(anchor, test)
    # At quality 30 + q: anchor 2^q, test 2^(4q/3); the mean of q/3 over 0..3 is 1/2.
    assert delta.percent == pytest.approx(100 * (2**0.5 - 1))


def test_known_published_deltas_come_out() -> None:
    """The numbers of the field's tables (VTM as anchor), computed elsewhere."""
    known = {
        "jpeg2000": 98.0,
        "webp": 78.8,
        "bpg-444-x265-ycbcr": 22.0,
        "av1": 16.2,
        "elic": -7.4,
        "lalic": -15.3,
    }
    kodak = {c.id: Curve(c.id, None, c.bpp, c.psnr) for c in published.load("kodak")}
    found = {id: bd_rate(kodak["vtm"], kodak[id]).percent for id in known}
    assert found == pytest.approx(known, abs=0.1)


def test_less_is_better_metrics_are_turned_round() -> None:
    lpips = (0.4, 0.3, 0.2, 0.1, 0.05)
    delta = bd_rate(curve("anchor", values=lpips), curve(factor=0.5, values=lpips), LOWER)
    assert delta.percent == pytest.approx(-50)
    assert (delta.low, delta.high) == (0.05, 0.4)


def test_similarities_are_compared_in_decibels() -> None:
    similarity = (0.9, 0.95, 0.975, 0.99, 0.999)
    delta = bd_rate(curve("anchor", values=similarity), curve(factor=0.8, values=similarity), DECIBEL)
    assert delta.percent == pytest.approx(-20)
    assert (delta.low, delta.high) == (pytest.approx(0.9), pytest.approx(0.999))
    assert DECIBEL.quality(0.99) == pytest.approx(20)


def test_only_the_common_range_counts_and_is_stated() -> None:
    higher = Curve("test", None, RATES, tuple(value + 5.5 for value in PSNR))
    delta = bd_rate(curve("anchor"), higher)
    assert (delta.low, delta.high) == (31.5, 37.0)
    assert delta.overlap == pytest.approx(5.5 / 16.5)


def test_a_point_worse_than_a_cheaper_one_is_left_out() -> None:
    bent = Curve("test", None, (*RATES, 1.7), (*PSNR, 36.0))
    delta = bd_rate(curve("anchor"), bent)
    assert delta.percent == pytest.approx(0)
    assert (delta.points, delta.left_out) == (5, 1)


def test_order_and_repetition_of_points_do_not_matter() -> None:
    shuffled = Curve("test", None, (1.6, 0.1, 0.8, 0.2, 0.4, 0.4), (37.0, 26.0, 34.0, 28.5, 31.0, 31.0))
    assert bd_rate(curve("anchor"), shuffled).percent == pytest.approx(0)


def test_too_few_points_are_refused() -> None:
    with pytest.raises(CurveError, match="short has 3 usable points"):
        bd_rate(curve("anchor"), curve("short", values=PSNR[:3]))


def test_curves_without_common_quality_are_refused() -> None:
    better = Curve("better", None, RATES, tuple(value + 20 for value in PSNR))
    with pytest.raises(CurveError, match="better is better at every point"):
        bd_rate(curve("anchor"), better)


def test_a_metric_that_was_not_measured_is_named() -> None:
    with pytest.raises(ResultsError, match="no lpips: they have psnr"):
        curves(averages([row("jpeg", 0.1, psnr=30.0)]), "lpips")


def test_command_prints_the_agreed_json(tmp_path: Path) -> None:
    path = results_file(tmp_path, curve("jpeg"), curve("webp", 0.8), curve("avif", 0.5))
    result = CliRunner().invoke(app, ["bdrate", str(path), "--anchor", "jpeg", "--json"])
    assert result.exit_code == 0, result.stderr
    value = json.loads(result.stdout)
    assert (value["anchor"], value["metric"]) == ("jpeg", "psnr")
    assert {line["codec"]: round(line["bd_rate"], 6) for line in value["results"]} == {
        "webp": -20,
        "avif": -50,
    }


def test_command_shows_a_table_and_says_what_it_left_out(tmp_path: Path) -> None:
    path = results_file(tmp_path, curve("jpeg"), curve("webp", 0.8), curve("avif", values=PSNR[:2]))
    result = CliRunner().invoke(app, ["bdrate", str(path), "--anchor", "jpeg", "--method", "akima"])
    assert result.exit_code == 0
    assert re.search(r"webp\s+-20\.00\s+26\.\.37\s+100", result.stdout)
    assert "left out: avif has 2 usable points" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--anchor", "jxl"], "no codec 'jxl'"),
        (["--anchor", "jpeg"], "have no quality in common"),
        (["--anchor", "jpeg", "--metric", "beauty"], "no metric 'beauty'"),
        (["--anchor", "jpeg", "--metric", "lpips"], "have no lpips"),
        (["--anchor", "jpeg", "--method", "cubic"], "cubic"),
        ([], "either --anchor"),
        (["--anchor", "jpeg", "--matrix"], "either --anchor"),
        (["--matrix"], "webp is better at every point"),
    ],
)
def test_command_refuses_in_one_line(tmp_path: Path, arguments: list[str], text: str) -> None:
    far = Curve("webp", None, RATES, tuple(value + 20 for value in PSNR))
    path = results_file(tmp_path, curve("jpeg"), far)
    result = CliRunner().invoke(app, ["bdrate", str(path), *arguments])
    assert result.exit_code == 2
    assert text in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_several_weights_of_a_codec_must_be_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    rows = [
        Row("a.png", "0", "elic", weights, {"bpp": b}, bpp=b * factor, metrics={"psnr": v})
        for weights, factor in (("aaaa", 1.0), ("bbbb", 0.9))
        for b, v in zip(RATES, PSNR, strict=True)
    ]
    write_results(path, rows)
    result = CliRunner().invoke(app, ["bdrate", str(path), "--anchor", "elic"])
    assert result.exit_code == 2
    assert "elic@aaaa, elic@bbbb" in result.stderr
    result = CliRunner().invoke(app, ["bdrate", str(path), "--anchor", "elic@aaaa", "--json"])
    assert json.loads(result.stdout)["results"][0]["bd_rate"] == pytest.approx(-10)


def test_compressai_reads_the_export(tmp_path: Path) -> None:
    from compressai.utils.plot.__main__ import parse_json_file

    rows = [row("jpeg", b, psnr=v, ms_ssim=0.9) for b, v in zip(RATES, PSNR, strict=True)]
    (path,) = export_compressai(averages(reversed(rows)), tmp_path)
    assert json.loads(path.read_text())["results"]["encoding_time"] == [0.5] * len(RATES)
    read = parse_json_file(path, "psnr")
    assert (read["name"], tuple(read["xs"]), tuple(read["ys"])) == ("jpeg", RATES, PSNR)
    assert parse_json_file(path, "ms-ssim")["ys"] == pytest.approx([10.0] * len(RATES))


def test_published_curves_have_sources_and_rise() -> None:
    loaded = published.load("kodak")
    assert len(loaded) == 46
    for line in loaded:
        assert line.source and line.name
        assert len(line.bpp) == len(line.psnr)
        assert all(a <= b for a, b in zip(line.bpp, line.bpp[1:], strict=False)), line.id
        assert all(20 < value < 60 for value in line.psnr), line.id


def test_published_curves_are_chosen_by_name() -> None:
    assert [c.id for c in published.chosen("kodak")] == list(published.USUAL)
    assert [c.id for c in published.chosen("kodak:vtm,elic")] == ["vtm", "elic"]
    with pytest.raises(published.PublishedError, match="no published curve 'xyz'"):
        published.chosen("kodak:xyz")
    with pytest.raises(published.PublishedError, match="choose kodak"):
        published.chosen("moon")
