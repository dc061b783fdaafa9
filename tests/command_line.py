"""How tests run the command line, in this process and in one of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from app.cli import app

KEYS = {
    "codec", "weights", "quality", "width", "height", "bytes", "bpp", "encode_s", "decode_s", "latents_crc"
}  # fmt: skip
SENTINEL = b"what was there before"


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    return result.exit_code, result.stdout, result.stderr


def run_json(*arguments: str | Path) -> Any:
    code, text, errors = run(*arguments, "--json")
    assert code == 0, errors
    return json.loads(text)


def in_process(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def one_line(errors: str) -> bool:
    return errors.startswith("hflic: ") and errors.count("\n") == 1
