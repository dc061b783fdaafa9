"""Many jobs in one process: no growth of memory or threads, no failure.

`make soak` runs 1,000 of each kind (HFLIC_SOAK); otherwise 40 run to their end and 100 are cancelled.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable

import numpy as np
import psutil
import pytest

from models import codec as codecs
from models.codec import Codec, Rate
from models.errors import Cancelled
from models.watch import Watch
from tests.untrained import photo, untrained

JOBS = int(os.environ.get("HFLIC_SOAK", "40"))
CANCELLED = max(JOBS, 100)
SEED = 11
_LARGEST = 160  # pixels a side


def resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def threads() -> int:
    return int(psutil.Process().num_threads())


pytestmark = pytest.mark.usefixtures("one_thread")


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


Work = Callable[[Watch], object]


def works(coder: Codec) -> list[Work]:
    """What can be cancelled: at a quality, the search for a size, and decoding."""
    picture = photo(_LARGEST, _LARGEST)
    data = coder.encode(picture, Rate(quality=50)).data
    return [
        lambda watch: coder.encode(picture, Rate(quality=50), watch),
        lambda watch: coder.encode(picture, Rate(bpp=0.5), watch),
        lambda watch: coder.decode(data, watch),
    ]


def questions(work: Work) -> int:
    """How often the work asks whether to go on: so many stages it can be cancelled at."""
    asked = 0

    def go_on() -> bool:
        nonlocal asked
        asked += 1
        return False

    work(Watch(cancelled=go_on))
    return asked


def cancel(work: Work, stage: int) -> None:
    """Cancel at the question of this number."""
    asked = iter(range(stage))
    with pytest.raises(Cancelled):
        work(Watch(cancelled=lambda: next(asked, None) is None))


class Held:
    """What the process holds now; `check` compares with it later."""

    def __init__(self) -> None:
        self.memory, self.workers, self.alive = resident(), threads(), threading.active_count()

    def check(self, after: str) -> None:
        """5% more memory and no thread more are allowed."""
        grown = resident() - self.memory
        assert grown <= 0.05 * self.memory, f"{grown / 1e6:.1f} MB more after {after}"
        assert threads() <= self.workers and threading.active_count() <= self.alive


def warm_up(coders: list[Codec]) -> None:
    """Whatever is made once is made now: tables, kernels, the allocator's arenas."""
    for coder in coders:
        coder.decode(coder.encode(photo(_LARGEST, _LARGEST), Rate(quality=100)).data)


@pytest.mark.timeout(300 + 5 * JOBS)
def test_jobs_leave_nothing_behind(coders: list[Codec]) -> None:
    random = np.random.default_rng(SEED)
    warm_up(coders)
    for coder in coders:
        job(coder, random)
    before = Held()
    for number in range(JOBS):
        job(coders[number % len(coders)], random)
    before.check(f"{JOBS} jobs, seed {SEED}")


@pytest.mark.timeout(300 + 5 * CANCELLED)
def test_jobs_cancelled_at_every_stage_leave_nothing_behind(coders: list[Codec]) -> None:
    """Every stage of every kind of work of every codec in turn, in an order by the seed."""
    warm_up(coders)
    stages = [(work, n) for coder in coders for work in works(coder) for n in range(questions(work))]
    order = np.random.default_rng(SEED).permutation(len(stages))
    assert len(stages) > 60  # learned codecs ask at every layer, group and tile
    for at in order[:10]:
        cancel(*stages[at])
    before = Held()
    for number in range(CANCELLED):
        cancel(*stages[order[number % len(order)]])
    before.check(f"{CANCELLED} cancelled jobs, seed {SEED}")
