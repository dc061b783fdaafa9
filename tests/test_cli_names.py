"""Names of files that the terminal or Windows' shell cannot take: told with escapes, opened as patterns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app import __main__, cli
from app.cli_console import Group
from tests.command_line import one_line


def in_encoding(encoding: str, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run the command line with this encoding of what it prints."""
    command = [sys.executable, "-m", "app", *arguments]
    environment = os.environ | {"PYTHONIOENCODING": encoding, "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60)


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
@pytest.mark.parametrize(
    "encoding", ["ascii:strict", "latin-1:strict", "utf-8:strict", "utf-8:surrogateescape"]
)
def test_a_name_that_cannot_be_printed_ends_no_command_that_has_worked(
    encoding: str, photo: Path, tmp_path: Path
) -> None:
    out = tmp_path / os.fsdecode(b"n\xc3\xa9\xe4\xb8\xad\xff.jpg")
    encode = ("encode", photo, "--codec", "jpeg", "--quality", "50", "-o", out)
    made = in_encoding(encoding, *encode)
    assert made.returncode == 0, made.stderr
    printed = in_encoding(encoding, *encode, "--json")
    assert printed.returncode == 0, printed.stderr
    if encoding != "utf-8:surrogateescape":  # there the name's own bytes are given back
        assert json.loads(printed.stdout.decode(encoding.partition(":")[0]))["file"] == str(out)
    else:
        assert os.fsencode(out.name) in printed.stdout
    missing = in_encoding(encoding, "info", out.with_suffix(".none"))
    assert missing.returncode == 2 and one_line(missing.stderr.decode("latin-1"))


@pytest.mark.parametrize("given", [[], ["info", "*.jpg"], ["info", "--debug", "*.jpg"]], ids=str)
def test_given_arguments_are_left_to_what_opens_patterns_on_windows(
    given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def main(group: Group, args: list[str] | None = None, *_: object, **__: object) -> None:
        seen.append((args, sys.argv[1:]))

    monkeypatch.setattr("typer.core.TyperGroup.main", main)
    monkeypatch.setattr(sys, "argv", ["hflic", *given])
    with pytest.raises(SystemExit):
        __main__.main()
    plain = [word for word in given if word != "--debug"]
    assert seen == [(None if given else ["view"], plain)]


def test_debug_is_taken_out_of_arguments_that_a_program_gives(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.app(args=["info", "--debug", "nowhere.jpg"])
    assert ended.value.code == 2 and "Traceback" in capsys.readouterr().err
