"""From a run that trained a decoder alone to the realistic decoder beside its base, only if better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from models import realism, weights
from models.learned import LearnedCodec
from models.networks.base import CompressionNetwork
from models.networks.growth import grown
from models.networks.rate import fitted
from models.realism import DECODER_PARTS, DecoderFile
from models.training.cards import card_of
from models.training.judging import OFF_GRID, comparable, measure
from models.training.publish import Published
from models.training.recipes import Recipe
from models.training.standing import folder_of, own_decoder
from models.training.trainer import averages, load_run


def same_files(network: CompressionNetwork, parameters: dict[str, Tensor]) -> bool:
    """Whether parameters make the very files a network loaded from a weights file makes.

    That is the case where all but the decoder agrees in the precision weights files have.
    """
    taps = weights.checkerboards(network)

    def stored(name: str, value: Tensor) -> Tensor:
        kept = weights.as_stored(name, value)
        return kept.flatten(2)[:, :, taps[name]] if name in taps else kept

    return all(
        name in parameters
        and parameters[name].shape == value.shape
        and bool((stored(name, parameters[name]) == stored(name, value)).all())
        for name, value in network.named_parameters()
        if not name.startswith(DECODER_PARTS)
    )


def published_decoder(
    recipe: Recipe, folder: Path | None = None
) -> tuple[dict[str, Tensor], int, float] | None:
    """Parameters, steps and seconds of a recipe's published decoder, with all else of the weights it decodes.

    None where `standing.own_decoder` finds none. The gains are of the recipe's ladder, as in
    `standing.published_start`.
    """
    found = own_decoder(recipe, folder)
    if found is None:
        return None
    base, decoder = found
    network, _ = weights.load(base)
    network.load_state_dict(realism.load(decoder, network), strict=False)
    parameters = grown(network.state_dict(), network.config, recipe.network())
    return parameters, decoder.card.steps, decoder.card.hours * 3600


def publish_decoder(
    recipe: Recipe,
    run: Path,
    validation: Path,
    folder: Path | None = None,
    losses: Callable[[Recipe, Path], dict[str, Any]] | None = None,
) -> Published:
    """Export a run's averaged decoder beside the weights whose files it decodes.

    It is written only where LPIPS at the same files is lower than with what is there: the realistic
    decoder of these very weights, else the faithful one. `Published.words` tells both numbers, or why
    nothing could be written: without the weights the run began from there is nothing it belongs to.
    """
    state = load_run(recipe, run)
    steps = int(state["step"])
    target = folder_of(recipe, folder)
    if not target.exists():
        words = f"there are no weights {target.name} it could belong to: publish {_base(recipe)} first"
        return Published(recipe.name, steps, None, None, words)
    base = weights.read_header(target)
    network, _ = weights.load(base)
    # The ladder of the base may be from before the recipe's grew.
    merged = fitted(averages(state), recipe.network().ladder, network.config.ladder)
    if not same_files(network, merged):
        words = (
            f"its files are not those of the published {base.card.codec} weights {base.fingerprint[:8]}: "
            f"go on with it (hflic train {recipe.name} --resume), which takes those over"
        )
        return Published(recipe.name, steps, None, None, words)
    own = {name for name, _ in network.named_parameters() if name.startswith(DECODER_PARTS)}
    network.load_state_dict({k: v for k, v in merged.items() if k in own}, strict=False)
    there = realism.beside(target)
    earlier = realism.read_header(there).card if there.exists() else None
    card = card_of(recipe, run, state, validation, losses, earlier)
    draft = realism.save(network, base, card, run / f"export{realism.SUFFIX}")
    made = replace(card, validation=measure(LearnedCodec(base, decoder=draft), validation, share=1.0))
    before, what = _before(base, target, made, validation)
    new, old = _mean(made, OFF_GRID), before
    words = f"LPIPS {new:.4f} at the same files, {what} {old:.4f}"
    if new >= old:
        return Published(recipe.name, steps, None, None, words)
    written = realism.save(network, base, made, there)
    weights.write_card(replace(made, extra=made.extra | {"base": base.fingerprint}), written.path)
    return Published(recipe.name, steps, written.path, None, words)


def _before(
    base: weights.WeightsFile, target: Path, made: weights.Card, validation: Path
) -> tuple[float, str]:
    """LPIPS of what decodes these files so far, measured on the same pictures, and what that is."""
    path = realism.beside(target)
    there: DecoderFile | None = realism.read_header(path) if path.exists() else None
    if there is not None and there.base == base.fingerprint:
        card = there.card
        if not comparable(card, made, (OFF_GRID,)):
            rows = measure(LearnedCodec(base, decoder=there), validation, share=1.0)
            card = replace(card, validation=rows)
        return _mean(card, OFF_GRID), "the published realistic decoder's"
    card = base.card
    if not comparable(card, made, (OFF_GRID,)):
        card = replace(card, validation=measure(LearnedCodec(base), validation))
    return _mean(card, OFF_GRID), "the faithful decoder's"


def _mean(card: weights.Card, metric: str) -> float:
    return float(np.mean([row[metric] for row in card.validation]))


def _base(recipe: Recipe) -> str:
    return str(getattr(recipe, "base", "its base"))
