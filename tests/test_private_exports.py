"""Whatever is exported says nothing of who made it and where: no path, no user, no machine, no metadata."""

from __future__ import annotations

import getpass
import socket
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.command_line import run
from tests.untrained import photo as made_photo

PERSON, FOLDER, NAME = "Ann Onymous", "Anns-secret-folder", "holiday.jpg"


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """A photograph that tells who took it, in a folder of theirs."""
    exif = Image.Exif()
    exif[0x013B] = PERSON  # artist
    exif[0x9C9D] = PERSON.encode("utf-16-le")
    path = tmp_path / FOLDER / "photos" / NAME  # a plot's title names the folder itself
    path.parent.mkdir(parents=True)
    image = Image.fromarray(made_photo(176, 168).pixels)
    image.save(path, exif=exif, comment=PERSON.encode(), quality=92)
    return path


def contents(path: Path) -> list[bytes]:
    """A file as it is and what is packed in it: entries of a zip, streams of a PDF, chunks of a PNG."""
    data = path.read_bytes()
    found = [data]
    if data[:2] == b"PK":
        with zipfile.ZipFile(path) as archive:
            found += [archive.read(name) for name in archive.namelist()]
            found += [name.encode() for name in archive.namelist()]
    for part in data.split(b"stream\n")[1:]:
        try:
            found.append(zlib.decompressobj().decompress(part))
        except zlib.error:
            found.append(part)
    return found


def tells(path: Path, folder: Path) -> list[str]:
    """The words in a file that it should not have."""
    user, host = getpass.getuser(), socket.gethostname()
    words = [PERSON, FOLDER, str(folder), str(Path.home()), *(w for w in (user, host) if len(w) > 5)]
    words = [word for word in words if len(word) > 4]  # "root" is also a word, "/" is everywhere
    forms: list[Callable[[str], bytes]] = [str.encode, lambda w: w.encode("utf-16-le")]
    forms.append(lambda w: w.encode("utf-16-be"))
    return [word for word in words for form in forms if any(form(word) in part for part in contents(path))]


def test_the_search_finds_what_is_there(told: Path, tmp_path: Path) -> None:
    """Also in what is packed: without this the tests below would prove nothing."""
    assert PERSON in tells(told, tmp_path)
    (tmp_path / "plain.json").write_text(f'{{"image": "{told}"}}')
    assert {FOLDER, str(tmp_path)} <= set(tells(tmp_path / "plain.json", tmp_path))
    with zipfile.ZipFile(tmp_path / "packed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("about.txt", f"made by {PERSON}, " * 9)
    assert tells(tmp_path / "packed.zip", tmp_path) == [PERSON]
    (tmp_path / "packed.pdf").write_bytes(b"stream\n" + zlib.compress(PERSON.encode() * 9))
    assert tells(tmp_path / "packed.pdf", tmp_path) == [PERSON]


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg", ".html", ".zip"])
def test_figures_pages_and_evidence(suffix: str, told: Path, tmp_path: Path, learned: str) -> None:
    out = tmp_path / f"made{suffix}"
    options = ("--codecs", f"{learned},jpeg", "--quality", "30", "--metrics", "psnr", "-o", out)
    code, _, errors = run("figure", told, *options)
    assert code == 0, errors
    assert tells(out, tmp_path) == []


def test_the_sheet_of_a_comparison(told: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    options = ("--codecs", "jpeg,webp", "--bpp", "1.0", "--metrics", "psnr", "-o", out)
    code, _, errors = run("compare", told, *options)
    assert code == 0, errors
    assert tells(out, tmp_path) == []


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_results_and_plots_of_a_folder(suffix: str, told: Path, tmp_path: Path) -> None:
    """A results file is given away with a paper: the pictures are named by their place below the folder."""
    results, plot = tmp_path / "results.json", tmp_path / f"rd{suffix}"
    options = ("--codecs", "jpeg", "--rates", "0.8,1.5", "--metrics", "psnr", "-o", results, "--plot", plot)
    code, _, errors = run("evaluate", told.parent, *options)
    assert code == 0, errors
    assert NAME in results.read_text()
    assert tells(results, tmp_path) == [] and tells(plot, tmp_path) == []


@pytest.mark.parametrize("kind", ["faces mask", "faces overlay", "decoded"])
def test_pictures_that_commands_write(kind: str, told: Path, tmp_path: Path, learned: str) -> None:
    out = tmp_path / "out.png"
    if kind == "decoded":
        coded = tmp_path / "out.hflic"
        assert run("encode", told, "--codec", learned, "--quality", "40", "-o", coded)[0] == 0
        assert tells(coded, tmp_path) == []
        code, _, errors = run("decode", coded, "-o", out)
    else:
        code, _, errors = run("faces", told, f"--{kind.split()[1]}", out)
    assert code == 0, errors
    assert tells(out, tmp_path) == []
