"""Fixtures of the viewer's tests: no screen, no trace on this machine, nothing left running."""

from __future__ import annotations

import errno
import gc
import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import platformdirs
import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QThread, QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from app import theme
from app.session import Session
from app.settings import Settings
from app.window import Window
from models.picture import Picture
from tests.app.engines import HandEngine, InlineEngine

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(autouse=True)
def _no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings and logs go to a folder of the test."""
    for kind in ("config", "log", "data", "cache", "state"):
        folder = tmp_path / f"user-{kind}"
        monkeypatch.setattr(platformdirs, f"user_{kind}_dir", lambda *a, folder=folder, **k: str(folder))


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """No thread, process or timer outlives a test."""
    yield
    app = QCoreApplication.instance()
    if app is not None:
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    left = _running()
    if left:
        del left
        gc.collect()
        left = _running()
    assert not left, f"still running: {left}"
    assert not multiprocessing.active_children()


def _running() -> list[object]:
    return [
        thing
        for thing in gc.get_objects()
        if (isinstance(thing, QThread) and isValid(thing) and thing.isRunning())
        or (isinstance(thing, QTimer) and isValid(thing) and thing.isActive())
    ]


@contextmanager
def shown(qtbot: QtBot, session: Session) -> Iterator[Window]:
    """The window of a session on the (absent) screen, in the light theme; closed at the end."""
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    theme.apply(app, "light")
    made = Window(session, Settings(started=True))
    qtbot.addWidget(made)
    made.show()
    session.start()
    yield made
    made.close()


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Iterator[HandEngine]:
    """An engine whose answers the test gives; numbers are asked for as soon as they can be measured."""
    monkeypatch.setattr("app.judge.PATIENCE_MS", 0)
    engine = HandEngine()
    yield engine
    engine.close()


@pytest.fixture
def inline() -> Iterator[InlineEngine]:
    """An engine that runs tasks in this process, one an event loop turn."""
    engine = InlineEngine()
    yield engine
    engine.close()


@pytest.fixture
def photo(tmp_path: Path) -> Callable[..., Path]:
    """Makes picture files: `photo("name.png", 96, 64)`."""

    def make(name: str = "photo.png", width: int = 96, height: int = 64, seed: int = 0) -> Path:
        path = tmp_path / name
        Picture(scene(width, height, seed)).save(path)
        return path

    return make


@pytest.fixture
def dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a network drive that fell away: whoever looks at it gets an error."""
    folder, stat = tmp_path / "dead", Path.stat

    def look(path: Path, **how: bool) -> os.stat_result:
        if path.is_relative_to(folder):
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected", str(path))
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", look)
    return folder


def scene(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Pixels (H, W, 3) with smooth parts, edges and texture."""
    random = np.random.default_rng(seed)
    down, across = np.mgrid[0:height, 0:width]
    base = np.stack([across * 255 / width, down * 255 / height, 128 + 100 * np.sin(across / 5)], axis=-1)
    base[height // 4 : height // 2, width // 4 : width // 2] = (230, 40, 40)
    return (base + random.normal(0, 12, base.shape)).clip(0, 255).astype(np.uint8)
