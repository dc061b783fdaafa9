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
from models.networks.layers import dct_basis, dct_order
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
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            self.network = ELIC(ours)
        self.fresh = {k: v.detach().clone() for k, v in self.network.state_dict().items()}

    def parameters(self) -> dict[str, Tensor]:
        """As `grown` says."""
        made = dict(self.old)
        last = f"context.groups.{len(self.ours.context.groups) - 1}."
        for name, value in self.old.items():
            fresh = self.fresh.get(name)
            if fresh is None or fresh.shape == value.shape:
                continue
            if name.startswith(last):
                made[name] = self._context(name.removeprefix(last), value, fresh)
            elif name.startswith(GAINS):
                made[name] = _into(fresh, value, 1, torch.arange(self.theirs.latent))
            elif name.startswith(("a_shortcut.", "s_shortcut.")):
                made[name] = self._shortcut(value, fresh)
            else:  # the layers that lead to the latents or from them: the new ones have no part in them yet
                made[name] = _placed(value, torch.zeros_like(fresh))
        return made

    def _new(self) -> list[tuple[int, int, int]]:
        """Which coefficients the new latents begin as, as in `dct_order`."""
        old = set(dct_order(self.theirs.latent))
        return [place for place in dct_order(self.ours.latent) if place not in old]

    def _shortcut(self, value: Tensor, fresh: Tensor) -> Tensor:
        """The linear analysis or synthesis with the new coefficients' rows or columns."""
        order = dct_order(self.ours.latent)
        rows = [order.index(place) for place in self._new()]
        analysis, synthesis = dct_basis(self.ours.latent)
        axis = 0 if fresh.shape[0] == self.ours.latent else 1
        new = _SHARE * analysis[rows] if axis == 0 else synthesis[:, rows]
        return torch.cat([value, new[:, :, None, None].to(value)], dim=axis)

    def _pairs(self, start: int = 0) -> Tensor:
        """Where the scales and means of the latents before stand among those of all."""
        return torch.cat([torch.arange(self.before), self.now + torch.arange(self.before)]) + start

    def _context(self, name: str, value: Tensor, fresh: Tensor) -> Tensor:
        """A parameter of the last group's nets."""
        part, _, rest = name.partition(".")
        if part == "channel":  # its last layer, or the bias of that
            return _into(fresh, value, 0, self._pairs())
        if part == "spatial":
            if value.ndim == 1:
                return _into(fresh, value, 0, self._pairs())
            made = fresh.clone()
            made[self._pairs(), self.before :] = 0.0  # the latents before do not look at the new ones
            kept = made[self._pairs()]
            kept[:, : self.before] = value
            made[self._pairs()] = kept
            return made
        if rest.startswith("0.") and value.ndim == 4 and value.shape[1] != fresh.shape[1]:
            return self._first(value, fresh)
        return self._last(value, fresh)

    def _first(self, value: Tensor, fresh: Tensor) -> Tensor:
        """The first layer of a parameter net, which sees one or two pairs and then the hyper parameters."""
        hyper = self.ours.context.hyper_channels
        made = torch.zeros_like(fresh)
        pairs = (fresh.shape[1] - hyper) // (2 * self.now)
        places = [self._pairs(2 * self.now * number) for number in range(pairs)]
        places.append(torch.arange(fresh.shape[1] - hyper, fresh.shape[1]))
        made[:, torch.cat(places)] = value
        return made

    def _last(self, value: Tensor, fresh: Tensor) -> Tensor:
        """The last layer of a parameter net: the new means begin at 0, the scales as those of a neighbour."""
        made = torch.zeros_like(fresh)
        made[self._pairs()] = value
        made[self.before : self.now] = value[self._neighbours()]
        return made

    def _neighbours(self) -> Tensor:
        """For every new latent the one of its colour plane with the highest frequency so far."""
        order = dct_order(self.theirs.latent)
        first = self.theirs.latent - self.before
        highest = {plane: index - first for index, (plane, _, _) in enumerate(order) if index >= first}
        return torch.tensor([highest.get(plane, self.before - 1) for plane, _, _ in self._new()])


def _placed(value: Tensor, into: Tensor) -> Tensor:
    """`into` with `value` in its first corner."""
    made = into.clone()
    made[tuple(slice(size) for size in value.shape)] = value
    return made


def _into(fresh: Tensor, value: Tensor, axis: int, places: Tensor) -> Tensor:
    """`fresh` with `value` at some places of an axis."""
    made = fresh.clone().to(value)
    made.index_copy_(axis, places, value)
    return made
