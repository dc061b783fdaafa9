"""What the card of weights says of their making: recipe, steps, hours, data and losses."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

from models import weights
from models.networks import builders
from models.networks.stored import to_json
from models.training.judging import judged_on
from models.training.perceptual_recipes import PerceptualRecipe
from models.training.recipes import Recipe
from models.training.standing import made_by
from models.training.trainer import VALIDATION

DATA = "the project's 1,434 training photographs (ImageNet, BSDS500, COCO, CID22, SUN, Urban100 and others)"
LICENCE = "for research use: parts of the training photographs allow no other"


def card_of(
    recipe: Recipe,
    run: Path,
    state: dict[str, Any],
    validation: Path,
    losses: Callable[[Recipe, Path], dict[str, Any]] | None,
    before: weights.Card | None = None,
) -> weights.Card:
    """The card of a run's checkpoint, but for its measurements.

    before: of what is published, which the run may have gone on from; where that was judged otherwise, or had
    been, `extra` has it under "earlier", as [{"steps", "notes"}].
    """
    network, configuration = _network_of(recipe)
    steps = int(state["step"])
    notes = _judged_by(recipe, steps) if isinstance(recipe, PerceptualRecipe) else ""
    went_on = before is not None and made_by(recipe, before) and before.steps < steps
    earlier = _earlier(before, notes) if before is not None and went_on else []
    base_steps = state.get("base_steps")
    begun_with = state.get("begun_with")
    return weights.Card(
        codec=recipe.codec,
        network=network,
        configuration=configuration,
        recipe=recipe.name,
        steps=steps,
        hours=round(state["seconds"] / 3600, 3),
        data=DATA,
        licence=LICENCE,
        revision=_revision(),
        created=datetime.now(UTC).isoformat(timespec="minutes"),
        validation_data=judged_on(validation),
        losses=losses(recipe, run) if losses is not None else last_losses(run),
        notes=notes,
        extra={
            **({"base_steps": base_steps} if base_steps is not None else {}),
            **({"begun_with": begun_with} if begun_with else {}),
            **({"earlier": earlier} if earlier else {}),
        },
    )


def last_losses(run: Path) -> dict[str, Any]:
    """What the run's last validation said of its loss on fixed crops, {} where it never did."""
    try:
        lines = (run / VALIDATION).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    found: dict[str, Any] = {}
    for line in lines:
        try:
            found = json.loads(line).get("losses", found)
        except ValueError:  # a line cut short by a kill
            continue
    return found


def _judged_by(recipe: PerceptualRecipe, steps: int) -> str:
    """What has looked at a perceptual recipe's first steps, for its card: "LPIPS 1 on alex, ..."."""
    w = recipe.weights
    window = f" of a window of {w.style_side} pixels" if w.style_side else ""
    style_from, gan_from = (round(share * recipe.steps) for share in (recipe.styled_from, recipe.gan_from))
    terms = (
        (w.mse, 0, f"squared error {w.mse:.3g}"),
        (w.charbonnier, 0, f"Charbonnier {w.charbonnier:g}"),
        (w.lpips, 0, f"LPIPS {w.lpips:g} on {w.lpips_trunk}"),
        (w.face, 0, f"small faces {w.face:g}"),
        (w.style, style_from, f"style {w.style:g} on {len(w.style_layers)} maps of {w.style_trunk}{window}"),
        (w.grid, 0, f"grid {w.grid:g}"),
        (w.gan, gan_from, f"{w.adversarial} adversary {w.gan:g}"),
    )
    joined = [(first, words) for weight, first, words in terms if weight and first < steps]
    told = ", ".join(f"{words} from step {first:,}" if first else words for first, words in joined)
    begins = [0, *accumulate(part.steps for part in recipe.rounds)]
    seen = {part.side for part, begin in zip(recipe.rounds, begins, strict=False) if begin < steps}
    sides = " and ".join(map(str, sorted(seen)))
    if recipe.pull:
        told += f"; distortions times (lambda / {recipe.pull_reference:g})^{recipe.pull:.2g}"
    return f"{told}; crops of {sides} pixels"


def _earlier(before: weights.Card, notes: str) -> list[dict[str, Any]]:
    """What judged the steps before these, the last of each stretch with the steps it came to."""
    known, told = [*before.extra.get("earlier", ())], _without_the_later(before)
    if told and told != notes:
        known.append({"steps": before.steps, "notes": told})
    return known


def _without_the_later(card: weights.Card) -> str:
    """A card's notes; those of cards before revision b9434a7 tell of an adversary that was to join later."""
    later = re.search(r"; adversary from step ([\d,]+)", card.notes)
    if later is None or int(later[1].replace(",", "")) < card.steps:
        return card.notes
    return re.sub(r", [a-z]+ adversary [\d.]+", "", card.notes.replace(later[0], ""))


def _revision() -> str:
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()


def _network_of(recipe: Recipe) -> tuple[str, dict[str, Any]]:
    """The network's name in models.networks.builders; where it has none its configuration, under the codec's.

    Networks of one rate each under one name make up a ladder (models.importing.ladder).
    """
    config = recipe.network()
    for name in builders.BUILDERS:
        if builders.config(name) == config:
            return name, {}
    return recipe.codec.replace(":", "-"), to_json(config)
