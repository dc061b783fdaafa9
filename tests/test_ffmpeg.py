"""Is a program that cannot be run one clear error, wherever its name comes from?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models import ffmpeg
from models.errors import CodecError
from models.ffmpeg import FfmpegError

pytest.importorskip("imageio_ffmpeg")


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    ffmpeg.executable.cache_clear()
    yield
    ffmpeg.executable.cache_clear()


def test_a_program_that_is_none_is_an_error_of_ffmpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("absent", "text"):
        (tmp_path / "text").write_text("this is no program")
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / name))
        ffmpeg.executable.cache_clear()
        with pytest.raises(FfmpegError, match="cannot be run"):
            ffmpeg.run(["-version"])


def test_a_relative_name_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = ffmpeg.executable()
    assert own is not None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ffmpeg-here").symlink_to(own)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "bin/ffmpeg-here")
    ffmpeg.executable.cache_clear()
    assert ffmpeg.run(["-version"], folder=tmp_path / "elsewhere").startswith(b"ffmpeg")


def test_vvc_without_a_program_that_runs_is_an_error_of_the_codec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    from models.codec import Rate
    from models.picture import Picture
    from models.vvc import VvcCodec

    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "absent"))
    with pytest.raises(CodecError, match="cannot be run"):
        VvcCodec().encode(Picture(np.zeros((32, 32, 3), np.uint8)), Rate(quality=50))
