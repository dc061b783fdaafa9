"""The plan: steps and hours of every entry, measured where a recipe has run, and what waits for what."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from models.networks.builders import build
from models.networks.complexity import kmac_per_pixel
from models.networks.discriminator import Discriminator
from models.training import plan, standing
from models.training.perceptual_recipes import PERCEPTUAL
from models.training.recipes import QUEUE, RECIPES
from models.training.trainer import CHECKPOINT, atomic_save
from models.trunks import LAYOUTS, Trunk


@pytest.fixture(autouse=True)
def nothing_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (plan, standing):
        monkeypatch.setattr(module, "folder_of", lambda recipe, *_: tmp_path / "published" / recipe.name)


def ran(runs: Path, name: str, step: int, seconds: float) -> None:
    (runs / name).mkdir(parents=True)
    atomic_save({"step": step, "seconds": seconds}, runs / name / CHECKPOINT)


def macs(module: nn.Module, *inputs: torch.Tensor) -> int:
    total = 0

    def count(layer: nn.Conv2d, _: object, output: torch.Tensor) -> None:
        nonlocal total
        total += layer.weight.numel() * output.shape[0] * output.shape[2] * output.shape[3]

    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)  # type: ignore[arg-type]
    module(*inputs)
    return total


@pytest.mark.parametrize("name", ["alex", "vgg"])
def test_the_cost_of_a_trunk_is_that_of_its_convolutions(name: str) -> None:
    layout = LAYOUTS[name]  # type: ignore[index]
    trunk = Trunk(name)  # type: ignore[arg-type]
    trunk.forward = lambda x: trunk.features(x, count=3)  # type: ignore[method-assign]
    side = 512
    counted = macs(trunk, torch.zeros(1, 3, side, side)) / side**2 / 1000
    assert plan.trunk_kmac(name, 3) == pytest.approx(counted, rel=0.05)  # type: ignore[arg-type] # borders
    assert plan.trunk_kmac(name, len(layout.stages)) > plan.trunk_kmac(name, 3)  # type: ignore[arg-type]


def test_the_cost_of_the_discriminator_is_that_of_its_convolutions() -> None:
    counted = macs(Discriminator(20, 8), torch.zeros(1, 3, 64, 64), torch.zeros(1, 20, 4, 4))
    assert plan.discriminator_kmac(20, 8) == pytest.approx(counted / 64**2 / 1000, rel=0.01)


def test_a_perceptual_step_costs_more_than_a_plain_one_and_less_where_it_does_less() -> None:
    plain = plan.training_kmac(RECIPES["hflic-lite"])
    whole = plan.training_kmac(PERCEPTUAL["hflic-perceptual-lite"])
    decoder = plan.training_kmac(PERCEPTUAL["hflic-realistic-lite"])
    network = build(RECIPES["hflic-lite"].network())
    assert plain == pytest.approx(3 * kmac_per_pixel(network, side=128).total)
    assert plain < decoder < whole


def test_a_run_tells_the_pace_of_its_recipe_and_larger_crops_cost_more(tmp_path: Path) -> None:
    recipe = RECIPES["hflic-lite"]
    ran(tmp_path, "hflic-lite", 1000, 600.0)
    rows = {(r.recipe, r.round): r for r in plan.queue_rows(tmp_path)}
    first, third = rows["hflic-lite", 1], rows["hflic-lite", 3]
    assert first.measured and third.measured
    assert first.seconds_per_step == pytest.approx(0.6)
    scale = plan.pixels(recipe.rounds[2]) / plan.pixels(recipe.rounds[0])
    assert third.seconds_per_step == pytest.approx(0.6 * scale)
    assert third.hours_left == pytest.approx(recipe.rounds[2].steps * 0.6 * scale / 3600)
    other = rows["elic-lite", 1]
    assert not other.measured
    share = plan.training_kmac(RECIPES["elic-lite"]) / plan.training_kmac(recipe)
    assert other.seconds_per_step == pytest.approx(0.6 * share), "estimated at the speed of the one that ran"


def test_the_pace_is_that_of_the_steps_that_ran_here(tmp_path: Path) -> None:
    (tmp_path / "hflic-lite").mkdir()
    state = {"step": 9100, "seconds": 9050.0, "begun": (9000, 9000.0)}
    atomic_save(state, tmp_path / "hflic-lite" / CHECKPOINT)
    row = next(r for r in plan.queue_rows(tmp_path) if r.recipe == "hflic-lite")
    assert row.measured and row.seconds_per_step == pytest.approx(0.5)
    atomic_save(state | {"step": 9010, "seconds": 9040.0}, tmp_path / "hflic-lite" / CHECKPOINT)
    row = next(r for r in plan.queue_rows(tmp_path) if r.recipe == "hflic-lite")
    assert not row.measured, "ten steps tell no pace"


def test_every_recipe_has_hours_before_anything_ran(tmp_path: Path) -> None:
    rows = [*plan.queue_rows(tmp_path), *plan.other_rows(tmp_path)]
    assert {row.recipe for row in rows} == {*RECIPES, *PERCEPTUAL}
    assert all(row.hours_left > 0 and not row.measured for row in rows)
    for name in {row.recipe for row in rows} - {name for name, _ in QUEUE}:
        recipe = plan.recipe_named(name)
        assert [row.to_go for row in rows if row.recipe == name] == [recipe.steps]


def test_entries_wait_for_those_before_them_and_for_their_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "QUEUE", QUEUE[:3])
    rows = plan.queue_rows(tmp_path)
    assert rows[0].waits_for is None
    for before, row in pairwise(rows):
        assert row.waits_for == f"{before.recipe} round {before.round}"
    outside = {row.recipe: row.waits_for for row in plan.other_rows(tmp_path)}
    for name, waits in outside.items():
        assert waits == (PERCEPTUAL[name].base if name in PERCEPTUAL else None)
    name = next(name for name in outside if name in PERCEPTUAL)
    for needed in filter(None, (PERCEPTUAL[name].base, PERCEPTUAL[name].begins_with)):
        assert {row.recipe: row.waits_for for row in plan.other_rows(tmp_path)}[name] == needed
        ran(tmp_path, needed, 10, 6.0)
    assert {row.recipe: row.waits_for for row in plan.other_rows(tmp_path)}[name] is None


def test_what_is_done_waits_for_nothing_and_takes_no_time(tmp_path: Path) -> None:
    name, rounds = QUEUE[0]
    ran(tmp_path, name, plan.goal_of(RECIPES[name], rounds), 100.0)
    rows = plan.queue_rows(tmp_path)
    assert (rows[0].to_go, rows[0].hours_left, rows[0].waits_for) == (0, 0.0, None)
    assert rows[1].waits_for is None


def test_without_a_run_what_is_published_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run goes on from there; but its hours were another machine's."""
    name, rounds = QUEUE[0]
    goal = plan.goal_of(RECIPES[name], rounds)
    monkeypatch.setattr(plan, "published_steps", lambda recipe: goal - 5 if recipe.name == name else 0)
    first = plan.queue_rows(tmp_path)[0]
    assert (first.done, first.to_go, first.measured, first.waits_for) == (goal - 5, 5, False, None)
    ran(tmp_path, name, 10, 6.0)
    assert plan.queue_rows(tmp_path)[0].done == 10, "a run there is goes on itself"
