"""Is there a window already that opens these files? A second start hands them to it and ends: this side asks.

No Qt is imported, so that the answer comes at once; the window's side is `app.host`.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from models.paths import absolute

PATIENCE = 2.0  # seconds for an answer: a window that hangs must not keep a person from opening another
TAKEN, REFUSED = b"taken\n", b"refused\n"
# What a Wayland or X11 desktop gives to a program it starts, so that its window may come to the front.
TOKENS = ("XDG_ACTIVATION_TOKEN", "DESKTOP_STARTUP_ID")


def name_for(settings: Path) -> str:
    """Where the window with this settings file on this screen listens: a socket's path or a pipe's name."""
    screen = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY") or ""
    digest = hashlib.sha256(os.fsencode(f"{settings.absolute()}\n{screen}")).hexdigest()[:16]
    if sys.platform == "win32":
        return f"hflic-{digest}"
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    return str(folder / f"hflic-{os.getuid()}-{digest}")


def hand_over(name: str, paths: Sequence[Path], environment: Mapping[str, str] = os.environ) -> bool:
    """Ask a running window to open the paths or, without any, to come to the front; whether it does."""
    message = {
        "paths": [str(absolute(path)) for path in paths],
        "tokens": {key: environment[key] for key in TOKENS if key in environment},
    }
    line = json.dumps(message).encode() + b"\n"
    try:
        return (_through_pipe if sys.platform == "win32" else _through_socket)(name, line) == TAKEN
    except OSError:  # nobody listens, or does not answer
        return False


def _through_socket(name: str, line: bytes) -> bytes:
    if Path(name).stat().st_uid != os.getuid():
        raise PermissionError(name)  # somebody else's, in the shared folder for temporary files
    with socket.socket(socket.AF_UNIX) as ours:
        ours.settimeout(PATIENCE)
        ours.connect(name)
        ours.sendall(line)
        with ours.makefile("rb") as answer:
            return answer.readline(len(REFUSED))


def _through_pipe(name: str, line: bytes) -> bytes:
    """Windows' way. A pipe has no time limit, so a thread waits for it."""
    answers: list[bytes] = []

    def ask() -> None:
        try:
            with Path(rf"\\.\pipe\{name}").open("r+b", buffering=0) as pipe:
                pipe.write(line)
                answers.append(pipe.readline())
        except OSError:
            return

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return answers[0] if answers else b""
