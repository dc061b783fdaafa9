"""Two processes with half the batch each do what one process does with the whole."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from models.networks.noise import sharing, uniform_like
from models.training.data import CropPlan, PhotoCrops
from models.training.processes import ProcessError, Processes, launch
from models.training.trainer import CHECKPOINT, load_checkpoint
from tests.shared_training import trained
from tests.training_photos import make_photos


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def one_of(count: int, rank: int = 0) -> Processes:
    fabric = SimpleNamespace(global_rank=rank, world_size=count, device=torch.device("cpu"))
    return Processes(cast(Any, fabric))


def latents(layout: str) -> tuple[Tensor, int]:
    """A tensor of four pictures in one of the layouts networks draw noise for, and its batch dimension."""
    y = torch.zeros(4, 6, 3, 5)
    if layout == "plain":
        return y, 0
    y = y.to(memory_format=torch.channels_last)
    if layout == "channels last":
        return y, 0
    values = y.permute(1, 0, 2, 3).reshape(6, 1, -1)  # as the bottleneck sees its hyper-latents
    return (values if layout == "view" else values.contiguous()), 2


@pytest.mark.parametrize("layout", ["plain", "channels last", "view", "copy"])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_every_process_draws_its_share_of_the_whole_batchs_noise(layout: str, count: int) -> None:
    x, dim = latents(layout)
    torch.manual_seed(3)
    whole = torch.empty_like(x).uniform_(-0.5, 0.5)
    assert whole.stride() == x.stride()
    parts = []
    for rank, part in enumerate(x.chunk(count, dim)):
        torch.manual_seed(3)
        own = part.clone()  # a process has only its own pictures
        with sharing(rank, count):
            parts.append(uniform_like(own, -0.5, 0.5, dim=dim))
        assert parts[-1].shape == part.shape
    assert torch.equal(torch.cat(parts, dim), whole)


def test_shares_of_a_batch_make_up_the_batch(tmp_path: Path) -> None:
    crops = PhotoCrops(make_photos(tmp_path / "photos"))
    batch = crops.batch(0, 4, CropPlan(side=32))
    crops.close()
    shares = [one_of(2, rank).share(batch) for rank in range(2)]
    assert torch.equal(torch.cat([s.x for s in shares]), batch.x)
    assert torch.equal(torch.cat([s.uniform for s in shares]), batch.uniform)
    assert shares[0].places + shares[1].places == batch.places
    with pytest.raises(ProcessError, match="3 processes cannot share a batch of 4"):
        one_of(3).share(batch)


def test_alone_nothing_is_exchanged() -> None:
    alone = Processes()
    layer = nn.Linear(2, 1)
    layer(torch.ones(1, 2)).backward()
    assert layer.weight.grad is not None
    before = layer.weight.grad.clone()
    alone.average_gradients(list(layer.parameters()))
    alone.agree(layer.parameters())
    assert torch.equal(layer.weight.grad, before)
    assert (alone.rank, alone.count, alone.first, alone.any(True), alone.any(False)) == (
        0,
        1,
        True,
        True,
        False,
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")
def test_devices_that_are_not_there_are_refused() -> None:
    with pytest.raises(ProcessError, match="cannot use cuda"):
        launch(1, "cuda")
    with pytest.raises(ProcessError, match="no device 'tpu'"):
        launch(1, "tpu")
    assert launch().count == 1


def furthest(one: dict[str, Tensor], two: dict[str, Tensor]) -> float:
    """The largest difference of two sets of tensors, in the norm of each tensor."""
    assert one.keys() == two.keys()
    return max(((one[k] - two[k]).norm() / one[k].norm().clamp(min=1e-6)).item() for k in one)


def test_two_processes_follow_one(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos")
    alone = trained(photos, tmp_path / "alone", Processes())
    done = subprocess.run(
        [sys.executable, "-m", "tests.shared_training", str(photos), str(tmp_path / "two"), "2"],
        cwd=Path(__file__).parent.parent,
        env={k: v for k, v in os.environ.items() if k not in ("LOCAL_RANK", "WORLD_SIZE")},
        capture_output=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    ranks = [load_checkpoint(tmp_path / f"two-{rank}.pt") for rank in range(2)]
    for rank in ranks:
        torch.testing.assert_close(
            torch.tensor(rank["plain"]), torch.tensor(alone["plain"]), rtol=1e-4, atol=0
        )
        # Features near 0 make LPIPS's gradient jump with float noise: steps soon part, the first is alike.
        torch.testing.assert_close(rank["eye"][:2], alone["eye"][:2], rtol=1e-4, atol=0)
        assert furthest(alone["eye gradients"], rank["eye gradients"]) < 1e-3
    assert furthest(alone["plain state"], ranks[0]["plain state"]) < 1e-2
    assert all(torch.equal(v, alone["followed state"][k]) for k, v in ranks[0]["followed state"].items())
    assert [rank["followed step"] for rank in (alone, *ranks)] == [alone["followed step"]] * 3
    for kind in ("plain state", "eye state", "followed state"):
        first, second = (rank[kind] for rank in ranks)
        assert [name for name in first if not torch.equal(first[name], second[name])] == []
    # One process asked to stop during the third step: both stop after it, and one checkpoint is there.
    for ending in (alone, *ranks):
        assert (ending["finished"], ending["ended"], ending["refused"]) == (False, 3, True)
    assert load_checkpoint(tmp_path / "two" / "stopped" / CHECKPOINT)["step"] == 3
    assert len((tmp_path / "two" / "stopped" / "validation.jsonl").read_text().splitlines()) == 1
    assert len(list((tmp_path / "two" / "stopped").glob("events*"))) == 1
