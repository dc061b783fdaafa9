"""Many jobs in one process: no growth of memory or threads, no failure.

`make soak` runs 1,000 (HFLIC_SOAK).
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from models import codec as codecs
from models.codec import Codec, Rate
from models.errors import Cancelled
from models.watch import Watch
from tests.untrained import photo, untrained

JOBS = int(os.environ.get("HFLIC_SOAK", "40"))
SEED = 11
_LARGEST = 160  # pixels a side


def resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def threads() -> int:
    return int(psutil.Process().num_threads())


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def coders(tmp_path_factory: pytest.TempPathFactory) -> list[Codec]:
    folder = tmp_path_factory.mktemp("soak")
    made: list[Codec] = [untrained(n, folder / f"{n}.safetensors") for n in ("elic-5-lite", "hific-lite")]
    return [*made, *(codecs.get(id) for id in ("jpeg", "webp", "avif") if not codecs.missing(id))]


def job(coder: Codec, random: np.random.Generator) -> None:
    width, height = (int(side) for side in random.integers(1, _LARGEST + 1, 2))
    picture = photo(width, height, int(random.integers(1000)))
    encoding = coder.encode(picture, Rate(quality=float(random.integers(0, 101))))
    decoded = coder.decode(encoding.data)
    assert (decoded.width, decoded.height) == (width, height)


def cancelled_job(coder: Codec, random: np.random.Generator) -> None:
    steps = iter(range(int(random.integers(0, 12))))
    watch = Watch(cancelled=lambda: next(steps, None) is None)
    try:
        coder.encode(photo(_LARGEST, _LARGEST), Rate(quality=50), watch)
    except Cancelled:
        return


@pytest.mark.timeout(300 + 5 * JOBS)
@pytest.mark.parametrize("kind", [job, cancelled_job], ids=["finished", "cancelled"])
def test_jobs_leave_nothing_behind(kind: object, coders: list[Codec], tmp_path: Path) -> None:
    assert callable(kind)
    random = np.random.default_rng(SEED)
    for coder in coders:  # whatever is made once is made now: tables, kernels, the allocator's arenas
        coder.decode(coder.encode(photo(_LARGEST, _LARGEST), Rate(quality=100)).data)
        kind(coder, random)
    before, workers, alive = resident(), threads(), threading.active_count()
    for number in range(JOBS):
        kind(coders[number % len(coders)], random)
    grown = resident() - before
    assert grown <= 0.05 * before, f"{grown / 1e6:.1f} MB more after {JOBS} jobs, seed {SEED}"
    assert threads() <= workers and threading.active_count() <= alive
