"""How long does the viewer keep a person waiting? `hflic bench --viewer`: gaps, repaints, drops, start."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import QMimeData, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QImage
from PySide6.QtWidgets import QApplication, QWidget

from app import quiet, theme
from app.engine import Engine
from app.kinds import Kind
from app.session import Session
from app.settings import Settings
from app.state import Side
from app.viewport import Mode
from app.window import Window
from models.bench import bench_picture
from models.codec import Rate
from models.errors import HflicError
from models.picture import Picture

TICK_MS = 5
PATIENCE_S = 300.0
REPAINTS = 25
CANVAS = (1600, 900)
LARGE, USUAL = (6000, 4000), (768, 512)
# 0: the whole picture. Around 1/2 and 1/4 most is shrunk, from 30 on pixels have their values on them.
SCALES = (0.0, 0.1, 0.26, 0.3, 0.5, 0.51, 0.75, 0.99, 1.0, 2.0, 3.3, 8.0, 20.0, 33.0)


@dataclass(frozen=True)
class ViewerRow:
    """One measurement in milliseconds: what was done, the worst, and the usual one."""

    what: str
    worst_ms: float
    usual_ms: float
    usual: str
    count: int


class _Gaps:
    """Times between the ticks of a 5 ms timer: while one is late, the interface does nothing else."""

    def __init__(self, app: QApplication) -> None:
        self._app = app
        self._seen: list[float] = []
        self._last = 0.0
        self._timer = QTimer(interval=TICK_MS)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def _tick(self) -> None:
        now = time.perf_counter()
        self._seen.append((now - self._last) * 1e3)
        self._last = now

    def during(self, what: str, act: Callable[[], None], until: Callable[[], bool]) -> ViewerRow:
        """Do something, run until it is over, and say how long the interface stood still at most."""
        self._seen.clear()
        self._last = time.perf_counter()
        self._timer.start()
        act()
        wait(self._app, until)
        self._tick()  # what blocks to the very end counts too
        self._timer.stop()
        return ViewerRow(
            what, max(self._seen), float(np.percentile(self._seen, 99)), "99th percentile", len(self._seen)
        )


def wait(app: QApplication, until: Callable[[], bool]) -> float:
    """Run the interface until something holds; seconds it took. Raises HflicError after five minutes."""
    begin = time.perf_counter()
    while not until():
        app.processEvents()
        if time.perf_counter() - begin > PATIENCE_S:
            raise HflicError(
                "the viewer did not finish within five minutes: close other programs and try again"
            )
        time.sleep(2e-4)
    return time.perf_counter() - begin


def drop(target: QWidget, path: Path) -> None:
    """Drop a file on a widget as a desktop does."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    middle = target.rect().center()
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    action = Qt.DropAction.CopyAction
    QApplication.sendEvent(target, QDragEnterEvent(middle, action, mime, buttons, keys))
    QApplication.sendEvent(target, QDropEvent(QPointF(middle), action, mime, buttons, keys))


def measure_viewer(
    report: Callable[[str], None], large: tuple[int, int] = LARGE, usual: tuple[int, int] = USUAL
) -> list[ViewerRow]:
    """All measurements, without a screen. `large` and `usual`: sizes of the photographs used.

    Raises HflicError where the viewer does not finish.
    """
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    found = QApplication.instance()
    app = found if isinstance(found, QApplication) else QApplication(sys.argv[:1])
    theme.apply(app, "dark")
    rows = []
    with tempfile.TemporaryDirectory(prefix="hflic-bench-") as folder:
        for size, measure in ((usual, _drops), (large, _large)):
            path = Path(folder) / f"{size[0]}x{size[1]}.jpg"
            bench_picture(*size).save(path)
            report(f"measuring the viewer with {size[0]} x {size[1]} pixels")
            rows += measure(app, path)
    quiet.take_back()
    if getattr(sys, "frozen", False):
        return rows  # a packaged program runs no scripts: its start is timed from outside
    report("measuring the start")
    return [*rows, _starts()]


def _window(app: QApplication, codecs: tuple[str, str], rate: Rate) -> Window:
    session = Session(Engine(), *codecs, rate, insisted=tuple(Side))
    window = Window(session, Settings(started=True))
    window.show()
    session.start()
    wait(app, lambda: all(session.catalogue.known(codec) for codec in codecs) and session.idle)
    quiet.leave_out()  # as the program does
    return window


def _both_fresh(session: Session) -> bool:
    views = [session.view(side) for side in Side]
    return all(view.coded is not None and not view.stale for view in views)


def _drops(app: QApplication, path: Path) -> list[ViewerRow]:
    """From a drop to both compressed sides; then a setting that was there before."""
    window = _window(app, ("elic", "hflic"), Rate(bpp=0.25))
    session = window.session
    times = []
    try:
        for turn in range(3):
            again = path.with_name(f"{turn}-{path.name}")
            picture = Picture.open(path).pixels.copy()
            picture[0, 0] = turn  # another picture each time: nothing is remembered of it
            Picture(picture).save(again.with_suffix(".png"))
            begin = time.perf_counter()
            drop(window, again.with_suffix(".png"))
            wait(app, lambda: bool(session.opener.name))
            wait(app, lambda: not session.opener.name and _both_fresh(session))
            times.append((time.perf_counter() - begin) * 1e3)
            wait(app, lambda: session.idle)
        session.set_rate(Side.LEFT, Rate(bpp=0.5))
        wait(app, lambda: session.idle and _both_fresh(session))
        begin = time.perf_counter()
        session.set_rate(Side.LEFT, Rate(bpp=0.25))
        wait(app, lambda: _both_fresh(session))
        window.canvas.repaint()
        cached = (time.perf_counter() - begin) * 1e3
    finally:
        window.close()
    size = f"{session.picture.width} x {session.picture.height}" if session.picture else "a photo"
    return [
        ViewerRow(f"drop of {size} to both sides shown", max(times), float(np.median(times)), "median", 3),
        ViewerRow("a rate that was there before, to its repaint", cached, cached, "once", 1),
    ]


def _large(app: QApplication, path: Path) -> list[ViewerRow]:
    window = _window(app, ("webp", "jpeg"), Rate(quality=40))
    session, viewport, canvas = window.session, window.viewport, window.canvas
    gaps = _Gaps(app)
    rows = []
    try:
        rows.append(
            gaps.during(
                "open and compress a large photo",
                lambda: window.commands.open_paths([path]),
                lambda: _both_fresh(session),
            )
        )
        for mode in Mode:
            rows.append(
                gaps.during(
                    f"switch to {mode.value}",
                    partial(viewport.set_mode, mode),
                    lambda: not session.differences.working,
                )
            )
        rows.append(
            gaps.during(
                "signed difference",
                lambda: viewport.set_kind(Kind.SIGNED),
                lambda: not session.differences.working,
            )
        )
        viewport.set_mode(Mode.SPLIT)
        viewport.zoom_to(1.0)

        def pan() -> None:
            for _ in range(200):
                viewport.pan(QPointF(7, 3))
                app.processEvents()

        rows.append(gaps.during("pan at 100%", pan, lambda: not session.differences.working))
        canvas.resize(*CANVAS)
        rows.append(
            _repaint(window, 0.0, f"the whole of {CANVAS[0]} x {CANVAS[1]} while metrics are measured")
        )
        # Then alone: measuring 24 megapixels takes both processors for a minute.
        session.cancel()
        wait(app, lambda: session.idle)
        rows += [_repaint(window, scale) for scale in SCALES]
    finally:
        canvas.hide()
        window.close()
    return rows


def _repaint(window: Window, scale: float, what: str = "") -> ViewerRow:
    """Draw the canvas at a scale, 0 for the whole picture, as often as REPAINTS says."""
    viewport, canvas = window.viewport, window.canvas
    image = QImage(*CANVAS, QImage.Format.Format_RGB32)
    viewport.zoom_to(scale) if scale else viewport.fit()
    times = []
    for _ in range(REPAINTS):
        begin = time.perf_counter()
        canvas.render(image)
        times.append((time.perf_counter() - begin) * 1e3)
    what = what or f"repaint {CANVAS[0]} x {CANVAS[1]} at {viewport.scale:.0%}"
    return ViewerRow(what, max(times), float(np.median(times)), "median", REPAINTS)


def _starts() -> ViewerRow:
    """From the command to the first painted window, in processes of their own."""
    code = (
        "import sys, time; begin = time.perf_counter()\n"
        "from app.view import open_viewer\n"
        "from app.settings import SettingsFile\n"
        "from app.window import Window\n"
        "from pathlib import Path\n"
        "from PySide6.QtCore import QTimer\n"
        "def seen(self, event):\n"
        "    shown(self, event)\n"
        "    def end():\n"
        "        print(time.perf_counter() - begin, flush=True); self.close()\n"
        "    QTimer.singleShot(0, end)\n"
        "shown = Window.showEvent; Window.showEvent = seen\n"
        "if __name__ == '__main__':\n"
        "    open_viewer(settings_file=SettingsFile(Path(sys.argv[1])))\n"
    )
    times = []
    with tempfile.TemporaryDirectory(prefix="hflic-bench-") as folder:
        script = Path(folder) / "start.py"
        script.write_text(code, encoding="utf-8")
        root = str(Path(__file__).resolve().parents[1])
        environment = os.environ | {"PYTHONPATH": root, "QT_QPA_PLATFORM": "offscreen"}
        for _ in range(4):
            begin = time.perf_counter()
            done = subprocess.Popen(
                [sys.executable, str(script), f"{folder}/settings.json"],
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert done.stdout is not None
            if not done.stdout.readline().strip():
                raise HflicError("the viewer did not start: run hflic view to see why")
            times.append((time.perf_counter() - begin) * 1e3)
            done.communicate(timeout=PATIENCE_S)
    return ViewerRow(
        "start of the program to its window", max(times[1:]), float(np.median(times[1:])), "median", 3
    )
