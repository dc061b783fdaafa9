"""How is a file written so that a failure leaves what was there before?"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import OutputError

TEMPORARY = f".*.{'[0-9a-f]' * 8}.part"  # what names of `temporary_name` look like
MAX_CODED_BYTES = 512 << 20  # of a compressed file: 20 bits for each of the most pixels


def write_file(path: Path, data: bytes) -> None:
    """Write `data` to `path` through a temporary name in the same folder.

    A link stays one: what it names is written. A device or a pipe takes the bytes as they are.

    Raises OutputError, and then leaves an existing file as it was and no temporary one behind.
    """
    path = Path(path)
    try:
        is_folder = path.is_dir()
        is_device = path.exists() and not is_folder and not path.is_file()
        if path.is_symlink() and not is_device:  # /dev/stdout leads to a name that is none
            path = Path(os.path.realpath(path))
        has_folder = path.parent.is_dir()
    except OSError as error:  # a name that is too long for any file system
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    if is_folder:
        raise OutputError(f"cannot write {path}: it is a folder, give a file name")
    if not has_folder:
        raise OutputError(f"cannot write {path}: the folder {path.parent} does not exist, create it first")
    if is_device:
        _write_straight(path, data)
        return
    temporary = temporary_name(path)
    try:
        # Opened by plain mode "xb", not by tempfile, so that the file's rights follow the umask.
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):  # a disk that went away, or never could be written
            temporary.unlink(missing_ok=True)


def temporary_name(path: Path) -> Path:
    """A hidden name beside `path`, short however long that is: file systems limit a name to 255 bytes."""
    return path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.part")


@contextmanager
def filled_folder(path: Path) -> Iterator[Path]:
    """A folder to write into; what is in it then goes to `path`, all or nothing.

    A new folder, or one in the place of an empty one, appears when it is complete. In one that holds
    something the files then take the places of those of the same names, also of links; where one cannot, all
    go back. Raises OutputError.
    """
    moved: list[tuple[Path, Path]] = []
    made: list[Path] = []

    def move(start: Path, end: Path) -> None:
        start.rename(end)
        moved.append((start, end))

    try:
        filled = path.is_dir() and any(path.iterdir())
        temporary = temporary_name(path / path.name if filled else path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        made.append(temporary)
        yield temporary
        if not filled:
            if path.exists():
                path.rmdir()  # not every system renames onto a folder
            temporary.rename(path)
            return
        replaced = temporary_name(path / path.name)
        replaced.mkdir()
        made.append(replaced)
        for file in sorted(temporary.iterdir()):
            place = path / file.name
            if place.is_dir():
                raise IsADirectoryError(errno.EISDIR, f"{place.name} is a folder")
            if place.exists() or place.is_symlink():
                move(place, replaced / file.name)
            move(file, place)
        moved.clear()
    except OSError as error:
        raise OutputError(f"cannot write into {path}: {error.strerror or error}") from error
    except OutputError as error:  # nobody knows the temporary name
        raise OutputError(str(error).replace(str(temporary), str(path))) from error
    finally:
        for start, end in reversed(moved):
            with contextlib.suppress(OSError):
                end.rename(start)
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)


def _write_straight(path: Path, data: bytes) -> None:
    """Renaming a file onto a device's name would do away with the device."""
    try:
        with path.open("wb") as file:
            file.write(data)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def read_file(path: Path, limit: int = MAX_CODED_BYTES) -> bytes:
    """A compressed file's bytes, also from a pipe. Raises OSError, EFBIG above `limit`: devices never end."""
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return data
