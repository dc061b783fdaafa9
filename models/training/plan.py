"""What has the queue done, what is left of it, how long will that take here, and what waits for what?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from models.networks.builders import NetworkConfig, build
from models.networks.complexity import Complexity, kmac_per_pixel
from models.training.perceptual_recipes import PERCEPTUAL, PerceptualRecipe
from models.training.queue import goal_of
from models.training.recipes import QUEUE, RECIPES, Recipe, Round, began_so
from models.training.standing import folder_of, published_steps
from models.training.start import recipe_named
from models.training.trainer import CHECKPOINT, load_checkpoint
from models.trunks import LAYOUTS, TrunkName

FORWARD_AND_BACKWARD = 3  # passes: the output, the gradient of the inputs, that of the weights
ENOUGH = 50  # steps of a run that tell its pace: the first ones read the photographs
SECONDS_PER_GIGAMAC = 0.0121  # hflic-lite on the two cores that made the shipped weights, 6,205 steps


@dataclass(frozen=True)
class PlanRow:
    """A recipe up to the end of a round: steps of this entry alone.

    seconds_per_step, hours_left: measured where the recipe has run here, else estimated from the
    multiply-accumulates of a step at the speed of a recipe that has. waits_for: what has to be done
    first, None where this entry is next or done.
    """

    recipe: str
    round: int
    done: int
    to_go: int
    seconds_per_step: float
    measured: bool
    hours_left: float
    waits_for: str | None


@dataclass(frozen=True)
class Run:
    """How far a run has come, and where it began: what it went on from was made elsewhere, or before."""

    step: int
    seconds: float
    begun: int = 0
    seconds_before: float = 0.0

    @property
    def here(self) -> float:
        """Seconds of the steps since it began."""
        return self.seconds - self.seconds_before


def runs_in(folder: Path) -> dict[str, Run]:
    """The runs of a folder by recipe, without those that did not begin as the recipe does now."""
    found = {}
    for name, recipe in {**RECIPES, **PERCEPTUAL}.items():
        path = folder / name / CHECKPOINT
        if not path.exists():
            continue
        state = load_checkpoint(path, mapped=True)
        if began_so(recipe, state.get("begun_with")):
            begun, before = state.get("begun", (0, 0.0))
            found[name] = Run(int(state["step"]), float(state["seconds"]), int(begun), float(before))
    return found


def trunk_kmac(name: TrunkName, count: int) -> float:
    """Thousands of multiply-accumulates a pixel of a trunk's first `count` maps."""
    layout, channels, total = LAYOUTS[name], 3, 0.0
    for stage, stride in zip(layout.stages[:count], layout.strides[:count], strict=True):
        for layer in stage:
            total += channels * layer.outputs * layer.kernel**2 / stride**2
            channels = layer.outputs
    return total / 1000


def discriminator_kmac(latent: int, width: int, condition: int = 12) -> float:
    """Thousands of multiply-accumulates a pixel of `models.networks.discriminator`."""
    macs = latent * condition * 9 / 16**2
    inputs = 3 + condition
    for level, stride in enumerate((2, 4, 8, 8)):
        macs += inputs * (width << level) * 16 / stride**2
        inputs = width << level
    return (macs + inputs * 16 / 8**2) / 1000


@cache
def _network_kmac(config: NetworkConfig) -> Complexity:
    # Initialising on the meta device costs seconds, more than these networks' true weights.
    return kmac_per_pixel(build(config), side=64)


@cache
def training_kmac(recipe: Recipe) -> float:
    """Thousands of multiply-accumulates a pixel of one training step, everything that takes part in it."""
    config = recipe.network()
    network = _network_kmac(config)
    if not isinstance(recipe, PerceptualRecipe):
        return FORWARD_AND_BACKWARD * network.total
    weights = recipe.weights
    if recipe.decoder_only:
        total = network.encode + FORWARD_AND_BACKWARD * network.synthesis
    else:
        total = FORWARD_AND_BACKWARD * network.total + network.encode  # the base says what it would spend
    looks = 3  # a frozen trunk: the original, the decoded picture, the gradient to it
    if weights.lpips:
        total += looks * trunk_kmac(weights.lpips_trunk, len(LAYOUTS[weights.lpips_trunk].stages))
    if weights.style and (weights.style_side or weights.style_trunk != weights.lpips_trunk):
        side = recipe.rounds[0].side
        share = (min(weights.style_side or side, side) / side) ** 2
        joined = (1 - recipe.styled_from) * share
        total += joined * looks * trunk_kmac(weights.style_trunk, max(weights.style_layers) + 1)
    if weights.gan:
        judged = 2 + 2 * FORWARD_AND_BACKWARD  # for the network; then both pictures for its own step
        joined = (1 - recipe.gan_from) * judged
        total += joined * discriminator_kmac(config.latent, recipe.discriminator_width)
    return total


def pixels(part: Round) -> int:
    """Pixels of a step's batch."""
    return part.batch * part.side**2


def pixels_seen(recipe: Recipe, step: int) -> int:
    """Pixels of the batches before a step."""
    total = 0
    for part in recipe.rounds:
        total += min(step, part.steps) * pixels(part)
        step = max(step - part.steps, 0)
    return total


def _pixels_here(recipe: Recipe, run: Run) -> int:
    """Pixels of the batches of a run's own steps."""
    return pixels_seen(recipe, run.step) - pixels_seen(recipe, run.begun)


class Pace:
    """Seconds a step of any recipe takes, from the runs there are.

    Small networks reach fewer multiply-accumulates a second than large ones, so a recipe that has not
    run is judged by the one nearest to it in size.
    """

    def __init__(self, runs: dict[str, Run]) -> None:
        self._runs = {
            name: run for name, run in runs.items() if run.step - run.begun >= ENOUGH and run.here > 0
        }
        self._speeds = {  # thousand multiply-accumulates a pixel to seconds for 10^9
            training_kmac(recipe): run.here / (training_kmac(recipe) * _pixels_here(recipe, run) / 1e6)
            for recipe, run in ((recipe_named(name), run) for name, run in self._runs.items())
        }

    def of(self, recipe: Recipe, part: Round) -> tuple[float, bool]:
        """Seconds a step of a round, and whether they were measured."""
        if (run := self._runs.get(recipe.name)) is not None:
            return run.here / _pixels_here(recipe, run) * pixels(part), True
        cost = training_kmac(recipe)
        nearest = min(self._speeds, key=lambda other: abs(math.log(other / cost)), default=None)
        speed = self._speeds[nearest] if nearest is not None else SECONDS_PER_GIGAMAC
        return cost * pixels(part) / 1e6 * speed, False


def _base_missing(recipe: Recipe, runs: dict[str, Run]) -> str | None:
    """The recipe whose weights a perceptual one has to wait for, None where they are there."""
    if not isinstance(recipe, PerceptualRecipe) or recipe.name in runs or published_steps(recipe):
        return None
    if recipe.base not in runs and not folder_of(recipe_named(recipe.base)).exists():
        return recipe.base
    other = recipe.begins_with
    there = not other or other in runs or published_steps(recipe_named(other)) > 0
    return None if there else other


def queue_rows(folder: Path) -> list[PlanRow]:
    """Where every entry of the queue stands, from the runs in the folder and what is published."""
    runs = runs_in(folder)
    pace = Pace(runs)
    rows: list[PlanRow] = []
    begun: dict[str, int] = {}
    before: str | None = None
    for name, rounds in QUEUE:
        recipe = recipe_named(name)
        row = _row(recipe, begun.get(name, 0), rounds, runs, pace, before)
        rows.append(row)
        begun[name] = goal_of(recipe, rounds)
        if row.to_go:
            before = f"{name} round {rounds}"
    return rows


def other_rows(folder: Path) -> list[PlanRow]:
    """All rounds of every recipe the queue does not name."""
    runs = runs_in(folder)
    pace = Pace(runs)
    queued = {name for name, _ in QUEUE}
    others = [recipe_named(name) for name in (*RECIPES, *PERCEPTUAL) if name not in queued]
    return [_row(recipe, 0, len(recipe.rounds), runs, pace, None) for recipe in others]


def _row(
    recipe: Recipe, start: int, rounds: int, runs: dict[str, Run], pace: Pace, before: str | None
) -> PlanRow:
    """One entry: the rounds that end at `rounds`, from the step where the entry before it ends."""
    goal = goal_of(recipe, rounds)
    # Without a run the next one goes on from what is published.
    begun = runs[recipe.name].step if recipe.name in runs else published_steps(recipe)
    reached = min(max(begun, start), goal)
    seconds, step = 0.0, 0
    for part in recipe.rounds:
        left = max(min(step + part.steps, goal) - max(step, reached), 0)
        seconds += left * pace.of(recipe, part)[0]
        step += part.steps
    last, measured = pace.of(recipe, recipe.rounds[rounds - 1])
    waits = (before or _base_missing(recipe, runs)) if reached < goal else None
    return PlanRow(
        recipe.name, rounds, reached - start, goal - reached, last, measured, seconds / 3600, waits
    )
