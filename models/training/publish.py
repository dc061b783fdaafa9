"""From a run's averaged weights to assets/weights: float16 safetensors with their card, only if better."""

from __future__ import annotations

import json
import logging
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from models import metrics, weights
from models.assets import asset_folder
from models.codec import Rate
from models.curves import Curve, CurveError, bd_rate, scale_of
from models.errors import WeightsError
from models.learned import LearnedCodec
from models.networks import builders
from models.picture import Picture
from models.training.data import photo_paths
from models.training.perceptual_recipes import PERCEPTUAL
from models.training.recipes import RECIPES, Recipe
from models.training.trainer import CHECKPOINT, VALIDATION, load_checkpoint

log = logging.getLogger(__name__)

_PICTURES = 16
_QUALITIES = (0.0, 15.0, 30.0, 45.0, 60.0, 80.0, 100.0)
_METRICS = ("psnr", "ms_ssim", "lpips")
_LARGEST_FILE = 12 << 20  # bytes; what the repository takes

DATA = "the project's 1,434 training photographs (ImageNet, BSDS500, COCO, CID22, SUN, Urban100 and others)"
LICENCE = "for research use: parts of the training photographs allow no other"


@dataclass(frozen=True)
class Published:
    """What became of one run.

    gain: BD-rate in percent against what was published, None where nothing was or the curves are too
    far apart to compare.
    """

    recipe: str
    steps: int
    written: Path | None
    gain: float | None


def folder_of(recipe: Recipe, folder: Path | None = None) -> Path:
    """Where a recipe's weights are published."""
    name = recipe.codec.replace(":", "-") + weights.SUFFIX
    return (folder or asset_folder() / "weights") / name


def published_start(
    recipe: Recipe, folder: Path | None = None
) -> tuple[dict[str, Tensor], int, float] | None:
    """Weights, steps and seconds of what is published for a recipe, or None."""
    path = folder_of(recipe, folder)
    if not path.exists():
        return None
    file = weights.read_header(path)
    if file.card.recipe != recipe.name:
        return None
    network, _ = weights.load(file)
    return dict(network.state_dict()), file.card.steps, file.card.hours * 3600


def _revision() -> str:
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()


def _network_name(recipe: Recipe) -> str:
    config = recipe.network()
    for name in builders.BUILDERS:
        if builders.config(name) == config:
            return name
    raise ValueError(f"the network of {recipe.name} has no name in models.networks.builders")


def measure(codec: LearnedCodec, folder: Path) -> tuple[dict[str, float], ...]:
    """Real files and decodes of photographs spread over a folder: one row a quality, means."""
    paths = photo_paths(folder)
    chosen = [Picture.open(p) for p in paths[:: max(len(paths) // _PICTURES, 1)][:_PICTURES]]
    rows = []
    for quality in _QUALITIES:
        values: list[list[float]] = []
        for picture in chosen:
            encoding = codec.encode(picture, Rate(quality=quality))
            decoded = codec.decode(encoding.data)
            values.append([encoding.bpp, *(metrics.compute(m, picture, decoded) for m in _METRICS)])
        means = np.mean(values, axis=0).tolist()
        rows.append(dict(zip(("quality", "bpp", *_METRICS), [quality, *means], strict=True)))
    return tuple(rows)


def _curve(card: weights.Card, metric: str) -> Curve:
    points = sorted((row["bpp"], row[metric]) for row in card.validation)
    return Curve(card.codec, None, tuple(p[0] for p in points), tuple(p[1] for p in points))


def improvement(old: weights.Card, new: weights.Card, metric: str) -> float | None:
    """BD-rate of the new card against the old one in percent, None where they cannot be compared."""
    if old.validation_data != new.validation_data:
        return None
    try:
        return bd_rate(_curve(old, metric), _curve(new, metric), scale_of(metric)).percent
    except (CurveError, KeyError):
        return None


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


def publish(
    recipe: Recipe,
    run: Path,
    validation: Path,
    folder: Path | None = None,
    losses: Callable[[Recipe, Path], dict[str, Any]] | None = None,
) -> Published:
    """Export a run's averages; the published file is replaced only by a better one.

    `losses` measures a run's loss on training and validation crops for the card (start.losses_of); without
    it the card tells what the last validation while training found.

    Raises WeightsError where the file would be too large or the network cannot be exact.
    """
    state = load_checkpoint(run / CHECKPOINT)
    network = builders.build(recipe.network())
    own = network.state_dict()
    merged = {**state["network"], **state["ema"]}
    network.load_state_dict({k: v for k, v in merged.items() if k in own})
    pictures = min(_PICTURES, len(photo_paths(validation)))
    card = weights.Card(
        codec=recipe.codec,
        network=_network_name(recipe),
        recipe=recipe.name,
        steps=int(state["step"]),
        hours=round(state["seconds"] / 3600, 3),
        data=DATA,
        licence=LICENCE,
        revision=_revision(),
        created=datetime.now(UTC).isoformat(timespec="minutes"),
        validation_data=f"{pictures} photographs spread over '{validation.name}', real files and decodes",
        losses=losses(recipe, run) if losses is not None else last_losses(run),
    )
    draft = run / f"export{weights.SUFFIX}"
    file = weights.save(network, card, draft)
    if draft.stat().st_size > _LARGEST_FILE:
        raise WeightsError(f"{draft} has {draft.stat().st_size} bytes, over the 12 MiB the project takes")
    card = replace(card, validation=measure(LearnedCodec(file), validation))
    target = folder_of(recipe, folder)
    metric = "lpips" if recipe.name in PERCEPTUAL else "psnr"
    gain = None
    if target.exists():
        there = weights.read_header(target)
        old = there.card
        if old.validation_data != card.validation_data:
            old = replace(
                old,
                validation=measure(LearnedCodec(there), validation),
                validation_data=card.validation_data,
            )
        gain = improvement(old, card, metric)
        if gain is None or gain >= 0:
            return Published(recipe.name, card.steps, None, gain)
    weights.save(network, card, target)
    weights.write_card(card, target)
    return Published(recipe.name, card.steps, target, gain)


def publish_all(
    runs: Path,
    validation: Path,
    folder: Path | None = None,
    losses: Callable[[Recipe, Path], dict[str, Any]] | None = None,
) -> list[Published]:
    """Publish every run that has a checkpoint."""
    results = []
    for name, recipe in {**RECIPES, **PERCEPTUAL}.items():
        if (runs / name / CHECKPOINT).exists():
            results.append(publish(recipe, runs / name, validation, folder, losses))
    return results
