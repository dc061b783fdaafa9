"""What if the encoder takes its time? Latents refined for one picture, by gradient descent on its own file.

An analysis transform guesses latents in one pass; those that are best for this picture, with the entropy
model and the decoder there are, lie elsewhere (Campos et al. 2019, "Content adaptive optimization for neural
image compression"). The search is stochastic Gumbel annealing (Yang, Bamler and Mandt 2020, "Improving
inference for neural image compression"). The file is an ordinary one, and decoding it takes no longer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.aims import Aim, SquaredError, aim_of, missing, squared_error, unknown
from models.codec import REFINED, Watch
from models.footprint import BLOCK, WINDOW_BYTES
from models.memory import give_back
from models.networks.base import CompressionNetwork
from models.networks.rounding import annealed
from models.picture import Picture
from models.tiling import run_watched
from models.weights import Card

Covered = NDArray[np.bool_]

# Measured on four crops of validation photographs at two rates: bits after 100 steps.
RATE = 0.02  # Adam's, in steps of the quantiser
# The temperature, how fast it falls, and the share of the steps it does not.
_HOT, _COOLING, _HELD = 0.5, 4.0, 0.1
_SEED = 1

_HALO = 4  # latents around those that are refined together: beyond, next to nothing changes for them
_LARGEST, _SMALLEST = 48, 8  # latents a side that are refined together

# How many levels of the rate ladder below and above a rate its price is looked at, one after the other.
_APART = (0.5, 1.5, 5.0)
# A step keeps more than what layers make: gradients, and what is between layers. Measured with the lite
# networks: 1.5 times (HFLIC), 1.3 (HiFiC).
_BESIDE = 1.6
# And what is kept of each latent on its way through annealing and context: 226 bytes measured, a part of
# which is in the above.
_CODED = 200.0


@dataclass(frozen=True)
class Window:
    """Part of the latents: rows and columns that are looked at, and those of them that are kept."""

    rows: slice
    columns: slice
    kept: tuple[slice, slice]


def windows(height: int, width: int, side: int) -> list[Window]:
    """Latents of height x width in windows that overlap, row by row, each `side` or fewer of them kept.

    All in one where that is no larger.
    """
    return [
        Window(rows, columns, (kept_rows, kept_columns))
        for rows, kept_rows in _spans(height, side)
        for columns, kept_columns in _spans(width, side)
    ]


def _spans(length: int, side: int) -> Iterator[tuple[slice, slice]]:
    """Beginnings are even, so that the checkerboard keeps its colours."""
    if length <= side + 2 * _HALO:
        yield slice(0, length), slice(0, length)
        return
    count = math.ceil(length / side)
    edges = [2 * round(length * at / count / 2) for at in range(count)] + [length]
    for start, stop in pairwise(edges):
        first, last = max(start - _HALO, 0), min(stop + _HALO, length)
        yield slice(first, last), slice(start - first, stop - first)


def window_bytes(network: CompressionNetwork, aim: Aim) -> float:
    """What one latent of a window takes in memory: what each layer of the synthesis makes, for the way back.

    And what the aim and the entropy model keep.
    """
    side, made = 4, 0

    def weigh(layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal made
        if next(layer.children(), None) is None:
            made += output.numel()

    run_watched(network.g_s, (1, network.config.latent, side, side), weigh)
    return _BESIDE * (4.0 * made / side**2 + aim.kept * BLOCK**2) + _CODED * network.config.latent


def window_side(network: CompressionNetwork, aim: Aim) -> int:
    """How many latents a side are refined together, within WINDOW_BYTES."""
    with_halo = 2 * int(math.sqrt(WINDOW_BYTES / window_bytes(network, aim)) / 2)
    return min(max(with_halo - 2 * _HALO, _SMALLEST), _LARGEST)


def why_not(network: CompressionNetwork, card: Card) -> str:
    """Why latents of a network cannot be refined, "" where they can."""
    base = card.codec.partition(":")[0]
    reason = unknown(base)
    if not reason and (network.config.ladder is None or not network.config.ladder.top):
        reason = f"the weights of {card.codec} have a single rate"
    if reason:
        return f"{reason}, so its latents are not refined: leave {REFINED} away"
    lacking = missing(base)
    return f"{lacking}, or leave {REFINED} away" if lacking else ""


def temperature(share: float) -> float:
    """Of the annealing, when this share of the steps is done."""
    return _HOT * math.exp(-_COOLING * max(share - _HELD, 0.0))


@dataclass(frozen=True)
class Refiner:
    """The search for one picture with one network: `steps` of Adam in each window.

    The same picture, rate and steps give the same latents on the same processor with as many threads, and the
    same detector of faces. `base`: the id of the codec, without size.
    """

    network: CompressionNetwork
    picture: Picture
    steps: int
    base: str

    def __call__(self, y: Tensor, z: Tensor, position: Tensor, watch: Watch) -> Tensor:
        """Scaled latents y (1, M, h, w) with hyper-latents z (1, C_z, >= h/4, >= w/4) to better ones.

        The hyper-latents stay as they are: moved along, they made more files larger than smaller. Raises
        Cancelled, WeightsError.
        """
        generator = torch.Generator().manual_seed(_SEED)
        with torch.inference_mode(mode=False), torch.no_grad():
            search = self._search(y.clone(), z.clone(), position, watch)
            found = search.y
            price = search.price(watch)
            for number, window in enumerate(search.windows if price > 0 else ()):
                problem, here = search.problem(window, price), found[:, :, window.rows, window.columns]
                y_here = here.clone().contiguous(memory_format=torch.channels_last).requires_grad_(True)
                optimizer = torch.optim.Adam([y_here], lr=RATE)
                for step in range(self.steps):
                    share = step / self.steps
                    watch.step("refining", (number + share) / len(search.windows))
                    optimizer.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * share))
                    with torch.enable_grad(), annealed(temperature(share), generator):
                        (y_here.grad,) = torch.autograd.grad(problem.cost(y_here, generator), [y_here])
                    optimizer.step()
                mixed, kept = here.clone(), (slice(None), slice(None), *window.kept)
                mixed[kept] = y_here.detach()[kept]
                # Both rounded, and seen alike; few steps may lose.
                costs = [problem.cost(one, torch.Generator().manual_seed(_SEED)) for one in (mixed, here)]
                if costs[0] < costs[1]:
                    here.copy_(mixed)
        give_back()
        return found

    @property
    def usual_share(self) -> float:
        """The bytes of a refined file over those of a plain one of the same quality, as a rule."""
        # 0.95 to 1.00 after 100 steps on squared error, 0.90 to 1.00 for the eye, measured
        most = 0.025 if squared_error(self.base) else 0.05
        return 1 - most * min(self.steps / 100, 1.0)

    def _search(self, y: Tensor, z: Tensor, position: Tensor, watch: Watch) -> _Search:
        aim = aim_of(self.base, y.device)
        mask = _small_faces(self.picture, watch) if aim.faces else None
        if mask is not None:
            aim = aim.with_faces(float(mask.mean()))
        parts = windows(y.shape[2], y.shape[3], window_side(self.network, aim))
        return _Search(self.network, aim, self.picture, mask, y, z, position, parts)


def _small_faces(picture: Picture, watch: Watch) -> Covered | None:
    """Where small faces are, (H, W); None without any, and where no detector is installed."""
    from models.face_metrics import small_mask
    from models.faces import missing as no_detector
    from models.metrics import MetricAbsent

    if no_detector():
        return None
    try:
        return small_mask(picture.pixels, watch) > 0
    except MetricAbsent:
        return None


@dataclass(frozen=True)
class _Search:
    """What the problems of all windows have in common; see `Refiner.__call__`."""

    network: CompressionNetwork
    aim: Aim
    picture: Picture
    mask: Covered | None
    y: Tensor
    z: Tensor
    position: Tensor
    windows: list[Window]

    def price(self, watch: Watch) -> float:
        """The bits a pixel that a unit of the distortion is worth. Raises Cancelled.

        Squared error has the lambda of the rate. The eye has none, as codecs learn to hold a rate: it is
        what this picture's files pay a unit between a rate a little lower and one a little higher, 0 where
        they get nothing for it, as in a picture of one colour.
        """
        ladder, at = self.network.config.ladder, float(self.position)
        assert ladder is not None  # see `why_not`
        if isinstance(self.aim, SquaredError):
            return ladder.weight(at)
        for apart in _APART:
            bits, error = self.totals(max(at - apart, 0.0), watch)
            more_bits, less_error = self.totals(min(at + apart, ladder.top), watch)
            if more_bits > bits and error > less_error:
                return (more_bits - bits) / (error - less_error)
        return 0.0

    def totals(self, there: float, watch: Watch) -> tuple[float, float]:
        """Bits and distortion of all windows coded plainly at a position on the ladder, both times pixels."""
        network, generator = self.network, torch.Generator().manual_seed(_SEED)
        assert network.gain is not None  # it has a ladder
        position = self.position.new_tensor([there])
        y = self.y * (network.gain.gain(position) / network.gain.gain(self.position))
        height, width = y.shape[2:]
        below, right = 4 * self.z.shape[2] - height, 4 * self.z.shape[3] - width
        z = network.h_a(functional.pad(y, (0, right, 0, below), mode="replicate"))
        other = replace(self, y=y, z=z, position=position)
        bits = error = 0.0
        for window in self.windows:
            watch.step("refining", 0.0)
            problem = other.problem(window, 0.0)
            spent, x_hat = problem.coded(y[:, :, window.rows, window.columns])
            pixels = problem.x.shape[2] * problem.x.shape[3]
            bits += pixels * float(spent)
            error += pixels * float(self.aim.distortion(problem.x, x_hat, problem.mask, generator))
        return bits, error

    @cached_property
    def told(self) -> tuple[Tensor, ...]:
        """What the hyper-latents say of every latent."""
        return self.network.told(self.network.hyper_round(self.z))

    def problem(self, window: Window, price: float) -> _Problem:
        """Of a window."""
        rows, columns = (
            slice(BLOCK * part.start, BLOCK * part.stop) for part in (window.rows, window.columns)
        )
        x = torch.from_numpy(self.picture.pixels[rows, columns]).to(self.y.device)
        x = x.permute(2, 0, 1)[None].float().div_(255)
        told = tuple(part[:, :, window.rows, window.columns] for part in self.told)
        mask = self.mask[rows, columns] if self.mask is not None else None
        return _Problem(
            self.network,
            self.aim,
            price,
            x,
            torch.from_numpy(mask).to(x)[None, None] if mask is not None and mask.any() else None,
            told,
            self.position,
        )


@dataclass(frozen=True)
class _Problem:
    """Rate and distortion of a window.

    price: bits a pixel for a unit of distortion; x: pixels (1, 3, H, W), at most 16 h and 16 w; mask: small
    faces, (1, 1, H, W); told: what hyper-latents say, (1, C, h, w) each.
    """

    network: CompressionNetwork
    aim: Aim
    price: float
    x: Tensor
    mask: Tensor | None
    told: tuple[Tensor, ...]
    position: Tensor

    def coded(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Bits a pixel, (), and the decoded pixels, (1, 3, H, W), of scaled latents (1, M, h, w)."""
        network, (height, width) = self.network, self.x.shape[2:]
        y_hat, raw, mean = network.predict_from(y, self.told)
        bits = network.gaussian_bits(y_hat - mean, network.scale(raw)).sum() / (height * width)
        return bits, network.synthesise(y_hat, self.position)[:, :, :height, :width]

    def cost(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Bits a pixel plus the distortion at its price, (), of scaled latents (1, M, h, w)."""
        bits, x_hat = self.coded(y)
        return bits + self.price * self.aim.distortion(self.x, x_hat, self.mask, generator)
