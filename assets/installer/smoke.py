"""Does the packaged program work without Python? `python assets/installer/smoke.py dist/hflic [SCREENSHOTS]`.

Run with a Python that has PySide6, a file is also dragged into the window: `make package-test` does.
Everything runs as somebody who cannot write to the installation, with an empty environment, in another
folder, and with a home whose name has spaces and letters beyond ASCII. Nothing but the standard library of
Python is used here, and nothing of Python is visible to the program.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fetching import fetching, importing

NOBODY = 65534
LIMIT = 900  # seconds a command may take, on a machine that does other work too
UNPACKED, WINDOW = 1.2e9, 4.0  # bytes and seconds it must stay below


class Smoke:
    """Runs commands of the program and notes what happened."""

    def __init__(self, program: Path, work: Path) -> None:
        self.program = program
        self.home = work / "home" / "Jörg Müllers Ordner äöü"
        self.here = work / "other place"
        self.environment = {"HOME": str(self.home), "QT_QPA_PLATFORM": "offscreen"}
        if "OMP_NUM_THREADS" in os.environ:  # on a machine that does other work, too
            self.environment["OMP_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"]
        self.failures: list[str] = []
        for folder in (self.home, self.here):
            folder.mkdir(parents=True)
        if os.getuid() == 0:
            for path in (work, *work.rglob("*")):
                os.chown(path, NOBODY, NOBODY)

    def run(
        self, *arguments: str | Path, code: int = 0, env: dict[str, str] | None = None
    ) -> tuple[str, str]:
        """A command's two outputs; its exit code must be `code`."""
        begin = time.monotonic()
        who: dict[str, Any] = (
            {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        )
        done = subprocess.run(
            [self.program, *map(str, arguments)],
            cwd=self.here, env=self.environment | (env or {}), capture_output=True, timeout=LIMIT,
            check=False, stdin=subprocess.DEVNULL, **who,
        )  # fmt: skip
        out, errors = done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
        words = " ".join(map(str, arguments)).replace(str(self.here) + "/", "")
        self.check(
            done.returncode == code, f"hflic {words}", f"{time.monotonic() - begin:.1f} s", out + errors
        )
        return out, errors

    def json(self, *arguments: str | Path) -> Any:
        """A command's JSON; None where it printed none."""
        with contextlib.suppress(ValueError):
            return json.loads(self.run(*arguments, "--json")[0])
        self.check(False, f"{arguments[0]} prints JSON", "")
        return {}

    @staticmethod
    def say(text: str) -> None:
        """A line of the log."""
        say(text)

    def check(self, right: bool, what: str, measured: str = "", told: str = "") -> None:
        """Say whether something is as it should be."""
        say(f"{'ok  ' if right else 'FAIL'} {what:72} {measured}")
        if not right:
            self.failures.append(what)
            say(told[-3000:])


def say(text: str) -> None:
    """A line of the log, at once."""
    print(text, flush=True)  # noqa: T201


def png_size(path: Path) -> tuple[int, int]:
    """Width and height in a PNG's header."""
    head = path.read_bytes()[:24] if path.is_file() else b""
    return struct.unpack(">II", head[16:24]) if head.startswith(b"\x89PNG") else (0, 0)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file's size and time."""
    return {str(p): (p.lstat().st_size, p.lstat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def version(smoke: Smoke) -> None:
    """What it is made of."""
    told, _ = smoke.run("--version")
    smoke.check("weights elic:lite" in told, "it names its weights", told=told)
    first = told.partition("\n")[0]
    smoke.check(re.search(r"[0-9a-f]{12}", first) is not None, "it names its revision", first)
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    now = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    if now not in first:
        say(f"note this checkout is {now}: make package builds it anew")


def commands(smoke: Smoke, photo: Path) -> None:
    """The command line."""
    version(smoke)
    name = smoke.here / "ein Foto äöü.jpg"
    shutil.copy(photo, name)
    name.chmod(0o644)
    for codec in ("elic", "hflic-mse", "hflic"):
        made = smoke.json("encode", name, "--codec", codec, "--bpp", "0.3", "-o", f"{codec}.hflic")
        smoke.check(
            abs(made.get("bpp", 0) / 0.3 - 1) < 0.02, f"{codec} reaches 0.3 bpp", f"{made.get('bpp')}"
        )
        file = smoke.here / f"{codec}.hflic"
        size = file.stat().st_size if file.is_file() else -1
        smoke.check(made.get("bytes") == size, "the number is the file", f"{size} bytes")
        smoke.run("decode", f"{codec}.hflic")
        smoke.check(png_size(smoke.here / f"{codec}.png") == (512, 600), "it decodes to 512 x 600")
        info = smoke.json("info", f"{codec}.hflic")
        smoke.check(
            info.get("latents_crc") == made.get("latents_crc"), "info and encode agree on the latents"
        )
    smoke.run("thumbnail", "--size", "128", "elic.hflic", "small.png")
    smoke.check(png_size(smoke.here / "small.png") == (109, 128), "a file manager gets its thumbnail")
    for codec, suffix in (("jpeg", "jpg"), ("webp", "webp"), ("avif", "avif"), ("jpeg2000", "jp2")):
        smoke.run("encode", name, "--codec", codec, "--quality", "40", "-o", f"plain.{suffix}")
    ids = "elic,hflic,jpeg,webp,avif"
    metrics = "psnr,ms_ssim,lpips,lpips_vgg,dists"
    found = smoke.json(
        "compare", name, "--codecs", ids, "--bpp", "0.3", "--metrics", metrics, "--faces", "-o", "sheet.png"
    )
    rows = found.get("results", [])
    smoke.check(len(rows) == 5, "five codecs are compared")
    for metric in metrics.split(","):
        values = [row.get(metric) for row in rows]
        smoke.check(all(isinstance(v, float) for v in values), f"{metric} is measured", str(values[:2]))
    smoke.check(png_size(smoke.here / "sheet.png")[0] > 512, "the sheet is drawn")
    files(smoke, name)
    smoke.run("models", "verify")
    listed = {line["codec"]: line for line in smoke.json("models", "list").get("codecs", [])}
    for codec in ("heic", "jxl", "vvc"):
        told = listed.get(codec, {}).get("missing", "")
        smoke.check("install HFLIC with pip" in told, f"{codec} is absent and says why", told)
    folders(smoke, name)
    fetching(smoke)
    importing(smoke, name)
    smoke.run("bench", "--codecs", "elic", "--size", "64x64", "--repeats", "1")
    guide, _ = smoke.run("docs", "--text")
    smoke.check(guide.startswith("# User guide"), "the documentation is inside")
    for page in ("training", "format", "architecture", "changelog"):
        smoke.run("docs", page, "--text")
    where = smoke.json("docs", "--where")
    inside = [str(path) for path in where.values() if str(path).startswith(str(smoke.program.parent))]
    smoke.check(len(inside) >= 1, "the folders are told", told=json.dumps(where))
    _, errors = smoke.run("encode", "gone.jpg", code=2)
    smoke.check(
        errors.startswith("hflic: ") and errors.count("\n") == 1, "an error is one line", errors.strip()
    )
    _, errors = smoke.run("train", "queue", code=2)
    smoke.check("install HFLIC with pip" in errors, "training says where it is", errors.strip())
    _, errors = smoke.run("bench", "--viewer", code=2)
    smoke.check("install HFLIC with pip" in errors, "so does the bench of the viewer", errors.strip())


def files(smoke: Smoke, name: Path) -> None:
    """Faces, and what is made of a comparison."""
    faces = smoke.json("faces", name, "--overlay", "boxes.png", "--mask", "mask.png").get("faces", [])
    smoke.check(len(faces) == 1, "one face is found")
    for picture in ("boxes.png", "mask.png"):
        smoke.check(png_size(smoke.here / picture) == (512, 600), f"{picture} has the photo's size")
    starts = {
        "figure.pdf": b"%pdf",
        "figure.svg": b"<?xml",
        "page.html": b"<!doctype html>",
        "all.zip": b"pk",
    }
    for file, start in starts.items():
        smoke.run("figure", name, "--codecs", "elic,jpeg", "--bpp", "0.3", "-o", file)
        path = smoke.here / file
        head = path.read_bytes()[:15].lower() if path.is_file() else b""
        size = f"{path.stat().st_size} bytes" if path.is_file() else "absent"
        smoke.check(head.startswith(start), f"{file} is one", size)


def folders(smoke: Smoke, name: Path) -> None:
    """Codecs measured over a folder by two processes, resumed, and compared."""
    folder = smoke.here / "two"
    folder.mkdir()
    shutil.copy(smoke.here / "boxes.png", folder / "a.png")
    shutil.copy(name, folder / "b.jpg")
    for path in (folder, *folder.iterdir()):
        if os.getuid() == 0:
            os.chown(path, NOBODY, NOBODY)
    work = ["evaluate", folder, "--codecs", "elic,jpeg", "--rates", "0.2,0.3,0.4,0.6"]
    work += ["--metrics", "psnr,lpips", "--jobs", "2", "-o", "results.json", "--plot", "rd.png"]
    averages = smoke.json(*work).get("averages", [])
    smoke.check(len(averages) == 8, "two codecs at four rates are measured", str(len(averages)))
    smoke.check(png_size(smoke.here / "rd.png")[0] > 400, "their curves are drawn")
    smoke.run(*work[:-2])
    for metric in ("psnr", "lpips"):
        found = smoke.json("bdrate", "results.json", "--anchor", "jpeg", "--metric", metric).get(
            "results", []
        )
        value = found[0]["bd_rate"] if found else 0.0
        smoke.check(value < -5, f"bits of elic against jpeg at equal {metric}", f"{value:+.1f}%")


def offscreen(smoke: Smoke, shots: Path | None) -> None:
    """The viewer without a screen: every process of it works."""
    name = smoke.here / "ein Foto äöü.jpg"
    begin = time.monotonic()
    smoke.run("view", name, "--left", "elic", "--right", "jpeg", "--screenshot", "shot.png")
    took = time.monotonic() - begin
    smoke.check(
        png_size(smoke.here / "shot.png") == (1280, 800), "the screenshot is a window", f"{took:.1f} s"
    )
    smoke.run("view", smoke.here / "elic.hflic", "--screenshot", "file.png")
    if shots is not None:
        for shot in ("shot.png", "file.png"):
            if (smoke.here / shot).is_file():
                shutil.copy(smoke.here / shot, shots / f"package-{shot}")


@contextlib.contextmanager
def xvfb(number: int = 97) -> Iterator[str]:
    """A screen that nobody sees."""
    screen = f":{number}"
    command = ["Xvfb", screen, "-screen", "0", "1600x900x24", "-nolisten", "tcp", "-ac"]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1.0)
        yield screen
    finally:
        server.terminate()
        server.wait()


def on_a_screen(smoke: Smoke, shots: Path | None) -> None:
    """Real windows: how soon they are there, and a second start that hands its file over."""
    tools = ("Xvfb", "xdotool")
    if any(shutil.which(tool) is None for tool in tools):
        say(f"skip windows on a screen: install {' and '.join(tools)}")
        return
    with xvfb() as screen:
        env = {"DISPLAY": screen, "QT_QPA_PLATFORM": "xcb"}
        who: dict[str, Any] = (
            {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        )
        name = smoke.here / "ein Foto äöü.jpg"
        taken: list[float] = []
        busy: list[float] = []
        for _ in range(2):
            begin = time.monotonic()
            viewer = subprocess.Popen(
                [smoke.program, "view", name], cwd=smoke.here, env=smoke.environment | env, **who,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            _until(lambda: bool(_windows(screen, "ein Foto")))
            taken.append(time.monotonic() - begin)
            busy.append(_processor_seconds(viewer.pid))
            smoke.check(
                bool(_windows(screen, "ein Foto")),
                "a window with the photo is there",
                f"{taken[-1]:.1f} s, {busy[-1]:.1f} s of the processor, load {os.getloadavg()[0]:.1f}",
            )
            if len(taken) == 1:
                viewer.terminate()
                viewer.wait()
        # Where others use the processors too, what counts is how long it would have taken alone.
        alone = min(taken[-1], busy[-1])
        smoke.check(alone < WINDOW, f"the second, warm start takes under {WINDOW:g} s", f"{alone:.1f} s")
        _, told = smoke.run("view", smoke.here / "elic.png", env=env)
        smoke.check(
            "opened in the window that is there" in told, "a second start hands its file over", told.strip()
        )
        _until(lambda: bool(_windows(screen, "elic.png")))
        smoke.check(bool(_windows(screen, "elic.png")), "the window shows it")
        smoke.check(viewer.poll() is None, "the first one goes on")
        _keep_screen(screen, shots, "window")
        _drop(smoke, screen, shots)
        viewer.terminate()
        viewer.wait()


def _drop(smoke: Smoke, screen: str, shots: Path | None) -> None:
    """Drag a file from another program's window into the viewer's, with the mouse."""
    path = smoke.here / "boxes.png"
    if importlib.util.find_spec("PySide6") is None:
        say("skip the drop: this Python has no PySide6 to drag from")
        return
    env = os.environ | {"DISPLAY": screen, "QT_QPA_PLATFORM": "xcb"}
    command = [sys.executable, str(Path(__file__).with_name("drag.py")), str(path)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as source:
        _until(lambda: bool(_windows(screen, "drag source")))
        hand = ["mousemove", "1480", "80", "mousedown", "1"]
        hand += [
            word for x in range(1460, 500, -60) for word in ("sleep", "0.05", "mousemove", str(x), "400")
        ]
        subprocess.run(["xdotool", *hand, "sleep", "0.5", "mouseup", "1"], env=env, check=False)
        _until(lambda: bool(_windows(screen, "boxes.png")))
        _keep_screen(screen, shots, "drop")
        source.terminate()  # not before: what is dropped is fetched from it when the drag is over for it
        told = source.stdout.read().strip() if source.stdout is not None else ""
    smoke.check(told == "taken", "the window takes a file that is dropped", told)
    smoke.check(bool(_windows(screen, "boxes.png")), "it shows the dropped picture")


def _keep_screen(screen: str, shots: Path | None, name: str) -> None:
    """A picture of the whole screen once nothing moves on it, where this Python has Pillow."""
    if shots is None or importlib.util.find_spec("PIL") is None:
        return
    from PIL import ImageGrab

    before, end = b"", time.monotonic() + LIMIT / 3
    while time.monotonic() < end:
        time.sleep(3)
        image = ImageGrab.grab(xdisplay=screen)
        if image.tobytes() == before:
            break
        before = image.tobytes()
    image.save(shots / f"package-{name}.png")


def _processor_seconds(pid: int) -> float:
    """What a program has used until now; its helpers, which work beside it, are not in it."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _windows(screen: str, name: str) -> list[str]:
    command = ["xdotool", "search", "--onlyvisible", "--name", name]
    env = os.environ | {"DISPLAY": screen}
    found = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return found.stdout.split()


def _until(done: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.05)


def main() -> int:
    """Run everything; 1 where something failed."""
    package = Path(sys.argv[1]).resolve()
    shots = Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None
    before = snapshot(package)
    unpacked = sum(size for size, _ in before.values())
    with tempfile.TemporaryDirectory(prefix="hflic smoke ") as folder:
        work = Path(folder)
        work.chmod(0o755)
        smoke = Smoke(package / "hflic", work)
        smoke.check(unpacked < UNPACKED, f"under {UNPACKED / 1e9:g} GB", f"{unpacked / 1e6:.0f} MB")
        smoke.check((package / "lib" / "licences" / "README.txt").is_file(), "the licences are inside")
        photo = package / "lib" / "matplotlib" / "mpl-data" / "sample_data" / "grace_hopper.jpg"
        commands(smoke, photo)
        offscreen(smoke, shots)
        on_a_screen(smoke, shots)
        smoke.check(snapshot(package) == before, "the installation is as it was")
    say(f"{len(smoke.failures)} failed" if smoke.failures else "all is well")
    return 1 if smoke.failures else 0


if __name__ == "__main__":
    sys.exit(main())
