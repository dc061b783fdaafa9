"""From a recipe's name to a trainer ready to run: which kind it is, and what it begins from."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.networks.builders import build
from models.networks.rate import GAINS
from models.training.data import CACHE_BYTES, Photographs
from models.training.paper_recipes import PAPER
from models.training.perceptual_recipes import PERCEPTUAL, PerceptualRecipe
from models.training.perceptual_trainer import Continued, PerceptualTrainer
from models.training.processes import Processes
from models.training.publish_decoder import published_decoder
from models.training.recipes import RECIPES, Recipe
from models.training.small_faces import SmallFaces
from models.training.standing import base_steps_told, own_card, published_card, published_start
from models.training.trainer import CHECKPOINT, Trainer, TrainingError, averages, load_checkpoint, load_run

log = logging.getLogger(__name__)


def recipe_named(name: str) -> Recipe:
    """The recipe of a name, squared error or perceptual. Raises TrainingError and names the known ones."""
    recipe = RECIPES.get(name) or PERCEPTUAL.get(name) or PAPER.get(name)
    if recipe is None:
        known = ", ".join([*RECIPES, *PERCEPTUAL, *PAPER])
        raise TrainingError(f"there is no recipe '{name}': choose one of {known}")
    return recipe


def weights_reached(name: str, runs: Path) -> dict[str, Tensor] | None:
    """What a squared-error recipe has reached: the averages of its run in `runs`, else what is published."""
    if (runs / name / CHECKPOINT).exists():
        return averages(load_run(recipe_named(name), runs / name))
    published = published_start(recipe_named(name))
    return published[0] if published is not None else None


def steps_reached(name: str, runs: Path) -> int | None:
    """The steps of `weights_reached`."""
    path = runs / name / CHECKPOINT
    if path.exists():
        return int(load_checkpoint(path, mapped=True)["step"])
    card = own_card(recipe_named(name))
    return card.steps if card is not None else None


def base_steps_of(recipe: PerceptualRecipe, runs: Path) -> int | None:
    """How far the weights of `base_of` were trained, None where there are none."""
    if recipe.decoder_only and (card := own_card(recipe_named(recipe.base))) is not None:
        return card.steps
    return steps_reached(recipe.base, runs)


def base_of(recipe: PerceptualRecipe, runs: Path) -> dict[str, Tensor] | None:
    """The weights a perceptual recipe begins from, None where there are none.

    A decoder alone is trained for files there are: those of the published weights, where there are some.
    """
    base = recipe_named(recipe.base)
    if recipe.decoder_only and (published := published_start(base)) is not None:
        return published[0]
    weights = weights_reached(recipe.base, runs)
    if weights is None or recipe.target is None:
        return weights
    return at_one_rate(weights, base, recipe)


def at_one_rate(weights: dict[str, Tensor], base: Recipe, recipe: Recipe) -> dict[str, Tensor]:
    """The base's weights with the gains it has at the one rate of the recipe's network."""
    all_rates, one = base.network().ladder, recipe.network().ladder
    assert all_rates is not None and one is not None
    position = all_rates.position_of(one.lambdas[0])
    low = min(int(position), len(all_rates.lambdas) - 2)
    gains = {
        name: torch.lerp(table[low : low + 1], table[low + 1 : low + 2], position - low)
        for name, table in weights.items()
        if name.startswith(GAINS)
    }
    return weights | gains


def beginning(recipe: Recipe, runs: Path) -> tuple[dict[str, Tensor], int, float] | None:
    """Weights, steps and seconds a squared-error run begins with where it has no checkpoint.

    What is published for the recipe; else the parameters of the recipe it begins like, wherever name and
    shape agree, at step 0; None is a fresh start. Raises TrainingError where that recipe has no weights.
    """
    published = published_start(recipe)
    if published is not None or not recipe.begins_like:
        return published
    like = weights_reached(recipe.begins_like, runs)
    if like is None:
        raise TrainingError(
            f"{recipe.name} begins like {recipe.begins_like}: train that first "
            f"(hflic train {recipe.begins_like})"
        )
    own = build(recipe.network()).state_dict()
    return {k: v for k, v in like.items() if k in own and v.shape == own[k].shape}, 0, 0.0


def continued(recipe: PerceptualRecipe, runs: Path) -> Continued | None:
    """What a perceptual run without a checkpoint goes on from: the recipe's published weights, or None.

    A recipe that begins with the decoder of another one has that until it is published.

    None too where the base in `runs` has not come as far as the one that is published, or is not published at
    all: it is another one. Without any base the published weights take its place. A decoder alone goes on
    from the published one, for the files of the published base.
    """
    if recipe.decoder_only:
        return _decoder_continued(recipe)
    published = published_start(recipe)
    if published is None:
        return _anew(recipe, runs)
    card = own_card(recipe)
    begun_with = card.extra.get("begun_with", {}) if card is not None else {}
    if recipe.target is not None:  # its rate is measured by that, not by a base
        return Continued(*published, base=None, begun_with=begun_with)
    base = published_start(recipe_named(recipe.base))
    if _another_base(recipe, runs, base[1] if base is not None else None):
        return _anew(recipe, runs)
    if base is None:
        return Continued(*published, base=None, begun_with=begun_with)
    _tell_what_is_lost(recipe, base[1])
    return Continued(*published, base=base[0], base_steps=base[1], begun_with=begun_with)


def _anew(recipe: PerceptualRecipe, runs: Path) -> Continued | None:
    """What a recipe begins with where there is nothing to go on from; None: its base alone."""
    return _with_a_decoder(recipe, runs) if recipe.begins_with else None


def _another_base(recipe: PerceptualRecipe, runs: Path, steps: int | None) -> bool:
    """Whether the base in `runs` cannot have come from that after so many steps; None: from nothing known."""
    path = runs / recipe.base / CHECKPOINT
    return path.exists() and (steps is None or load_checkpoint(path, mapped=True)["step"] < steps)


def _with_a_decoder(recipe: PerceptualRecipe, runs: Path) -> Continued:
    """The beginning of a recipe that begins with the decoder of another one, and with the base of that.

    Raises TrainingError where that has not been trained, or for another base than the one in `runs`.
    """
    other = recipe_named(recipe.begins_with)
    assert isinstance(other, PerceptualRecipe)
    found = _decoder_reached(other, runs)
    if found is None:
        raise TrainingError(
            f"{recipe.name} begins with the decoder of {other.name}: train that first "
            f"(hflic train {other.name})"
        )
    if found.base_steps is not None and _another_base(recipe, runs, found.base_steps):
        raise TrainingError(
            f"{recipe.name} begins with the decoder of {other.name}, which is for another {recipe.base} than "
            f"the one in {runs}: publish that and train {other.name} for it first"
        )
    given_up = published_card(recipe)
    if given_up is not None:
        log.warning(
            "%s begins anew: what is published for it, of %d steps, did not begin with the decoder of %s",
            recipe.name,
            given_up.steps,
            other.name,
        )
    begun_with = {"recipe": other.name, "steps": found.steps}
    return replace(found, steps=0, seconds=0.0, begun_with=begun_with)


def _decoder_reached(recipe: PerceptualRecipe, runs: Path) -> Continued | None:
    """What a recipe of a decoder alone has reached: its run's averages, else what is published."""
    if not (runs / recipe.name / CHECKPOINT).exists():
        return _decoder_continued(recipe)
    state = load_run(recipe, runs / recipe.name)
    return Continued(
        averages(state), state["step"], 0.0, base=state["base"], base_steps=state.get("base_steps")
    )


def _decoder_continued(recipe: PerceptualRecipe) -> Continued | None:
    decoder, base = published_decoder(recipe), published_start(recipe_named(recipe.base))
    if decoder is None or base is None:
        return None
    return Continued(*decoder, base=base[0], base_steps=base[1])


def _tell_what_is_lost(recipe: PerceptualRecipe, steps: int) -> None:
    """Say so where a recipe's published weights have not followed the base that is published."""
    own = base_steps_told(recipe)
    if own is not None and own != steps:
        log.warning(
            "%s was trained on %s after %d steps, and %d are published now: what that learned between is not "
            "taken over. Begin a run before its base is published, and it will be",
            recipe.name,
            recipe.base,
            own,
            steps,
        )


def trainer_for(
    name: str,
    data: Path,
    out: Path,
    *,
    runs: Path,
    validation: Path | None = None,
    threads: int | None = None,
    processes: Processes | None = None,
    follow: bool = True,
) -> Trainer:
    """A trainer of either kind, resumed where `out` holds a checkpoint. Raises TrainingError, DataError.

    `runs` holds the runs of other recipes by name; without `follow` a resumed run does not go over to what
    its base has learned since. Small faces are looked for, once, where the recipe
    has a term for them.
    """
    recipe = recipe_named(name)
    processes = processes or Processes()
    photographs = Photographs(data, cache_bytes=CACHE_BYTES // processes.count)
    if not isinstance(recipe, PerceptualRecipe):
        start = partial(beginning, recipe, runs)
        return Trainer(
            recipe,
            photographs,
            out,
            processes=processes,
            validation=validation,
            start=start,
            threads=threads,
        )
    masks = SmallFaces(photographs, runs=runs).masks if recipe.weights.face else None
    return PerceptualTrainer(
        recipe,
        photographs,
        out,
        base=partial(base_of, recipe, runs) if follow or not (out / CHECKPOINT).exists() else lambda: None,
        base_steps=partial(base_steps_of, recipe, runs),
        start=partial(continued, recipe, runs),
        masks=masks,
        processes=processes,
        validation=validation,
        threads=threads,
    )


def losses_of(recipe: Recipe, run: Path, data: Path, validation: Path) -> dict[str, Any]:
    """A run's loss on fixed crops of its training photographs and of others, `Trainer.losses`."""
    threads = torch.get_num_threads()  # a run's own choice would stay after it
    trainer = trainer_for(
        recipe.name, data, run, runs=run.parent, validation=validation, threads=threads, follow=False
    )
    try:
        return trainer.losses()
    finally:
        trainer.close()
