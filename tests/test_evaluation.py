import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from app.cli import app
from models import codec as codecs
from models import evaluation
from models.codec import Rate
from models.curves import curves, export_compressai
from models.errors import CodecError, OutputError, PictureError
from models.evaluation import ResultsError, Row, Step, Task, averages, evaluate, plan, read_rows
from models.metrics import compute
from models.picture import Picture
from models.realism import decoder_of

QUALITIES = (Rate(quality=20), Rate(quality=60))


def photo(path: Path, seed: int, width: int = 96, height: int = 64) -> Path:
    """Smooth shapes with some grain, so that codecs have something to do."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float64)
    noisy = np.clip(pixels + random.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(noisy).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, name in enumerate(["a.png", "b.png", "sub/c.png"]):
        photo(tmp_path / "photos" / name, index)
    return tmp_path / "photos"


def tasks_of(folder: Path, metrics: tuple[str, ...] = ("psnr",)) -> list[Task]:
    return plan(folder, ["jpeg", "webp"], QUALITIES, metrics)


def without_times(rows: list[Row]) -> list[dict[str, object]]:
    return [{k: v for k, v in row.as_json().items() if k not in ("encode_s", "decode_s")} for row in rows]


def test_rows_come_from_real_files_in_the_order_of_pictures_codecs_and_rates(
    folder: Path, tmp_path: Path
) -> None:
    rows = evaluate(tasks_of(folder), tmp_path / "r.json")
    assert [(r.image, r.codec, r.rate["quality"]) for r in rows] == [
        (image, codec, quality)
        for image in ("a.png", "b.png", "sub/c.png")
        for codec in ("jpeg", "webp")
        for quality in (20, 60)
    ]
    first = rows[0]
    assert first.bytes is not None and first.bpp == pytest.approx(8 * first.bytes / (96 * 64))
    psnr = first.metrics["psnr"]
    assert psnr is not None and 15 < psnr < 60
    assert first.encode_s is not None and first.encode_s > 0


def test_psnr_is_that_of_the_decoded_file(folder: Path, tmp_path: Path) -> None:
    from models import codec
    from models.picture import Picture

    (row, *_) = evaluate(tasks_of(folder), tmp_path / "r.json")
    picture = Picture.open(folder / "a.png")
    encoding = codec.get("jpeg").encode(picture, Rate(quality=20))
    decoded = codec.get("jpeg").decode(encoding.data)
    mse = np.square(picture.pixels.astype(float) - decoded.pixels.astype(float)).mean()
    assert row.metrics["psnr"] == pytest.approx(10 * np.log10(255**2 / mse), abs=1e-4)


def test_averages_are_means_over_pictures(folder: Path, tmp_path: Path) -> None:
    rows = evaluate(tasks_of(folder), tmp_path / "r.json")
    means = averages(rows)
    assert [(m.codec, m.rate["quality"], m.images, m.failed) for m in means] == [
        ("jpeg", 20, 3, 0),
        ("jpeg", 60, 3, 0),
        ("webp", 20, 3, 0),
        ("webp", 60, 3, 0),
    ]
    mine = [row for row in rows if row.codec == "webp" and row.rate["quality"] == 60]
    assert means[3].bpp == pytest.approx(np.mean([row.bpp for row in mine]))
    assert means[3].metrics["psnr"] == pytest.approx(np.mean([row.metrics["psnr"] for row in mine]))


def test_missing_numbers_are_left_out_of_means() -> None:
    base = Row("a", "0", "jpeg", None, {"bpp": 0.1}, bpp=0.1, metrics={"psnr": 30.0, "ms_ssim": None})
    other = Row("b", "0", "jpeg", None, {"bpp": 0.1}, bpp=0.3, metrics={"psnr": None, "ms_ssim": None})
    broken = Row("c", "0", "jpeg", None, {"bpp": 0.1}, error="broken")
    (mean,) = averages([base, other, broken])
    assert (mean.images, mean.failed, mean.bpp) == (2, 1, pytest.approx(0.2))
    assert mean.metrics == {"psnr": 30.0, "ms_ssim": None}


def test_finished_rows_are_kept_and_only_new_work_is_done(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "r.json"
    before = evaluate(plan(folder, ["jpeg"], QUALITIES[:1], ("psnr",)), out)
    done: list[tuple[str, str, float]] = []
    real = evaluation.run

    def counting(task: Task) -> Row:
        done.append((task.image, task.codec, task.rate.quality or 0))
        return real(task)

    monkeypatch.setattr(evaluation, "run", counting)
    rows = evaluate(tasks_of(folder), out)
    assert len(rows) == 12 and len(done) == 9
    assert ("a.png", "jpeg", 20) not in done
    assert rows[0] == before[0]
    done.clear()
    assert evaluate(tasks_of(folder), out) == rows
    assert done == []
    photo(folder / "a.png", 99)
    evaluate(tasks_of(folder), out)
    assert len(done) == 4, "a picture that changed is measured again"


def test_decoded_pictures_are_kept_where_asked_and_made_again_where_missing(
    folder: Path, tmp_path: Path
) -> None:
    from models.picture import Picture

    out, kept = tmp_path / "r.json", tmp_path / "decoded"
    Image.open(folder / "b.png").save(folder / "b.bmp")
    rows = evaluate(plan(folder, ["jpeg"], QUALITIES[:1], ("psnr",), kept), out)
    names = ["a.png", "b.bmp.png", "b.png", "sub/c.png"]
    files = sorted(p.relative_to(kept).as_posix() for p in kept.rglob("*.png"))
    assert files == [f"jpeg/quality-20/{name}" for name in names]
    for row, name in zip(rows, names, strict=True):
        decoded = Picture.open(kept / "jpeg" / "quality-20" / name)
        assert compute("psnr", Picture.open(folder / row.image), decoded) == row.metrics["psnr"]
    (kept / files[0]).unlink()
    evaluate(plan(folder, ["jpeg"], QUALITIES[:1], ("psnr",), kept), out)
    assert (kept / files[0]).is_file()


def test_another_metric_is_added_to_what_is_there(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    evaluate(plan(folder, ["jpeg"], QUALITIES[:1], ("psnr",)), out)
    rows = evaluate(plan(folder, ["jpeg"], QUALITIES[:1], ("psnr_y",)), out)
    assert all(row.metrics.keys() == {"psnr", "psnr_y"} for row in rows)


def test_what_was_measured_stays_until_something_measured_takes_its_place(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "r.json"
    before = evaluate(plan(folder, ["jpeg"], QUALITIES, ("psnr",)), out)
    more = plan(folder, ["jpeg"], QUALITIES, ("psnr", "psnr_y"))

    def stopped(task: Task) -> Row:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        evaluate(more, out)
    assert read_rows(out) == before
    failing = lambda task: Row(task.image, task.digest, task.codec, None, {"quality": 20}, error="no memory")  # noqa: E731
    monkeypatch.setattr(evaluation, "run", failing)
    told = evaluate([task for task in more if task.rate == QUALITIES[0]], out)
    assert all(row.error == "no memory" for row in told)
    assert sorted(read_rows(out), key=lambda r: r.key) == sorted(before, key=lambda r: r.key)


def test_a_measured_row_of_another_file_counts_more_than_a_failed_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = plan(folder, ["jpeg"], QUALITIES[:1], ("psnr",))
    good = evaluate(tasks, tmp_path / "elsewhere.json")
    bad = [Row(r.image, r.digest, r.codec, r.weights, r.rate, error="no memory") for r in good]
    evaluation.write_results(tmp_path / "r.json", [*bad[:2], replace(good[2], metrics={"psnr_y": 1.0})])
    monkeypatch.setattr(evaluation, "run", lambda task: replace(good[2], metrics={"psnr": 2.0}))
    rows = evaluate(tasks, tmp_path / "r.json", reuse=good)
    assert rows[:2] == good[:2]
    assert rows[2].metrics == {"psnr": 2.0, "psnr_y": 1.0}  # the own one has what the other lacks


def test_weights_that_were_replaced_meanwhile_make_no_row_of_the_old_ones(folder: Path) -> None:
    (task, *_) = plan(folder, ["jpeg"], QUALITIES[:1], ("psnr",))
    row = evaluation.run(replace(task, weights="12345678"))
    assert "planned with the weights 12345678" in row.error and row.bpp is None and row.weights == "12345678"


def test_rows_name_all_weights_that_a_codec_has() -> None:
    plain, realistic = codecs.get("hflic-mse"), codecs.get("hflic-mse+1")
    decoder = decoder_of(plain)
    assert decoder is not None
    assert codecs.behind(plain) == plain.weights == codecs.behind(codecs.get("hflic-mse~5"))
    assert codecs.behind(realistic) == f"{plain.weights}+{decoder.fingerprint[:8]}"
    assert codecs.behind(codecs.get("hflic-mse~5+1")) == codecs.behind(realistic)
    assert codecs.behind(codecs.get("hflic-mse+0")) == plain.weights
    assert codecs.behind(codecs.get("jpeg")) is None


def test_a_picture_that_was_replaced_counts_once(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    evaluate(plan(folder, ["jpeg"], QUALITIES[:1], ("psnr",)), out)
    photo(folder / "a.png", 99)
    rows = evaluate(plan(folder, ["jpeg"], QUALITIES[:1], ("psnr",)), out)
    assert len(read_rows(out)) == 4
    assert averages(read_rows(out)) == averages(rows) and averages(rows)[0].images == 3


def test_the_rate_of_a_curve_is_that_of_the_pictures_that_have_the_metric(tmp_path: Path) -> None:
    rows = [
        Row(
            "a", "a", "jpeg", None, {"bpp": r}, bpp=r, metrics={"psnr": 20 + 9 * r, "psnr_small_faces": 9 * r}
        )
        for r in (0.1, 0.2, 0.4)
    ]
    rows += [
        replace(
            row,
            image="b",
            digest="b",
            bpp=3 * (row.bpp or 0),
            metrics={"psnr": 30.0, "psnr_small_faces": None},
        )
        for row in rows
    ]
    means = averages(rows)
    assert [m.bpp for m in means] == pytest.approx([0.2, 0.4, 0.8])
    assert means[0].over == {"psnr_small_faces": (1, 0.1)} and "over" not in means[0].as_json()
    (curve,) = curves(means, "psnr_small_faces")
    assert curve.bpp == pytest.approx((0.1, 0.2, 0.4))
    assert curves(means, "psnr")[0].bpp == pytest.approx((0.2, 0.4, 0.8))
    (file,) = export_compressai(means, tmp_path)
    assert set(json.loads(file.read_text())["results"]) == {
        "bpp",
        "psnr-rgb",
        "encoding_time",
        "decoding_time",
    }
    write = evaluation.write_results
    write(tmp_path / "r.json", rows + [replace(row, codec="webp") for row in rows if row.image == "a"])
    hints = CliRunner().invoke(
        app, ["bdrate", str(tmp_path / "r.json"), "--anchor", "jpeg", "--metric", "psnr_small_faces"]
    )
    assert hints.exit_code == 2 and "different pictures" not in hints.output  # three points, the same picture


def test_what_an_evaluation_makes_is_no_picture_of_its_folder(folder: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    options = ("--codecs", "jpeg", "--qualities", "20", "--metrics", "psnr", "-o", str(tmp_path / "r.json"))
    made = ("--plot", str(folder / "rd.png"), "--decoded", str(folder / "decoded"))
    command = ["evaluate", str(folder), *options, *made]
    for _ in range(2):
        assert runner.invoke(app, command).exit_code == 0
        assert len(read_rows(tmp_path / "r.json")) == 3
    assert len(plan(folder, ["jpeg"], QUALITIES[:1], ("psnr",), folder)) == 4, "with the figure"
    with pytest.raises(PictureError, match="holds no picture"):
        plan(folder / "decoded", ["jpeg"], QUALITIES, ("psnr",), folder / "decoded")


def test_rows_of_other_runs_stay_in_the_file(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    evaluate(plan(folder, ["jpeg"], QUALITIES, ("psnr",)), out)
    evaluate(plan(folder, ["webp"], QUALITIES, ("psnr",)), out)
    assert [row.codec for row in read_rows(out)] == ["webp"] * 6 + ["jpeg"] * 6


def test_two_processes_give_the_same_rows_in_the_same_order(folder: Path, tmp_path: Path) -> None:
    alone = evaluate(tasks_of(folder), tmp_path / "one.json")
    together = evaluate(tasks_of(folder), tmp_path / "two.json", jobs=2)
    assert without_times(together) == without_times(alone)
    assert read_rows(tmp_path / "two.json") == together


def test_an_unreadable_picture_is_a_failed_row_and_is_tried_again(folder: Path, tmp_path: Path) -> None:
    good = (folder / "b.png").read_bytes()
    (folder / "b.png").write_bytes(good[: len(good) // 2])
    rows = evaluate(tasks_of(folder), tmp_path / "r.json")
    assert [bool(row.error) for row in rows] == [False] * 4 + [True] * 4 + [False] * 4
    assert "b.png" in rows[4].error and rows[4].bpp is None
    assert [mean.failed for mean in averages(rows)] == [1] * 4
    (folder / "b.png").write_bytes(good)
    assert not any(row.error for row in evaluate(tasks_of(folder), tmp_path / "r.json"))


def test_killed_in_the_middle_it_goes_on_where_it_stopped(folder: Path, tmp_path: Path) -> None:
    for index in range(40):
        photo(folder / f"more{index}.png", index + 10, 480, 320)
    out = tmp_path / "r.json"
    script = (
        "import sys; from pathlib import Path; from models.codec import Rate; import models.evaluation as e;"
        "tasks = e.plan(Path(sys.argv[1]), ['jpeg', 'webp'], [Rate(quality=q) for q in (20, 60)], ('psnr',));"
        "e.evaluate(tasks, Path(sys.argv[2]))"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(folder), str(out)])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not out.exists() or len(read_rows(out)) < 4):
        time.sleep(0.02)
    process.kill()
    process.wait()
    survived = {row.key: row for row in read_rows(out)}
    tasks = tasks_of(folder)
    assert 4 <= len(survived) < len(tasks), "the run was to be killed in its middle"
    rows = {row.key: row for row in evaluate(tasks, out)}
    assert len(rows) == len(tasks)
    assert all(rows[key] == row for key, row in survived.items()), "finished rows keep even their times"


def test_interruption_writes_what_is_finished(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "WRITING_SHARE", 1e-9)

    def stop(step: Step) -> None:
        if step.done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(tasks_of(folder), tmp_path / "r.json", report=stop)
    assert len(read_rows(tmp_path / "r.json")) == 5


def test_progress_counts_and_estimates(folder: Path, tmp_path: Path) -> None:
    steps: list[Step] = []
    evaluate(tasks_of(folder)[:4], tmp_path / "r.json")
    evaluate(tasks_of(folder), tmp_path / "r.json", report=steps.append)
    assert [step.done for step in steps] == list(range(4, 13))
    assert (steps[0].kept, steps[0].total, steps[0].seconds_left) == (4, 12, None)
    assert steps[-1].seconds_left == 0


def test_what_is_no_result_file_is_left_alone(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    out.write_text('{"mine": 1}')
    with pytest.raises(ResultsError, match=r"r\.json is not a result file"):
        evaluate(tasks_of(folder), out)
    assert out.read_text() == '{"mine": 1}'
    with pytest.raises(OutputError, match="does not exist"):
        evaluate(tasks_of(folder), tmp_path / "none" / "r.json")


def test_folders_without_pictures_and_unknown_codecs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(PictureError, match="holds no picture"):
        plan(tmp_path, ["jpeg"], QUALITIES, ())
    with pytest.raises(PictureError, match="is not a folder"):
        plan(tmp_path / "notes.txt", ["jpeg"], QUALITIES, ())
    with pytest.raises(CodecError, match="there is no codec 'gif'"):
        plan(tmp_path, ["gif"], QUALITIES, ())


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_command_writes_results_figures_and_compressai_files(folder: Path, tmp_path: Path) -> None:
    out, figure, export = tmp_path / "r.json", tmp_path / "rd.svg", tmp_path / "export"
    code, _, errors = run(
        folder, "--codecs", "jpeg,webp", "--qualities", "20,40,60,80", "--metrics", "psnr", "-o", out,
        "--plot", figure, "--published", "kodak", "--compressai", export,
    )  # fmt: skip
    assert code == 0, errors
    value = json.loads(out.read_text())
    assert len(value["results"]) == 24 and len(value["averages"]) == 8
    assert {"image", "codec", "weights", "quality", "width", "height", "bytes", "bpp", "psnr"} <= value[
        "results"
    ][0].keys()
    text = figure.read_text()
    assert all(word in text for word in ("jpeg", "webp", "bits per pixel", "PSNR", "published, kodak"))
    assert sorted(p.name for p in export.iterdir()) == ["jpeg.json", "webp.json"]
    result = CliRunner().invoke(app, ["bdrate", str(out), "--anchor", "jpeg", "--json"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["results"][0]["codec"] == "webp"


def test_command_prints_averages_as_json_and_reaches_target_rates(folder: Path, tmp_path: Path) -> None:
    code, text, errors = run(
        folder,
        "--codecs",
        "webp",
        "--rates",
        "1.5,3",
        "--metrics",
        "psnr",
        "-o",
        tmp_path / "r.json",
        "--json",
    )
    assert code == 0, errors
    means = json.loads(text)["averages"]
    assert [mean["rate"] for mean in means] == [{"bpp": 1.5}, {"bpp": 3.0}]
    assert [mean["bpp"] for mean in means] == pytest.approx([1.5, 3.0], rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--codecs", "jpeg", "--rates", "a,b"], 2, "--rates takes numbers"),
        (["--codecs", "jpeg", "--rates", "-1"], 2, "above zero"),
        (["--codecs", "jpeg,gif"], 2, "no codec 'gif'"),
        (["--codecs", ","], 2, "at least one codec"),
        (["--codecs", "jpeg", "--metrics", "beauty"], 2, "no metric 'beauty'"),
        (["--codecs", "jpeg", "--published", "kodak"], 2, "--plot"),
        (["--codecs", "jpeg", "--plot", "rd.docx"], 2, ".png, .svg, .pdf"),
        (["--codecs", "jpeg", "--jobs", "0"], 2, "--jobs"),
        ([], 2, "--codecs"),
    ],
)
def test_command_refuses_in_one_line_before_any_work(
    folder: Path, tmp_path: Path, arguments: list[str], code: int, text: str
) -> None:
    out = tmp_path / "r.json"
    found, printed, errors = run(folder, *arguments, "-o", out)
    assert (found, printed) == (code, "")
    assert text in errors and errors.count("\n") == 1
    assert not out.exists()


def test_command_says_which_rows_failed(folder: Path, tmp_path: Path) -> None:
    (folder / "b.png").write_text("no picture")
    code, text, errors = run(
        folder, "--codecs", "jpeg", "--qualities", "20", "--metrics", "psnr", "-o", tmp_path / "r.json"
    )
    assert code == 1
    assert "jpeg" in text
    assert "1 of 3 rows failed" in errors and "b.png" in errors and errors.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_ctrl_c_with_two_processes_exits_with_130_and_keeps_rows(folder: Path, tmp_path: Path) -> None:
    for index in range(60):
        photo(folder / f"more{index}.png", index + 10, 480, 320)
    out = tmp_path / "r.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "evaluate", str(folder), "--codecs", "webp", "--rates", "0.5,1,2",
         "--metrics", "psnr", "-o", str(out), "--jobs", "2"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not out.exists() or len(read_rows(out)) < 2):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.strip() == ""
    assert 2 <= len(read_rows(out)) < 63 * 3


def test_a_folder_that_cannot_be_made_is_a_failed_row_and_the_rest_goes_on(
    folder: Path, tmp_path: Path
) -> None:
    keep = tmp_path / "kept"
    keep.mkdir()
    (keep / "jpeg").write_text("a file where a folder is wanted")
    rows = evaluate(plan(folder, ["jpeg", "webp"], QUALITIES, (), keep), tmp_path / "r.json")
    assert all("cannot make the folder" in row.error for row in rows if row.codec == "jpeg")
    assert not any(row.error for row in rows if row.codec == "webp")


# What must not mix: originals and decoded pictures, outputs, two runs, workers and pictures that fail


def test_decoded_pictures_are_no_originals_whichever_codec_made_them(folder: Path, tmp_path: Path) -> None:
    keep = folder / "decoded"
    images = {task.image for task in tasks_of(folder)}
    evaluate(plan(folder, ["jpeg"], QUALITIES, ("psnr",), keep), tmp_path / "r.json")
    assert {task.image for task in plan(folder, ["webp"], QUALITIES, ("psnr",), keep)} == images
    assert {task.image for task in tasks_of(folder)} == images
    assert evaluation.pictures_of(folder) == sorted(images)
    assert evaluation.pictures_of(keep / "jpeg" / "quality-20") == sorted(images), "for FID they are pictures"


def test_folders_links_and_hidden_places_are_no_pictures(folder: Path, tmp_path: Path) -> None:
    images = evaluation.pictures_of(folder)
    (folder / "x.png").mkdir()
    (folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
    photo(folder / ".thumbnails" / "a.png", 7)
    assert evaluation.pictures_of(folder) == images
    assert len(evaluate(plan(folder, ["jpeg"], QUALITIES[:1], ("psnr",)), tmp_path / "r.json")) == len(images)


def test_a_picture_that_vanishes_is_a_failed_row(folder: Path, tmp_path: Path) -> None:
    tasks = plan(folder, ["jpeg"], QUALITIES[:1], ("psnr",))
    (folder / "b.png").unlink()
    rows = evaluate(tasks, tmp_path / "r.json")
    assert [bool(row.error) for row in rows] == [False, True, False]


@pytest.mark.parametrize("option", ["--plot", "--compressai"])
def test_no_output_is_written_over_the_results(folder: Path, tmp_path: Path, option: str) -> None:
    out = tmp_path / ("r.svg" if option == "--plot" else "jpeg.json")
    evaluate(plan(folder, ["jpeg"], QUALITIES, ("psnr",)), out)
    other = str(out if option == "--plot" else tmp_path)
    words = ["evaluate", str(folder), "--codecs", "jpeg", "--qualities", "20,60", "--metrics", "psnr"]
    made = CliRunner().invoke(app, [*words, "-o", str(out), option, other])
    assert made.exit_code == 2
    assert len(read_rows(out)) == 6


def test_one_evaluation_at_a_time_writes_a_file(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    refusals: list[str] = []

    def meanwhile(_: Step) -> None:
        if not refusals:
            with pytest.raises(ResultsError) as refused:
                evaluate(plan(folder, ["webp"], QUALITIES, ("psnr",)), out)
            refusals.append(str(refused.value))

    evaluate(plan(folder, ["jpeg"], QUALITIES, ("psnr",)), out, report=meanwhile)
    assert "another evaluation writes" in refusals[0]
    evaluate(plan(folder, ["webp"], QUALITIES, ("psnr",)), out)
    assert len(read_rows(out)) == 12
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["r.json"]


def test_a_metric_that_is_not_installed_is_measured_later(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = plan(folder, ["jpeg"], QUALITIES[:1], ("psnr",))
    with monkeypatch.context() as patch:
        patch.setattr("models.metrics.missing", lambda name: f"{name} needs a package")
        rows = evaluate(tasks, tmp_path / "r.json")
    assert all(row.error == "psnr needs a package" for row in rows)
    assert all(row.metrics["psnr"] for row in evaluate(tasks, tmp_path / "r.json"))


def test_a_library_that_fails_costs_one_row(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = compute
    seen: list[str] = []

    def fails(name: str, *pictures: Picture) -> float:
        seen.append(name)
        if len(seen) == 2:
            raise RuntimeError("not enough memory\nand many more lines")
        return real(name, *pictures)

    monkeypatch.setattr("models.metrics.compute", fails)
    rows = evaluate(plan(folder, ["jpeg"], QUALITIES[:1], ("psnr",)), tmp_path / "r.json")
    assert [row.error for row in rows] == ["", "RuntimeError: not enough memory", ""]


def test_kept_pictures_are_those_of_the_rows(tmp_path: Path) -> None:
    keep, tasks = tmp_path / "decoded", {}
    for name, grey in (("A", 20), ("B", 220)):
        (tmp_path / name).mkdir()
        Image.new("RGB", (32, 32), (grey,) * 3).save(tmp_path / name / "p.png")
        tasks[name] = plan(tmp_path / name, ["jpeg"], QUALITIES[1:], ("psnr",), keep)
    for name, grey in (("A", 20), ("B", 220), ("A", 20)):
        evaluate(tasks[name], tmp_path / f"{name}.json")
        kept = tasks[name][0].kept
        assert kept is not None
        assert abs(Image.open(kept).getpixel((0, 0))[0] - grey) < 3  # type: ignore[index,operator]


def test_two_pictures_are_never_kept_under_one_name(tmp_path: Path) -> None:
    for index, name in enumerate(["a.jpg", "a.jpg.png"]):
        photo(tmp_path / "photos" / name, index)
    with pytest.raises(PictureError, match=r"a\.jpg and a\.jpg\.png would be kept as one"):
        plan(tmp_path / "photos", ["jpeg"], QUALITIES, ("psnr",), tmp_path / "decoded")


@pytest.mark.parametrize("rate", [{"bpp": 1e306}, {"bytes": 10**400}, {"bpp": float("inf")}])
def test_no_codec_is_asked_for_more_than_there_is(rate: dict[str, float]) -> None:
    with pytest.raises(CodecError, match="must be"):
        Rate(**rate)  # type: ignore[arg-type]
