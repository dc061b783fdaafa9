"""Does writing a file leave devices and links what they are?"""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from models.errors import OutputError
from models.files import write_file

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes and links with a name")


def test_a_pipe_takes_the_bytes_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    # Opened without waiting for a writer: where the pipe is replaced, nobody ever comes.
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writer = threading.Thread(target=write_file, args=(pipe, b"some bytes"))
    writer.start()
    writer.join()
    got.append(os.read(end, 100))
    os.close(end)
    assert stat.S_ISFIFO(pipe.stat().st_mode) and got == [b"some bytes"]
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_link_stays_one_and_what_it_names_is_written(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    for name in ("there.txt", "new.txt"):
        target, link = tmp_path / "place" / name, tmp_path / f"to-{name}"
        if name == "there.txt":
            target.write_bytes(b"old")
        link.symlink_to(Path("place") / name)
        write_file(link, b"new")
        assert link.is_symlink() and target.read_bytes() == b"new"
    nowhere = tmp_path / "nowhere"
    nowhere.symlink_to(tmp_path / "absent" / "file")
    with pytest.raises(OutputError, match="does not exist"):
        write_file(nowhere, b"new")


def test_a_device_that_refuses_is_told(tmp_path: Path) -> None:
    """A pipe whose only reader left between opening and writing."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    real = Path.open

    def opened(path: Path, *arguments: str) -> object:
        file = real(path, *arguments)
        os.close(end)
        return file

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", opened)
        with pytest.raises(OutputError, match="cannot write"):
            write_file(pipe, b"some bytes")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
