"""Does a cluster give the same table as one process, even when a worker is killed midway?"""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models import cluster, evaluation
from models.cluster import ClusterError
from models.errors import HflicError
from models.evaluation import Step, evaluate, plan
from tests.command_line import one_line, run
from tests.test_evaluation import QUALITIES, photo, without_times

here = pytest.mark.skipif(bool(cluster.missing()), reason=cluster.missing())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cluster")
    for index in range(4):
        photo(root / "photos" / f"{index}.png", index)
    return root / "photos"


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Any]:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as made:
        yield made


@here
@pytest.mark.filterwarnings("ignore")  # of the cluster's own shutdown after a kill
def test_a_killed_worker_loses_nothing(folder: Path, tmp_path: Path, two_workers: Any) -> None:
    from distributed import Client

    tasks = plan(folder, ["jpeg", "webp"], QUALITIES, ("psnr",))
    alone = evaluate(tasks, tmp_path / "alone.json")
    with Client(two_workers.scheduler_address, set_as_default=False) as client:
        before = client.run(os.getpid)
    assert len(before) == 2
    victim, killed = next(iter(before.values())), []

    def kill_midway(step: Step) -> None:
        if step.done == 3:
            os.kill(victim, signal.SIGKILL)
            killed.append(step.total)

    spread = evaluate(
        tasks, tmp_path / "spread.json", scheduler=two_workers.scheduler_address, report=kill_midway
    )
    assert killed == [16]
    assert without_times(spread) == without_times(alone)
    assert without_times(evaluation.read_rows(tmp_path / "spread.json")) == without_times(alone)
    with Client(two_workers.scheduler_address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        assert victim not in client.run(os.getpid).values()


@here
def test_the_command_takes_an_address(folder: Path, tmp_path: Path, two_workers: Any) -> None:
    code, text, errors = run(
        "evaluate", folder, "--codecs", "jpeg", "--qualities", "30", "--metrics", "psnr",
        "-o", tmp_path / "r.json", "--scheduler", two_workers.scheduler_address,
    )  # fmt: skip
    assert code == 0, errors
    assert "jpeg" in text and len(evaluation.read_rows(tmp_path / "r.json")) == 4


@here
def test_an_address_without_a_scheduler_is_one_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "TIMEOUT", 0.5)
    for address in ("tcp://127.0.0.1:9", "no address"):
        code, _, errors = run(
            "evaluate", folder, "--codecs", "jpeg", "--qualities", "30", "--metrics", "psnr",
            "-o", tmp_path / "r.json", "--scheduler", address,
        )  # fmt: skip
        assert code == 2 and "no Dask scheduler" in errors and one_line(errors)


def test_a_worker_with_other_weights_is_told_apart(folder: Path) -> None:
    (task,) = plan(folder, ["jpeg"], QUALITIES[:1], ("psnr",))[:1]
    assert cluster.run_there(task).error == ""
    row = cluster.run_there(replace(task, weights="12345678"))
    assert "planned with the weights 12345678" in row.error and row.bpp is None


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(HflicError, match="pip install"):
        list(cluster.done([], "tcp://x"))
    assert issubclass(ClusterError, HflicError)
