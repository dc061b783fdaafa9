"""Latents to a payload and back: the exact entropy model of one set of weights.

Everything that leads to a table index or a mean is a `FixedNet`; encoder and decoder walk the same
passes, so that both know the same indexes before each symbol.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.bitstream.coder import (
    ESCAPE_BITS,
    SymbolDecoder,
    SymbolEncoder,
    Symbols,
    TableModels,
    least_bytes,
)
from models.bitstream.fixed_point import (
    CLAMP,
    GRID,
    FixedLayer,
    FixedNet,
    fixed_conv,
    fixed_net,
    to_activation,
)
from models.bitstream.tables import TOTAL, Tables
from models.codec import QUIET, Watch
from models.errors import WeightsError
from models.memory import give_back
from models.networks.context import GroupContext, SpaceChannelContext, anchor_mask

PASS_BYTES = 48.0  # of a pass for each symbol: scales, means, indexes, symbols and their copies
SKIP_BELOW = 4  # tables of scales under 0.17: a symbol is rarely non-zero, and not coded
_LARGEST = float(1 << 22)
_LARGEST_Z = float(1 << 12)

Indexes = NDArray[np.int16]
# (channels, positions, table indexes, means) to symbols; the last three flat and of one length
Step = Callable[[slice, Tensor, Indexes, Tensor], Symbols]
Seen = Callable[[Indexes, Symbols], None]  # table indexes and symbols of the latents of a pass that are coded


@dataclass(frozen=True)
class EntropyData:
    """What an export computes once and the weights file stores.

    medians: (C_z,) float64 multiples of 2^-10; thresholds: (levels - 1,) raw scales times 2^10.
    """

    y_tables: Tables
    z_tables: Tables
    medians: Tensor
    thresholds: NDArray[np.int32]

    def __post_init__(self) -> None:
        medians = self.medians * GRID
        fits = (
            self.medians.shape == self.z_tables.lengths.shape
            and len(self.thresholds) == len(self.y_tables.lengths) - 1
            and bool((self.thresholds[1:] > self.thresholds[:-1]).all())
            and torch.equal(medians, medians.round())  # no NaN is equal to itself
            and bool((medians.abs() <= CLAMP).all())
        )
        if not fits:
            raise WeightsError(
                "the medians or thresholds of the weights are damaged: fetch the weights again"
            )


@dataclass(frozen=True)
class CodedLatents:
    """payload: the coded bytes; crc: checksum of everything decoded; y_hat: (M, h, w) float64."""

    payload: bytes = field(repr=False)
    crc: int
    y_hat: Tensor = field(repr=False)


class _FixedGroup:
    """One channel group's nets in fixed point, but for the first layer of its channel context."""

    def __init__(self, nets: GroupContext) -> None:
        assert isinstance(nets.non_anchor, nn.Sequential)
        self.spatial: FixedLayer = fixed_conv(nets.spatial, relu=False, mask=nets.spatial.mask[0, 0])
        self.non_anchor = fixed_net(nets.non_anchor)
        if nets.anchor is not None:
            self.anchor = fixed_net(nets.anchor)
        else:  # the shared net, without the columns of the spatial context, which is zero
            first, outputs = self.non_anchor.layers[0], nets.spatial.out_channels
            known = replace(first, matrix=first.matrix[:, outputs:].contiguous())
            self.anchor = FixedNet((known, *self.non_anchor.layers[1:]))

    def anchor_parameters(self, known: Tensor) -> Tensor:
        """known: (K, positions) to (2C, positions)."""
        return self.anchor.at(known)

    def non_anchor_parameters(self, known: Tensor, near: Tensor) -> Tensor:
        """known: (K, positions), near: columns around them (C * taps, positions); to (2C, positions)."""
        return self.non_anchor.at(torch.cat([self.spatial.on_columns(near), known]))


class _ChannelContexts:
    """The channel contexts of all groups, each from the earlier groups it sees."""

    def __init__(self, groups: list[tuple[GroupContext, slice]]) -> None:
        self.slices = [channels for _, channels in groups]
        self.seen = [nets.seen for nets, _ in groups]
        self.nets = [fixed_net(nets.channel) if nets.channel is not None else None for nets, _ in groups]

    def of(self, number: int, y_hat: Tensor, *, lean: bool) -> Tensor | None:
        """The context of a group, (2C, h, w), when all earlier ones are known; None where it has none.

        `lean`: no copy of what is seen is made, and the context waits in float32, which holds it exactly.
        """
        net, seen = self.nets[number], self.seen[number]
        if net is None:
            return None
        if not lean:
            return net(torch.cat([y_hat[part] for part in seen]).clamp_(-CLAMP, CLAMP))
        first, (height, width) = net.layers[0], y_hat.shape[1:]
        x = y_hat.new_empty(len(first.bias), height, width)
        for rows in first.strips(height, width, self.inputs(number)):
            columns = torch.cat([first.columns(y_hat[part], rows) for part in seen])
            x[:, rows] = first.on_columns(columns.clamp_(-CLAMP, CLAMP)).view(len(x), -1, width)
        for layer in net.layers[1:]:
            x = layer(x)
        return x.float()

    def inputs(self, number: int) -> int:
        """How many channels the context of a group sees."""
        return sum(part.stop - part.start for part in self.seen[number])


class ExactEntropyModel(ABC):
    """An entropy model that gives the same bits on every machine.

    latent: channels of the latents; hyper_down: their rows, and columns, that one hyper-latent stands for.
    """

    latent: int
    hyper_down = 4

    def __init__(self, data: EntropyData) -> None:
        self.medians = data.medians[:, None, None] * GRID
        self.thresholds = data.thresholds
        self._y_models = TableModels(data.y_tables)
        self._z_models = TableModels(data.z_tables)
        self.data = data

    def coded(self, raw: Tensor) -> Tensor:
        """Which latents are coded at all, by raw scales of any shape (floats, not times 2^10)."""
        return torch.from_numpy(self._indexes((raw * GRID).round()) >= SKIP_BELOW)

    def bits(self, offsets: Tensor, raw: Tensor) -> float:
        """What latents so far from their means cost by the tables, of raw scales of the same shape, in bits.

        Those that are never coded cost nothing.
        """
        coded = self.coded(raw)
        indexes = self._indexes((raw[coded] * GRID).round())
        symbols = offsets[coded].round().numpy().astype(np.int64)
        tables = self.data.y_tables
        table_bits = -np.log2(tables.counts[tables.places(indexes, symbols)] / TOTAL).sum()
        below = tables.first[indexes] - symbols
        above = symbols - (tables.first[indexes] + tables.lengths[indexes] - 2)
        beyond = np.maximum(below, above)
        beyond = beyond[beyond > 0]
        return float(table_bits + (ESCAPE_BITS + np.floor(np.log2(beyond))).sum())

    @abstractmethod
    def bytes_per_latent(self, *, lean: bool) -> float:
        """The most memory `encode` and `decode` hold at one time, in bytes per place of the latents."""

    def least_bytes(self, height: int, width: int) -> int:
        """The shortest payload that latents of height x width can have: each z symbol the likeliest one."""
        tables = self.data.z_tables
        bits = sum(float(tables.bits(index).min()) for index in range(len(tables.lengths)))
        return least_bytes(bits * -(-height // self.hyper_down) * -(-width // self.hyper_down))

    @torch.inference_mode()
    def encode(
        self,
        y: Tensor,
        z: Tensor,
        watch: Watch = QUIET,
        *,
        gain: Tensor | None = None,
        lean: bool = False,
        seen: Seen | None = None,
    ) -> CodedLatents:
        """y: (M, h, w), z: (C_z, ceil(h/4), ceil(w/4)), any floats; y times `gain` (M, 1, 1) is coded.

        `lean`: less memory, more time. `seen` is shown every pass.
        """
        encoder = SymbolEncoder()
        height, width = y.shape[1:]
        z_symbols = (z.double() - self.medians / GRID).round().clamp(-_LARGEST_Z, _LARGEST_Z)
        encoder.encode(z_symbols.flatten().numpy().astype(np.int32), _z_indexes(z), self._z_models)
        target = y.reshape(self.latent, height * width)

        def step(channels: slice, places: Tensor, indexes: Indexes, means: Tensor) -> Symbols:
            wanted = target[channels][:, places] * (gain[channels, 0] if gain is not None else 1.0)
            symbols = _nearest(wanted.flatten(), means)
            coded = indexes >= SKIP_BELOW
            symbols[~coded] = 0
            if seen is not None:
                seen(indexes[coded], symbols[coded])
            encoder.encode(symbols[coded], indexes[coded], self._y_models)
            return symbols

        y_hat = self._walk(z_symbols, height, width, step, watch, lean=lean)
        crc = self._crc(z_symbols, y_hat)
        return CodedLatents(encoder.payload(), crc, y_hat.div_(GRID))

    @torch.inference_mode()
    def decode(
        self, payload: bytes, height: int, width: int, watch: Watch = QUIET, *, lean: bool = False
    ) -> tuple[Tensor, int]:
        """To y_hat (M, height, width) float64 and its checksum. Raises BitstreamError."""
        decoder = SymbolDecoder(payload)
        shape = (len(self.medians), -(-height // self.hyper_down), -(-width // self.hyper_down))
        z_indexes = _z_indexes(torch.empty(shape, device="meta"))
        z_symbols = torch.from_numpy(decoder.decode(z_indexes, self._z_models)).double().reshape(shape)

        def step(_channels: slice, _places: Tensor, indexes: Indexes, _means: Tensor) -> Symbols:
            symbols = np.zeros(len(indexes), dtype=np.int32)
            coded = indexes >= SKIP_BELOW
            symbols[coded] = decoder.decode(indexes[coded], self._y_models)
            return symbols

        y_hat = self._walk(z_symbols, height, width, step, watch, lean=lean)
        crc = self._crc(z_symbols, y_hat)
        return y_hat.div_(GRID), crc

    @abstractmethod
    def _walk(
        self, z_symbols: Tensor, height: int, width: int, step: Step, watch: Watch, *, lean: bool = False
    ) -> Tensor:
        """Visit every latent in coding order; returns y_hat (M, height, width) times 2^10."""

    def _indexes(self, raw: Tensor) -> Indexes:
        """Raw scales on the grid to table indexes by integer comparison."""
        found = np.searchsorted(self.thresholds, raw.numpy().astype(np.int32), side="left")
        return found.astype(np.int16)

    def _crc(self, z_symbols: Tensor, y_hat: Tensor) -> int:
        crc = zlib.crc32(z_symbols.flatten().numpy().astype("<i4").tobytes())
        for channel in y_hat:  # one at a time: together they would double the memory
            crc = zlib.crc32(channel.flatten().numpy().astype("<i8").tobytes(), crc)
        return crc


class ContextEntropyModel(ExactEntropyModel):
    """The ELIC family: hyper-latent, channel groups in order, two checkerboard passes each."""

    def __init__(self, h_s: nn.Sequential, context: SpaceChannelContext, data: EntropyData) -> None:
        super().__init__(data)
        self.h_s = fixed_net(h_s)
        slices = list(context.slices())
        self.groups = [(_FixedGroup(nets), channels) for nets, channels in slices]
        self.contexts = _ChannelContexts(slices)
        self.parity = context.config.anchor_parity
        self.latent = sum(context.config.groups)

    def _walk(
        self, z_symbols: Tensor, height: int, width: int, step: Step, watch: Watch, *, lean: bool = False
    ) -> Tensor:
        hyper = self.h_s(to_activation(z_symbols * GRID + self.medians))[:, :height, :width]
        anchors = anchor_mask(height, width, self.parity)[0, 0]
        y_hat = torch.zeros(self.latent, height, width, dtype=torch.float64)
        hyper = hyper.float() if lean else hyper  # 2^23 is the largest activation: still exact
        for number, (nets, channels) in enumerate(self.groups):
            context = self.contexts.of(number, y_hat, lean=lean)
            for part, chosen in enumerate((anchors, ~anchors)):
                watch.step("coding latents", (2 * number + part) / (2 * len(self.groups)))
                if lean:
                    give_back()
                if not chosen.any():
                    continue
                scales, means = self._parameters(nets, y_hat[channels], hyper, context, chosen, part)
                symbols = step(channels, chosen.flatten().nonzero().flatten(), self._indexes(scales), means)
                values = means.add_(torch.from_numpy(symbols), alpha=GRID)
                y_hat[channels][:, chosen] = values.view(channels.stop - channels.start, -1)
        return y_hat

    def bytes_per_latent(self, *, lean: bool) -> float:
        """See ExactEntropyModel."""
        hyper = len(self.h_s.layers[-1].bias)
        nets = self.contexts.nets
        kept = 4.0 if lean else 8.0  # of an activation that waits
        most = 0.0
        for number, channels in enumerate(self.contexts.slices):
            size = channels.stop - channels.start
            widths = [len(layer.bias) for layer in net.layers] if (net := nets[number]) else [0]
            given = 0 if lean else self.contexts.inputs(number)
            # What is given stays until the last layer is done: the call holds it.
            making = 8.0 * (given + max(a + b for a, b in zip([0, *widths], widths, strict=False)))
            most = max(most, making + kept * widths[-1], kept * widths[-1] + PASS_BYTES * size / 2)
        return 8.0 * self.latent + kept * hyper + most

    def _parameters(
        self,
        nets: _FixedGroup,
        decoded: Tensor,
        hyper: Tensor,
        context: Tensor | None,
        chosen: Tensor,
        part: int,
    ) -> tuple[Tensor, Tensor]:
        """Raw scales and means of a pass, flat (C * positions,), computed strip by strip of rows."""
        height, width = chosen.shape
        found = hyper.new_empty(2 * len(decoded), int(chosen.sum()), dtype=torch.float64)
        done = 0
        anchors = to_activation(decoded)
        for rows in nets.spatial.strips(height, width, hyper.shape[0] // 4):
            here = chosen[rows]
            known = hyper[:, rows][:, here].double()
            if context is not None:
                known = torch.cat([context[:, rows][:, here].double(), known])
            here_found = found[:, done : done + known.shape[1]]
            done += known.shape[1]
            if part == 0:
                here_found.copy_(nets.anchor_parameters(known))
            else:
                near = nets.spatial.columns_at(anchors, rows, here)
                here_found.copy_(nets.non_anchor_parameters(known, near))
        scales, means = found.chunk(2)
        return scales.flatten(), means.flatten()


def _nearest(target: Tensor, means: Tensor) -> Symbols:
    """The symbols whose latents are nearest to `target`, of means times 2^10."""
    wanted = target.double().sub_(means / GRID).round_().clamp_(-_LARGEST, _LARGEST)
    return wanted.numpy().astype(np.int32)


def _z_indexes(z: Tensor) -> Indexes:
    """The table of every z symbol: its channel."""
    return np.repeat(np.arange(z.shape[0], dtype=np.int16), z.shape[1] * z.shape[2])
