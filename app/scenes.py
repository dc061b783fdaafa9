"""How does the window come into the states that are worth a picture? Each is entered, grabbed and left."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from PySide6.QtCore import QEventLoop, QPoint, Qt, QTimer
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QApplication, QDialog, QMenu, QWidget

from app import actions
from app.blind import Verdict
from app.exporting import Form
from app.panels.blind import BlindDialog
from app.panels.dialogs import about_dialog, shortcuts_dialog
from app.panels.results import ResultsDialog
from app.session import Session
from app.state import Side
from app.window import Window
from models.codec import Rate
from models.errors import HflicError

PATIENCE_S = 180
_DIM = 70  # of 255: what lies behind a dialog

Overlays = list[tuple[QWidget, QPoint]]  # windows of their own, and where they lie over the main one
State = Callable[[Window], AbstractContextManager[Overlays]]


def wait_for(done: Callable[[], bool], what: str) -> None:
    """Run the interface until something holds. Raises HflicError after a while."""
    loop = QEventLoop()
    check = QTimer(interval=20)
    end = time.monotonic() + PATIENCE_S
    check.timeout.connect(lambda: loop.quit() if done() or time.monotonic() > end else None)
    check.start()
    loop.exec()
    check.stop()
    if not done():
        raise HflicError(f"{what} did not come within {PATIENCE_S} seconds")


def wait_idle(session: Session) -> None:
    """Until nothing runs. Raises HflicError for a side that failed."""
    wait_for(lambda: session.idle, "the end of all work")
    for side in Side:
        if error := session.view(side).error:
            raise HflicError(error)


def grabbed(window: Window, overlays: Overlays) -> QImage:
    """The window with what lies over it, in device pixels."""
    image = window.grab().toImage()
    painter = QPainter(image)
    for widget, at in overlays:
        if isinstance(widget, QDialog):
            painter.setOpacity(_DIM / 255)
            painter.fillRect(window.rect(), Qt.GlobalColor.black)
            painter.setOpacity(1.0)
        painter.drawPixmap(at, widget.grab())
    painter.end()
    return image


@contextmanager
def _plain(window: Window) -> Iterator[Overlays]:
    yield []


@contextmanager
def _filmstrip(window: Window) -> Iterator[Overlays]:
    """Several pictures: parts of the sample."""
    session = window.session
    picture, path = session.picture, session.picture.path if session.picture is not None else None
    assert picture is not None and path is not None
    pixels = picture.picture().pixels
    parts = {"portrait": (0, 0, 512, 600), "face": (140, 40, 400, 320), "flag": (0, 40, 180, 560),
             "insignia": (180, 330, 500, 600)}  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="hflic-scenes-") as folder:
        paths = []
        for name, (left, top, right, bottom) in parts.items():
            paths.append(Path(folder) / f"{name}.png")
            Image.fromarray(np.ascontiguousarray(pixels[top:bottom, left:right])).save(paths[-1])
        try:
            window.commands.open_paths(paths)
            wait_idle(session)
            session.step(1)
            wait_idle(session)
            gallery = session.gallery
            wait_for(lambda: all(gallery.thumbnail(p) is not None for p in paths), "the thumbnails")
            yield []
        finally:
            window.commands.open_paths([path])
            wait_idle(session)


@contextmanager
def _busy(window: Window) -> Iterator[Overlays]:
    """In the middle of a search for a size."""
    session = window.session
    before = session.choice(Side.RIGHT).codec
    session.choose(Side.RIGHT, "avif")
    session.set_rate(Side.LEFT, Rate(bpp=0.5))
    wait_for(lambda: "search" in session.view(Side.RIGHT).stage or session.idle, "a search for a size")
    began = time.monotonic()
    wait_for(lambda: time.monotonic() - began > 0.8 or session.idle, "the busy state")
    try:
        yield []
    finally:
        session.cancel()
        session.choose(Side.RIGHT, before)
        session.retry()


@contextmanager
def _jobs(window: Window) -> Iterator[Overlays]:
    with _busy(window) as overlays:
        window.working.show_queue()
        QApplication.processEvents()
        try:
            yield overlays
        finally:
            window.working.queue.hide()


@contextmanager
def _error(window: Window) -> Iterator[Overlays]:
    """A file that ends too early."""
    with tempfile.TemporaryDirectory(prefix="hflic-scenes-") as folder:
        path = Path(folder) / "cut off.hflic"
        coded = window.session.view(Side.LEFT).coded
        data = coded.encoding.data if coded is not None else b""
        path.write_bytes(data[: len(data) // 2])
        window.commands.open_paths([path])
        wait_for(lambda: bool(window.messages.text), "the error")
    try:
        yield []
    finally:
        window.messages.clear()


@contextmanager
def _palette(window: Window) -> Iterator[Overlays]:
    palette = window.working.find_command()
    palette.field.setText("cr")
    try:
        yield []
    finally:
        palette.hide()


@contextmanager
def _blind(window: Window) -> Iterator[Overlays]:
    with _over(window, window.working.blind_test()) as overlays:
        dialog = overlays[0][0]
        assert isinstance(dialog, BlindDialog)
        dialog.start(6)
        yield overlays


@contextmanager
def _blind_result(window: Window) -> Iterator[Overlays]:
    with _over(window, window.working.blind_test()) as overlays:
        dialog = overlays[0][0]
        assert isinstance(dialog, BlindDialog)
        dialog.start(2)
        for number in range(len(dialog.test.trials)):
            trial = dialog.test.current
            nearer = Verdict.LEFT if trial is not None and trial.on_left is Side.LEFT else Verdict.RIGHT
            dialog.answer(Verdict.NONE if number % 5 == 4 else nearer)
        yield overlays


@contextmanager
def _export_menu(window: Window) -> Iterator[Overlays]:
    bar = window.menuBar()
    entry = next(action for action in bar.actions() if action.text() == actions.EXPORT)
    menu = entry.menu()
    assert isinstance(menu, QMenu)
    at = bar.mapTo(window, bar.actionGeometry(entry).bottomLeft())
    menu.resize(menu.sizeHint())  # not opened: that would take the keyboard
    yield [(menu, at)]


@contextmanager
def _over(window: Window, dialog: QDialog | None) -> Iterator[Overlays]:
    """A dialog in the middle of the window."""
    if dialog is None:
        raise HflicError(window.messages.text or "the dialog does not open")
    dialog.show()
    QApplication.processEvents()
    at = window.rect().center() - dialog.rect().center()
    try:
        yield [(dialog, at)]
    finally:
        dialog.reject()


def _whole(dialog: QDialog) -> QDialog:
    """As on a large screen."""
    dialog.resize(dialog.sizeHint())
    return dialog


def _table(window: Window) -> QDialog:
    window.commands.command("table")()
    found = window.findChild(ResultsDialog)
    assert found is not None
    return found


STATES: Mapping[str, State] = {
    "": _plain,
    "filmstrip": _filmstrip,
    "busy": _busy,
    "jobs": _jobs,
    "error": _error,
    "palette": _palette,
    "blind": _blind,
    "blind_result": _blind_result,
    "export_menu": _export_menu,
    "export": lambda window: _over(window, window.sharing.ask(Form.FIGURE)),
    "evidence": lambda window: _over(window, window.sharing.ask(Form.EVIDENCE)),
    "table": lambda window: _over(window, _table(window)),
    "keys": lambda window: _over(window, _whole(shortcuts_dialog(window))),
    "about": lambda window: _over(window, _whole(about_dialog(window))),
}
