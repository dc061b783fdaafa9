"""What if the encoder takes its time? Latents refined for one picture, by gradient descent on its own file.

An analysis transform guesses latents in one pass; those that are best for this picture, with the entropy
model and the decoder there are, lie elsewhere (Campos et al. 2019, "Content adaptive optimization for neural
image compression"). The search is stochastic Gumbel annealing (Yang, Bamler and Mandt 2020, "Improving
inference for neural image compression"). The file is an ordinary one, and decoding it takes no longer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from models.codec import REFINED, Watch
from models.footprint import BLOCK, WINDOW_BYTES
from models.memory import give_back
from models.networks.base import CompressionNetwork
from models.networks.elic import ELIC
from models.networks.rounding import annealed
from models.picture import Picture
from models.tiling import run_watched
from models.weights import Card

# Measured on four crops of validation photographs at two rates: bits after 100 steps.
RATE = 0.02  # Adam's, in steps of the quantiser
# The temperature, how fast it falls, and the share of the steps it does not.
_HOT, _COOLING, _HELD = 0.5, 4.0, 0.1
_SEED = 1

_HALO = 4  # latents around those that are refined together: beyond, next to nothing changes for them
_LARGEST, _SMALLEST = 48, 8  # latents a side that are refined together

# Codecs trained on squared error, which is what the search lowers. For the others it would take back what
# their perceptual losses put in.
_SQUARED_ERROR = ("hflic-mse", "elic", "elic-5")


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


def window_bytes(network: ELIC) -> float:
    """What one latent of a window takes in memory: what each layer of the synthesis makes, for the way back.

    The context networks work on latents, of which there are few.
    """
    side, made = 4, 0

    def weigh(layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal made
        if next(layer.children(), None) is None:
            made += output.numel()

    run_watched(network.g_s, (1, sum(network.context.config.groups), side, side), weigh)
    return 4.0 * made / side**2


def window_side(network: ELIC) -> int:
    """How many latents a side are refined together, within WINDOW_BYTES."""
    with_halo = 2 * int(math.sqrt(WINDOW_BYTES / window_bytes(network)) / 2)
    return min(max(with_halo - 2 * _HALO, _SMALLEST), _LARGEST)


def why_not(network: CompressionNetwork, card: Card) -> str:
    """Why latents of a network cannot be refined, "" where they can."""
    if card.codec.partition(":")[0] not in _SQUARED_ERROR:
        return (
            f"{card.codec} is not trained on squared error alone, so its latents are not refined: choose "
            f"{', '.join(_SQUARED_ERROR)}, or leave {REFINED} away"
        )
    if not isinstance(network, ELIC) or network.config.ladder is None or not network.config.ladder.top:
        return (
            f"the weights of {card.codec} do not say how they weigh bits against error, so its latents "
            f"are not refined: leave {REFINED} away"
        )
    return ""


def temperature(share: float) -> float:
    """Of the annealing, when this share of the steps is done."""
    return _HOT * math.exp(-_COOLING * max(share - _HELD, 0.0))


@dataclass(frozen=True)
class Refiner:
    """The search for one picture with one network: `steps` of Adam in each window.

    The same picture, rate and steps give the same latents on the same processor with as many threads.
    """

    network: ELIC
    picture: Picture
    steps: int

    def __call__(self, y: Tensor, z: Tensor, position: Tensor, watch: Watch) -> Tensor:
        """Scaled latents y (1, M, h, w) with hyper-latents z (1, C_z, >= h/4, >= w/4) to better ones.

        The hyper-latents stay as they are: moved along, they made more files larger than smaller. Raises
        Cancelled.
        """
        generator = torch.Generator().manual_seed(_SEED)
        with torch.inference_mode(mode=False), torch.no_grad():
            found = y.clone()
            hyper = self.network.h_s(self.network.hyper_round(z.clone()))
            height, width = y.shape[2:]
            parts = windows(height, width, window_side(self.network))
            for number, window in enumerate(parts):
                rows, columns = window.rows, window.columns
                problem = _Problem(
                    self.network, self._pixels(window, y.device), hyper[:, :, rows, columns], position
                )
                here = found[:, :, rows, columns]
                y_here = here.clone().contiguous(memory_format=torch.channels_last).requires_grad_(True)
                optimizer = torch.optim.Adam([y_here], lr=RATE)
                for step in range(self.steps):
                    share = step / self.steps
                    watch.step("refining", (number + share) / len(parts))
                    optimizer.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * share))
                    with torch.enable_grad(), annealed(temperature(share), generator):
                        (y_here.grad,) = torch.autograd.grad(problem.cost(y_here), [y_here])
                    optimizer.step()
                mixed, kept = here.clone(), (slice(None), slice(None), *window.kept)
                mixed[kept] = y_here.detach()[kept]
                if problem.cost(mixed) < problem.cost(here):  # both rounded now; few steps may lose
                    here.copy_(mixed)
        give_back()
        return found

    @property
    def usual_share(self) -> float:
        """The bytes of a refined file over those of a plain one of the same quality, as a rule."""
        return 1 - 0.025 * min(self.steps / 100, 1.0)  # 0.95 to 1.00 after 100 steps, measured

    def _pixels(self, window: Window, device: torch.device) -> Tensor:
        rows, columns = (
            slice(BLOCK * part.start, BLOCK * part.stop) for part in (window.rows, window.columns)
        )
        part = torch.from_numpy(self.picture.pixels[rows, columns]).to(device)
        return part.permute(2, 0, 1)[None].float().div_(255)


@dataclass(frozen=True)
class _Problem:
    """Rate and distortion of a window.

    pixels: (1, 3, H, W), at most 16 h and 16 w; hyper: the hyper parameters, (1, C, h, w).
    """

    network: ELIC
    pixels: Tensor
    hyper: Tensor
    position: Tensor

    def cost(self, y: Tensor) -> Tensor:
        """Bits a pixel plus weighted squared error, as in training, of scaled latents (1, M, h, w)."""
        network, (height, width) = self.network, self.pixels.shape[2:]
        assert network.config.ladder is not None  # see `why_not`
        weight = network.config.ladder.weight(float(self.position)) * 255.0**2
        y_hat, raw, mean = network.context(y, self.hyper)
        bits = network.gaussian_bits(y_hat - mean, network.scale(raw)).sum()
        x_hat = network.synthesise(y_hat, self.position)[:, :, :height, :width]
        distortion: Tensor = (x_hat - self.pixels).square().mean()
        return bits / (height * width) + weight * distortion
