import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from models import bench
from models.errors import CodecError, PictureError, WorkerError


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["bench", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("size", [(768, 512), (100, 900), (1500, 40), (1, 1)])
def test_the_picture_has_any_size_and_detail(size: tuple[int, int]) -> None:
    picture = bench.bench_picture(*size)
    assert (picture.width, picture.height) == size
    if min(size) > 1:
        assert picture.pixels.std() > 20
    assert bench.bench_picture(*size).digest == picture.digest


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(PictureError, match="no pixels"):
        bench.bench_picture(0, 5)


def test_peak_memory_follows_what_was_held_at_most() -> None:
    script = (
        "import numpy as np; from models.memory import peak_mib as peak; a = peak();"
        "held = np.ones(200 << 20, np.uint8); del held; print(a, peak())"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, after = map(float, found.stdout.split())
    assert 10 < before < 500
    assert after - before == pytest.approx(200, abs=20)


def test_a_codec_is_measured_in_its_own_process() -> None:
    begin = time.perf_counter()
    row = bench.bench("webp", (192, 128), quality=40, repeats=3, threads=1)
    took = time.perf_counter() - begin
    assert (row.codec, row.width, row.height, row.quality, row.threads) == ("webp", 192, 128, 40, 1)
    assert row.bpp == pytest.approx(8 * row.bytes / (192 * 128))
    assert 0 < row.decode_s < took and 0 < row.encode_s < took
    assert 10 < row.base_mib <= row.peak_mib < 4000
    assert row.kmac_per_pixel is None and row.parameters is None


def test_a_codec_that_cannot_do_it_leaves_the_numbers_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    real = bench.bench

    def failing(codec: str, *arguments: Any, **options: Any) -> bench.BenchRow:
        if codec == "avif":
            raise WorkerError("the process measuring avif died")
        if codec == "webp":
            raise CodecError("webp takes no such size")
        return real(codec, *arguments, **options)

    monkeypatch.setattr(bench, "bench", failing)
    options = ("--size", "64x48", "--repeats", "1", "--threads", "1")
    code, text, errors = run("--codecs", "avif,jpeg", *options)
    assert code == 1 and "jpeg" in text and errors == "hflic: avif: the process measuring avif died\n"
    code, text, errors = run("--codecs", "webp", *options)
    assert (code, text, errors) == (2, "", "hflic: webp: webp takes no such size\n")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system cannot bind a process to cores")
def test_a_measuring_process_keeps_to_its_cores() -> None:
    script = "import os; from models.bench import begin; begin(1); print(len(os.sched_getaffinity(0)))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "1"


def test_an_unknown_codec_is_refused() -> None:
    with pytest.raises(CodecError, match="no codec 'gif'"):
        bench.bench("gif", (8, 8))


def test_a_learned_codec_tells_its_complexity(learned: str) -> None:
    kmac, parameters = bench._complexity(learned)
    assert kmac is not None and 20 < kmac < 100
    assert parameters is not None and 1e6 < parameters < 1e7


def test_command_prints_json_and_a_table() -> None:
    code, text, errors = run("--size", "64x48", "--codecs", "jpeg", "--repeats", "1", "--json")
    assert (code, errors) == (0, "")
    value = json.loads(text)
    assert value["size"] == [64, 48]
    (row,) = value["results"]
    assert row["codec"] == "jpeg" and row["bytes"] > 100
    code, text, _ = run("--size", "64x48", "--codecs", "jpeg", "--repeats", "1")
    assert code == 0 and "decode s" in text and "64x48" in text


@pytest.mark.parametrize("size", ["768", "0x5", "axb", "5x-3", ""])
def test_command_refuses_a_bad_size_in_one_line(size: str) -> None:
    code, text, errors = run("--size", size, "--codecs", "jpeg")
    assert (code, text) == (2, "")
    assert errors.startswith("hflic: --size takes") and errors.count("\n") == 1
