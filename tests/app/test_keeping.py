"""What is open when the window closes is open in the next one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.session import Session
from app.settings import Settings, SettingsFile
from app.window import Window
from tests.app.engines import InlineEngine
from tests.app.hands import open_photo


def test_panels_and_the_height_of_the_strip_come_back(
    qtbot: QtBot, inline: InlineEngine, photo: Callable[..., Path], tmp_path: Path
) -> None:
    store = SettingsFile(tmp_path / "settings.json")
    seen = []
    for turn in range(2):
        window = Window(Session(inline, "webp", "jpeg"), store.load())  # type: ignore[arg-type]
        qtbot.addWidget(window)
        window.show()
        window.session.start()
        open_photo(qtbot, window, photo())
        if turn == 0:
            assert store.load() == Settings()
            assert window.looking.grid.shown
            for key in (Qt.Key.Key_R, Qt.Key.Key_M, Qt.Key.Key_T, Qt.Key.Key_NumberSign):
                qtbot.keyClick(window.canvas, key)
            window.splitter.setSizes([300, 330])
        strip = window.looking.strip
        seen.append((window.looking.loupe.shown, window.looking.grid.shown, strip.height()))
        assert not window.inspector.plot.isHidden()
        assert window.actions_by_id["strip"].isChecked()
        store.save(window.settings)
        window.close()
    assert seen[0] == seen[1]
    assert seen[0][:2] == (True, False)
