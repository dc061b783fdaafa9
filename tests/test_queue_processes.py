"""The queue in two processes: each entry goes on from where the first process has saved the one before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch

from models.training.trainer import CHECKPOINT, load_checkpoint
from tests.training_photos import make_photos


def test_two_processes_work_through_the_queue_together(tmp_path: Path) -> None:
    photos, runs = make_photos(tmp_path / "photos"), tmp_path / "runs"
    done = subprocess.run(
        [sys.executable, "-m", "tests.shared_queue", str(photos), str(runs), "2"],
        cwd=Path(__file__).parent.parent,
        env={k: v for k, v in os.environ.items() if k not in ("LOCAL_RANK", "WORLD_SIZE")},
        capture_output=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    first, second = (torch.load(tmp_path / f"runs-{rank}.pt", weights_only=True) for rank in range(2))
    wanted = [("tiny", 1), ("tiny", 2), ("tiny-eye", 1), ("tiny", 3)]
    assert [(entry["name"], entry["step"]) for entry in first] == wanted
    assert [(entry["name"], entry["step"]) for entry in second] == wanted
    for one, two in zip(first, second, strict=True):
        assert one["network"].keys() == two["network"].keys()
        assert [k for k, v in one["network"].items() if not torch.equal(v, two["network"][k])] == []
    for name, last in (("tiny", first[3]), ("tiny-eye", first[2])):
        saved = load_checkpoint(runs / name / CHECKPOINT)
        assert saved["step"] == last["step"]
        assert all(torch.equal(saved["network"][k], v) for k, v in last["network"].items())
    assert not (runs / "train.pid").exists()
