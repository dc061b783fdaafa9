"""How do trained weights go on in a network that has grown: more latents, more rates?

What was there keeps its answers: the new latents begin with the next coefficients of the block DCT, nothing
looks at them but the linear synthesis, and only training makes the rest do so (the function-preserving growth
of Chen et al. 2016, "Net2Net", but for the linear part).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from models.errors import WeightsError
from models.networks.base import NetworkShape
from models.networks.elic import ELIC, ElicConfig
from models.networks.layers import dct_order
from models.networks.rate import GAINS, fitted

_SEED = 0  # of what begins at random
# Of the coefficient a new latent begins as: the synthesis has guessed a part of it from the others. With 1
# hflic-lite is ahead at the highest rates after 300 steps, with 0 at the low ones, with this nearly at both.
_SHARE = 0.5


def grown(parameters: Mapping[str, Tensor], theirs: NetworkShape, ours: NetworkShape) -> dict[str, Tensor]:
    """The parameters of a network of the configuration `theirs` for one of `ours`.

    The gains become those of the other ladder, see `fitted`. Of an ELIC whose last channel group has more
    latents the new ones are added. Whatever else differs is left to the reader of the result. Raises
    WeightsError for a single rate that should become several.
    """
    found = fitted(parameters, theirs.ladder, ours.ladder)
    if not (isinstance(theirs, ElicConfig) and isinstance(ours, ElicConfig)) or theirs.latent >= ours.latent:
        return found
    if theirs.context.groups[:-1] != ours.context.groups[:-1] or theirs.latent_attention:
        raise WeightsError(f"{theirs.latent} latents cannot become {ours.latent} here")
    return _Widening(found, theirs, ours).parameters()


class _Widening:
    """The parameters of an ELIC with more latents in its last group."""

    def __init__(self, old: Mapping[str, Tensor], theirs: ElicConfig, ours: ElicConfig) -> None:
        self.old = old
        self.theirs, self.ours = theirs, ours
        self.before, self.now = theirs.context.groups[-1], ours.context.groups[-1]
        # Where the scales and means of the latents before stand among those of all.
        self.pairs = torch.cat([torch.arange(self.before), self.now + torch.arange(self.before)])
        order, old_order = dct_order(ours.latent), dct_order(theirs.latent)
        known = set(old_order)
        self.new = [index for index, place in enumerate(order) if place not in known]
        # For every new latent the one of its colour plane with the highest frequency so far, in the group.
        first = theirs.latent - self.before
        highest = {plane: index - first for index, (plane, _, _) in enumerate(old_order) if index >= first}
        self.neighbours = [highest.get(order[index][0], self.before - 1) for index in self.new]

    def parameters(self) -> dict[str, Tensor]:
        """As `grown` says."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            begun = ELIC(self.ours).state_dict()
        made = dict(self.old)
        last = f"context.groups.{len(self.ours.context.groups) - 1}."
        for name, value in self.old.items():
            fresh = begun.get(name)
            if fresh is None or fresh.shape == value.shape:
                continue
            if name.startswith(last):
                made[name] = self._context(name.removeprefix(last), value, fresh)
            elif name.startswith(GAINS):
                made[name] = _into(fresh, value, 1, torch.arange(self.theirs.latent))
            elif name.startswith("a_shortcut."):
                made[name] = torch.cat([value, _SHARE * fresh[self.new].to(value)])
            elif name.startswith("s_shortcut."):
                made[name] = torch.cat([value, fresh[:, self.new].to(value)], dim=1)
            else:  # the layers that lead to the latents or from them: the new ones have no part in them yet
                made[name] = _padded(value, fresh.shape)
        return made

    def _context(self, name: str, value: Tensor, fresh: Tensor) -> Tensor:
        """A parameter of the last group's nets."""
        part, _, rest = name.partition(".")
        if part in {"channel", "spatial"}:  # the latents before do not look at the new ones
            return _into(fresh, _padded(value, fresh[self.pairs].shape), 0, self.pairs)
        nothing = torch.zeros_like(fresh)
        if rest.startswith("0.") and fresh.ndim == 4 and value.shape[1] != fresh.shape[1]:
            # The first layer of a parameter net sees one or two pairs and then the hyper parameters.
            hyper = torch.arange(fresh.shape[1] - self.ours.context.hyper_channels, fresh.shape[1])
            seen = [self.pairs + start for start in range(0, int(hyper[0]), 2 * self.now)]
            return _into(nothing, value, 1, torch.cat([*seen, hyper]))
        # Its last layer: the new means begin at 0, the scales as those of a neighbour.
        made = _into(nothing, value, 0, self.pairs)
        made[self.before : self.now] = value[self.neighbours]
        return made


def _padded(value: Tensor, shape: torch.Size) -> Tensor:
    """`value` with zeros behind it in every axis."""
    made = value.new_zeros(shape)
    made[tuple(slice(size) for size in value.shape)] = value
    return made


def _into(fresh: Tensor, value: Tensor, axis: int, places: Tensor) -> Tensor:
    """A copy of `fresh` with `value` at some places of an axis."""
    return fresh.to(value).index_copy(axis, places, value)
