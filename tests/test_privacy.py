"""No command touches the network by itself, and what it writes says nothing about its author."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.main import get_command

from app.cli import app
from models import codec as codecs
from models import weights
from models.assets import asset_folder
from models.codec import CATALOGUE, Rate
from models.picture import Picture
from tests.foreign import jiang, saved
from tests.untrained import photo as made_photo

# Loaded first by every Python process below it: what asks for an address or a host is written down and
# refused. Local sockets (an address that is a path) are how processes of one machine talk, and stay.
_GUARD = """
import os, sys

def guard(event, arguments):
    away = event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
    if event in {"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"}:
        away = isinstance(arguments[-1], tuple)
    if away:
        with open(os.environ["GUARD_LOG"], "a") as file:
            file.write(f"{event} {arguments[1:]}\\n")
        raise PermissionError("no network here")

sys.addaudithook(guard)
with open(os.environ["GUARD_LOG"] + ".on", "a") as file:
    file.write(f"{os.getpid()}\\n")
"""
_COMMANDS = """
import json, sys
from app.cli import app
for arguments in json.loads(sys.argv[1]):
    try:
        app(arguments)
    except SystemExit as end:
        assert not end.code, (arguments, end.code)
"""


def guarded(folder: Path, code: str, *arguments: str, **environment: str) -> tuple[str, int]:
    """Runs Python code; gives what it asked of the network and how many processes were guarded."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(_GUARD)
    record = folder / "network.log"
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={
            **os.environ,
            **environment,
            "PYTHONPATH": os.pathsep.join((str(site), str(root))),
            "GUARD_LOG": str(record),
            "QT_QPA_PLATFORM": "offscreen",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
        cwd=root,
    )
    assert done.returncode == 0, done.stderr
    processes = (folder / "network.log.on").read_text().split()
    return record.read_text() if record.exists() else "", len(processes)


def test_the_guard_sees_what_it_should(tmp_path: Path) -> None:
    """Also in processes below: without this the next test would prove nothing."""
    code = """
import multiprocessing, socket, urllib.request

def try_all():
    for attempt in (
        lambda: socket.create_connection(("127.0.0.1", 9)),
        lambda: urllib.request.urlopen("http://example.invalid"),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
    ):
        try:
            attempt()
        except OSError:
            pass
        else:
            raise AssertionError

if __name__ == "__main__":
    try_all()
    a, b = socket.socketpair()
    a.send(b"local")
"""
    asked, processes = guarded(tmp_path, code)
    assert asked.count("getaddrinfo") == 2 and asked.count("sendto") == 1 and processes == 1


LEARNED, RECIPE = "elic-5:lite", "elic-5-lite"
# The commands below, and why the others are not among them.
NOT_RUN = {
    "view": "has tests of its own below",
    "fid": "needs Inception's weights, which are fetched by hand; with them it reads two folders",
}


def everything(photo: Path, folder: Path) -> list[list[str | Path]]:
    """Every command of the program, at work."""
    pictures, photos = folder / "pictures", folder / "photos"
    for place in (pictures, photos):
        place.mkdir()
    Image.open(photo).crop((0, 0, 176, 168)).save(pictures / "one.png")
    for seed in range(2):
        made_photo(420, 400, seed).save(photos / f"{seed}.png")
    coded, rows = folder / "one.hflic", folder / "out.json"
    return [
        ["--version"],
        ["models", "list"],
        ["models", "info", LEARNED],
        ["models", "verify"],
        ["models", "fetch"],  # without a name it only lists what there is
        ["models", "import", saved(jiang(), folder / "foreign.pth")],
        ["encode", photo, "--codec", LEARNED, "--quality", "40", "-o", coded],
        ["decode", coded, "-o", folder / "one.png"],
        ["thumbnail", coded, folder / "small.png"],
        ["info", coded],
        ["compare", photo, "--codecs", f"{LEARNED},jpeg", "--bpp", "0.6", "--json"],
        ["figure", photo, "--codecs", f"{LEARNED},jpeg", "--bpp", "0.6", "-o", folder / "page.html"],
        ["evaluate", pictures, "--codecs", "jpeg,webp", "--rates", "0.5,0.8,1.2,1.6", "-o", rows],
        ["bdrate", rows, "--anchor", "jpeg"],
        ["bench", "--size", "64x48", "--codecs", "jpeg", "--repeats", "1", "--threads", "1"],
        ["faces", photo, "--json"],
        ["docs", "guide", "--text"],
        ["train", RECIPE, "--data", photos, "--out", folder / "run", *until(RECIPE), "--threads", "1"],
    ]


def until(recipe: str) -> tuple[str, str]:
    """One step more than the published weights have, with which a new run begins."""
    shipped = asset_folder() / "weights" / f"{recipe}{weights.SUFFIX}"
    return "--until", str(1 + (weights.read_header(shipped).card.steps if shipped.exists() else 0))


def test_no_command_is_forgotten(photo: Path, tmp_path: Path) -> None:
    """What the program can do is what is run below."""
    known = set()
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        known |= {f"{name} {part}" for part in inner} if inner else {name}
    run = {" ".join(map(str, line[: 1 + (line[0] == "models")])) for line in everything(photo, tmp_path)}
    assert run - {"--version"} | NOT_RUN.keys() == known


@pytest.mark.timeout(600)
def test_nothing_asks_for_the_network(weights_folder: Path, photo: Path, tmp_path: Path) -> None:
    own = tmp_path / "weights"  # importing puts a file there
    shutil.copytree(weights_folder, own)
    lines = json.dumps([[str(part) for part in line] for line in everything(photo, tmp_path)])
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "HFLIC_WEIGHTS": str(own)}
    asked, _ = guarded(tmp_path, _COMMANDS, lines, **home)
    assert asked == ""
    for name in ("one.hflic", "one.png", "small.png", "page.html", "out.json", "run/last.ckpt"):
        assert (tmp_path / name).stat().st_size > 0, name
    assert len(list(own.iterdir())) > len(list(weights_folder.iterdir()))


def test_the_viewer_does_not_ask_for_the_network(weights_folder: Path, photo: Path, tmp_path: Path) -> None:
    """With its codec processes, a network among them."""
    shot = tmp_path / "shot.png"
    arguments = ["view", photo, "--left", "elic-5:lite", "--right", "webp", "--quality", "30"]
    lines = json.dumps([[*map(str, arguments), "--screenshot", str(shot)]])
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "HFLIC_WEIGHTS": str(weights_folder)}
    asked, processes = guarded(tmp_path, _COMMANDS, lines, **home)
    assert asked == ""
    assert processes >= 3 and shot.stat().st_size > 10_000


_DROP = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from app.settings import SettingsFile
from app.state import Side
from app.view import open_viewer
from app.window import Window
from tests.app.hands import drop, files

photo, tries = Path(sys.argv[1]), iter(range(2000))
application = QApplication(sys.argv[:1])

def window():
    return next(w for w in application.topLevelWidgets() if isinstance(w, Window))

def let_go():
    drop(window(), files(photo))
    watching.start(100)

def look():
    session = window().session
    here = session.picture is not None and session.picture.path == photo and session.idle
    if here or next(tries, None) is None:
        watching.stop()
        shown = [session.view(side).phase.value for side in Side] if here else []
        Path(sys.argv[2]).write_text(str(shown))
        application.quit()

watching = QTimer()
watching.timeout.connect(look)
QTimer.singleShot(500, let_go)
open_viewer([], sys.argv[3], "webp", None, None, None, 30.0, SettingsFile(Path(sys.argv[4])))
"""


def test_dropping_a_photo_on_the_window_does_not_ask_for_the_network(
    weights_folder: Path, photo: Path, tmp_path: Path
) -> None:
    """Opening, compressing both sides and measuring, as after a person's drop."""
    settings, answer = tmp_path / "settings.json", tmp_path / "answer.txt"
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "HFLIC_WEIGHTS": str(weights_folder)}
    arguments = (str(photo), str(answer), "elic-5:lite", str(settings))
    asked, processes = guarded(tmp_path, _DROP, *arguments, **home)
    assert asked == ""
    assert answer.read_text() == "['done', 'done']" and processes >= 3


MARK = "Ann Onymous"


@pytest.fixture
def told(tmp_path: Path) -> Picture:
    """A photograph full of metadata, in a folder with a name."""
    exif = Image.Exif()
    exif[0x013B] = MARK  # artist
    exif[0x9286] = MARK.encode()
    exif.get_ifd(0x8825)[1] = "N"
    folder = tmp_path / MARK.replace(" ", "-")
    folder.mkdir()
    path = folder / "holiday.jpg"
    image = Image.fromarray(photo_pixels())
    image.save(path, exif=exif, comment=MARK.encode(), xmp=f"<x>{MARK}</x>".encode(), dpi=(71, 71))
    assert MARK.encode() in path.read_bytes()
    return Picture.open(path)


def photo_pixels() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return made_photo(64, 48).pixels


USABLE = [
    line.id for line in CATALOGUE if not line.learned and line.id != "vvc" and not codecs.missing(line.id)
]


def says_nothing(data: bytes) -> bool:
    words = (MARK, MARK.replace(" ", "-"), "holiday", str(Path.home()) if len(str(Path.home())) > 5 else MARK)
    return not any(word.encode() in data or word.encode("utf-16-le") in data for word in words)


@pytest.mark.parametrize("id", USABLE)
def test_files_of_classical_codecs_carry_no_metadata(id: str, told: Picture) -> None:
    data = codecs.get(id).encode(told, Rate(quality=60)).data
    assert says_nothing(data) and b"Exif\0\0" not in data and b"<x:xmpmeta" not in data
    assert len(data) < 6000  # no room for a preview either


def test_files_of_learned_codecs_carry_no_metadata(told: Picture, learned: str) -> None:
    coder = codecs.get(learned)
    data = coder.encode(told, Rate(quality=60)).data
    assert says_nothing(data)
    same = coder.encode(Picture(told.pixels.copy()), Rate(quality=60)).data
    assert data == same  # nothing but the pixels counts


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jpg", ".bmp", ".ppm"])
def test_saved_pictures_carry_no_metadata(suffix: str, told: Picture, tmp_path: Path) -> None:
    told.save(tmp_path / f"out{suffix}")
    data = (tmp_path / f"out{suffix}").read_bytes()
    assert says_nothing(data) and b"Exif\0\0" not in data
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert dict(image.getexif()).keys().isdisjoint({0x013B, 0x9286, 0x8825, 0x010E, 0x0132})
