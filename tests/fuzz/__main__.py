"""The long run: python -m tests.fuzz [cases] [seed]. Each kind has a process, watched for hangs."""

from __future__ import annotations

import argparse
import collections
import faulthandler
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.cases import BrokenError, HflicCases, PictureCases, peak

KINDS = (HflicCases, PictureCases)
SILENCE = 300.0  # wall-clock seconds without a case, on however busy a machine: it hangs
_STEP = 500


def work(kind: str, first: int, count: int) -> int:
    """In a process of its own: cases one after the other, each failure a line."""
    import torch

    torch.set_num_threads(1)
    faulthandler.enable()
    ends: collections.Counter[str] = collections.Counter()
    slowest, failures = 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        cases = next(c for c in KINDS if c.name == kind)(Path(folder), True)
        before = peak()
        for seed in range(first, first + count):
            faulthandler.dump_traceback_later(SILENCE, exit=True)
            try:
                result = cases.run(seed)
                ends[f"{result.kind} {result.ended}"] += 1
                slowest = max(slowest, result.seconds)
                failures += result.ended == "wrong"
            except BrokenError as error:
                failures += 1
                print(f"{kind} {seed}: {error}", flush=True)  # noqa: T201
            if (seed - first) % _STEP == _STEP - 1:
                print(f"{kind}: {seed - first + 1} done", file=sys.stderr, flush=True)  # noqa: T201
        faulthandler.cancel_dump_traceback_later()
    grown = (peak() - before) / 1e6
    line = ", ".join(f"{name} {number}" for name, number in sorted(ends.items()))
    print(f"{kind}: {count} cases, {failures} failed; slowest {slowest:.2f} s, {grown:.0f} MB more; {line}")  # noqa: T201
    return failures


def main() -> int:
    """Share the cases out and add the failures up; a process that ended early counts as one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="?", type=int, default=20_000)
    parser.add_argument("seed", nargs="?", type=int, default=1)
    parser.add_argument("--kind", choices=[kind.name for kind in KINDS])
    given = parser.parse_args()
    if given.kind:
        return min(work(given.kind, given.seed, given.cases), 100)
    begin = time.monotonic()
    share = given.cases // len(KINDS)
    command = [sys.executable, "-m", "tests.fuzz", str(share), str(given.seed), "--kind"]
    running = [subprocess.Popen([*command, kind.name]) for kind in KINDS]
    failed = [process.wait() for process in running]
    print(f"{share * len(KINDS)} cases, seed {given.seed}, {time.monotonic() - begin:.0f} s")  # noqa: T201
    return int(any(failed))


if __name__ == "__main__":
    sys.exit(main())
