"""The script of an evidence bundle: does it make everything again, and say of each result what came of it?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.bundle import write_bundle
from models import codec as codecs
from models.picture import Picture
from models.realism import decoder_of
from tests.command_line import run, run_json
from tests.realistic import ID, codec_with_both
from tests.reports import made

Script = Callable[[Path], tuple[int, str]]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Runs a bundle's script with this program as the command hflic: exit code and what it said."""
    programs = tmp_path / "programs"
    programs.mkdir()
    root = Path(__file__).parents[1]
    command = programs / "hflic"
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{root}" exec "{sys.executable}" -m app "$@"\n')
    command.chmod(0o755)
    paths = os.pathsep.join((str(programs), os.environ["PATH"]))

    def call(folder: Path) -> tuple[int, str]:
        done = subprocess.run(
            ["sh", str(folder / "reproduce.sh")],
            env={**os.environ, "PATH": paths},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return done.returncode, done.stdout

    return call


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a learned codec with a faithful and a realistic decoder."""
    folder = tmp_path / "weights"
    folder.mkdir()
    codec_with_both(folder)
    monkeypatch.setenv("HFLIC_WEIGHTS", str(folder))
    monkeypatch.setattr(codecs, "_instances", {})
    return ID


def evidence(photo: Path, ids: str, folder: Path) -> Path:
    out = folder / "e"
    code, _, errors = run("figure", photo, "--codecs", ids, "--quality", "40", "--metrics", "psnr", "-o", out)
    assert code == 0, errors
    return out


def test_a_realistic_picture_is_told_and_made_again_as_such(
    photo: Path, tmp_path: Path, both: str, script: Script
) -> None:
    folder = evidence(photo, f"{both},{both}+1", tmp_path)
    faithful, realistic = json.loads((folder / "results.json").read_text())["results"]
    file = decoder_of(codecs.get(both))
    assert file is not None
    assert (realistic["codec"], realistic["realism"]) == (both, 1.0)
    assert realistic["decoder"] == file.fingerprint[:8]
    assert "realism" not in faithful and faithful["decoded"] != realistic["decoded"]
    about = json.loads((folder / "environment.json").read_text())
    card = about["decoders"][realistic["decoder"]]
    assert card["fingerprint"] == file.fingerprint and card["recipe"] == "hflic-realistic-lite"
    pictures = [Picture.open(folder / line["decoded"]).pixels for line in (faithful, realistic)]
    assert not np.array_equal(*pictures)
    code, said = script(folder)
    assert code == 0, said
    assert said.count("same: files/") == 2 and said.count("same: decoded/") == 2


@pytest.mark.parametrize(
    ("levels", "code", "words"), [(1, 0, "pixels differ by up to 1"), (9, 1, "DIFFERS by")]
)
def test_pixels_one_level_off_are_rounding_and_more_is_a_difference(
    photo: Path, tmp_path: Path, learned: str, script: Script, levels: int, code: int, words: str
) -> None:
    folder = evidence(photo, learned, tmp_path)
    (decoded,) = (folder / "decoded").iterdir()
    pixels = Picture.open(decoded).pixels.copy()
    pixels[5, 7] = pixels[5, 7] - levels if pixels[5, 7].min() >= levels else pixels[5, 7] + levels
    Picture(pixels).save(decoded)
    found, said = script(folder)
    assert found == code, said
    assert words in said and "same: files/" in said


def test_a_codec_that_is_not_there_stops_no_other(tmp_path: Path, script: Script) -> None:
    report, known = made(("jpeg", "webp"))
    first = report.items[0]
    gone = replace(
        first, encoding=replace(first.encoding, codec="heic", data=b"of a codec that is not there")
    )
    write_bundle(replace(report, items=(gone, *report.items)), known.__getitem__, tmp_path / "e.zip")
    with zipfile.ZipFile(tmp_path / "e.zip") as archive:
        archive.extractall(tmp_path)
    code, said = script(tmp_path / "e")
    assert code == 1
    assert "FAILED: hflic decode files/heic-" in said
    assert said.count("same: files/") == said.count("same: decoded/") == 2
    assert "DIFFERS: decoded/heic" not in said


def test_decode_tells_how_far_its_pixels_are_from_others(photo: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "x.jpg", tmp_path / "x.png"
    run_json("encode", photo, "--codec", "jpeg", "--quality", "30", "-o", file)
    run_json("decode", file, "-o", out)
    assert run_json("decode", file, "-o", tmp_path / "y.png", "--against", out)["differs_by"] == 0
    code, said, _ = run("decode", file, "-o", tmp_path / "y.png", "--against", photo)
    far = np.abs(Picture.open(photo).pixels.astype(int) - Picture.open(out).pixels).max()
    assert code == 0 and said.rstrip().endswith(f"differs from {photo} by up to {far}")
    Picture(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "small.png")
    code, _, errors = run("decode", file, "-o", tmp_path / "z.png", "--against", tmp_path / "small.png")
    assert code == 2 and "4x4" in errors and not (tmp_path / "z.png").exists()
