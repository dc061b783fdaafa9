"""A run learns, resumes exactly, survives being killed, and stops with the last good checkpoint kept."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.networks.context import ContextConfig
from models.networks.elic import ElicConfig, Stage
from models.networks.hific import HificConfig
from models.networks.rate import RateLadder
from models.training.perceptual_recipes import PerceptualRecipe
from models.training.recipes import QUEUE, RECIPES, Recipe, Round
from models.training.start import recipe_named
from models.training.trainer import (
    CHECKPOINT,
    Ema,
    Trainer,
    TrainingError,
    atomic_save,
    averaged,
    load_checkpoint,
    load_run,
)
from models.training.validation import validate
from tests.training_photos import make_photos

LADDER = RateLadder((1e-3, 1e-2))


def tiny_elic() -> ElicConfig:
    return ElicConfig(
        stages=(Stage(8, blocks=1), Stage(8, blocks=1)),
        latent=16,
        expansion=0.5,
        hyper_widths=(4, 4, 4),
        context=ContextConfig((4, 12), 8, (8,), (3, 3), "fixed", (8,), separate=False),
        stem=4,
        latent_attention=False,
        shortcut=True,
        log_scale=True,
        ladder=LADDER,
    )


def tiny_hific() -> HificConfig:
    return HificConfig((8, 8, 8), 16, 4, blocks=1, stem=4, shortcut=True, log_scale=True, ladder=LADDER)


TINY = Recipe("tiny", "elic:lite", tiny_elic, (Round(40, rate=3e-3, warmup=4, batch=2, side=64),))


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos")


def trainer(photos: Path, out: Path, recipe: Recipe = TINY, minutes: float = 60) -> Trainer:
    return Trainer(recipe, photos, out, threads=1, minutes_between_checkpoints=minutes)


def everything(run: Trainer) -> dict[str, Tensor]:
    state = {f"network.{k}": v for k, v in run.network.state_dict().items()}
    state |= {f"ema.{k}": v for k, v in run.ema.shadow.items()}
    for index, entry in run.optimizer.state_dict()["state"].items():
        state |= {f"adam.{index}.{k}": v for k, v in entry.items()}
    return state


# Learning


@pytest.mark.parametrize("network", [tiny_elic, tiny_hific], ids=["elic", "hific"])
def test_the_loss_falls(photos: Path, tmp_path: Path, network: object) -> None:
    run = trainer(photos, tmp_path / "run", replace(TINY, network=network))
    losses = [run.train_step()[0] for _ in range(40)]
    run.close()
    assert np.mean(losses[-8:]) < 0.75 * np.mean(losses[:8])


def test_the_average_follows_the_weights_and_validates_better_than_the_start(
    photos: Path, tmp_path: Path
) -> None:
    run = trainer(photos, tmp_path / "run")
    before = validate(averaged(run.network, run.ema), photos, LADDER.top, pictures=2)
    run.run()
    run.close()
    after = validate(averaged(run.network, run.ema), photos, LADDER.top, pictures=2)
    weights = [LADDER.weight(row.position) * 255**2 for row in after]
    cost = [
        [row.bpp + w * 10 ** (-row.psnr / 10) for row, w in zip(rows, weights, strict=True)]
        for rows in (before, after)
    ]
    assert sum(cost[1]) < sum(cost[0])
    assert [row.position for row in after] == [0, 0.25, 0.5, 0.75, 1]
    assert after[0].bpp < after[-1].bpp
    assert after[0].psnr < after[-1].psnr


def test_the_average_is_quick_at_first_and_slow_later() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(layer.weight)
    ema = Ema(layer, 0.999)
    torch.nn.init.ones_(layer.weight)
    ema.update(layer, 1)
    assert ema.shadow["weight"].item() == pytest.approx(1 - 2 / 11)
    torch.nn.init.zeros_(ema.shadow["weight"])
    ema.update(layer, 1_000_000)
    assert ema.shadow["weight"].item() == pytest.approx(0.001)


# Resuming


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(photos: Path, tmp_path: Path) -> None:
    whole = trainer(photos, tmp_path / "whole")
    assert whole.run(until=12)
    first = trainer(photos, tmp_path / "parts")
    assert first.run(until=5)
    first.close()
    second = trainer(photos, tmp_path / "parts")
    assert second.step == 5
    assert second.seconds == first.seconds
    assert second.run(until=12)
    one, two = everything(whole), everything(second)
    assert one.keys() == two.keys()
    assert [k for k in one if not torch.equal(one[k], two[k])] == []
    whole.close()
    second.close()


def test_a_folder_of_another_recipe_is_refused(photos: Path, tmp_path: Path) -> None:
    run = trainer(photos, tmp_path / "run")
    run.save()
    run.close()
    with pytest.raises(TrainingError, match="holds a run of tiny"):
        trainer(photos, tmp_path / "run", replace(TINY, name="other"))
    with pytest.raises(TrainingError, match=r"holds a run of tiny: choose another --out"):
        load_run(RECIPES["elic-lite"], tmp_path / "run")  # whose rates are others too


def test_a_damaged_checkpoint_is_named(photos: Path, tmp_path: Path) -> None:
    run = trainer(photos, tmp_path / "run")
    run.save()
    run.close()
    path = tmp_path / "run" / CHECKPOINT
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"no checkpoint"):
        path.write_bytes(damaged)
        for mapped in (False, True):
            with pytest.raises(TrainingError, match="is damaged: move it away"):
                load_checkpoint(path, mapped=mapped)


def test_a_run_of_a_shorter_ladder_is_refused_and_stays(photos: Path, tmp_path: Path) -> None:
    run = trainer(photos, tmp_path / "run")
    run.save()
    run.close()
    before = (tmp_path / "run" / CHECKPOINT).read_bytes()
    config = tiny_elic()
    assert config.ladder is not None
    longer = RateLadder((*config.ladder.lambdas, 1.0))
    with pytest.raises(TrainingError, match="another number of rates or latents: move it away"):
        trainer(photos, tmp_path / "run", replace(TINY, network=lambda: replace(config, ladder=longer)))
    assert (tmp_path / "run" / CHECKPOINT).read_bytes() == before


def test_a_checkpoint_of_the_plain_optimizer_goes_on_in_one_pass(photos: Path, tmp_path: Path) -> None:
    run = trainer(photos, tmp_path / "run")
    run.train_step()
    for group in run.optimizer.param_groups:
        group["fused"] = None
    run.save()
    run.close()
    again = trainer(photos, tmp_path / "run")
    assert all(group["fused"] for group in again.optimizer.param_groups)
    again.train_step()
    again.close()


def test_a_finished_run_does_nothing_more(photos: Path, tmp_path: Path) -> None:
    run = trainer(photos, tmp_path / "run")
    assert run.run(until=2)
    written = (tmp_path / "run" / CHECKPOINT).stat().st_mtime_ns
    assert run.run(until=2)
    assert (tmp_path / "run" / CHECKPOINT).stat().st_mtime_ns == written
    run.close()


def test_published_weights_are_continued_at_their_step(photos: Path, tmp_path: Path) -> None:
    source = trainer(photos, tmp_path / "source")
    source.run(until=3)
    source.close()
    run = Trainer(
        TINY, photos, tmp_path / "run", threads=1, start=lambda: (source.network.state_dict(), 3, 60.0)
    )
    run.close()
    assert (run.step, run.seconds) == (3, 60.0)
    weight = run.network.g_a[1].weight  # type: ignore[index]
    assert torch.equal(weight, source.network.g_a[1].weight)  # type: ignore[index]
    assert all(torch.equal(run.ema.shadow[k], p) for k, p in run.network.named_parameters())


def test_a_signal_saves_and_returns(photos: Path, tmp_path: Path) -> None:
    run = trainer(photos, tmp_path / "run")
    step = run.train_step

    def interrupted() -> tuple[float, float, float]:
        if run.step == 2:
            signal.raise_signal(signal.SIGTERM)
        return step()

    run.train_step = interrupted  # type: ignore[method-assign]
    before = signal.getsignal(signal.SIGTERM)
    assert not run.run()
    run.close()
    assert signal.getsignal(signal.SIGTERM) == before
    assert load_checkpoint(tmp_path / "run" / CHECKPOINT)["step"] == 3


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
import models.training.trainer as module
from tests.test_training import TINY

save, calls = torch.save, []
def half_then_die(state, file):
    calls.append(state["step"])
    if len(calls) == 3:
        file.write(b"half a checkpoint")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    save(state, file)
torch.save = half_then_die
module.Trainer(TINY, Path(sys.argv[1]), Path(sys.argv[2]), threads=1, minutes_between_checkpoints=0).run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX word")
def test_killed_in_the_middle_of_saving_leaves_the_checkpoint_before(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(photos), str(out)],
        cwd=root,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert load_checkpoint(out / CHECKPOINT)["step"] == 2
    resumed = trainer(photos, out)
    assert resumed.run(until=4)
    resumed.close()
    whole = trainer(photos, tmp_path / "whole")
    whole.run(until=4)
    whole.close()
    one, two = everything(whole), everything(resumed)
    assert [k for k in one if not torch.equal(one[k], two[k])] == []


KILLED_ANYWHERE = """
import sys
from pathlib import Path
from models.training.trainer import Trainer
from tests.test_training import TINY

run = Trainer(TINY, Path(sys.argv[1]), Path(sys.argv[2]), threads=1, minutes_between_checkpoints=0)
step = run.train_step
def told():
    print(run.step, flush=True)
    return step()
run.train_step = told
run.run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX word")
def test_killed_at_any_moment_a_run_goes_on_as_if_nothing_had_happened(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for stop_at in (3, 7):  # the second time a resumed run is killed
        with subprocess.Popen(
            [sys.executable, "-c", KILLED_ANYWHERE, str(photos), str(out)],
            cwd=Path(__file__).parent.parent,
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if int(line) >= stop_at:
                    child.kill()  # in the middle of that step, or of saving it
                    break
        assert child.returncode == -signal.SIGKILL
        assert load_checkpoint(out / CHECKPOINT)["step"] >= stop_at, "at most the step under way is lost"
    resumed = trainer(photos, out)
    goal = resumed.step + 3
    resumed.run(until=goal)
    resumed.close()
    whole = trainer(photos, tmp_path / "whole")
    whole.run(until=goal)
    whole.close()
    one, two = everything(whole), everything(resumed)
    assert [k for k in one if not torch.equal(one[k], two[k])] == []


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    atomic_save({"step": 1}, path)
    with pytest.raises((AttributeError, TypeError, RuntimeError), match="local"):
        atomic_save({"step": lambda: 2}, path)
    assert load_checkpoint(path)["step"] == 1


def test_checkpoints_hold_nothing_that_runs_code(tmp_path: Path) -> None:
    torch.save({"step": Path}, tmp_path / "evil.ckpt")
    with pytest.raises(TrainingError, match="is damaged") as caught:
        load_checkpoint(tmp_path / "evil.ckpt")
    assert "weights_only" in str(caught.value.__cause__)


# Trouble


def test_a_gradient_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(
    photos: Path, tmp_path: Path
) -> None:
    run = trainer(photos, tmp_path / "run")
    run.run(until=3)
    good = load_checkpoint(tmp_path / "run" / CHECKPOINT)
    with torch.no_grad():
        next(run.network.g_s.parameters()).fill_(math.nan)
    with pytest.raises(TrainingError, match="not finite at step 3"):
        run.run()
    run.close()
    kept = load_checkpoint(tmp_path / "run" / CHECKPOINT)
    assert kept["step"] == 3
    assert all(torch.equal(kept["network"][k], good["network"][k]) for k in good["network"])
    assert all(value.isfinite().all() for value in kept["network"].values() if value.is_floating_point())


# Schedule


def test_a_round_warms_up_holds_and_follows_the_cosine() -> None:
    part = Round(1000, rate=8e-4, warmup=200, constant=0.3, final=0.02)
    assert part.learning_rate(0) == pytest.approx(8e-4 / 200)
    assert part.learning_rate(99) == pytest.approx(4e-4)
    assert part.learning_rate(200) == part.learning_rate(299) == 8e-4
    assert part.learning_rate(650) == pytest.approx(8e-4 * (0.02 + 0.98 / 2))
    assert part.learning_rate(1000) == pytest.approx(8e-4 * 0.02)
    rates = [part.learning_rate(s) for s in range(300, 1000)]
    assert rates == sorted(rates, reverse=True)


def test_the_optimizer_gets_the_schedules_rate_at_every_step(photos: Path, tmp_path: Path) -> None:
    """A scheduler stepped twice or never, as in public code, would show here."""
    recipe = replace(
        TINY,
        rounds=(
            Round(4, rate=1e-3, warmup=2, batch=1, side=64),
            Round(4, rate=5e-4, warmup=0, batch=1, side=64),
        ),
    )
    run = trainer(photos, tmp_path / "run", recipe)
    seen = []
    for _ in range(8):
        run.train_step()
        seen.append(run.optimizer.param_groups[0]["lr"])
    run.close()
    assert seen == [part.learning_rate(s) for part in recipe.rounds for s in range(4)]
    assert seen[4] == 5e-4
    assert run.optimizer.param_groups[1]["lr"] == 1e-3  # the bottleneck's quantiles keep theirs


def test_steps_belong_to_their_round() -> None:
    recipe = replace(TINY, rounds=(Round(10), Round(20)))
    assert recipe.steps == 30
    assert recipe.at(0) == (recipe.rounds[0], 0)
    assert recipe.at(9) == (recipe.rounds[0], 9)
    assert recipe.at(10) == (recipe.rounds[1], 0)
    assert recipe.at(29) == (recipe.rounds[1], 19)


def test_the_queue_names_recipes_and_rounds_that_exist() -> None:
    reached: dict[str, int] = {}
    for name, rounds in QUEUE:
        recipe = recipe_named(name)
        assert 1 <= rounds <= len(recipe.rounds)
        if isinstance(recipe, PerceptualRecipe):
            for needed in {recipe.base, recipe.begins_with} - {""}:
                assert needed in reached, f"{name} would begin before {needed}"
            if recipe.begins_with:
                decoder = recipe_named(recipe.begins_with)
                assert isinstance(decoder, PerceptualRecipe) and decoder.decoder_only
                assert (decoder.base, decoder.network()) == (recipe.base, recipe.network())
        reached[name] = rounds
