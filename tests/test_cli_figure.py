"""`hflic figure`: a sheet, a page or the evidence from the command line."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from models import codec as codecs
from models.picture import Picture
from tests.command_line import KEYS, SENTINEL, one_line, run, run_json
from tests.realistic import ID, codec_with_both


def test_a_figure_with_named_boxes(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "figure.png"
    found = run_json("figure", photo, "--codecs", "jpeg,webp", "--bpp", "1.5", "--metrics", "psnr",
                     "--box", "eye=20,30,40,40", "--box", "90,60,32,32", "-o", out)  # fmt: skip
    assert found["image"] == str(photo) and found["file"] == str(out)
    assert [line["codec"] for line in found["results"]] == ["jpeg", "webp"]
    for line in found["results"]:
        assert line.keys() >= KEYS | {"psnr"} and line["psnr"] > 20
    sheet = Picture.open(out)
    assert sheet.width > 900 and sheet.height > 500


@pytest.mark.parametrize(
    ("suffix", "begin"), [(".pdf", b"%PDF"), (".svg", b"<?xml"), (".html", b"<!doctype")]
)
def test_the_suffix_says_what_to_write(photo: Path, tmp_path: Path, suffix: str, begin: bytes) -> None:
    out = tmp_path / f"made{suffix}"
    code, text, errors = run(
        "figure", photo, "--codecs", "jpeg", "--quality", "40", "--metrics", "psnr", "-o", out
    )
    assert code == 0, errors
    assert str(out) in text and "JPEG" in text
    assert out.read_bytes().startswith(begin)


def test_evidence_as_zip_and_as_folder(photo: Path, tmp_path: Path) -> None:
    for out in (tmp_path / "e.zip", tmp_path / "e"):
        options = ("--codecs", "jpeg", "--bpp", "1.0", "--metrics", "psnr", "-o", out)
        code, _, errors = run("figure", photo, *options)
        assert code == 0, errors
    with zipfile.ZipFile(tmp_path / "e.zip") as archive:
        told = json.loads(archive.read("e/results.json"))
    assert told["results"][0]["asked"] == {"bpp": 1.0}
    assert (tmp_path / "e" / "results.json").is_file()
    code, _, errors = run("figure", photo, "--codecs", "jpeg", "--bpp", "1.0", "-o", tmp_path / "e")
    assert code == 2 and "something in" in errors


def test_a_figure_of_a_learned_codec(photo: Path, tmp_path: Path, learned: str) -> None:
    out = tmp_path / "e.zip"
    code, _, errors = run(
        "figure", photo, "--codecs", learned, "--quality", "30", "--metrics", "psnr", "-o", out
    )
    assert code == 0, errors
    with zipfile.ZipFile(out) as archive:
        about = json.loads(archive.read("e/environment.json"))
        told = json.loads(archive.read("e/results.json"))["results"][0]
        script = archive.read("e/reproduce.sh").decode()
    assert told["codec"] == learned and told["latents_crc"] is not None
    (card,) = about["weights"].values()
    assert card["fingerprint"].startswith(told["weights"]) and card["codec"] == learned
    assert "\nnear decoded/" in script


def test_the_json_names_a_realistic_result_as_it_was_asked_for(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec_with_both(tmp_path)
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(codecs, "_instances", {})
    out = tmp_path / "made.svg"
    options = ("--quality", "40", "--metrics", "psnr", "-o", out)
    (line,) = run_json("figure", photo, "--codecs", f"{ID}+0.5", *options)["results"]
    assert line["codec"] == f"{ID}+0.5" and line["realism"] == 0.5 and len(line["decoder"]) == 8
    assert "realism 0.5" in out.read_text()


def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object) -> None:
        raise AssertionError("compressed for nothing")

    monkeypatch.setattr("app.cli_figure.result_of", work)
    (tmp_path / "file").write_bytes(SENTINEL)
    (tmp_path / "folder.png").mkdir()
    for out, code, text in (
        (tmp_path / "file", 2, "is a file"),
        (tmp_path / "folder.png", 2, "is a folder"),
        (tmp_path / "no" / "f.png", 1, "create it first"),
        (tmp_path / "no" / "e", 1, "create it first"),
    ):
        found, printed, errors = run("figure", photo, "--codecs", "jpeg", "--bpp", "1", "-o", out)
        assert (found, printed) == (code, "") and one_line(errors) and text in errors, errors
    assert (tmp_path / "file").read_bytes() == SENTINEL


def test_wrong_input_is_refused_before_any_work(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "f.png"
    out.write_bytes(SENTINEL)
    base = ("--codecs", "jpeg", "-o", str(out))
    for options, text in (
        (base, "--bpp or --quality"),
        ((*base, "--bpp", "1", "--box", "1,2,3"), "is no box"),
        ((*base, "--bpp", "1", "--box", "far=900,900,4,4"), "far lies outside"),
        ((*base, "--bpp", "1", "--metrics", "dists"), "captions cannot hold dists"),
        (("--codecs", "jpeg", "--bpp", "1", "-o", str(tmp_path / "x.gif")), "use one of the suffixes"),
        (("--codecs", "jpeg", "--bpp", "1", "-o", str(photo)), "is the input itself"),
        (("--codecs", "tiff", "--bpp", "1", "-o", str(out)), "no codec 'tiff'"),
    ):
        code, printed, errors = run("figure", photo, *options)
        assert (code, printed) == (2, "") and one_line(errors) and text in errors, errors
    assert out.read_bytes() == SENTINEL
    code, _, errors = run("figure", tmp_path / "none.jpg", *base, "--bpp", "1")
    assert code == 2 and one_line(errors) and "none.jpg" in errors
