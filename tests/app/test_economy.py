"""What did not change is neither drawn nor written again: progress comes many times a second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.keyed import STOPPED, JobsByKey
from app.panels.overlays import EmptyState
from app.raster import Raster, from_picture
from app.session import Session
from app.state import Side
from app.tasks import Coded, Compress, OpenFile
from app.window import Window
from models.codec import Encoding, Rate
from models.picture import Picture
from tests.app.conftest import scene, shown
from tests.app.engines import HandEngine


class Paints(QObject):
    """Counts how often a widget is drawn."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self.count = 0
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        self.count += event.type() is QEvent.Type.Paint
        return False


def raster(seed: int) -> Raster:
    return replace(from_picture(Picture(scene(96, 64, seed))), path=Path("photo.png"))


@pytest.fixture
def window(qtbot: QtBot, hand: HandEngine) -> Iterator[Window]:
    """A picture whose two sides are being compressed, for so long that a bar says so."""
    with shown(qtbot, Session(hand, "webp", "jpeg")) as made:  # type: ignore[arg-type]
        hand.all_usable()
        made.commands.open_paths([Path("photo.png")])
        hand.answer(OpenFile, raster(0))
        for given in hand.tasks(Compress):
            hand.progressed.emit(given.id, "encoding", 0.1)
        qtbot.waitUntil(lambda: all(panel.bar.isVisible() for panel in made.inspector.sides.values()))
        QApplication.processEvents()
        yield made


def test_progress_moves_the_bar_and_leaves_the_picture_alone(window: Window, hand: HandEngine) -> None:
    canvas, table = Paints(window.canvas), window.inspector.metrics
    written: list[object] = []
    table.itemChanged.connect(written.append)
    for share in (0.2, 0.4, 0.6):
        hand.progressed.emit(hand.tasks(Compress)[0].id, "encoding", share)
        QApplication.processEvents()
    assert window.inspector.sides[Side.LEFT].bar.value() == 600
    assert window.inspector.sides[Side.RIGHT].bar.value() == 100
    assert canvas.count == 0 and not written


def test_a_result_is_drawn_and_its_numbers_are_written(window: Window, hand: HandEngine) -> None:
    canvas, table = Paints(window.canvas), window.inspector.metrics
    written: list[object] = []
    table.itemChanged.connect(written.append)
    encoding = Encoding(bytes(100), "webp", 40, 96, 64, 0.1, None)
    hand.answer(Compress, Coded(encoding, raster(1), 0.05), at=0)
    QApplication.processEvents()
    assert canvas.count > 0 and written
    assert "File size [bytes]\t100\t" in table.tsv()
    written.clear()
    window.session.measured.emit()
    assert not written


def test_the_same_picture_is_not_drawn_again(window: Window) -> None:
    QApplication.processEvents()
    canvas, same = Paints(window.canvas), window.canvas.raster("left")
    window.canvas.show_raster("left", same)
    QApplication.processEvents()
    assert canvas.count == 0
    window.canvas.show_raster("left", raster(5))
    QApplication.processEvents()
    assert canvas.count > 0


def test_links_to_recent_files_are_made_when_they_are_seen(qtbot: QtBot) -> None:
    page = EmptyState()
    qtbot.addWidget(page)
    before = len(page.findChildren(QPushButton))
    page.show_recent([Path("/a/one.png"), Path("/a/two.png")])
    assert len(page.findChildren(QPushButton)) == before
    page.show()
    assert [link.text() for link in page.findChildren(QPushButton)][before:] == ["one.png", "two.png"]
    page.show_recent([Path("/a/three.png")])
    qtbot.waitUntil(
        lambda: [link.text() for link in page.findChildren(QPushButton)][before:] == ["three.png"]
    )


def test_jobs_by_key_keep_their_books(hand: HandEngine, qapp: object) -> None:
    jobs = JobsByKey[str](Session(hand)._desk)  # type: ignore[arg-type]
    told: list[object] = []

    def start(key: str) -> int:
        task = Compress(key, "jpeg", Rate(quality=1))
        jobs.start(key, task, told.append, lambda failure: told.append((key, failure)), lambda: None)
        return hand.given[-1].id

    first, second, third = start("a"), start("b"), start("c")
    hand.progressed.emit(first, "encoding", 0.5)
    assert jobs and "a" in jobs and jobs.stage("a") == ("encoding", 0.5) and jobs.stage("b") is None
    hand.finished.emit(first, "made")
    assert told == ["made"] and "a" not in jobs and jobs.error("a") is None
    jobs.keep(["c"])
    assert second in hand.stopped and "b" not in jobs and jobs.error("b") is None
    hand.finished.emit(second, "too late")
    assert told == ["made"]
    jobs.stop(["d"])
    assert third in hand.stopped and not jobs
    assert jobs.error("c") == jobs.error("d") == STOPPED
    jobs.forgive(["c"])
    assert jobs.error("c") is None and jobs.error("d") == STOPPED
    hand.cancelled.emit(start("e"))
    assert told[-1] == ("e", None) and jobs.error("e") == STOPPED
    jobs.retry()
    assert jobs.error("d") is None and jobs.error("e") is None
