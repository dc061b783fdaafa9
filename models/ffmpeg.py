"""Where is an ffmpeg with VVC and VMAF, and how is it run so that a person can stop it?

The package imageio-ffmpeg carries a static build; on Linux x86-64 it has libvvenc and libvmaf. That build is
under the GPL, so the package is an optional extra of this program and only ever run as another process.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from models.assets import how_to_install
from models.errors import Cancelled, HflicError
from models.watch import QUIET, Watch

INSTALL = how_to_install("imageio-ffmpeg")
POLL = 0.1  # seconds between two looks at whether the work is still wanted
_LINES = 3  # of what ffmpeg says, in an error


class FfmpegError(HflicError):
    """ffmpeg is missing or failed; the text is its own."""


@lru_cache(maxsize=1)
def executable() -> Path | None:
    """The program: of the package imageio-ffmpeg, or what its IMAGEIO_FFMPEG_EXE names; None without one."""
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        return None
    import imageio_ffmpeg

    try:
        # What IMAGEIO_FFMPEG_EXE names may be relative, and `run` starts it in other folders; a bare name is
        # looked for as a shell does.
        named = imageio_ffmpeg.get_ffmpeg_exe()
        return Path(shutil.which(named) or named).absolute()
    except (RuntimeError, OSError):
        return None


@lru_cache(maxsize=4)
def _listing(kind: str) -> str:
    program = executable()
    if program is None:
        return ""
    try:
        found = subprocess.run(
            [program, "-hide_banner", f"-{kind}"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout


def has(kind: str, name: str) -> bool:
    """Whether it has a part: kind "encoders", "decoders" or "filters"."""
    return any(name in line.split()[1:2] for line in _listing(kind).splitlines())


def run(
    arguments: Sequence[str], data: bytes = b"", watch: Watch = QUIET, folder: Path | None = None
) -> bytes:
    """What ffmpeg writes to standard output for `data` on its standard input.

    Raises FfmpegError where it is missing or fails, Cancelled (the process is then gone).
    """
    program = executable()
    if program is None:
        raise FfmpegError(f"ffmpeg is missing: {INSTALL}")
    command = [str(program), "-hide_banner", "-v", "error", *arguments]
    # Input comes from a file: communicate() forgets what it has not written yet when it times out.
    try:
        with tempfile.TemporaryFile(prefix="hflic-") as source:
            source.write(data)
            source.seek(0)
            with subprocess.Popen(
                command, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder
            ) as process:
                out, told = _wait(process, watch)
    except OSError as error:
        raise FfmpegError(f"ffmpeg cannot be run: {error}") from error
    if process.returncode:
        lines = [line.strip() for line in told.decode(errors="replace").splitlines() if line.strip()]
        raise FfmpegError("; ".join(lines[:_LINES]) or f"ffmpeg ended with code {process.returncode}")
    return out


def _wait(process: subprocess.Popen[bytes], watch: Watch) -> tuple[bytes, bytes]:
    """What it wrote until its end. Raises Cancelled."""
    try:
        while True:
            try:
                return process.communicate(timeout=POLL)
            except subprocess.TimeoutExpired:
                if watch.cancelled is not None and watch.cancelled():
                    raise Cancelled from None
    except BaseException:
        process.kill()
        raise
