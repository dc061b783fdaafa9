"""How does the viewer end: by signals, with the desktop's session, and where nothing can be kept?"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import SIGNAL
from PySide6.QtWidgets import QApplication

from app.ending import Ending
from app.restore import SessionFile
from app.settings import Settings, SettingsFile
from app.view import open_viewer
from app.window import Window
from tests.app.engines import InlineEngine
from tests.app.hands import act_and_close

# A viewer that says when its photo is there, and what came of it.
PROGRAM = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
import app.window
from app.settings import SettingsFile
from app.view import open_viewer

class Told(app.window.Window):
    def _picture_changed(self):
        super()._picture_changed()
        if self.session.picture is not None and not self.session.crops.all():
            self.session.crops.add(1, 2, 30, 20, "mine")
            QTimer.singleShot(0, self, lambda: print("ready", flush=True))

if __name__ == "__main__":
    import app.view
    app.view.Window = Told
    sys.exit(open_viewer([sys.argv[2]], "webp", "jpeg", settings_file=SettingsFile(Path(sys.argv[1]))))
"""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows knows no such signals")


@pytest.fixture
def viewer(tmp_path: Path, photo: Callable[..., Path]) -> Iterator[subprocess.Popen[str]]:
    """One that has opened a photo and idles."""
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, str(tmp_path / "program.py"), str(tmp_path / "settings.json"), str(photo())]
    folder = str(Path(__file__).parents[2])
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": folder, "HOME": str(tmp_path)}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert running.stdout is not None
    try:
        assert running.stdout.readline() == "ready\n"
        time.sleep(0.5)
        yield running
    finally:
        running.kill()
        running.wait()
        running.stdout.close()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_as_closing_its_window_would(
    viewer: subprocess.Popen[str], name: str, tmp_path: Path
) -> None:
    number = getattr(signal, name)
    viewer.send_signal(number)
    assert viewer.wait(30) == 128 + number
    [(_, boxes)] = SessionFile(tmp_path / "session.json").load().others
    assert [crop.name for crop in boxes.crops] == ["mine"]
    assert json.loads((tmp_path / "settings.json").read_text())["recent"] == [str(tmp_path / "photo.png")]


@pytest.fixture
def look(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Does something with the viewer's window when it is idle, then closes it."""
    engine = InlineEngine()
    monkeypatch.setattr("app.view.Engine", lambda: engine)
    yield lambda act: act_and_close(act, _shows_its_photo)
    engine.close()


def _shows_its_photo(window: Window) -> bool:
    return window.session.picture is not None and window.session.idle


def test_a_second_signal_ends_it_at_once(
    qapp: QApplication, look: Callable[..., None], photo: Callable[..., Path], tmp_path: Path
) -> None:
    found: list[object] = []

    def act(window: Window) -> None:
        before = signal.getsignal(signal.SIGTERM)
        window.session.saver.running = 1  # it waits for a file
        os.kill(os.getpid(), signal.SIGTERM)
        QApplication.processEvents()
        found.extend((before, signal.getsignal(signal.SIGTERM), window.isVisible(), window.willing))
        window.session.saver.running = 0

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    look(act)
    try:
        assert open_viewer([photo()], settings_file=SettingsFile(tmp_path / "a.json")) == 143
        assert callable(found[0]) and found[1:] == [signal.SIG_DFL, True, False]
        assert signal.getsignal(signal.SIGINT) == before[1]
    finally:
        signal.signal(signal.SIGTERM, before[0])


def test_what_is_open_is_kept_when_the_session_of_the_desktop_ends(
    qapp: QApplication,
    look: Callable[..., None],
    photo: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = SettingsFile(tmp_path / "settings.json")
    store.save(Settings(started=True))
    endings: list[Ending] = []
    kept: list[str] = []

    class Seen(Ending):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            endings.append(self)

    def act(window: Window) -> None:
        assert qapp.receivers(SIGNAL("commitDataRequest(QSessionManager&)")) == 1  # nobody else may emit it
        assert endings[0].keep() == [] and window.isVisible()
        kept.extend((SessionFile(tmp_path / "session.json").load().current, *store.load().recent))

    monkeypatch.setattr("app.view.Ending", Seen)
    path = photo()
    look(act)
    assert open_viewer([path], settings_file=store) == 0
    assert kept == [str(path), str(path)]
    assert qapp.receivers(SIGNAL("commitDataRequest(QSessionManager&)")) == 0


def test_what_cannot_be_kept_is_told_on_the_terminal(
    qapp: QApplication,
    look: Callable[..., None],
    photo: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("in the way")
    look(lambda window: None)
    assert open_viewer([photo()], settings_file=SettingsFile(tmp_path / "file" / "settings.json")) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["hflic", "hflic"]
    assert "Settings cannot be kept" in lines[0] and "What was open cannot be kept" in lines[1]
