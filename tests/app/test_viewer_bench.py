"""The viewer's benchmark: that it sees a pause, and that every measurement runs. No time is judged."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import viewer_bench
from app.viewer_bench import ViewerRow
from models.errors import HflicError


def application() -> QApplication:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    return app


def test_a_pause_of_the_interface_is_seen(qtbot: QtBot) -> None:
    gaps = viewer_bench._Gaps(application())
    row = gaps.during("a nap", lambda: time.sleep(0.08), lambda: True)
    assert row.worst_ms >= 80
    assert row.count >= 1


def test_waiting_for_what_never_comes_ends_with_a_sentence(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer_bench, "PATIENCE_S", 0.05)
    with pytest.raises(HflicError, match="did not finish"):
        viewer_bench.wait(application(), lambda: False)


def test_a_large_photo_is_opened_switched_panned_and_repainted(qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    viewer_bench.bench_picture(700, 500).save(path)
    rows = viewer_bench._large(application(), path)
    assert all(isinstance(row, ViewerRow) and 0 < row.usual_ms <= row.worst_ms for row in rows)
    named = [row.what for row in rows]
    assert named[0] == "open and compress a large photo"
    assert {"switch to side", "switch to difference", "signed difference", "pan at 100%"} <= set(named)
    assert sum(what.startswith("repaint") for what in named) == len(viewer_bench.SCALES)
