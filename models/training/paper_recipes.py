"""The recipes at the papers' own sizes and schedules: for GPUs, each constant with its source.

Squared error is one network for all of ELIC's rates. A perceptual recipe has one rate, as in the papers:
its network is the base's with the gains of one rate, and what drives it is an absolute target.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

from models.networks.builders import NetworkConfig
from models.networks.elic import GROUPS_5, GROUPS_10, ElicConfig, paper_config
from models.networks.hflic import hflic_paper
from models.networks.hific import HificConfig, hific_paper
from models.networks.rate import RateLadder
from models.training.data import CropPlan
from models.training.perceptual_recipes import HFLIC, HIFIC, PO_ELIC, Easing, LossWeights, PerceptualRecipe
from models.training.recipes import Recipe, Round

# He et al. 2022: the lambdas of ELIC's models, as weights of the 255^2 MSE, and the bits per pixel their
# Kodak pictures have (results of the authors, as kept by Chandelier's implementation).
LAMBDAS = tuple(weight * 1e-4 for weight in (4, 8, 16, 32, 75, 150, 300, 450))
KODAK_BPP = (0.0468, 0.0767, 0.1236, 0.1964, 0.3334, 0.4909, 0.7041, 0.8573)
ALL_RATES = RateLadder(LAMBDAS)


@dataclass(frozen=True)
class Target:
    """A rate of a paper's comparison: its name there, bits per pixel, and the weight of a rate above it."""

    name: str
    bpp: float
    above: float


# Mentzer et al. 2020, table of the appendix: lambda_a for "low", "medium" and "high"; one lambda_b.
BELOW = 2.0**-4
HIFIC_TARGETS = (Target("lo", 0.14, 2.0), Target("mi", 0.30, 1.0), Target("hi", 0.45, 0.5))
# He et al. 2022 (PO-ELIC): the rates of the CLIC image track. Their lambdas are unpublished: HiFiC's.
PO_ELIC_TARGETS = (Target("0.075", 0.075, 2.0), Target("0.15", 0.15, 1.0), Target("0.30", 0.30, 0.5))


def lambda_of(bpp: float) -> float:
    """The lambda whose ELIC has this rate on Kodak, geometric between the published ones."""
    points = list(zip(KODAK_BPP, LAMBDAS, strict=True))
    for (low, below), (high, above) in pairwise(points):
        if bpp <= high:
            share = max(math.log(bpp / low) / math.log(high / low), 0.0)
            return float(below ** (1 - share) * above**share)
    return LAMBDAS[-1]


def _steady(steps: int, rate: float, batch: int, hard: float = 0.0) -> Round:
    """Crops of 256 pixels at one learning rate."""
    return Round(steps, rate, warmup=0, constant=1.0, final=1.0, batch=batch, side=256, hard=hard)


# Chandelier's ELIC, which comes near the paper's: 8,000 pictures in batches of 16 are 500 steps an epoch;
# 3,800 epochs at 1e-4 with noise, then 200 at 1e-5 with rounding everywhere.
_ELIC_EPOCH = 8_000 // 16
_ELIC_ROUNDS = (_steady(3_800 * _ELIC_EPOCH, 1e-4, 16), _steady(200 * _ELIC_EPOCH, 1e-5, 16, hard=1.0))

# Ning et al. 2023 (HFLIC): 61,564 pictures in batches of 8; 500 epochs of the base, then for the rates
# 100 epochs at 1e-4 and 30 at each lower one. Theirs is a network for each rate, here one learns all.
_HFLIC_EPOCH = 61_564 // 8
_HFLIC_TUNING = tuple(
    _steady(epochs * _HFLIC_EPOCH, rate, 8)
    for epochs, rate in ((100, 1e-4), (30, 3e-5), (30, 1e-5), (30, 3e-6), (30, 1e-6))
)
_HFLIC_ROUNDS = (_steady(500 * _HFLIC_EPOCH, 1e-4, 8), *_HFLIC_TUNING)

# He et al. 2022 (PO-ELIC): 8,000 pictures, 500 epochs, batches of 128, a cosine from 8e-4.
_PO_ELIC_ROUNDS = (Round(500 * 8_000 // 128, 8e-4, warmup=0, constant=0.0, final=0.0, batch=128, side=256),)

# Mentzer et al. 2020: a million steps without the discriminator, a million with it; 1e-4, from the middle
# of each on 1e-5; crops of pictures scaled by 0.75 to 0.95; an easier rate for the first 50,000 steps.
_HIFIC_ROUNDS = tuple(_steady(500_000, rate, 8) for rate in (1e-4, 1e-5, 1e-4, 1e-5))
_HIFIC_PLAN = CropPlan(side=256, scale_low=0.75, scale_high=0.95)
_HIFIC_EASING = Easing(steps=50_000, target=1.43, above=0.5)

HIFIC_WEIGHTS = replace(HIFIC, shift=0)


def _at(config: Callable[[], NetworkConfig], ladder: RateLadder) -> NetworkConfig:
    network = config()
    assert isinstance(network, ElicConfig | HificConfig)
    return replace(network, ladder=ladder)


def _five_groups() -> NetworkConfig:
    return paper_config(GROUPS_5)


def at_target(recipe: PerceptualRecipe, target: Target) -> PerceptualRecipe:
    """The recipe for one absolute rate: its network with one level of gains, its multiplexer's constants."""
    ladder = RateLadder((lambda_of(target.bpp),))
    return replace(
        recipe,
        name=f"{recipe.name}-{target.name}",
        network=partial(_at, recipe.network, ladder),
        target=target.bpp,
        rate_above=target.above,
        rate_below=BELOW,
    )


def _perceptual(
    name: str,
    codec: str,
    network: Callable[[], NetworkConfig],
    rounds: tuple[Round, ...],
    base: str,
    weights: LossWeights,
) -> PerceptualRecipe:
    # The squared-error base has settled: all terms take part from the first step.
    return PerceptualRecipe(name, codec, network, rounds, base=base, weights=weights, gan_from=0.0)


_SQUARED_ERROR = (
    Recipe(
        "elic-paper", "elic:paper", partial(_at, partial(paper_config, GROUPS_10), ALL_RATES), _ELIC_ROUNDS
    ),
    Recipe("elic-5-paper", "elic-5:paper", partial(_at, _five_groups, ALL_RATES), _ELIC_ROUNDS),
    Recipe("hflic-paper", "hflic-mse:paper", partial(_at, hflic_paper, ALL_RATES), _HFLIC_ROUNDS),
)
_PO_ELIC = _perceptual(
    "po-elic-paper", "po-elic:paper", _five_groups, _PO_ELIC_ROUNDS, "elic-5-paper", PO_ELIC
)
_ENH_PO_ELIC = _perceptual(
    "enh-po-elic-paper", "enh-po-elic:paper", hflic_paper, _HFLIC_TUNING, "hflic-paper", PO_ELIC
)
_HFLIC = _perceptual(
    "hflic-perceptual-paper", "hflic:paper", hflic_paper, _HFLIC_TUNING, "hflic-paper", HFLIC
)
_HIFIC = PerceptualRecipe(
    "hific-paper",
    "hific:paper",
    hific_paper,
    _HIFIC_ROUNDS,
    plan=_HIFIC_PLAN,
    weights=HIFIC_WEIGHTS,
    gan_from=0.5,
    easing=_HIFIC_EASING,
)

PAPER: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *_SQUARED_ERROR,
        *(at_target(recipe, t) for recipe in (_PO_ELIC, _ENH_PO_ELIC, _HFLIC) for t in PO_ELIC_TARGETS),
        *(at_target(_HIFIC, t) for t in HIFIC_TARGETS),
    )
}
