"""The whole viewer: started, photographed, and never blocked, with real codec processes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import QTimer
from PySide6.QtGui import QFileOpenEvent
from PySide6.QtWidgets import QApplication, QDialog
from pytestqt.qtbot import QtBot

from app.engine import Engine
from app.session import Session
from app.settings import Settings, SettingsFile
from app.state import Phase, Side
from app.tasks import Examine
from app.view import check_screen, open_viewer
from app.viewport import Mode
from app.window import Window
from models.codec import Rate
from models.errors import HflicError, PictureError, SuffixError
from tests.app.conftest import scene
from tests.app.hands import act_and_close

BLOCKED = 0.050  # seconds


@pytest.fixture
def no_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics that need no torch: starting torch takes seconds."""
    monkeypatch.setattr("app.wishes.METRICS", ("psnr",))
    monkeypatch.setattr("app.catalogue.WarmUp", Examine)


def test_screenshot_waits_for_results_and_leaves_settings_alone(
    qapp: QApplication, no_networks: None, photo: Callable[..., Path], tmp_path: Path
) -> None:
    out = tmp_path / "shot.png"
    store = SettingsFile(tmp_path / "settings.json")
    path = photo("cat.png", 320, 240)
    code = open_viewer([path], "webp", "jpeg", 1.0, "split", out, settings_file=store)
    assert code == 0
    image = Image.open(out)
    assert image.size == (1280, 800)
    assert len(image.convert("RGB").resize((160, 100)).getcolors(100000) or []) > 500  # a photo is in it
    assert not store.path.exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there Qt ends the program")
@pytest.mark.parametrize(
    ("environment", "library", "words"),
    [
        ({}, "libxcb-cursor.so.0", "no screen"),
        ({"DISPLAY": ":0"}, None, "apt install libxcb-cursor0"),
        ({"DISPLAY": ":0"}, "libxcb-cursor.so.0", ""),
        ({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}, None, ""),
        ({"QT_QPA_PLATFORM": "offscreen"}, None, ""),
    ],
)
def test_a_machine_that_cannot_open_windows_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], library: str | None, words: str
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("app.view.find_library", lambda name: library)
    if not words:
        check_screen()
        return
    with pytest.raises(HflicError, match=words):
        check_screen()


def test_screenshot_of_what_is_no_picture_is_an_error_and_keeps_the_old_file(
    qapp: QApplication, no_networks: None, tmp_path: Path
) -> None:
    out = tmp_path / "shot.png"
    out.write_bytes(b"old")
    with pytest.raises(PictureError, match=r"gone\.png"):
        open_viewer([tmp_path / "gone.png"], "webp", "jpeg", screenshot=out)
    assert out.read_bytes() == b"old"


def test_a_screenshot_under_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SuffixError, match=r"shot\.jpg: a screenshot is a \.png"):
        open_viewer(screenshot=tmp_path / "shot.jpg")


def test_an_unknown_mode_is_named(qapp: QApplication) -> None:
    with pytest.raises(HflicError, match="no mode 'sideways'"):
        open_viewer(mode="sideways")


def test_first_start_shows_the_sample_and_the_next_one_what_was_set(
    qapp: QApplication, no_networks: None, tmp_path: Path
) -> None:
    store = SettingsFile(tmp_path / "settings.json")
    seen: list[Window] = []

    def first(window: Window) -> None:
        seen.append(window)
        assert window.windowTitle().startswith("grace_hopper.jpg")
        window.session.set_rate(Side.LEFT, Rate(bpp=0.4))
        window.viewport.set_mode(Mode.SIDE)
        window.set_theme("dark")

    def second(window: Window) -> None:
        seen.append(window)
        assert window.session.picture is None  # only the first start opens the sample
        assert window.session.rate == Rate(bpp=0.4)
        assert window.viewport.mode is Mode.SIDE

    for act in (first, second):
        act_and_close(act, lambda window: window.session.idle)
        assert open_viewer(left="webp", right="jpeg", settings_file=store) == 0
    assert len(seen) == 2
    assert store.load().theme == "dark"
    assert store.load().recent_paths() == []  # the sample is always offered: it is not what one opened


def test_a_document_the_desktop_asks_for_is_opened(
    qapp: QApplication, no_networks: None, photo: Callable[..., Path], tmp_path: Path
) -> None:
    path = photo("asked.png")
    titles: list[str] = []

    def ask() -> None:
        QApplication.sendEvent(qapp, QFileOpenEvent(str(path)))
        look(200)

    def look(tries: int) -> None:
        window = next(w for w in qapp.topLevelWidgets() if isinstance(w, Window) and w.isVisible())
        if window.windowTitle().startswith("asked") or not tries:
            titles.append(window.windowTitle())
            window.close()
        else:
            QTimer.singleShot(100, lambda: look(tries - 1))

    store = SettingsFile(tmp_path / "settings.json")
    store.save(Settings(started=True))
    QTimer.singleShot(100, ask)
    assert open_viewer(left="webp", right="jpeg", settings_file=store) == 0
    assert titles[0].startswith("asked.png")


def test_a_broken_settings_file_is_told_and_the_viewer_starts(
    qapp: QApplication, no_networks: None, tmp_path: Path
) -> None:
    path = tmp_path / "settings.json"
    path.write_text("{ broken")
    texts: list[str] = []

    def look() -> None:
        window = next(w for w in qapp.topLevelWidgets() if isinstance(w, Window) and w.isVisible())
        texts.append(window.messages.text)
        window.close()

    QTimer.singleShot(300, look)
    assert open_viewer(settings_file=SettingsFile(path)) == 0
    assert "defaults are used" in texts[0]


def test_an_unexpected_fault_opens_one_dialog_and_keeps_the_session(
    qapp: QApplication, no_networks: None, photo: Callable[..., Path], tmp_path: Path, capfd: object
) -> None:
    store = SettingsFile(tmp_path / "settings.json")
    found: list[str] = []

    def look() -> None:
        window = next(w for w in qapp.topLevelWidgets() if isinstance(w, Window) and w.isVisible())
        import sys

        try:
            raise KeyError("a bug")
        except KeyError as error:
            sys.excepthook(type(error), error, error.__traceback__)
        dialogs = [w for w in qapp.topLevelWidgets() if isinstance(w, QDialog) and w.isVisible()]
        found.extend(dialog.windowTitle() for dialog in dialogs)
        for dialog in dialogs:
            dialog.close()
        assert window.session.opener is not None
        window.close()

    QTimer.singleShot(400, look)
    assert open_viewer([photo()], "webp", "jpeg", settings_file=store) == 0
    assert found == ["Details"]


def test_the_interface_never_blocks_while_12_megapixels_are_opened_and_compressed(
    qtbot: QtBot, no_networks: None, tmp_path: Path
) -> None:
    path = tmp_path / "large.jpg"
    large = Image.fromarray(scene(1000, 750)).resize((4000, 3000), Image.Resampling.BICUBIC)
    large.save(path, quality=90)
    session = Session(Engine(), "webp", "jpeg", Rate(quality=40))
    window = Window(session, Settings(started=True))
    qtbot.addWidget(window)
    window.show()
    session.start()
    try:
        qtbot.waitUntil(lambda: session.catalogue.known("webp"), timeout=30000)
        longest = _longest_gap(qtbot, window, path)
        if longest >= BLOCKED:  # a machine busy with other things stops everyone: once more
            session.set_rate(Side.LEFT, Rate(quality=45))
            longest = min(longest, _longest_gap(qtbot, window, path))
    finally:
        window.close()
    assert {session.view(side).phase for side in Side} == {Phase.DONE}
    assert longest < BLOCKED


def _longest_gap(qtbot: QtBot, window: Window, path: Path) -> float:
    """Seconds: the longest pause of a 5 ms timer until all has arrived."""
    gaps: list[float] = []
    last = time.perf_counter()

    def tick() -> None:
        nonlocal last
        now = time.perf_counter()
        gaps.append(now - last)
        last = now

    timer = QTimer(window, interval=5)
    timer.timeout.connect(tick)
    timer.start()
    window.commands.open_paths([path])
    qtbot.waitUntil(lambda: window.session.picture is not None and window.session.idle, timeout=120000)
    qtbot.wait(100)
    timer.stop()
    assert len(gaps) > 20
    return max(gaps)
