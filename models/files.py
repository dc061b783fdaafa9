"""How is a file written so that a failure leaves what was there before?"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from models.errors import OutputError


def write_file(path: Path, data: bytes) -> None:
    """Write `data` to `path` through a temporary name in the same folder.

    Raises OutputError, and then leaves an existing file as it was and no temporary one behind.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder, give a file name")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: the folder {path.parent} does not exist, create it first")
    # The name stays short however long the wanted one is: file systems limit a name to 255 bytes.
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.part")
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
        temporary.unlink(missing_ok=True)
