"""The evidence bundle: can others check it with nothing else, and does it keep quiet about its maker?"""

from __future__ import annotations

import getpass
import hashlib
import io
import json
import re
import shlex
import socket
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.bundle import commands, write_bundle
from app.report import Report
from models import codec, weights
from models.codec import Encoding, Rate
from models.errors import Cancelled, OutputError
from models.picture import Picture
from models.watch import Watch
from tests.command_line import run
from tests.reports import made

Pictures = dict[str, Picture]


@pytest.fixture(scope="module")
def result() -> tuple[Report, Pictures]:
    return made(name="cat at home.png")


def unpacked(report: Report, known: Pictures, folder: Path) -> Path:
    """The folder of a bundle that was a zip."""
    write_bundle(report, known.__getitem__, folder / "evidence.zip")
    with zipfile.ZipFile(folder / "evidence.zip") as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"evidence"}
        archive.extractall(folder)
    return folder / "evidence"


def test_the_files_decode_to_the_pictures_beside_them(
    result: tuple[Report, Pictures], tmp_path: Path
) -> None:
    report, known = result
    folder = unpacked(report, known, tmp_path)
    told = json.loads((folder / "results.json").read_text())
    original = Picture.open(folder / told["image"])
    assert np.array_equal(original.pixels, known[report.digest].pixels)
    assert len(told["results"]) == len(report.items) == len(list((folder / "files").iterdir()))
    for line, item in zip(told["results"], report.items, strict=True):
        data = (folder / line["file"]).read_bytes()
        assert data == item.encoding.data and len(data) == line["bytes"]
        assert line["bpp"] == pytest.approx(8 * len(data) / (line["width"] * line["height"]))
        decoded = Picture.open(folder / line["decoded"])
        assert np.array_equal(codec.decode(data).pixels, decoded.pixels)
        assert line["psnr"] == item.metric("psnr") and line["lpips"] is None
        assert line["asked"] == {"bpp": 2.0}
    assert [box["name"] for box in told["boxes"]] == ["eye", "edge"]


def test_the_commands_in_it_make_the_same_bytes(
    result: tuple[Report, Pictures], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, known = result
    folder = unpacked(report, known, tmp_path)
    monkeypatch.chdir(folder)
    (folder / "again").mkdir()
    told = json.loads((folder / "results.json").read_text())
    for line in told["results"]:
        for command in line["commands"]:
            words = shlex.split(command)
            assert words[0] == "hflic"
            code, _, errors = run(*words[1:])
            assert code == 0, errors
        again = folder / "again" / Path(line["file"]).name
        assert again.read_bytes() == (folder / line["file"]).read_bytes()
        picture = Picture.open(again.with_suffix(".png"))
        assert np.array_equal(picture.pixels, Picture.open(folder / line["decoded"]).pixels)
        script = (folder / "reproduce.sh").read_text()
        assert all(command in script for command in line["commands"])


def test_the_sums_name_every_file(result: tuple[Report, Pictures], tmp_path: Path) -> None:
    report, known = result
    folder = unpacked(report, known, tmp_path)
    lines = dict(reversed(line.split("  ", 1)) for line in (folder / "SHA256SUMS").read_text().splitlines())
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {"SHA256SUMS"}
    assert lines.keys() == files
    for name, digest in lines.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_versions_settings_and_weights_are_told(result: tuple[Report, Pictures], tmp_path: Path) -> None:
    report, known = result
    present = weights.available()
    if present:  # a learned result: only the fingerprint's beginning is known of it
        item = report.items[0]
        learned = Encoding(b"file", present[0].card.codec, 50.0, 120, 90, 0.1, present[0].fingerprint[:8])
        report = replace(report, items=(*report.items, replace(item, encoding=learned)))
    folder = unpacked(report, known, tmp_path)
    about = json.loads((folder / "environment.json").read_text())
    assert {"hflic", "python", "torch", "pillow", "libjpeg-turbo", "libwebp"} <= about["versions"].keys()
    assert about["codecs"].keys() == {item.encoding.codec for item in report.items}
    assert "libjpeg" in about["codecs"]["jpeg"]["encoder"]
    for file in present[:1]:
        card = about["weights"][file.fingerprint[:8]]
        assert card["fingerprint"] == file.fingerprint and card["licence"] == file.card.licence


def test_nothing_in_it_names_the_machine_its_user_or_a_path(
    result: tuple[Report, Pictures], tmp_path: Path
) -> None:
    report, known = result
    folder = unpacked(report, known, tmp_path)
    whole = (tmp_path / "evidence.zip").read_bytes()
    unwanted = [str(tmp_path), str(Path.home()), socket.gethostname()]
    if len(getpass.getuser()) > 4:  # "root" is also a word
        unwanted.append(getpass.getuser())
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [word for word in unwanted if len(word) > 4 and word.encode() in data], path
            if path.suffix in {".json", ".txt", ".sh", ""}:
                assert not re.search(rb"(?<![\w.])/(?:home|root|Users|tmp|work)/", data), path
    assert not [word for word in unwanted if len(word) > 4 and word.encode() in whole]


def test_the_same_evidence_gives_the_same_zip(result: tuple[Report, Pictures], tmp_path: Path) -> None:
    report, known = result
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    for place in ("one", "two"):
        write_bundle(report, known.__getitem__, tmp_path / place / "e.zip")
    assert (tmp_path / "one" / "e.zip").read_bytes() == (tmp_path / "two" / "e.zip").read_bytes()


def test_a_folder_holds_the_same_files(result: tuple[Report, Pictures], tmp_path: Path) -> None:
    report, known = result
    packed = unpacked(report, known, tmp_path)
    write_bundle(report, known.__getitem__, tmp_path / "folder")
    names = sorted(str(p.relative_to(packed)) for p in packed.rglob("*") if p.is_file())
    plain = tmp_path / "folder"
    assert sorted(str(p.relative_to(plain)) for p in plain.rglob("*") if p.is_file()) == names
    for name in names:
        assert (plain / name).read_bytes() == (packed / name).read_bytes()
    assert (plain / "reproduce.sh").stat().st_mode & 0o100
    (tmp_path / "empty").mkdir()
    write_bundle(report, known.__getitem__, tmp_path / "empty")
    assert (tmp_path / "empty" / "README.txt").is_file()


def test_results_of_one_name_keep_their_own_files(result: tuple[Report, Pictures], tmp_path: Path) -> None:
    report, known = result
    first = report.items[0]
    twin = replace(first, rate=Rate(quality=31.0))
    folder = unpacked(replace(report, items=(first, twin)), known, tmp_path)
    names = [line["file"] for line in json.loads((folder / "results.json").read_text())["results"]]
    assert len(set(names)) == 2 and all((folder / name).is_file() for name in names)
    assert "--quality 31.0" in commands(twin)[0]


def test_an_opened_file_is_only_decoded_again(result: tuple[Report, Pictures]) -> None:
    (line,) = commands(replace(result[0].items[0], rate=None))
    assert line.startswith("hflic decode files/jpeg-")


def test_failures_leave_what_was_there(result: tuple[Report, Pictures], tmp_path: Path) -> None:
    report, known = result
    target, full = tmp_path / "e.zip", tmp_path / "full"
    target.write_bytes(b"before")
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    stopped = Watch(cancelled=iter([False, True, True]).__next__)
    with pytest.raises(Cancelled):
        write_bundle(report, known.__getitem__, target, stopped)
    with pytest.raises(Cancelled):
        write_bundle(report, known.__getitem__, tmp_path / "new", Watch(cancelled=lambda: True))
    for path, text in (
        (full, "something already"),
        (tmp_path / "e.tar", "a .zip file, or a folder"),
        (tmp_path / "no" / "e.zip", "create it first"),
        (tmp_path / "no" / "e", "create it first"),
    ):
        with pytest.raises(OutputError, match=re.escape(text)):
            write_bundle(report, known.__getitem__, path)
    with pytest.raises(OutputError, match="no result"):
        write_bundle(replace(report, items=()), known.__getitem__, target)
    assert target.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.zip", "full"]
    assert [path.name for path in full.iterdir()] == ["mine.txt"]


def test_pictures_in_the_zip_are_plain_png(result: tuple[Report, Pictures], tmp_path: Path) -> None:
    report, known = result
    write_bundle(report, known.__getitem__, tmp_path / "e.zip")
    with zipfile.ZipFile(tmp_path / "e.zip") as archive:
        image = Image.open(io.BytesIO(archive.read("e/original.png")))
        assert image.format == "PNG" and image.mode == "RGB" and not image.info
