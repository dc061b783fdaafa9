"""How are the pictures of the README made? `python -m app.screenshots OUT` runs the viewer and takes them.

`--both` takes each in both themes, names after OUT take only those, and QT_SCALE_FACTOR=2 takes them for a
screen of twice the density: for looking at, see `make look`.

Everything is real: the sample photo goes through the codec processes of this machine, so the seconds in
the table differ from run to run, and the pictures follow the weights that are here.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from app import theme
from app.columns import Column
from app.commands import sample_photo
from app.engine import Engine
from app.kinds import Kind
from app.scenes import STATES, Overlays, grabbed, wait_for, wait_idle
from app.session import Session
from app.settings import Settings
from app.state import ORIGINAL, Side
from app.viewport import Mode
from app.window import Window
from models.codec import Rate
from models.errors import HflicError, OutputError
from models.files import write_file

LIMIT = 400_000  # bytes of a file, so that the repository stays small
EMPTY = "empty"  # the state before anything is opened
_COLOURS = (256, 192, 128, 96, 64)


@dataclass(frozen=True)
class Scene:
    """A picture to take. `look`: scale and the picture point in the middle, None for the whole picture.

    kind: of the difference; places: the most different ones are found and the second is looked at.
    columns: what stands beside both sides; state: of the window, see `app.scenes`.
    tried: sizes asked for before, in bits per pixel: with any the plot is shown; faces: they are marked.
    left: the codec of side A, "" for that of all scenes.
    """

    name: str
    theme: str
    right: str
    bpp: float
    mode: Mode = Mode.SPLIT
    look: tuple[float, float, float] | None = None
    tried: tuple[float, ...] = ()
    faces: bool = False
    kind: Kind = Kind.ABSOLUTE
    places: bool = False
    columns: tuple[str, ...] = ()
    state: str = ""
    left: str = ""


SCENES: tuple[Scene, ...] = (
    Scene("split", theme.LIGHT, "jpeg", 0.25),
    Scene("detail", theme.DARK, "jpeg", 0.15, look=(3.0, 255, 225)),
    Scene("side", theme.DARK, "webp", 0.15, Mode.SIDE, (1.0, 256, 240)),
    Scene("columns", theme.DARK, "jpeg", 0.15, Mode.SIDE, (1.6, 256, 220), columns=("webp", ORIGINAL)),
    Scene("difference", theme.LIGHT, "webp", 0.15, Mode.DIFFERENCE),
    Scene("perceptual", theme.DARK, "webp", 0.15, Mode.DIFFERENCE, kind=Kind.PERCEPTUAL),
    Scene("crops", theme.LIGHT, "jpeg", 0.15, places=True),
    Scene("pixels", theme.DARK, "jpeg", 0.15, Mode.SIDE, (32.0, 256, 225)),
    Scene("plot", theme.LIGHT, "jpeg", 0.25, look=(2.0, 255, 225), tried=(0.1, 0.15, 0.4, 0.6), faces=True),
    Scene("refined", theme.DARK, "hflic-mse", 0.15, Mode.SIDE, (2.0, 255, 225), left="hflic-mse~100"),
    Scene("empty", theme.DARK, "jpeg", 0.25, state=EMPTY),
    Scene("filmstrip", theme.DARK, "jpeg", 0.25, state="filmstrip"),
    Scene("export", theme.LIGHT, "jpeg", 0.15, places=True, state="export"),
    Scene("evidence", theme.DARK, "jpeg", 0.15, state="evidence"),
    Scene("menu", theme.LIGHT, "jpeg", 0.25, state="export_menu"),
    Scene("palette", theme.DARK, "jpeg", 0.25, state="palette"),
    Scene("blind", theme.DARK, "jpeg", 0.15, state="blind"),
    Scene("blind-result", theme.LIGHT, "jpeg", 0.15, state="blind_result"),
    Scene("busy", theme.LIGHT, "jpeg", 0.25, state="busy"),
    Scene("jobs", theme.DARK, "jpeg", 0.25, state="jobs"),
    Scene("error", theme.LIGHT, "jpeg", 0.25, state="error"),
    Scene("table", theme.LIGHT, "jpeg", 0.25, tried=(0.1, 0.5), state="table"),
    Scene("keys", theme.LIGHT, "jpeg", 0.25, state="keys"),
    Scene("about", theme.DARK, "jpeg", 0.25, state="about"),
)


def in_both_themes(scenes: Sequence[Scene]) -> tuple[Scene, ...]:
    """Each twice, with the theme in its name."""
    return tuple(
        replace(scene, name=f"{scene.name}-{name}", theme=name)
        for scene in scenes
        for name in (theme.LIGHT, theme.DARK)
    )


def take_all(folder: Path, scenes: Sequence[Scene] = SCENES, left: str = "hflic") -> list[Path]:
    """Write a PNG for each scene and give their paths.

    `left`: the codec of side A; the best usable one where it is not. Raises HflicError where the sample photo
    is missing, something does not arrive in time, or a file cannot be written or is above LIMIT.
    """
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        app = QApplication(sys.argv[:1])
    photo = sample_photo()
    if photo is None:
        raise HflicError("the sample photo is missing: run make setup")
    theme.apply(app, theme.LIGHT)
    session = Session(Engine(), left, scenes[0].right, Rate(bpp=scenes[0].bpp))
    window = Window(session, Settings(started=True))
    try:
        window.show()
        session.start()
        folder.mkdir(parents=True, exist_ok=True)
        empty = [scene for scene in scenes if scene.state == EMPTY]
        made = []
        for scene in empty:
            window.set_theme(scene.theme)
            app.processEvents()
            made.append(_write(window, [], folder / f"{scene.name}.png"))
        window.commands.open_paths([photo])
        wait_for(lambda: session.picture is not None and session.idle, "the sample")
        others = [scene for scene in scenes if scene not in empty]
        return made + [
            _take(app, window, replace(scene, left=scene.left or left), folder / f"{scene.name}.png")
            for scene in others
        ]
    finally:
        window.close()


def _take(app: QApplication, window: Window, scene: Scene, path: Path) -> Path:
    session, view = window.session, window.viewport
    window.set_theme(scene.theme)
    session.choose(Side.LEFT, scene.left)
    session.choose(Side.RIGHT, scene.right)
    for column, codec in zip(Column, (*scene.columns, "", ""), strict=False):
        session.columns.choose(column, codec)
    for bpp in (*scene.tried, scene.bpp):
        session.set_rate(Side.LEFT, Rate(bpp=bpp))
        wait_idle(session)
    window.inspector.show_plot(bool(scene.tried))
    window.show_faces(scene.faces)
    session.crops.clear()
    view.set_mode(scene.mode)
    if scene.mode is Mode.DIFFERENCE:
        view.set_kind(scene.kind)
    wait_idle(session)
    view.fit()
    if scene.look is not None:
        scale, across, down = scene.look
        view.zoom_to(scale)
        view.look_at(QPointF(across, down))
    if scene.places:
        window.commands.command("places")()
        wait_idle(session)
        window.commands.command("next_box")()
    with STATES[scene.state](window) as overlays:
        if scene.state != "error":
            window.status.clearMessage()
        app.processEvents()
        return _write(window, overlays, path)


def _write(window: Window, overlays: Overlays, path: Path) -> Path:
    limit = round(LIMIT * window.devicePixelRatioF() ** 2)
    write_file(path, small_png(_pixels(grabbed(window, overlays)), limit))
    return path


def _pixels(image: QImage) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()


def small_png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], limit: int = LIMIT) -> bytes:
    """A PNG of (H, W, 3) pixels of at most `limit` bytes: with all colours, else with as many as fit.

    Raises OutputError where even the fewest colours are too many.
    """
    image = Image.fromarray(pixels)
    tries: list[Image.Image | int] = [image, *_COLOURS]
    for each in tries:
        buffer = io.BytesIO()
        made = image.quantize(each, Image.Quantize.MEDIANCUT) if isinstance(each, int) else each
        made.save(buffer, "PNG", optimize=True)
        if buffer.tell() <= limit:
            return buffer.getvalue()
    raise OutputError(f"a picture of {image.width}x{image.height} does not fit into {limit} bytes")


def main(words: Sequence[str] | None = None) -> int:
    """Take the pictures into a folder."""
    parser = argparse.ArgumentParser(prog="python -m app.screenshots")
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    parser.add_argument("--both", action="store_true", help="each in both themes")
    parser.add_argument("--left", default="hflic", help="the codec of side A")
    given = parser.parse_intermixed_args(words)
    if unknown := sorted(set(given.names) - {scene.name for scene in SCENES}):
        parser.error(f"there is no picture {unknown[0]}: choose from {', '.join(s.name for s in SCENES)}")
    scenes: Sequence[Scene] = [scene for scene in SCENES if not given.names or scene.name in given.names]
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    try:
        paths = take_all(given.folder, in_both_themes(scenes) if given.both else scenes, given.left)
    except HflicError as error:
        sys.stderr.write(f"screenshots: {error}\n")
        return 1
    for path in paths:
        sys.stdout.write(f"{path} {path.stat().st_size}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
