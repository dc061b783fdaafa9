"""How does the viewer start and end? Called by the command line."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from ctypes.util import find_library
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QEvent, QIODevice, QObject, Qt, QTimer, Slot
from PySide6.QtGui import QFileOpenEvent, QSessionManager
from PySide6.QtWidgets import QApplication

from app import quiet, theme
from app.commands import sample_photo
from app.docs import Page
from app.ending import Ending
from app.engine import Engine
from app.host import Host, to_front
from app.log import catch_faults, start_log
from app.panels.docs import DocsWindow
from app.panels.faults import FaultTeller
from app.preload import Preloader
from app.restore import Remembered, SessionFile, begin_again, learn_boxes
from app.session import Session
from app.settings import Settings, SettingsFile
from app.signals import Signals
from app.single import name_for
from app.state import Level, Notice, Side
from app.viewport import Mode
from app.window import Window
from models.assets import frozen
from models.codec import Rate
from models.errors import HflicError, OutputError, PictureError, SuffixError
from models.files import write_file
from models.paths import absolute

log = logging.getLogger(__name__)

SCREENSHOT_PATIENCE_MS = 10 * 60 * 1000


def open_viewer(
    paths: Sequence[str | Path] = (),
    left: str | None = None,
    right: str | None = None,
    bpp: float | None = None,
    mode: str | None = None,
    screenshot: str | Path | None = None,
    quality: float | None = None,
    settings_file: SettingsFile | None = None,
) -> int:
    """Open the viewer and run it until it closes; gives the exit code.

    What is not given comes from the settings of the last time. `screenshot` renders the window into a PNG
    once everything has arrived, and ends; settings are then neither used nor changed. Raises HflicError
    for a rate or mode that does not exist, and for a screenshot that cannot be made or is no .png.
    """
    if screenshot is not None and Path(screenshot).suffix.lower() != ".png":
        raise SuffixError(f"cannot write {screenshot}: a screenshot is a .png")
    app = _application(screenshot is not None)
    store = settings_file or SettingsFile()
    settings = Settings() if screenshot is not None else store.load()
    wanted = _mode(mode or settings.mode)
    rate = Rate(quality=quality, bpp=bpp) if (bpp, quality) != (None, None) else Rate(bpp=settings.bpp)
    if screenshot is None:
        start_log()
    else:
        logging.getLogger("app").addHandler(logging.NullHandler())  # the message bar tells enough
    theme.apply(app, settings.theme)
    insisted = [side for side, id in ((Side.LEFT, left), (Side.RIGHT, right)) if id is not None]
    session = Session(Engine(), left or settings.left, right or settings.right, rate, insisted)
    session.locked = settings.locked and quality is None
    session.columns.set_metric(settings.label)
    window = Window(session, settings)
    window.viewport.set_mode(wanted)
    documents = _Documents(window)
    app.installEventFilter(documents)
    host = None
    if screenshot is None and store.path is not None:
        host = Host(name_for(store.path), lambda: window.willing, window)
        host.asked.connect(documents.open)
    preloader = Preloader(session, parent=window)
    undo = catch_faults(FaultTeller(window).tell)
    try:
        session.start()
        kept = SessionFile(store.path.with_name("session.json") if store.path is not None else None)
        last = kept.load() if screenshot is None else Remembered()
        if settings.restore:
            learn_boxes(session, last)
        restoring = settings.restore and not paths and screenshot is None
        if not (restoring and begin_again(session, window.viewport, last, bool(insisted))):
            _open_first(window, [absolute(Path(path)) for path in paths], settings, screenshot is not None)
        for problem in filter(None, (kept.problem if settings.restore else "", store.problem)):
            session.noticed.emit(Notice(Level.WARNING, problem))
        if screenshot is not None:
            return _make_screenshot(app, window, Path(screenshot))
        window.show()
        quiet.leave_out()
        return _run(app, Ending(window, store, settings, kept, last))
    finally:
        undo()
        app.removeEventFilter(documents)
        if host is not None:
            host.close()
        window.close()
        preloader.wait()


def open_docs(page: Page) -> int:
    """Show the documentation until its window closes; gives the exit code. HflicError without a screen."""
    app = _application()
    theme.apply(app, SettingsFile().load().theme)
    window = DocsWindow(page)
    window.show()
    return _run(app)


def _run(app: QApplication, ending: Ending | None = None) -> int:
    """Until all windows are closed, or the system asks for the end; gives the exit code."""
    signals = Signals(app.closeAllWindows)

    def ends(_: QSessionManager) -> None:  # the desktop's session, which may not wait for more
        if ending is not None:
            ending.keep()

    app.commitDataRequest.connect(ends, Qt.ConnectionType.DirectConnection)
    try:
        code = app.exec()
        for problem in ending.keep() if ending is not None else ():
            print(f"hflic: {problem}", file=sys.stderr)  # noqa: T201  (no window is there any more)
        return signals.code or code
    finally:
        app.commitDataRequest.disconnect(ends)
        signals.close()


def _application(invisible: bool = False) -> QApplication:
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        if invisible and not _display():
            os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        check_screen()
        app = QApplication(sys.argv[:1])
    app.setApplicationName("hflic")
    app.setApplicationDisplayName("HFLIC")
    app.setDesktopFileName("org.hflic.HFLIC")
    return app


def _display() -> bool:
    """Whether there is a screen to open a window on."""
    chosen = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in chosen)


def check_screen() -> None:
    """Raises HflicError where Qt would end the program because it finds no screen or lacks a library."""
    if not _display():
        raise HflicError("there is no screen to open a window on: use the commands, see hflic --help")
    on_x11 = os.environ.get("DISPLAY") and not (
        os.environ.get("QT_QPA_PLATFORM") or os.environ.get("WAYLAND_DISPLAY")
    )
    if on_x11 and sys.platform.startswith("linux") and not frozen() and find_library("xcb-cursor") is None:
        raise HflicError(
            "Qt needs the library xcb-cursor to open a window: on Debian and Ubuntu run "
            "apt install libxcb-cursor0, on Fedora dnf install xcb-util-cursor"
        )


class _Documents(QObject):
    """The Mac's way of opening a document: an event to the program, at any time."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._window = window

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Opens what the desktop asks for."""
        if isinstance(event, QFileOpenEvent):
            self._window.commands.open_paths([Path(event.file())])
            return True
        return False

    @Slot(list)
    def open(self, paths: list[Path]) -> None:
        """Opens what a later start of the program was given."""
        to_front(self._window)
        self._window.commands.open_paths(paths)


def _open_first(window: Window, paths: list[Path], settings: Settings, sample: bool) -> None:
    """What was asked for, or at the first run the sample photo."""
    if paths:
        window.commands.open_paths(paths)
    elif (sample or not settings.started) and sample_photo() is not None:
        window.commands.sample()


def _mode(name: str) -> Mode:
    try:
        return Mode(name)
    except ValueError:
        known = ", ".join(mode.value for mode in Mode)
        raise HflicError(f"there is no mode '{name}': choose one of {known}") from None


def _make_screenshot(app: QApplication, window: Window, path: Path) -> int:
    """Run until nothing is to come, then write the window's picture. Raises PictureError or OutputError."""
    errors: list[str] = []

    def heed(notice: Notice) -> None:
        if notice.level is Level.ERROR:
            errors.append(notice.text)

    window.session.noticed.connect(heed)
    window.session.settled.connect(lambda: QTimer.singleShot(0, app, lambda: _quit_when_idle(app, window)))
    giving_up = QTimer(window, singleShot=True, interval=SCREENSHOT_PATIENCE_MS)  # its window stops it
    giving_up.timeout.connect(app.quit)
    giving_up.start()
    window.show()
    app.exec()
    if not window.session.idle:
        raise OutputError("the screenshot was given up after ten minutes: use a smaller picture")
    if window.session.picture is None and errors:
        raise PictureError(errors[0])
    app.processEvents()
    buffer = QByteArray()
    device = QBuffer(buffer)
    device.open(QIODevice.OpenModeFlag.WriteOnly)
    if not window.grab().save(device, "PNG"):
        raise OutputError(f"cannot write {path}: the window could not be rendered")
    write_file(path, bytes(buffer.data()))
    return 0


def _quit_when_idle(app: QApplication, window: Window) -> None:
    if window.session.idle:
        app.quit()


__all__ = ["check_screen", "open_docs", "open_viewer"]
