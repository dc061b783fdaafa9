"""The recipes that turn a network trained on squared error into one trained for the eye."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from models.networks.elic import LITE_GROUPS_5, lite_config
from models.networks.hflic import hflic_lite
from models.networks.hific import hific_lite
from models.training.recipes import HFLIC_TRANSFORMS, HIFIC_BLOCKS, Recipe, Round
from models.trunks import TrunkName

# Mentzer et al. 2020 weigh the rate with 1.0 above 0.30 bpp and with 2^-4 below: here the rate is
# measured against what the squared-error model spends on the same crop, so both are times 0.30.
RATE_ABOVE = 1.0 * 0.30
RATE_BELOW = 2.0**-4 * 0.30

# No paper has this term. Its gradient for the pattern that the third round's weights draw is as large as that
# of LPIPS for everything.
GRID = 0.02


@dataclass(frozen=True)
class LossWeights:
    """What the decoded picture is judged by; a weight of 0 leaves a term out.

    `mse` weighs the 255^2 MSE, `face` the [0, 1] MSE inside small faces, `grid` the square in grey levels of
    what all blocks' errors have in common (`models.training.perceptual.grid_pattern`). `style_layers` are
    indexes into the trunk's five feature maps; `style_side` cuts one window of so many pixels out of every
    crop for the style term, 0 takes the whole crop. PO-ELIC's weights are unpublished and HFLIC's partly
    (`HFLIC` below): the rest is set so that no term's gradient drowns the others'.
    """

    mse: float = 0.0
    charbonnier: float = 0.0
    lpips: float = 0.0
    style: float = 0.0
    gan: float = 0.0
    face: float = 0.0
    grid: float = 0.0
    adversarial: Literal["hinge", "nonsaturating"] = "hinge"
    lpips_trunk: TrunkName = "vgg"
    style_trunk: TrunkName = "vgg"
    style_layers: tuple[int, ...] = (0, 1, 2, 3, 4)
    style_side: int = 0
    shift: int = 0


@dataclass(frozen=True)
class Easing:
    """A gentler rate for the first steps: factors of the target and of the weight above it."""

    steps: int = 0
    target: float = 1.0
    above: float = 1.0


@dataclass(frozen=True)
class PerceptualRecipe(Recipe):
    """A stage that begins from the weights of the recipe `base`.

    `decoder_only` freezes everything that makes the bitstream (MS-ILLM, Muckley et al. 2023): the
    same file then decodes either way. The adversarial term joins after `gan_from` of all the steps, when
    the rest has settled, the style term after `style_from`, with the adversary where that is None.

    The rate weighs `rate_above` where it exceeds its target and `rate_below` where not. `target` is that in
    bits per pixel, and the weights are for bits per pixel; without it the target is what the base spends on
    the same crops, and the weights are for the share of that. While the first `easing.steps` last, target
    and `rate_above` are multiplied as it says. `base` may be "" where training begins afresh.

    `pull`: the distortions of a crop (all terms but rate, adversary and grid) weigh (lambda / pull_reference)
    to this power. Without it, 0, the low rates, whose distortions are forty times the high ones', decide.
    """

    base: str = ""
    target: float | None = None
    rate_above: float = RATE_ABOVE
    rate_below: float = RATE_BELOW
    easing: Easing = Easing()
    pull: float = 0.0
    pull_reference: float = 0.0016
    weights: LossWeights = field(default_factory=LossWeights)
    decoder_only: bool = False
    gan_from: float = 0.25
    style_from: float | None = None
    discriminator_width: int = 64
    discriminator_rate: float = 1e-4  # Mentzer et al. 2020
    momenta: tuple[float, float] = (0.5, 0.9)  # of the discriminator's Adam, MS-ILLM

    @property
    def styled_from(self) -> float:
        """The share of all steps after which the style term takes part."""
        return self.gan_from if self.style_from is None else self.style_from


# HFLIC's published configuration: 2e-6 on the Charbonnier sum over 8 x 3 x 256^2, which is 3.1 on the
# mean, LPIPS 1, face 0 (its value for the paper is not told). Measured here on crops of 128: a face term
# of 40 has a gradient a third of LPIPS's and gave 0.6 dB inside small faces, one of 100 gave 0.9 dB, one of
# 300 had three times that gradient and left the clip to little else. 150 lay between until the sixth round:
# by then PO-ELIC had caught up to 0.83 dB, while LPIPS around the faces was 7% lower than its.
PO_ELIC = LossWeights(charbonnier=3.1, lpips=1.0, style=0.3, gan=0.15)
HFLIC = replace(PO_ELIC, face=250.0)
HIFIC = LossWeights(
    mse=0.075 * 2.0**-5, lpips=1.0, gan=0.15, adversarial="nonsaturating", lpips_trunk="alex", shift=8
)


def _for_a_cpu(weights: LossWeights) -> LossWeights:
    """LPIPS on AlexNet; style on VGG's first two maps of a window of 64: the whole VGG costs ten times it.

    Two maps of five: the style weighs more, so that it pulls as the others do (docs/training.md).
    """
    return replace(
        weights, lpips_trunk="alex", style=1.0, style_layers=(0, 1), style_side=64, shift=8, grid=GRID
    )


# A first round without adversary and style, which already has most of LPIPS (NoGAN of Muckley et al. 2023)
# and may be published; its rate is above the papers' 1e-4, as a few thousand steps must do. Then rounds
# with the style term, each from the better weights the base has by then, and a last one with everything.
_SHORT = Round(2_200, rate=2.5e-4, warmup=100, constant=0.4, batch=8, side=128)

# Crops of 128 pixels teach the entropy model borders: whole pictures then cost 1.5 to 4.5% more bits than
# those do. With HiFiC's weight of 0.3 above the base's rate, bits rise by 16 to 41% in 6,000 steps, with 1.0
# by 2 to 7% in 1,500 (docs/training.md).
_WIDE = Round(4_000, rate=1e-4, warmup=100, batch=4, side=256)
_HELD = 1.0
_LITE_ROUNDS = (
    *(_SHORT,) * 4,
    *(replace(_WIDE, steps=steps) for steps in (4_000, 6_000, 4_000, 6_000, 4_000, 8_000)),
)
_DECODER_ROUNDS = (
    *(_SHORT,) * 4,
    *(Round(steps, rate=2e-4, warmup=100, batch=8, side=128) for steps in (4_000, 1_200)),
    *(replace(_WIDE, steps=steps, rate=2e-4) for steps in (600, 6_000, 8_000)),
    replace(_WIDE, steps=8_000),
)
# A network that begins with a decoder that has learned to draw for the eye needs no gentler rounds.
_BEGUN_ROUNDS = (_WIDE, _WIDE, replace(_WIDE, steps=5_500, rate=2e-4), replace(_WIDE, steps=8_000))
# LPIPS falls with about the square root of lambda, and with this power still by three from end to end, while
# the gradient of Charbonnier, which does not shrink with the error, grows by thirteen: in between. The
# reference leaves LPIPS's mean over the ladder what it is without.
_EVEN = 1 / 3


def _last_from(rounds: tuple[Round, ...]) -> float:
    """The share of all steps before the last round."""
    return 1 - rounds[-1].steps / sum(part.steps for part in rounds)


def _after_the_first(rounds: tuple[Round, ...]) -> float:
    """The first round's share of all steps."""
    return rounds[0].steps / sum(part.steps for part in rounds)


PERCEPTUAL: dict[str, PerceptualRecipe] = {
    recipe.name: recipe
    for recipe in (
        PerceptualRecipe(
            "hflic-perceptual-lite",
            "hflic:lite",
            hflic_lite,
            _BEGUN_ROUNDS,
            base="hflic-lite",
            begins_with="hflic-realistic-lite",
            rate_above=_HELD,
            pull=_EVEN,
            eight_bit=HFLIC_TRANSFORMS,
            weights=_for_a_cpu(HFLIC),
            discriminator_width=16,
            gan_from=_last_from(_BEGUN_ROUNDS),
            style_from=0.0,
        ),
        PerceptualRecipe(
            "hflic-realistic-lite",
            "hflic-mse:lite",
            hflic_lite,
            _DECODER_ROUNDS,
            base="hflic-lite",
            weights=_for_a_cpu(HFLIC),
            decoder_only=True,
            discriminator_width=16,
            gan_from=_last_from(_DECODER_ROUNDS),
            style_from=_after_the_first(_DECODER_ROUNDS),
        ),
        PerceptualRecipe(
            "enh-po-elic-lite",
            "enh-po-elic:lite",
            hflic_lite,
            _BEGUN_ROUNDS,
            base="hflic-lite",
            begins_with="hflic-realistic-lite",
            rate_above=_HELD,
            pull=_EVEN,
            eight_bit=HFLIC_TRANSFORMS,
            weights=_for_a_cpu(PO_ELIC),
            discriminator_width=16,
            gan_from=_last_from(_BEGUN_ROUNDS),
            style_from=0.0,
        ),
        PerceptualRecipe(
            "po-elic-lite",
            "po-elic:lite",
            lambda: lite_config(LITE_GROUPS_5),
            _LITE_ROUNDS,
            base="elic-5-lite",
            rate_above=_HELD,
            weights=_for_a_cpu(PO_ELIC),
            discriminator_width=16,
            gan_from=_last_from(_LITE_ROUNDS),
            style_from=_after_the_first(_LITE_ROUNDS),
        ),
        PerceptualRecipe(
            "po-elic-realistic-lite",
            "elic-5:lite",
            lambda: lite_config(LITE_GROUPS_5),
            _DECODER_ROUNDS,
            base="elic-5-lite",
            weights=_for_a_cpu(PO_ELIC),
            decoder_only=True,
            discriminator_width=16,
            gan_from=_last_from(_DECODER_ROUNDS),
            style_from=_after_the_first(_DECODER_ROUNDS),
        ),
        PerceptualRecipe(
            "hific-perceptual-lite",
            "hific:lite",
            hific_lite,
            _LITE_ROUNDS,
            base="hific-lite",
            eight_bit=HIFIC_BLOCKS,
            weights=replace(HIFIC, grid=GRID),
            discriminator_width=16,
            gan_from=_last_from(_LITE_ROUNDS),
        ),
    )
}
