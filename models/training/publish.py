"""From a run's averaged weights to assets/weights: float16 safetensors with their card, only if better."""

from __future__ import annotations

import json
import logging
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models import metrics, realism, weights
from models.assets import asset_folder
from models.bitstream.tables import Tables
from models.codec import Rate
from models.curves import Curve, CurveError, bd_rate, scale_of
from models.errors import HflicError, WeightsError
from models.learned import LearnedCodec
from models.networks import builders
from models.networks.base import CompressionNetwork
from models.networks.growth import grown
from models.networks.stored import to_json
from models.perceptual import keep_reference
from models.picture import Picture
from models.training.data import photo_paths
from models.training.paper_recipes import PAPER
from models.training.perceptual_recipes import PERCEPTUAL, PerceptualRecipe
from models.training.recipes import RECIPES, Recipe, began_so
from models.training.symbol_tables import PICTURES, measured_on
from models.training.trainer import CHECKPOINT, VALIDATION, load_run

log = logging.getLogger(__name__)

_PICTURES = 16
_QUALITIES = (0.0, 15.0, 30.0, 45.0, 60.0, 80.0, 100.0)
_METRICS = ("psnr", "ms_ssim", "lpips")
# AlexNet looks at every fourth pixel. A network trained on LPIPS can put an error between, in a pattern that
# starts with the picture; without the first rows and columns LPIPS sees it (by 6% in such weights of ours).
OFF_GRID = "lpips_off_grid"
_CUT = 2  # pixels
# Perceptual weights are judged by two trunks, as every recipe trains on one of them.
_FOR_THE_EYE = (OFF_GRID, "dists")
_SLACK = 0.02  # share of the bits in which two networks of one rate may differ
_LARGEST_FILE = 12 << 20  # bytes; what the repository takes

DATA = "the project's 1,434 training photographs (ImageNet, BSDS500, COCO, CID22, SUN, Urban100 and others)"
LICENCE = "for research use: parts of the training photographs allow no other"


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


def folder_of(recipe: Recipe, folder: Path | None = None) -> Path:
    """Where a recipe's weights are published: lite ones with the program, others in the person's folder."""
    target = recipe.target if isinstance(recipe, PerceptualRecipe) else None
    rate = f"-{target:g}bpp" if target is not None else ""
    home = asset_folder() / "weights" if _shipped(recipe) else weights.own()
    return (folder or home) / f"{recipe.codec.replace(':', '-')}{rate}{weights.SUFFIX}"


def _shipped(recipe: Recipe) -> bool:
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
    if not _made_by(recipe, file.card):
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


def _made_by(recipe: Recipe, card: weights.Card) -> bool:
    """Whether a recipe has made weights with this card, from the beginning that it has now."""
    return card.recipe == recipe.name and began_so(recipe, card.extra.get("begun_with"))


def own_card(recipe: Recipe, folder: Path | None = None) -> weights.Card | None:
    """The card of what a recipe, beginning as it does now, has made and is published; None without."""
    card = published_card(recipe, folder)
    return card if card is not None and _made_by(recipe, card) else None


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
    if _began_from(recipe, card):
        return recipe.steps
    return card.steps if _made_by(recipe, card) else 0


def _began_from(recipe: Recipe, card: weights.Card) -> bool:
    """Whether what is published under a recipe's id has begun from that recipe."""
    later = PERCEPTUAL.get(card.recipe)
    return later is not None and later.base == recipe.name


def base_steps_told(recipe: PerceptualRecipe, folder: Path | None = None) -> int | None:
    """How far the base of a recipe's published weights was trained, None where their card does not tell."""
    card = own_card(recipe, folder)
    told = card.extra.get("base_steps") if card is not None else None
    return told if isinstance(told, int) else None


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


def measure(
    codec: LearnedCodec, folder: Path, share: float = 0.0, judges: tuple[str, ...] = ()
) -> tuple[dict[str, float], ...]:
    """Real files and decodes of photographs spread over a folder: one row a quality, means.

    share: how much of the codec's realistic decoder is used; judges: metrics beside the usual ones.
    """
    known = (*_METRICS, *(m for m in judges if m not in (*_METRICS, OFF_GRID)))
    paths = photo_paths(folder)
    chosen = [Picture.open(p) for p in paths[:: max(len(paths) // _PICTURES, 1)][:_PICTURES]]
    qualities = (100.0,) if codec.one_rate else _QUALITIES
    values: list[list[list[float]]] = [[] for _ in qualities]
    keep_reference()
    for picture in chosen:
        for quality, found in zip(qualities, values, strict=True):
            encoding = codec.encode(picture, Rate(quality=quality))
            decoded = codec.decode(encoding.data, realism=share)
            numbers = [metrics.compute(m, picture, decoded) for m in known]
            if "lpips" in known:
                numbers.append(metrics.compute("lpips", _off_grid(picture), _off_grid(decoded)))
            found.append([encoding.bpp, *numbers])
    keep_reference(0)
    names = ("quality", "bpp", *known, *((OFF_GRID,) if "lpips" in known else ()))
    return tuple(
        dict(zip(names, [quality, *np.mean(found, axis=0).tolist()], strict=True))
        for quality, found in zip(qualities, values, strict=True)
    )


def _off_grid(picture: Picture) -> Picture:
    return Picture(np.ascontiguousarray(picture.pixels[_CUT:, _CUT:]))


def comparable(old: weights.Card, new: weights.Card, judges: tuple[str, ...]) -> bool:
    """Whether both cards have the metrics, measured on the same pictures."""
    same = old.validation_data == new.validation_data
    return same and all(metric in row for row in old.validation for metric in judges)


def _curve(card: weights.Card, metric: str) -> Curve:
    points = sorted((row["bpp"], row[metric]) for row in card.validation)
    return Curve(card.codec, None, tuple(p[0] for p in points), tuple(p[1] for p in points))


def improvement(old: weights.Card, new: weights.Card, metric: str) -> float | None:
    """BD-rate of the new card against the old one in percent, None where they cannot be compared."""
    if old.validation_data != new.validation_data:
        return None
    try:
        scale = scale_of("lpips" if metric == OFF_GRID else metric)
        return bd_rate(_curve(old, metric), _curve(new, metric), scale).percent
    except (CurveError, KeyError):
        return None


def _gain(old: weights.Card, new: weights.Card, judges: tuple[str, ...]) -> float | None:
    gains = [improvement(old, new, metric) for metric in judges]
    return None if None in gains else float(np.mean([g for g in gains if g is not None]))


def _better_at_one_rate(old: weights.Card, new: weights.Card, metric: str) -> bool:
    """Whether a network of one rate is better than another of it, at no more bits but for _SLACK of them."""
    if not len(old.validation) == len(new.validation) == 1:
        return False
    (before,), (now,) = old.validation, new.validation
    higher = metric != OFF_GRID and metrics.TABLE[metric].higher_is_better
    better = now[metric] > before[metric] if higher else now[metric] < before[metric]
    return better and now["bpp"] <= before["bpp"] * (1 + _SLACK)


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
    pictures = min(_PICTURES, len(photo_paths(validation)))
    network, configuration = _network_of(recipe)
    steps = int(state["step"])
    notes = _judged_by(recipe, steps) if isinstance(recipe, PerceptualRecipe) else ""
    went_on = before is not None and _made_by(recipe, before) and before.steps < steps
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
        validation_data=f"{pictures} photographs spread over '{validation.name}', real files and decodes",
        losses=losses(recipe, run) if losses is not None else last_losses(run),
        notes=notes,
        extra={
            **({"base_steps": base_steps} if base_steps is not None else {}),
            **({"begun_with": begun_with} if begun_with else {}),
            **({"earlier": earlier} if earlier else {}),
        },
    )


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
    sides = " and ".join(str(side) for side in sorted({part.side for part in recipe.rounds}))
    return f"{told}; crops of {sides} pixels"


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
    if there is not None and _began_from(recipe, there.card):
        words = f"{there.card.recipe} is published there, which has begun from it"
        return Published(recipe.name, int(load_run(recipe, run)["step"]), None, None, words)
    state = load_run(recipe, run)
    own = builders.build(recipe.network()).state_dict()
    reached = {k: v for k, v in {**state["network"], **state["ema"]}.items() if k in own}
    judges = _FOR_THE_EYE if isinstance(recipe, PerceptualRecipe) else ("psnr",)
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
        gain, better = _compared(old, best.card, judges)
        start = published_start(recipe, folder)
        if start is not None and start[1] < card.steps:
            told = f"mean of the weights after {start[1]:,} and {card.steps:,} steps; losses of the latter"
            mean = {k: torch.lerp(v, start[0][k], 0.5) for k, v in reached.items() if v.is_floating_point()}
            second = draft({**reached, **mean}, replace(card, extra={**card.extra, "averaged": told}))
            mean_gain, mean_better = _compared(old, second.card, judges)
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
    if _shipped(recipe) and path.stat().st_size > _LARGEST_FILE:
        raise WeightsError(f"{path} has {path.stat().st_size} bytes, over the 12 MiB the project takes")
    card = replace(card, validation=measure(LearnedCodec(file), validation, judges=judges))
    return _Draft(network, card, tables)


def _compared(old: weights.Card, new: weights.Card, judges: tuple[str, ...]) -> tuple[float | None, bool]:
    """`Published.gain` of new weights over old ones, and whether they are better, by what judges them."""
    gain = _gain(old, new, judges)
    return gain, gain < 0 if gain is not None else all(_better_at_one_rate(old, new, m) for m in judges)


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
