"""What does not fit the memory is refused before it begins, with a size that does; --fit takes that size."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models import codec as codecs
from models import vvc
from models.classical import FORMATS, ClassicalCodec
from models.codec import Rate
from models.errors import CodecError
from models.footprint import PROGRAM
from models.memory import budget, fitting, refusal
from models.picture import Picture
from models.watch import Watch
from tests.command_line import one_line, run
from tests.untrained import photo

WIDTH, HEIGHT = 3000, 2000
LITTLE = "880M"  # less than any encoder takes for so many pixels, more than reading them does


IDS = (*FORMATS, "vvc")


def create(id: str) -> ClassicalCodec | vvc.VvcCodec:
    return vvc.VvcCodec() if id == "vvc" else ClassicalCodec(id)


@pytest.fixture(scope="module")
def large() -> Picture:
    return Picture(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))


@pytest.mark.parametrize("id", IDS)
def test_classical_codecs_keep_to_the_budget_too(
    id: str, large: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HFLIC_MEMORY", LITTLE)
    begun = Watch(report=lambda stage, done: pytest.fail(stage))
    with pytest.raises(CodecError, match=r"3000 x 2000 pixels need about .* GB") as caught:
        create(id).encode(large, Rate(quality=50), begun)
    found = re.search(r"scale the picture to (\d+) x (\d+), or", str(caught.value))
    assert found is not None
    width, height = int(found[1]), int(found[2])
    assert create(id).memory(width, height) <= budget() < create(id).memory(width + 20, height + 20)


@pytest.mark.parametrize("id", IDS)
def test_pictures_of_24_megapixels_fit_every_codec(id: str) -> None:
    assert refusal(create(id).memory, 6000, 4000) == ""


_PEAK = """
import sys
from models import codec as codecs
from models.codec import Rate
from models.memory import forget_peak, peak_mib
from tests.untrained import photo
picture = photo(1200, 800)
for id in sys.argv[1:]:
    forget_peak()
    before = peak_mib()
    codecs.get(id).encode(picture, Rate(quality=90))
    print(id, (peak_mib() - before) * 2**20)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's memory figures")
def test_the_memory_foretold_is_enough() -> None:
    """But for what encoders take at any size, 51 MB at most as measured, which is the program's share."""
    ids = [id for id in ("jpeg", "webp", "jxl", "jpeg2000") if not codecs.missing(id)]
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, *ids],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    peaks = dict(line.split() for line in done.stdout.splitlines())
    assert list(peaks) == ids and len(ids) >= 3
    for id, peak in peaks.items():
        assert 0 <= float(peak) <= create(id).memory(1200, 800) - PROGRAM + 60e6, id


def test_the_largest_size_that_fits_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HFLIC_MEMORY", "1000")
    assert fitting(lambda width, height: width * height, 20, 10) == (20, 10)
    assert fitting(lambda width, height: width * height, 2000, 1000) == (45, 22)
    assert fitting(lambda width, height: width * height, 1, 2000) == (1, 1000)
    assert fitting(lambda width, height: 1001, 20, 10) is None
    assert "allowed: allow more" in refusal(lambda width, height: 1001, 20, 10)


@pytest.fixture
def source(large: Picture, tmp_path: Path) -> Path:
    path = tmp_path / "large.png"
    large.save(path)
    return path


def test_fit_scales_down_what_does_not_fit(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HFLIC_MEMORY", LITTLE)
    out = tmp_path / "out.jpg"
    options = ("encode", source, "--codec", "jpeg", "--quality", "50", "-o", out, "--json")
    code, printed, errors = run(*options)
    assert code != 0 and printed == "" and one_line(errors) and "scale the picture to" in errors
    assert not out.exists()
    code, printed, errors = run(*options, "--fit")
    assert code == 0, errors
    told = json.loads(printed)
    assert 1500 < told["width"] < WIDTH and told["width"] / told["height"] == pytest.approx(1.5, rel=0.01)
    assert f"Scaled from 3000x2000 to {told['width']}x{told['height']}." in errors
    assert Picture.open(out).width == told["width"]


def test_fit_leaves_what_fits_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / "in.png"
    photo(90, 60).save(source)
    made = []
    for extra in ((), ("--fit",)):
        out = tmp_path / "out.jpg"
        assert run("encode", source, "--codec", "jpeg", "--quality", "50", "-o", out, *extra)[0] == 0
        made.append(out.read_bytes())
    assert made[0] == made[1]


def test_fit_works_for_learned_codecs(learned: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coder = codecs.get(learned)
    source, out = tmp_path / "in.png", tmp_path / "out.hflic"
    photo(160, 120).save(source)
    monkeypatch.setattr(type(coder), "memory", lambda _, width, height: 2e5 * width * height + 1e9)
    code, printed, errors = run(
        "encode", source, "--codec", learned, "--quality", "50", "-o", out, "--json", "--fit"
    )
    assert code == 0, errors
    told = json.loads(printed)
    assert (told["width"], told["height"]) == fitting(coder.memory, 160, 120) != (160, 120)  # type: ignore[attr-defined]
    assert 13_000 < told["width"] * told["height"] <= 15_000


def test_a_scaled_picture_is_the_same_scene() -> None:
    whole = photo(120, 80)
    small = whole.scaled(60, 40)
    assert small.pixels.shape == (40, 60, 3)
    assert small.notices == ("Scaled from 120x80 to 60x40.",)
    means = whole.pixels.reshape(40, 2, 60, 2, 3).mean((1, 3))
    assert np.abs(small.pixels - means).mean() < 2
