"""Weights that come while the viewer is open are found without a new start."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import weightwatch
from app.session import Session
from app.state import Level, Notice, Side
from app.tasks import Examine
from app.weightwatch import WeightsWatch
from models import weights
from models.codec import CATALOGUE
from tests.app.conftest import shown
from tests.app.engines import HandEngine

NONE = {line.id: "no weights here" if line.id == "hific" else "" for line in CATALOGUE}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The person's own folder of weights, which is not there before something is fetched."""
    monkeypatch.setattr(weightwatch, "QUIET_MS", 20)
    (tmp_path / "user-data").mkdir()
    return weights.folders()[-2]


@pytest.fixture
def watch(qapp: object, own: Path) -> Iterator[WeightsWatch]:
    made = WeightsWatch()
    made.start()
    yield made
    made.stop()


def test_a_fetched_file_is_told_though_its_folder_was_not_there(
    qtbot: QtBot, watch: WeightsWatch, own: Path
) -> None:
    assert not own.exists()
    with qtbot.waitSignal(watch.changed, timeout=20_000):
        own.mkdir(parents=True)
        (own / "fetched.safetensors").write_bytes(b"1234")
    with qtbot.waitSignal(watch.changed, timeout=20_000):
        (own / "fetched.safetensors").unlink()


def test_a_file_that_still_grows_is_waited_for(qtbot: QtBot, watch: WeightsWatch, own: Path) -> None:
    told: list[int] = []
    path = own / "copied.safetensors"
    watch.changed.connect(lambda: told.append(path.stat().st_size))
    own.mkdir(parents=True)
    path.write_bytes(b"half")
    watch.look()
    assert not told  # it has just changed
    path.write_bytes(b"all of it")
    watch.look()
    assert not told
    watch.look()
    assert told == [9]
    watch.look()
    assert told == [9]


def test_other_files_are_no_weights(watch: WeightsWatch, own: Path) -> None:
    told: list[bool] = []
    watch.changed.connect(lambda: told.append(True))
    own.mkdir(parents=True)
    (own / "readme.txt").write_text("hello")
    watch.look()
    watch.look()
    assert not told


def test_a_stopped_watch_does_nothing(watch: WeightsWatch, own: Path) -> None:
    told: list[bool] = []
    watch.changed.connect(lambda: told.append(True))
    watch.stop()
    own.mkdir(parents=True)
    (own / "late.safetensors").write_bytes(b"1")
    watch.look()
    watch.look()
    assert not told and not watch._quiet.isActive()


def test_a_codec_that_can_be_used_now_is_offered_and_told(qtbot: QtBot, hand: HandEngine, own: Path) -> None:
    session = Session(hand, "elic", "jpeg")  # type: ignore[arg-type]
    notices: list[Notice] = []
    session.noticed.connect(notices.append)
    with shown(qtbot, session) as window:
        hand.answer(Examine, NONE)
        combo = window.inspector.sides[Side.LEFT].codec
        assert not combo.model().item(combo.findData("hific")).isEnabled()
        given = len(hand.tasks(Examine))
        own.mkdir(parents=True)
        (own / "hific.safetensors").write_bytes(b"1234")
        qtbot.waitUntil(lambda: len(hand.tasks(Examine)) > given, timeout=20_000)
        hand.answer(Examine, NONE | {"hific": ""})
        assert combo.model().item(combo.findData("hific")).isEnabled()
        assert Notice(Level.INFO, "New weights were found: HiFiC can be used now.") in notices
        assert session.choice(Side.LEFT).codec == "elic"  # nothing on the sides changes by itself
        hand.answer(Examine, NONE | {"hific": ""})
        assert len([n for n in notices if "New weights" in n.text]) == 1


def test_coming_back_to_the_window_looks_too(qtbot: QtBot, hand: HandEngine, own: Path) -> None:
    session = Session(hand, "elic", "jpeg")  # type: ignore[arg-type]
    with shown(qtbot, session) as window:
        qtbot.waitActive(window)
        watch = session.catalogue.weights
        watch._watcher.removePaths(watch._watcher.directories())  # as a file system that tells nothing
        watch._watcher.directoryChanged.disconnect()
        own.mkdir(parents=True)
        (own / "hific.safetensors").write_bytes(b"1234")
        with qtbot.waitSignal(watch.changed, timeout=20_000):
            QApplication.sendEvent(window, QEvent(QEvent.Type.ActivationChange))


def test_a_file_written_in_place_is_read_again(tmp_path: Path) -> None:
    """The folder's own time does not tell of that."""
    path = tmp_path / "one.safetensors"
    path.write_bytes(b"1234")
    before, folder = weights.contents(tmp_path), tmp_path.stat()
    path.write_bytes(b"123456")
    os.utime(tmp_path, ns=(folder.st_atime_ns, folder.st_mtime_ns))
    after = weights.contents(tmp_path)
    assert [(name, size) for name, _, size in before] == [("one.safetensors", 4)]
    assert [(name, size) for name, _, size in after] == [("one.safetensors", 6)]
