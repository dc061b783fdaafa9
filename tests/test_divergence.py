"""A loss that runs away stops the run, and nothing of it reaches the checkpoint."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.training.divergence import DOUBTFUL, LEAST, PATIENCE, WINDOW, LossWatch
from models.training.trainer import CHECKPOINT, Trainer, TrainingError, load_checkpoint
from tests.test_training import TINY, everything
from tests.training_photos import make_photos


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def watched(losses: list[float]) -> LossWatch:
    watch = LossWatch()
    for loss in losses:
        watch.add(loss)
    return watch


def noisy(mean: float, spread: float, count: int = 200) -> list[float]:
    return (mean + spread * np.random.default_rng(4).standard_normal(count)).tolist()


def test_an_ordinary_run_is_left_alone() -> None:
    falling = [20 * math.exp(-step / 60) + loss for step, loss in enumerate(noisy(1.5, 0.3, 1000))]
    watch = LossWatch()
    for loss in falling:
        watch.add(loss)
        assert watch.settled and not watch.diverged
    assert len(watch.losses) == WINDOW


def test_a_hard_batch_is_no_divergence() -> None:
    watch = watched([*noisy(1, 0.1), 50.0, 50.0])
    assert watch.settled
    watch.add(1.0)
    assert watch.high == 0
    assert watch.usual == pytest.approx(1, abs=0.05)


def test_a_loss_that_stays_high_is_doubtful_and_then_a_divergence() -> None:
    watch = watched(noisy(1, 0.1))
    for step in range(1, PATIENCE + 1):
        watch.add(4.5)
        assert watch.settled == (step < DOUBTFUL)
        assert watch.diverged == (step >= PATIENCE)
    assert watch.usual == pytest.approx(1, abs=0.05), "what is usual does not follow the loss away"


def test_losses_around_zero_are_judged_by_their_spread() -> None:
    losses = noisy(0.001, 0.2)
    assert watched([*losses, *[0.4] * PATIENCE]).settled
    assert watched([*losses, *[2.0] * PATIENCE]).diverged


def test_too_few_losses_are_not_judged_and_what_is_not_a_number_always_is() -> None:
    assert watched([1.0] * (LEAST - 1) + [1e6] * PATIENCE).diverged is False
    assert watched([math.nan]).diverged
    assert watched([math.inf]).diverged


def test_a_reset_forgets() -> None:
    watch = watched([*noisy(1, 0.1), *[9.0] * 10])
    watch.reset()
    assert watch.settled and watch.usual is None


# In a run


class Runaway(Trainer):
    """Tells of ten times the usual loss after the step `since`."""

    since = 4

    def train_step(self) -> tuple[float, float, float]:
        loss, bpp, psnr = super().train_step()
        usual = self.watch.usual
        return (10 * usual if usual is not None and self.step > self.since else loss), bpp, psnr


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos")


def small_steps(photos: Path, out: Path, kind: type[Trainer]) -> Trainer:
    """A run of small steps, saved after each; it knows a usual loss already after the first two."""
    recipe = replace(TINY, rounds=(replace(TINY.rounds[0], steps=60, batch=1, constant=1.0),))
    run = kind(recipe, photos, out, threads=1, minutes_between_checkpoints=0)
    if run.step == 0:
        run.run(until=2)
        run.watch.losses.extend([run.watch.losses[-1]] * LEAST)
    return run


def test_a_diverging_run_stops_and_keeps_the_last_good_checkpoint(photos: Path, tmp_path: Path) -> None:
    run = small_steps(photos, tmp_path / "run", Runaway)
    last_good = Runaway.since + DOUBTFUL - 1
    with pytest.raises(TrainingError, match=rf"the loss diverges .* of step {last_good}, stays in .*lower"):
        run.run()
    run.close()
    assert run.step == Runaway.since + PATIENCE
    kept = load_checkpoint(tmp_path / "run" / CHECKPOINT)
    assert kept["step"] == last_good
    again = small_steps(photos, tmp_path / "run", Trainer)
    again.close()
    assert again.step == last_good
    assert list(again.watch.losses) == list(run.watch.losses), "what is usual outlives the process"


def test_a_run_stopped_while_its_loss_rises_saves_nothing(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = small_steps(photos, tmp_path / "run", Runaway)
    step = run.train_step

    def stopped() -> tuple[float, float, float]:
        if run.step == Runaway.since + 8:
            run.stop()
        return step()

    run.train_step = stopped  # type: ignore[method-assign]
    with caplog.at_level(logging.WARNING):
        assert not run.run()
    run.close()
    assert "nothing is saved" in caplog.text
    assert load_checkpoint(tmp_path / "run" / CHECKPOINT)["step"] == Runaway.since + DOUBTFUL - 1


def test_a_goal_reached_while_the_loss_rises_is_a_failure(photos: Path, tmp_path: Path) -> None:
    run = small_steps(photos, tmp_path / "run", Runaway)
    with pytest.raises(TrainingError, match="was rising when step 12 was reached"):
        run.run(until=12)
    run.close()
    assert load_checkpoint(tmp_path / "run" / CHECKPOINT)["step"] == Runaway.since + DOUBTFUL - 1


def test_weights_that_are_not_finite_are_never_saved(photos: Path, tmp_path: Path) -> None:
    run = small_steps(photos, tmp_path / "run", Trainer)
    run.close()
    with torch.no_grad():
        next(run.network.g_s.parameters())[0, 0, 0, 0] = math.inf
    path = tmp_path / "run" / CHECKPOINT
    before = path.read_bytes()
    with pytest.raises(TrainingError, match="of step 2, stays"):
        run.save()
    assert path.read_bytes() == before
    path.unlink()
    with pytest.raises(TrainingError, match="there is no checkpoint yet"):
        run.save()
    assert not path.exists()


def test_checkpoints_from_before_the_watch_still_load(photos: Path, tmp_path: Path) -> None:
    run = small_steps(photos, tmp_path / "run", Trainer)
    run.close()
    state = load_checkpoint(tmp_path / "run" / CHECKPOINT)
    del state["losses"]
    torch.save(state, tmp_path / "run" / CHECKPOINT)
    old = small_steps(photos, tmp_path / "run", Trainer)
    old.close()
    assert old.step == 2 and not old.watch.losses
    one, two = everything(run), everything(old)
    assert [name for name in one if not torch.equal(one[name], two[name])] == []
