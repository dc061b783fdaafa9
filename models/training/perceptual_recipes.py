"""The recipes that turn a network trained on squared error into one trained for the eye."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from models.networks.elic import LITE_GROUPS_5, lite_config
from models.networks.hflic import hflic_lite
from models.networks.hific import hific_lite
from models.training.recipes import Recipe, Round
from models.trunks import TrunkName

# Mentzer et al. 2020 weigh the rate with 1.0 above 0.30 bpp and with 2^-4 below: here the rate is
# measured against what the squared-error model spends on the same crop, so both are times 0.30.
RATE_ABOVE = 1.0 * 0.30
RATE_BELOW = 2.0**-4 * 0.30


@dataclass(frozen=True)
class LossWeights:
    """What the decoded picture is judged by; a weight of 0 leaves a term out.

    `mse` weighs the 255^2 MSE, `face` the [0, 1] MSE inside small faces. `style_layers` are indexes
    into the trunk's five feature maps. PO-ELIC's and HFLIC's weights are unpublished: the orders of
    magnitude are HiFiC's, so that fidelity, LPIPS and the adversarial term start alike.
    """

    mse: float = 0.0
    charbonnier: float = 0.0
    lpips: float = 0.0
    style: float = 0.0
    gan: float = 0.0
    face: float = 0.0
    adversarial: Literal["hinge", "nonsaturating"] = "hinge"
    lpips_trunk: TrunkName = "vgg"
    style_trunk: TrunkName = "vgg"
    style_layers: tuple[int, ...] = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class PerceptualRecipe(Recipe):
    """A stage that begins from the weights of the recipe `base`.

    `decoder_only` freezes everything that makes the bitstream (MS-ILLM, Muckley et al. 2023): the
    same file then decodes either way. The adversarial and style terms join after `gan_from` of the
    steps, when the rest has settled.
    """

    base: str = ""
    weights: LossWeights = field(default_factory=LossWeights)
    decoder_only: bool = False
    gan_from: float = 0.25
    discriminator_width: int = 64
    discriminator_rate: float = 1e-4  # Mentzer et al. 2020
    momenta: tuple[float, float] = (0.5, 0.9)  # of the discriminator's Adam, MS-ILLM


PO_ELIC = LossWeights(charbonnier=10.0, lpips=1.0, style=0.3, gan=0.15)
HFLIC = LossWeights(charbonnier=10.0, lpips=1.0, style=0.3, gan=0.15, face=300.0)
HIFIC = LossWeights(mse=0.075 * 2.0**-5, lpips=1.0, gan=0.15, adversarial="nonsaturating", lpips_trunk="alex")


def _for_a_cpu(weights: LossWeights) -> LossWeights:
    """LPIPS on AlexNet and style on VGG's first two maps: a tenth of the whole VGG's work."""
    return replace(weights, lpips_trunk="alex", style_layers=(0, 1))


_LITE_ROUNDS = (Round(6_000, rate=1e-4, warmup=200, batch=8, side=128),)

PERCEPTUAL: dict[str, PerceptualRecipe] = {
    recipe.name: recipe
    for recipe in (
        PerceptualRecipe(
            "hflic-perceptual-lite",
            "hflic:lite",
            hflic_lite,
            _LITE_ROUNDS,
            base="hflic-lite",
            weights=_for_a_cpu(HFLIC),
            discriminator_width=16,
        ),
        PerceptualRecipe(
            "hflic-realistic-lite",
            "hflic-mse:lite",
            hflic_lite,
            _LITE_ROUNDS,
            base="hflic-lite",
            weights=_for_a_cpu(HFLIC),
            decoder_only=True,
            discriminator_width=16,
        ),
        PerceptualRecipe(
            "enh-po-elic-lite",
            "enh-po-elic:lite",
            hflic_lite,
            _LITE_ROUNDS,
            base="hflic-lite",
            weights=_for_a_cpu(PO_ELIC),
            discriminator_width=16,
        ),
        PerceptualRecipe(
            "po-elic-lite",
            "po-elic:lite",
            lambda: lite_config(LITE_GROUPS_5),
            _LITE_ROUNDS,
            base="elic-5-lite",
            weights=_for_a_cpu(PO_ELIC),
            discriminator_width=16,
        ),
        PerceptualRecipe(
            "hific-perceptual-lite",
            "hific:lite",
            hific_lite,
            _LITE_ROUNDS,
            base="hific-lite",
            weights=HIFIC,
            discriminator_width=16,
        ),
    )
}
