"""What may a person want to know about a learned codec's weights? Lines by name, from their cards."""

from __future__ import annotations

from models.bitstream.container import FINGERPRINT_BYTES
from models.importing.loss import ExactLoss
from models.realism import DecoderFile
from models.weights import Card, WeightsFile


def about(file: WeightsFile, decoder: DecoderFile | None, source: str) -> dict[str, str]:
    """The weights, their training and their realistic decoder, where there is one; source: the paper."""
    card = file.card
    told = {
        "network": card.network,
        "weights": f"{file.name} {file.fingerprint[: 2 * FINGERPRINT_BYTES]}",
        "training": card.recipe
        if card.configuration and not card.steps
        else f"{card.recipe}, {card.steps} steps, {card.hours:.1f} hours{_begun_with(card)}",
        "data": card.data,
        "licence": card.licence,
        "source": source,
    }
    if card.notes:
        told["notes"] = card.notes
    if earlier := _earlier(card):
        told["earlier"] = earlier
    if losses := _losses(card):
        told["losses"] = losses
    if (loss := ExactLoss.of(card)) is not None:
        told["exactness"] = loss.describe()
    if decoder is not None:
        own = decoder.card
        told["realism"] = (
            f"0 to 1, with the decoder {decoder.name} {decoder.fingerprint[:8]} "
            f"({own.recipe}, {own.steps} steps, {own.hours:.1f} hours)"
        )
    return told


def _begun_with(card: Card) -> str:
    """The decoder that these weights have begun with, to be added; "" where they began without."""
    known = card.extra.get("begun_with")
    if not (isinstance(known, dict) and {"recipe", "steps"} <= known.keys()):
        return ""
    return f", begun with the decoder of {known['recipe']} after {known['steps']} steps"


def _losses(card: Card) -> str:
    """Both sides of the loss, as the card has them; "" where it has none."""
    sides = [card.losses.get(side) for side in ("train", "validation")]
    known = [side.get("loss") for side in sides if isinstance(side, dict)]
    if len(known) != 2 or not all(isinstance(value, int | float) for value in known):
        return ""
    return f"{known[0]:.3f} on crops of training photographs, {known[1]:.3f} on those of others"


def _earlier(card: Card) -> str:
    """What judged the steps before those the notes are about; "" where the card knows of none."""
    known = card.extra.get("earlier")
    stretches = [e for e in known if isinstance(e, dict)] if isinstance(known, list) else []
    return " | ".join(
        f"to step {e['steps']}: {e['notes']}" for e in stretches if {"steps", "notes"} <= e.keys()
    )
