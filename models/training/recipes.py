"""Every training recipe, and the queue `make train` works through. Constants name their source."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from models.networks.builders import NetworkConfig
from models.networks.elic import LITE_GROUPS_5, LITE_GROUPS_10, lite_config
from models.networks.hific import hific_lite
from models.training.data import CropPlan


@dataclass(frozen=True)
class Round:
    """A stretch of training with a schedule of its own: warm-up, constant, cosine to `final` x rate.

    Weights may be published at the end of any round, and the next one begins from them.
    """

    steps: int
    rate: float = 8e-4  # codecs.md 0.10
    warmup: int = 200
    constant: float = 0.3  # share of the steps before the cosine
    final: float = 0.02
    batch: int = 8
    side: int = 192
    hard: float = 0.04  # last share with rounded latents in the rate too (Chandelier's ELIC: 5%)

    def learning_rate(self, step: int) -> float:
        """The rate at a step of this round."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        progress = step / self.steps
        if progress < self.constant:
            return self.rate
        share = min((progress - self.constant) / (1 - self.constant), 1.0)
        return self.rate * (self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * share)))


@dataclass(frozen=True)
class Recipe:
    """How one set of weights is made.

    `codec` is the id the weights are published for; `lambda_reference` divides each sample's loss by
    sqrt(lambda / lambda_reference), so that all rates pull equally (codecs.md 0.10). `begins_like` names
    a recipe of the same transforms: every parameter of the same name and shape begins with its averages,
    the others afresh. `begins_with` names a perceptual recipe of a decoder alone for the same base: what that
    has learned takes the place of the base's decoder at the beginning, and runs and published weights of this
    recipe that did not begin so are not gone on from. `eight_bit`: the kernels whose names begin so are
    published in 8 bits.
    """

    name: str
    codec: str
    network: Callable[[], NetworkConfig]
    rounds: tuple[Round, ...]
    lambda_reference: float = 0.0075
    clip: float = 1.0
    ema: float = 0.999
    seed: int = 1
    plan: CropPlan = CropPlan()
    begins_like: str = ""
    begins_with: str = ""
    eight_bit: str | tuple[str, ...] = ""

    @property
    def steps(self) -> int:
        """Steps of all rounds."""
        return sum(r.steps for r in self.rounds)

    def at(self, step: int) -> tuple[Round, int]:
        """The round a step belongs to and the step's number within it."""
        for part in self.rounds:
            if step < part.steps:
                return part, step
            step -= part.steps
        return self.rounds[-1], self.rounds[-1].steps - 1


def began_so(recipe: Recipe, begun_with: object) -> bool:
    """Whether what has `begun_with` on record, in a checkpoint or a card, began as the recipe does now."""
    other = begun_with.get("recipe", "") if isinstance(begun_with, dict) else ""
    return bool(other == recipe.begins_with)


_MSE_ROUNDS = (
    Round(12_000),
    Round(6_000, rate=6e-4),
    Round(10_000, rate=6e-4),
    Round(8_000, rate=6e-4),  # what a core does in little more than an hour
    Round(6_000, rate=6e-4),
    Round(2_400, rate=5e-4),  # the eleventh rate
    Round(4_000, rate=5e-4),  # 320 latents instead of 192, and a rate below the lowest
    Round(6_000, rate=5e-4),  # what the larger networks had not settled
    Round(6_000, rate=5e-4),  # again: the one before brought 1.7%
    Round(5_000, rate=5e-4),  # rates drawn equally over log lambda from here on
    Round(6_000, rate=5e-4),  # again: the one before brought 1.4%
    Round(6_000, rate=3e-4, batch=4, side=256),  # again: 0.6%; were crops of 192 pixels in the way?
    Round(8_000, rate=4e-4, batch=4, side=256),  # they were: 2.4%
    Round(8_000, rate=4e-4, batch=4, side=256),
    Round(66_000, rate=5e-4, side=256),
)

# From ELIC's trained transforms only the context and parameter networks are new, and HiFiC has no context
# model: a shorter first round.
_SHORT_ROUNDS = (
    Round(5_000),
    Round(6_000, rate=6e-4),
    Round(10_000, rate=6e-4),
    Round(21_000, rate=6e-4),
    _MSE_ROUNDS[-1],
)
_HIFIC_ROUNDS = (Round(6_000), Round(8_000, rate=6e-4), Round(28_000, rate=6e-4), _MSE_ROUNDS[-1])

# The residual blocks of HiFiC's generator, and HFLIC's transforms but for the synthesis's last layers, which
# need to be finer (docs/training.md): with them in halves the files would pass what a repository takes.
HIFIC_BLOCKS = "g_s.blocks."
HFLIC_TRANSFORMS = ("g_a.", "g_s.0.", "g_s.1.", "g_s.2.", "g_s.3.")

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("elic-lite", "elic:lite", lambda: lite_config(LITE_GROUPS_10, 0.5), _MSE_ROUNDS),
        Recipe(
            "elic-5-lite",
            "elic-5:lite",
            lambda: lite_config(LITE_GROUPS_5, 0.5),
            _SHORT_ROUNDS,
            begins_like="elic-lite",
        ),
        Recipe(
            "hflic-lite",
            "hflic-mse:lite",
            lambda: lite_config(LITE_GROUPS_5, 2.0),
            _MSE_ROUNDS,
            eight_bit=HFLIC_TRANSFORMS,
        ),
        Recipe("hific-lite", "hific:lite", hific_lite, _HIFIC_ROUNDS, eight_bit=HIFIC_BLOCKS),
    )
}

# In this order, each up to the end of the round named: first every codec gets weights, then all grow
# together. A perceptual recipe begins from what its base has reached by then, or a decoder alone for it that
# has seen the style term, and each of its later rounds takes over what the base has learned since. HiFiC's
# base shares its id with what begins from it, so its perceptual recipe learns alone from the first round on.
QUEUE: tuple[tuple[str, int], ...] = (
    ("elic-lite", 1),
    ("hflic-lite", 1),
    ("hflic-realistic-lite", 2),
    ("hflic-perceptual-lite", 1),
    ("elic-5-lite", 1),
    ("po-elic-lite", 1),
    ("enh-po-elic-lite", 1),
    ("hific-lite", 1),
    ("hific-perceptual-lite", 1),
    ("elic-lite", 2),
    ("hflic-lite", 2),
    ("elic-lite", 3),
    ("hflic-lite", 3),
    ("po-elic-lite", 2),
    ("elic-5-lite", 2),
    ("po-elic-lite", 3),
    ("hific-perceptual-lite", 2),
    ("hflic-lite", 5),
    ("hflic-realistic-lite", 4),
    ("elic-5-lite", 3),
    ("po-elic-lite", 4),
    ("hific-perceptual-lite", 3),
    ("hflic-lite", 8),
    ("hflic-realistic-lite", 5),
    ("hflic-lite", 12),
    ("hflic-perceptual-lite", 2),
    ("hflic-lite", 13),
    ("hflic-perceptual-lite", 3),
    ("hflic-realistic-lite", 7),
    ("enh-po-elic-lite", 2),
    ("po-elic-lite", 5),
    ("hific-perceptual-lite", 5),
    ("enh-po-elic-lite", 3),
    ("elic-lite", 8),
    ("elic-5-lite", 4),
    ("hflic-lite", 14),
    ("po-elic-lite", 10),
    ("hific-perceptual-lite", 10),
    ("hflic-realistic-lite", 9),
    ("hflic-perceptual-lite", 4),
    ("enh-po-elic-lite", 4),
    ("hflic-realistic-lite", 10),
    ("elic-lite", 15),
    ("hflic-lite", 15),
    ("elic-5-lite", 5),
)
