"""A neural codec in the viewer, with real processes: compressed, saved, opened, refused when damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.engine import Engine
from app.session import Session
from app.settings import Settings
from app.state import FILE, Phase, Side
from app.window import Window
from models.codec import Rate, entry
from models.picture import Picture
from tests.app.conftest import scene, shown


@pytest.fixture
def window(qtbot: QtBot, learned: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    monkeypatch.setattr("app.wishes.METRICS", ("psnr",))
    defaults = Settings()
    session = Session(Engine(), defaults.left, defaults.right, Rate(quality=50))
    with shown(qtbot, session) as made:
        yield made


def drop(window: Window, path: Path, at: QPointF) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    hand, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    action = Qt.DropAction.CopyAction
    QApplication.sendEvent(window, QDragEnterEvent(at.toPoint(), action, mime, hand, keys))
    QApplication.sendEvent(window, QDropEvent(at, action, mime, hand, keys))


def settle(qtbot: QtBot, window: Window) -> None:
    qtbot.waitUntil(lambda: window.session.anything is not None and window.session.idle, timeout=120000)


def test_a_neural_file_goes_out_and_comes_back_the_same(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    source = tmp_path / "photo.png"
    Picture(scene(96, 64)).save(source)
    drop(window, source, QPointF(300, 300))
    settle(qtbot, window)
    session = window.session
    made = session.view(Side.LEFT)
    assert entry(session.choice(Side.LEFT).codec).learned  # the best that can be used, though not asked for
    assert made.phase is Phase.DONE
    assert made.coded is not None
    assert made.raster is not None

    saved = tmp_path / "photo.hflic"
    session.save_file(session.view(Side.LEFT), saved)
    qtbot.waitUntil(lambda: not session.saving, timeout=20000)
    assert saved.read_bytes() == made.coded.encoding.data

    low = window._stack.height() * 0.95
    right_half = window._stack.mapTo(window, window._stack.rect().center()).x() + 100
    drop(window, saved, QPointF(right_half, window._stack.y() + low))
    settle(qtbot, window)
    opened = session.view(Side.RIGHT)
    assert session.choice(Side.RIGHT).codec == FILE
    assert opened.name == made.name
    assert opened.raster is not None
    assert opened.raster.digest == made.raster.digest
    assert window.canvas._labels["right"].line == window.canvas._labels["left"].line
    words = window.inspector.sides[Side.RIGHT].status.text()
    assert words.startswith("photo.hflic\n")
    assert f"weights {made.coded.encoding.weights}" in words

    broken = bytearray(saved.read_bytes())
    broken[len(broken) // 2] ^= 0x10
    bad = tmp_path / "bad.hflic"
    bad.write_bytes(broken)
    drop(window, bad, QPointF(right_half, window._stack.y() + low))
    qtbot.waitUntil(lambda: bool(window.messages.text), timeout=20000)
    assert window.messages.text.startswith("bad.hflic: ")
    assert session.view(Side.RIGHT).raster is opened.raster
