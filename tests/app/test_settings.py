"""Settings and logs: what is remembered, and that nothing broken stops the start."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest

from app.docs import places
from app.log import catch_faults, log_path, start_log
from app.restore import Remembered, SessionFile
from app.settings import KNOWN, Settings, SettingsFile, packed, unpacked
from app.theme import THEMES
from app.viewport import Mode


def test_settings_come_back(tmp_path: Path) -> None:
    store = SettingsFile(tmp_path / "deep" / "settings.json")
    kept = Settings(theme="dark", left="avif", bpp=0.5, mode="side").with_recent(tmp_path / "a.png")
    store.save(kept)
    assert store.load() == kept
    assert not store.problem


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe\x00", b"null", b"[" * 100000], ids=repr)
def test_a_broken_file_gives_defaults_and_is_set_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    store = SettingsFile(path)
    assert store.load() == Settings()
    assert "defaults are used" in store.problem
    assert (tmp_path / "settings.broken.json").read_bytes() == content
    store.save(Settings(theme="light"))
    assert store.load().theme == "light"


def test_single_broken_values_fall_back_alone(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    stored = {"theme": 7, "bpp": -1, "locked": "yes", "recent": [1, "a.png"], "left": "avif", "new": 1}
    path.write_text(json.dumps(stored))
    loaded = SettingsFile(path).load()
    assert loaded == Settings(left="avif", recent=("a.png",))
    assert SettingsFile(path).load().bpp == Settings().bpp


def test_a_theme_and_a_mode_of_another_version_fall_back(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"theme": "sepia", "mode": "wipe", "left": "avif"}))
    assert SettingsFile(path).load() == Settings(left="avif")
    assert {"theme": THEMES, "mode": tuple(mode.value for mode in Mode)} == KNOWN


def test_a_broken_file_that_cannot_be_set_aside_is_not_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text("{ broken")
    (tmp_path / "settings.broken.json" / "in the way").mkdir(parents=True)
    store = SettingsFile(path)
    assert store.load() == Settings()
    assert "defaults are used" in store.problem and "settings.broken.json" not in store.problem


@pytest.mark.parametrize("told", ["", "~/.config/hflic"], ids=["raises", "relative"])
def test_without_a_home_nothing_is_kept_and_that_is_told(
    told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home(*_: object, **__: object) -> str:
        if not told:
            raise RuntimeError("Could not determine home directory.")
        return told

    monkeypatch.chdir(tmp_path)
    for kind in ("config", "log", "data"):
        monkeypatch.setattr(f"platformdirs.user_{kind}_dir", no_home)
    store = SettingsFile()
    assert (store.path, store.load()) == (None, Settings())
    store.save(Settings(theme="dark"))
    assert "set HOME" in store.problem
    session = SessionFile(None)
    session.save(Remembered(paths=("/a.png",)))
    assert session.load() == Remembered()
    start_log()
    assert log_path() is None and not list(tmp_path.iterdir())
    assert list(places()) == ["documentation", "shipped weights"]


def test_recent_files_of_another_window_stay() -> None:
    begun = Settings(recent=("/a", "/b"))
    mine = begun.with_recent(Path("/c"))
    assert mine.with_others(begun, Settings(recent=("/d", "/a", "/b"))).recent == ("/c", "/a", "/b", "/d")
    full = Settings(recent=tuple(f"/{number}" for number in range(12)))
    assert full.with_others(begun, begun.with_recent(Path("/d"))).recent == (*full.recent[:11], "/d")
    assert full.with_others(begun, begun) == full


def test_a_place_that_cannot_be_written_is_told_not_raised(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = SettingsFile(tmp_path / "file" / "settings.json")
    store.save(Settings())
    assert "cannot be kept" in store.problem
    assert store.load() == Settings()


def test_recent_files_are_unique_newest_first_and_few(tmp_path: Path) -> None:
    settings = Settings()
    for number in (*range(20), 15):
        settings = settings.with_recent(tmp_path / f"{number}.png")
    names = [path.name for path in settings.recent_paths()]
    assert names[:3] == ["15.png", "19.png", "18.png"]
    assert len(names) == len(set(names)) == 12


def test_window_state_survives_text() -> None:
    assert unpacked(packed(b"\0\1\xff")) == b"\0\1\xff"
    assert unpacked("not base64!") == b""


def test_the_log_begins_anew_before_it_grows_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)
    try:
        start_log(tmp_path / "viewer.log")
        for number in range(400):
            logging.getLogger("app").info("line %d %s", number, "x" * 5000)
    finally:
        for handler in [handler for handler in root.handlers if handler not in before]:
            root.removeHandler(handler)
            handler.close()
        root.setLevel(level)
    logs = sorted(tmp_path.iterdir())
    assert [path.name for path in logs] == ["viewer.log", "viewer.log.1", "viewer.log.2"]
    assert all(path.stat().st_size <= 512_000 for path in logs)
    assert "line 399 " in logs[0].read_text() and "line 0 " not in logs[2].read_text()


def test_a_log_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    start_log(tmp_path / "file" / "viewer.log")


def test_what_nobody_caught_is_shown_once_and_the_program_goes_on() -> None:
    shown: list[tuple[str, str]] = []

    def show(fault: str, details: str) -> None:
        shown.append((fault, details))
        raise RuntimeError("while showing")

    before = sys.excepthook
    undo = catch_faults(show)
    try:
        try:
            raise ValueError("deep inside")
        except ValueError as error:
            with pytest.raises(RuntimeError):
                sys.excepthook(type(error), error, error.__traceback__)
    finally:
        undo()
    assert sys.excepthook is before
    assert shown[0][0] == "ValueError: deep inside"
    assert "Traceback" in shown[0][1]
