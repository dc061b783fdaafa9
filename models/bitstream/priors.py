"""The entropy models without channel groups: a hyperprior alone, no hyperprior, and one latent after another.

As in `models.bitstream.latents`, everything that leads to a table's number or a mean is in fixed point.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.bitstream.fixed_point import GRID, FixedLayer, fixed_conv, fixed_net, to_activation
from models.bitstream.latents import PASS_BYTES, EntropyData, ExactEntropyModel, Indexes, Step
from models.networks.causal import CausalContext, window_places
from models.watch import Watch


class HyperpriorEntropyModel(ExactEntropyModel):
    """HiFiC: mean and scale of every latent from the hyper-latent alone, one pass."""

    def __init__(self, h_s_scale: nn.Sequential, h_s_mean: nn.Sequential, data: EntropyData) -> None:
        super().__init__(data)
        self.h_s_scale, self.h_s_mean = fixed_net(h_s_scale), fixed_net(h_s_mean)
        self.latent = _channels(self.h_s_mean.layers[-1])

    def _walk(
        self, z_symbols: Tensor, height: int, width: int, step: Step, watch: Watch, *, lean: bool = False
    ) -> Tensor:
        known = to_activation(z_symbols * GRID + self.medians)
        watch.step("coding latents", 0.0)
        scales = self.h_s_scale(known)[:, :height, :width].flatten()
        watch.step("coding latents", 0.4)
        means = self.h_s_mean(known)[:, :height, :width].flatten()
        return _one_pass(step, self.latent, self._indexes(scales), means, height, width)

    def bytes_per_latent(self, *, lean: bool) -> float:
        """See ExactEntropyModel: everything is one pass, so there is nothing to be lean about."""
        return PASS_BYTES * self.latent


class JointHyperpriorEntropyModel(ExactEntropyModel):
    """One hyper-synthesis for all: scales then means, or scales alone around zero (Balle and Minnen 2018)."""

    def __init__(self, h_s: nn.Sequential, data: EntropyData, *, means: bool) -> None:
        super().__init__(data)
        self.h_s, self.means = fixed_net(h_s), means
        self.latent = _channels(self.h_s.layers[-1]) // (2 if means else 1)

    def _walk(
        self, z_symbols: Tensor, height: int, width: int, step: Step, watch: Watch, *, lean: bool = False
    ) -> Tensor:
        watch.step("coding latents", 0.0)
        found = self.h_s(to_activation(z_symbols * GRID + self.medians))[:, :height, :width]
        watch.step("coding latents", 0.6)
        scales = found[: self.latent].flatten()
        means = found[self.latent :].flatten() if self.means else torch.zeros_like(scales)
        return _one_pass(step, self.latent, self._indexes(scales), means, height, width)

    def bytes_per_latent(self, *, lean: bool) -> float:
        """See ExactEntropyModel."""
        return (PASS_BYTES + 8 * (1 + self.means)) * self.latent


class FactorizedEntropyModel(ExactEntropyModel):
    """No hyperprior: the latents are what the factorised prior codes, channel by channel."""

    hyper_down = 1

    def __init__(self, data: EntropyData) -> None:
        super().__init__(data)
        self.latent = len(self.medians)

    def _walk(
        self, z_symbols: Tensor, height: int, width: int, step: Step, watch: Watch, *, lean: bool = False
    ) -> Tensor:
        return z_symbols * GRID + self.medians

    def bytes_per_latent(self, *, lean: bool) -> float:
        """See ExactEntropyModel."""
        return PASS_BYTES * self.latent


class SerialEntropyModel(ExactEntropyModel):
    """Each latent from the hyper-latent and from those above and to the left of it (Minnen et al. 2018).

    A latent's window ends two columns to the right in the row above. So all latents whose column plus three
    times their row is the same know nothing of each other: each such wave is one pass.
    """

    def __init__(self, h_s: nn.Sequential, context: CausalContext, data: EntropyData) -> None:
        super().__init__(data)
        self.h_s = fixed_net(h_s)
        self.context = context
        self.spatial = fixed_conv(context.spatial, relu=False, mask=context.spatial.mask[0, 0])
        self.joint = fixed_net(context.joint)
        self.latent = context.spatial.in_channels

    def _walk(
        self, z_symbols: Tensor, height: int, width: int, step: Step, watch: Watch, *, lean: bool = False
    ) -> Tensor:
        watch.step("coding latents", 0.0)
        hyper = self.h_s(to_activation(z_symbols * GRID + self.medians))[:, :height, :width].flatten(1)
        y_hat = torch.zeros(self.latent, height * width, dtype=torch.float64)
        # What windows see: with two rows above and two columns on both sides of zeros.
        margin = self.context.margin
        seen = torch.zeros(self.latent, (height + margin) * (width + 2 * margin), dtype=torch.float64)
        waves = list(self.context.waves(height, width))
        for number, (rows, columns) in enumerate(waves):
            watch.step("coding latents", 0.2 + 0.8 * number / len(waves))
            inside, taps = window_places(rows, columns, width, self.spatial.taps, margin)
            around = seen[:, taps.flatten()].view(-1, len(rows))  # (M * taps, positions)
            places = rows * width + columns
            known = torch.cat([hyper[:, places], self.spatial.on_columns(around)])
            scales, means = self.joint.at(known).chunk(2)
            flat = means.flatten()
            symbols = step(slice(0, self.latent), places, self._indexes(scales.flatten()), flat)
            values = flat.add_(torch.from_numpy(symbols), alpha=GRID).view(self.latent, -1)
            y_hat[:, places] = values
            seen[:, inside] = to_activation(values)
        return y_hat.view(self.latent, height, width)

    def bytes_per_latent(self, *, lean: bool) -> float:
        """See ExactEntropyModel: one wave at a time is small."""
        return 8.0 * (3 * self.latent + 2 * _channels(self.h_s.layers[-1]))


def _channels(layer: FixedLayer) -> int:
    return len(layer.bias) // layer.shuffle**2


def _one_pass(step: Step, latent: int, indexes: Indexes, means: Tensor, height: int, width: int) -> Tensor:
    everywhere = torch.arange(height * width)
    symbols = step(slice(0, latent), everywhere, indexes, means)
    return means.add_(torch.from_numpy(symbols), alpha=GRID).view(latent, height, width)
