"""What of a recipe's is published, where, and how far it was trained?"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from models import realism, weights
from models.assets import asset_folder
from models.errors import WeightsError
from models.networks.growth import grown
from models.training.perceptual_recipes import PERCEPTUAL, PerceptualRecipe
from models.training.recipes import Recipe, began_so


def folder_of(recipe: Recipe, folder: Path | None = None) -> Path:
    """Where a recipe's weights are published: lite ones with the program, others in the person's folder."""
    target = recipe.target if isinstance(recipe, PerceptualRecipe) else None
    rate = f"-{target:g}bpp" if target is not None else ""
    home = asset_folder() / "weights" if shipped(recipe) else weights.own()
    return (folder or home) / f"{recipe.codec.replace(':', '-')}{rate}{weights.SUFFIX}"


def shipped(recipe: Recipe) -> bool:
    """Whether weights of a recipe come with the program."""
    return recipe.codec.endswith(":lite")


def published_start(
    recipe: Recipe, folder: Path | None = None
) -> tuple[dict[str, Tensor], int, float] | None:
    """Weights, steps and seconds of what is published for a recipe, or None.

    The gains are of the recipe's ladder, also where the published ones are from before it grew.
    """
    path = folder_of(recipe, folder)
    if not path.exists():
        return None
    file = weights.read_header(path)
    if not made_by(recipe, file.card):
        return None
    try:
        network, _ = weights.load(file)
    except WeightsError:
        before, file = file, weights.read_header(path)
        if file.fingerprint == before.fingerprint:
            raise
        network, _ = weights.load(file)  # it was replaced between header and tensors
    found = grown(network.state_dict(), network.config, recipe.network())
    return found, file.card.steps, file.card.hours * 3600


def own_decoder(
    recipe: Recipe, folder: Path | None = None
) -> tuple[weights.WeightsFile, realism.DecoderFile] | None:
    """The published weights whose files a recipe's decoder decodes, and that decoder. Reads headers only.

    None where there is none, or where the weights beside it are not those it belongs to.
    """
    path = folder_of(recipe, folder)
    try:
        base, decoder = weights.read_header(path), realism.read_header(realism.beside(path))
    except WeightsError:
        return None
    its_own = decoder.base == base.fingerprint and decoder.card.recipe == recipe.name
    return (base, decoder) if its_own else None


def made_by(recipe: Recipe, card: weights.Card) -> bool:
    """Whether a recipe has made weights with this card, from the beginning that it has now."""
    return card.recipe == recipe.name and began_so(recipe, card.extra.get("begun_with"))


def own_card(recipe: Recipe, folder: Path | None = None) -> weights.Card | None:
    """The card of what a recipe, beginning as it does now, has made and is published; None without."""
    card = published_card(recipe, folder)
    return card if card is not None and made_by(recipe, card) else None


def published_card(recipe: Recipe, folder: Path | None = None) -> weights.Card | None:
    """The card of what is published for a recipe and made under its name, None where there is none."""
    try:
        card = weights.read_header(folder_of(recipe, folder)).card
    except WeightsError:
        return None
    return card if card.recipe == recipe.name else None


def published_steps(recipe: Recipe, folder: Path | None = None) -> int:
    """How far what is published for a recipe was trained, 0 where nothing is that a run could go on from.

    All of its steps where what is published under its id has begun from it: that goes on by itself. Reads
    headers only.
    """
    if isinstance(recipe, PerceptualRecipe) and recipe.decoder_only:
        found = own_decoder(recipe, folder)
        return found[1].card.steps if found is not None else 0
    try:
        card = weights.read_header(folder_of(recipe, folder)).card
    except WeightsError:
        return 0
    if began_from(recipe, card):
        return recipe.steps
    return card.steps if made_by(recipe, card) else 0


def began_from(recipe: Recipe, card: weights.Card) -> bool:
    """Whether what is published under a recipe's id has begun from that recipe."""
    later = PERCEPTUAL.get(card.recipe)
    return later is not None and later.base == recipe.name


def base_steps_told(recipe: PerceptualRecipe, folder: Path | None = None) -> int | None:
    """How far the base of a recipe's published weights was trained, None where their card does not tell."""
    card = own_card(recipe, folder)
    told = card.extra.get("base_steps") if card is not None else None
    return told if isinstance(told, int) else None
