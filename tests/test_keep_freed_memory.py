"""Memory that training frees stays with the process: no new pages for the next step."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app import __main__ as program
from models import memory

_PAGES = """
import resource
import sys
import torch
from models.memory import keep_freed_memory

torch.set_num_threads(1)
if sys.argv[1] == "kept":
    assert keep_freed_memory()
torch.empty(40 << 20).fill_(1.0)  # room for all that follow
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for size in range(2, 8):  # up to 28 MB, as large as a layer of a step; glibc learns from sizes it has seen
    torch.empty(size << 20).fill_(1.0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _pages(how: str) -> int:
    found = subprocess.run(
        [sys.executable, "-c", _PAGES, how], capture_output=True, text=True, check=True, timeout=120
    )
    return int(found.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's mallopt")
def test_freed_memory_stays() -> None:
    assert _pages("kept") * 4 < _pages("plain")


def test_only_training_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []
    monkeypatch.setattr(memory, "keep_freed_memory", lambda: kept.append(sys.argv[1]))
    for command in ("train", "info"):
        monkeypatch.setattr(sys, "argv", ["hflic", command, "--help"])
        with pytest.raises(SystemExit) as ended:
            program.main()
        assert not ended.value.code
    assert kept == ["train"]
