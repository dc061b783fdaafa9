"""From a run's averaged weights to assets/weights: float16 safetensors with their card, only if better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models import realism, weights
from models.bitstream.tables import Tables
from models.errors import HflicError, WeightsError
from models.learned import LearnedCodec
from models.networks import builders
from models.networks.base import CompressionNetwork
from models.training.cards import card_of
from models.training.judging import FOR_THE_EYE, comparable, compared, measure
from models.training.paper_recipes import PAPER
from models.training.perceptual_recipes import PERCEPTUAL, PerceptualRecipe
from models.training.recipes import RECIPES, Recipe
from models.training.standing import began_from, folder_of, published_start, shipped
from models.training.symbol_tables import PICTURES, measured_on
from models.training.trainer import CHECKPOINT, averages, load_run

_LARGEST_FILE = 12 << 20  # bytes; what the repository takes


@dataclass(frozen=True)
class Published:
    """What became of one run.

    gain: BD-rate in percent against what was published, the mean over the metrics that judge; None where
    nothing was or the curves are too far apart to compare. words: what else there is to tell; failed: they
    are an error.
    """

    recipe: str
    steps: int
    written: Path | None
    gain: float | None
    words: str = ""
    failed: bool = False


def publish(
    recipe: Recipe,
    run: Path,
    validation: Path,
    folder: Path | None = None,
    losses: Callable[[Recipe, Path], dict[str, Any]] | None = None,
    data: Path | None = None,
) -> Published:
    """Export a run's averages; the published file is replaced only by a better one.

    Their mean with what is published may be better still (Izmailov et al. 2018, "Averaging weights leads to
    wider optima and better generalization"): it is tried too, and the better of both is taken.

    `data`: training photographs to count the entropy coder's tables on; without them they are the Gaussian's,
    and the result's words say so.

    `losses` measures a run's loss on training and validation crops for the card (start.losses_of); without
    it the card tells what the last validation while training found.

    Raises WeightsError where the file would be too large or the network cannot be exact.
    """
    target = folder_of(recipe, folder)
    there = weights.read_header(target) if target.exists() else None
    if there is not None and began_from(recipe, there.card):
        words = f"{there.card.recipe} is published there, which has begun from it"
        return Published(recipe.name, int(load_run(recipe, run)["step"]), None, None, words)
    state = load_run(recipe, run)
    own = builders.build(recipe.network()).state_dict()
    reached = {k: v for k, v in averages(state).items() if k in own}
    judges = FOR_THE_EYE if isinstance(recipe, PerceptualRecipe) else ("psnr",)
    card = card_of(recipe, run, state, validation, losses, there.card if there is not None else None)

    def draft(parameters: dict[str, Tensor], card: weights.Card) -> _Draft:
        path = run / f"export{weights.SUFFIX}"
        return _draft(recipe, parameters, card, path, validation, judges, data)

    best, gain = draft(reached, card), None
    if there is not None:
        old = there.card
        if not comparable(old, best.card, judges):
            old = replace(
                old,
                validation=measure(LearnedCodec(there), validation, judges=judges),
                validation_data=best.card.validation_data,
            )
        gain, better = compared(old, best.card, judges)
        start = published_start(recipe, folder)
        if start is not None and start[1] < card.steps:
            told = f"mean of the weights after {start[1]:,} and {card.steps:,} steps; losses of the latter"
            mean = {k: torch.lerp(v, start[0][k], 0.5) for k, v in reached.items() if v.is_floating_point()}
            second = draft({**reached, **mean}, replace(card, extra={**card.extra, "averaged": told}))
            mean_gain, mean_better = compared(old, second.card, judges)
            if mean_better and (not better or _less(mean_gain, gain)):
                best, gain, better = second, mean_gain, True
        if not better:
            return Published(recipe.name, card.steps, None, gain)
    written = weights.save(best.network, best.card, target, eight_bit=recipe.eight_bit, y_tables=best.tables)
    weights.write_card(best.card, target)
    plain = "" if data is not None else "tables not counted: give --data for 0.9% fewer bits"
    averaged = best.card.extra.get("averaged", "")
    words = "; ".join(text for text in (averaged, plain, _left_behind(written)) if text)
    return Published(recipe.name, card.steps, target, gain, words)


@dataclass(frozen=True)
class _Draft:
    """Weights that may be published, measured."""

    network: CompressionNetwork
    card: weights.Card
    tables: Tables | None


def _draft(
    recipe: Recipe,
    parameters: dict[str, Tensor],
    card: weights.Card,
    path: Path,
    validation: Path,
    judges: tuple[str, ...],
    data: Path | None,
) -> _Draft:
    """Write weights to a path beside their run and measure them. Raises WeightsError as `publish`."""
    network = builders.build(recipe.network())
    network.load_state_dict(parameters)
    file = weights.save(network, card, path, eight_bit=recipe.eight_bit)
    tables = measured_on(LearnedCodec(file), data) if data is not None else None
    if tables is not None:
        card = replace(card, extra={**card.extra, "tables": f"counted on {PICTURES} training photographs"})
        file = weights.save(network, card, path, eight_bit=recipe.eight_bit, y_tables=tables)
    if shipped(recipe) and path.stat().st_size > _LARGEST_FILE:
        raise WeightsError(f"{path} has {path.stat().st_size} bytes, over the 12 MiB the project takes")
    card = replace(card, validation=measure(LearnedCodec(file), validation, judges=judges))
    return _Draft(network, card, tables)


def _less(gain: float | None, other: float | None) -> bool:
    return gain is not None and other is not None and gain < other


def _left_behind(written: weights.WeightsFile) -> str:
    """What to tell where the realistic decoder beside new weights belongs to those before."""
    path = realism.beside(written.path)
    if not path.exists() or realism.read_header(path).base == written.fingerprint:
        return ""
    return f"{path.name} belongs to the weights before and is not used until it is trained on"


def publish_all(
    runs: Path,
    validation: Path,
    folder: Path | None = None,
    losses: Callable[[Recipe, Path], dict[str, Any]] | None = None,
    data: Path | None = None,
    report: Callable[[Published], None] = lambda _: None,
) -> list[Published]:
    """Publish every run that has a checkpoint; `data` as in `publish`. A run that cannot be is told and left.

    `report` gets each result as it comes.
    """
    results = []
    for name, recipe in {**RECIPES, **PERCEPTUAL, **PAPER}.items():
        if (runs / name / CHECKPOINT).exists():
            try:
                result = _publish_either(recipe, runs / name, validation, folder, losses, data)
            except HflicError as error:
                result = Published(name, 0, None, None, str(error), failed=True)
            report(result)
            results.append(result)
    return results


def _publish_either(
    recipe: Recipe,
    run: Path,
    validation: Path,
    folder: Path | None,
    losses: Callable[[Recipe, Path], dict[str, Any]] | None,
    data: Path | None,
) -> Published:
    from models.training.publish_decoder import publish_decoder

    if isinstance(recipe, PerceptualRecipe) and recipe.decoder_only:
        return publish_decoder(recipe, run, validation, folder, losses)
    return publish(recipe, run, validation, folder, losses, data)
