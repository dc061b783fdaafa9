"""Does a second start hand its files to the window that is there, and only to that one?"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QLockFile
from pytestqt.qtbot import QtBot

from app.host import LONGEST, Host
from app.session import Session
from app.single import TAKEN, hand_over, name_for
from app.view import _Documents
from models.codec import Rate
from tests.app.conftest import shown
from tests.app.engines import InlineEngine
from tests.app.hands import settle
from tests.command_line import run


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return name_for(tmp_path / "settings.json")


@pytest.fixture
def host(qtbot: QtBot, name: str) -> Iterator[Host]:
    made = Host(name, lambda: True)
    yield made
    made.close()


def ask(qtbot: QtBot, work: Callable[[], object]) -> object:
    """What a blocking call gives while this thread's events go on."""
    answers: list[object] = []
    asking = threading.Thread(target=lambda: answers.append(work()))
    asking.start()
    qtbot.waitUntil(lambda: not asking.is_alive())
    asking.join()
    return answers[0]


def test_paths_and_tokens_arrive(
    qtbot: QtBot, host: Host, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_ACTIVATION_TOKEN", "of before")
    asked: list[list[Path]] = []
    host.asked.connect(asked.append)
    monkeypatch.chdir(tmp_path)
    paths = [Path("Bild äöü.png"), tmp_path / "b.hflic"]
    assert ask(qtbot, lambda: hand_over(name, paths, {"XDG_ACTIVATION_TOKEN": "of now", "HOME": "/"})) is True
    assert asked == [[tmp_path / "Bild äöü.png", tmp_path / "b.hflic"]]
    assert os.environ["XDG_ACTIVATION_TOKEN"] == "of now"


def test_without_a_window_nobody_takes_them(name: str) -> None:
    assert hand_over(name, [Path("a.png")]) is False


def test_a_window_that_does_not_want_them_refuses(qtbot: QtBot, name: str) -> None:
    host = Host(name, lambda: False)
    asked: list[object] = []
    host.asked.connect(asked.append)
    assert ask(qtbot, lambda: hand_over(name, [Path("a.png")])) is False
    assert asked == []
    host.close()


def test_a_window_that_hangs_is_not_waited_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.single.PATIENCE", 0.05)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(name)
        deaf.listen()
        assert hand_over(name, []) is False


@pytest.mark.parametrize(
    "line",
    [b"\n", b"{}\n", b"[1]\n", b'{"paths": 3, "tokens": {}}\n', b"\xff\n", b"[" * 100_000 + b"\n"],
)
def test_nonsense_is_ignored(qtbot: QtBot, host: Host, name: str, line: bytes) -> None:
    asked: list[object] = []
    host.asked.connect(asked.append)

    def send() -> bytes:
        with socket.socket(socket.AF_UNIX) as ours:
            ours.settimeout(5)
            ours.connect(name)
            ours.sendall(line)
            return ours.recv(100)

    assert ask(qtbot, send) == b""
    assert asked == []
    assert ask(qtbot, lambda: hand_over(name, [])) is True


def test_a_message_without_an_end_is_cut_off(qtbot: QtBot, host: Host, name: str) -> None:
    def send() -> bytes:
        with socket.socket(socket.AF_UNIX) as ours:
            ours.settimeout(5)
            ours.connect(name)
            try:
                ours.sendall(b"x" * (3 * LONGEST))
                return ours.recv(100)
            except (BrokenPipeError, ConnectionResetError):
                return b""

    assert ask(qtbot, send) == b""


def test_relative_paths_of_a_stranger_are_left_out(qtbot: QtBot, host: Host, name: str) -> None:
    asked: list[list[Path]] = []
    host.asked.connect(asked.append)

    def send() -> bytes:
        with socket.socket(socket.AF_UNIX) as ours:
            ours.settimeout(5)
            ours.connect(name)
            ours.sendall(json.dumps({"paths": ["a.png", "/b.png"], "tokens": {}}).encode() + b"\n")
            return ours.recv(100)

    assert ask(qtbot, send) == TAKEN
    assert asked == [[Path("/b.png")]]


def test_what_a_killed_program_left_behind_is_replaced(qtbot: QtBot, name: str) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(name)
        dead.listen()
    host = Host(name, lambda: True)
    assert host.listening
    assert ask(qtbot, lambda: hand_over(name, [])) is True
    host.close()


def test_the_second_window_leaves_the_first_ones_place(qtbot: QtBot, host: Host, name: str) -> None:
    second = Host(name, lambda: True)
    assert host.listening and not second.listening
    assert ask(qtbot, lambda: hand_over(name, [])) is True
    second.close()


def test_of_two_windows_that_begin_together_one_listens(qtbot: QtBot, name: str) -> None:
    turn = QLockFile(f"{name}.lock")
    assert turn.tryLock(0)

    def listen() -> None:
        time.sleep(0.3)
        begun.bind(name)
        begun.listen()
        turn.unlock()

    with socket.socket(
        socket.AF_UNIX
    ) as begun:  # the first one, which has looked and not yet begun to listen
        first = threading.Thread(target=listen)
        first.start()
        second = Host(name, lambda: True)
        first.join()
        assert Path(name).exists() and not second.listening
        second.close()


def test_a_settings_folder_whose_name_is_no_text_has_one_too() -> None:
    assert name_for(Path(os.fsdecode(b"/home/\xff/settings.json")))


def test_each_settings_file_and_screen_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    names = set()
    for screen in (":0", ":1"):
        monkeypatch.setenv("DISPLAY", screen)
        names |= {name_for(tmp_path / "a.json"), name_for(tmp_path / "b.json")}
    assert len(names) == 4
    assert all(len(name) < 108 for name in names)  # what a socket's address holds


def test_somebody_elses_socket_is_not_trusted(
    qtbot: QtBot, host: Host, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.getuid", lambda: 12345)
    assert ask(qtbot, lambda: hand_over(name, [])) is False


def test_the_command_line_hands_plain_files_over(
    monkeypatch: pytest.MonkeyPatch, photo: Callable[..., Path]
) -> None:
    handed: list[object] = []
    opened: list[object] = []
    monkeypatch.setattr("app.cli_view.hand_over", lambda name, paths: handed.append(paths) or True)
    monkeypatch.setattr("app.view.open_viewer", lambda *given: opened.append(given) or 0)
    path = photo("a.png")
    code, _, told = run("view", path)
    assert (code, handed, opened) == (0, [[path]], [])
    assert "--new-window" in told
    assert run("view", path, "--new-window")[0] == 0
    assert run("view", path, "--mode", "side")[0] == 0
    assert (len(handed), len(opened)) == (1, 2)


def test_the_window_opens_what_it_is_asked_for_and_can_be_told_not_to(
    qtbot: QtBot, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    with shown(qtbot, Session(inline, "webp", "jpeg", Rate(bpp=1.0))) as window:
        _Documents(window).open([photo("asked.png")])
        settle(qtbot, window)
        assert window.windowTitle().startswith("asked.png")
        line = window.actions_by_id["single"]
        assert line.isChecked() and window.settings.single
        line.trigger()
        assert not line.isChecked() and not window.settings.single
