"""Killed at any moment, nothing half-written stands under its final name, and no earlier file is lost.

`make interrupt` tries 50 moments of each kind of work (HFLIC_MOMENTS).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from models import weights
from models.files import write_file

MOMENTS = int(os.environ.get("HFLIC_MOMENTS", "5"))
SEED = 6


@pytest.mark.timeout(180 + 90 * MOMENTS)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
@pytest.mark.parametrize("what", ["encode", "decode", "publish", "train"])
def test_a_kill_leaves_one_whole_version_or_the_other(what: str, tmp_path: Path) -> None:
    moments = [random.Random(f"{SEED} {what} {n}").uniform(0, 0.5) for n in range(MOMENTS)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.interrupted", what, str(tmp_path), *(f"{m:.4f}" for m in moments)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120 + 90 * MOMENTS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-MOMENTS:] == ["whole"] * MOMENTS, moments
    if what == "publish":
        weights.load(weights.read_header(tmp_path / "result.safetensors"))
    left = {p.name for p in tmp_path.iterdir() if not p.name.endswith(".part")}
    inputs = {f"in-{v}.{suffix}" for v in range(2) for suffix in ("png", "hflic")}
    results = {"result.hflic", "result.png", "result.safetensors", "result.json"}
    assert left <= {"weights.safetensors"} | inputs | results | {"photos", "run", "whole"}


def test_what_a_kill_left_does_not_stop_the_next_write(tmp_path: Path) -> None:
    (tmp_path / ".out.hflic.0123abcd.part").write_bytes(b"half")
    write_file(tmp_path / "out.hflic", b"whole")
    assert (tmp_path / "out.hflic").read_bytes() == b"whole"
