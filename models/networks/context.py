"""Space-channel context (ELIC's SCCTX): uneven channel groups, each coded in two checkerboard passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from models.networks.layers import conv
from models.networks.rounding import round_around

ParameterRule = Literal["ramp", "narrow", "fixed", "listed"]
ChannelReach = Literal["all", "ends"]


@dataclass(frozen=True)
class ContextConfig:
    """Widths of the networks that lead to the mean and scale of every latent.

    `rule` names how wide the 1x1 parameter nets are: "ramp" from inputs to outputs in thirds
    (JiangWeibeta/ELIC), "narrow" 5/3 and 4/3 of the outputs with a deeper first net (beiluo97/HFLIC),
    "fixed" takes `parameter_hidden`, "listed" the hidden widths of `parameter_widths`: for each group
    those of its anchors' net, () where it has none, and those of its non-anchors'. `separate` gives
    anchors and non-anchors a net each. `channel_reach`: the channel context of a group sees "all" earlier
    groups or the two "ends" of them, the first and the latest (VincentChandelier's ELIC).
    `anchor_parity`: a cell is an anchor where (row + column) % 2 equals it.
    """

    groups: tuple[int, ...]
    hyper_channels: int
    channel_hidden: tuple[int, ...] = (224, 128)
    channel_kernels: tuple[int, ...] = (5, 5, 5)
    rule: ParameterRule = "ramp"
    parameter_hidden: tuple[int, ...] = ()
    separate: bool = True
    anchor_parity: int = 1
    spatial_kernel: int = 5
    parameter_widths: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = ()
    channel_reach: ChannelReach = "all"

    def seen(self, group: int) -> tuple[int, ...]:
        """The earlier groups that the channel context of `group` sees, in order."""
        if self.channel_reach == "all" or group < 2:
            return tuple(range(group))
        return (0, group - 1)


def anchor_mask(height: int, width: int, parity: int, device: torch.device | None = None) -> Tensor:
    """(1, 1, height, width) booleans, true at the anchors."""
    rows = torch.arange(height, device=device)[:, None]
    columns = torch.arange(width, device=device)[None, :]
    return (((rows + columns) % 2) == parity)[None, None]


class CheckerboardConv(nn.Conv2d):
    """A convolution that sees only taps of the other colour of the checkerboard (He et al. 2021)."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        taps = torch.tensor([row * kernel + column for row, column in _other_colour(kernel)])
        mask = torch.zeros(kernel * kernel).index_fill_(0, taps, 1.0).view(1, 1, kernel, kernel)
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("taps", taps, persistent=False)

    mask: Tensor
    taps: Tensor

    def masked_weight(self) -> Tensor:
        """The weight with the taps of the own colour set to zero."""
        return self.weight * self.mask

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W), zero at every non-anchor: what `at_others` gives, over the whole plane."""
        return nn.functional.conv2d(x, self.masked_weight(), self.bias, padding=self.padding)

    def at_others(self, anchors: Tensor, board: Board) -> Tensor:
        """What `forward` gives at the others with a quarter of its products: (B, a, in) to (B, n, out)."""
        rows = torch.cat([anchors.flatten(0, 1), anchors.new_zeros(1, self.in_channels)])
        patches = nn.functional.embedding(board.seen, rows).flatten(2)
        weight = self.weight.permute(0, 2, 3, 1).flatten(1, 2)  # a view where channels are last
        return nn.functional.linear(patches, weight[:, self.taps].flatten(1), self.bias)


def _other_colour(kernel: int) -> list[tuple[int, int]]:
    """Rows and columns of the taps of the other colour than the middle's in a window of kernel x kernel."""
    half = kernel // 2
    cells = range(kernel)
    return [(row, column) for row in cells for column in cells if (row - half + column - half) % 2]


class Board:
    """Which latents are anchors, and which anchors the others see in a window of kernel x kernel?

    Cells are numbered row by row. anchors: (a,) and others: (n,), numbers of cells; seen: (B, n, taps), the
    anchors around each, row by row of the window, among those of all pictures, and B * a beyond the border.
    """

    def __init__(self, y: Tensor, parity: int, kernel: int) -> None:
        """y: (B, M, H, W); a cell is an anchor where (row + column) % 2 equals the parity."""
        batch, _, height, width = y.shape
        # What is found with the help of values cannot be found on a meta device.
        colours = anchor_mask(height, width, parity).flatten()
        cells = torch.arange(height * width)
        anchors, others = cells[colours], cells[~colours]
        place = torch.empty_like(cells)
        place[torch.cat([anchors, others])] = cells
        down, across = torch.tensor(_other_colour(kernel)).T - kernel // 2
        rows, columns = (others // width)[:, None] + down, (others % width)[:, None] + across
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        near = place[(rows * width + columns).clamp(0, height * width - 1)]
        before = torch.arange(batch)[:, None, None] * len(anchors)
        self.seen = torch.where(inside, near + before, batch * len(anchors)).to(y.device)
        self.anchors, self.others = anchors.to(y.device), others.to(y.device)
        self._shape, self._place = (height, width), place.to(y.device)

    def joined(self, anchors: Tensor, others: Tensor) -> Tensor:
        """(B, a, C) and (B, n, C) to (B, C, height, width), channels last."""
        rows = torch.cat([anchors, others], dim=1)[:, self._place]
        return rows.view(rows.shape[0], *self._shape, rows.shape[2]).permute(0, 3, 1, 2)


def _as_rows(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, H * W, C), without a copy unless x is cut out of a larger plane."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _stack(widths: list[int], kernels: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index, kernel in enumerate(kernels):
        if index:
            layers.append(nn.ReLU(inplace=True))
        layers.append(conv(widths[index], widths[index + 1], kernel, stride=1))
    return nn.Sequential(*layers)


def _parameter_net(
    config: ContextConfig, inputs: int, outputs: int, group: int, *, anchor: bool
) -> nn.Sequential:
    if config.rule == "ramp":
        hidden = [inputs * 2 // 3 + outputs // 3, inputs // 3 + outputs * 2 // 3]
    elif config.rule == "narrow":
        hidden = [320, 256, 128] if group == 0 else [outputs * 5 // 3, outputs * 4 // 3]
    elif config.rule == "listed":
        hidden = list(config.parameter_widths[group][0 if anchor else 1])
    else:
        hidden = list(config.parameter_hidden)
    widths = [inputs, *hidden, outputs]
    return _stack(widths, (1,) * (len(widths) - 1))


class GroupContext(nn.Module):
    """The nets of one channel group."""

    def __init__(self, config: ContextConfig, group: int) -> None:
        super().__init__()
        size = config.groups[group]
        previous = sum(config.groups[earlier] for earlier in config.seen(group))
        starts = [sum(config.groups[:earlier]) for earlier in config.seen(group)]
        # Channels of y, in the order in which the channel context takes them.
        self.seen = [
            slice(start, start + config.groups[earlier])
            for start, earlier in zip(starts, config.seen(group), strict=True)
        ]
        outputs = 2 * size
        self.channel = (
            _stack([previous, *config.channel_hidden, outputs], config.channel_kernels) if previous else None
        )
        self.spatial = CheckerboardConv(size, outputs, config.spatial_kernel)
        known = config.hyper_channels + (outputs if previous else 0)
        self.non_anchor = _parameter_net(config, known + outputs, outputs, group, anchor=False)
        self.anchor = _parameter_net(config, known, outputs, group, anchor=True) if config.separate else None

    def known(self, hyper: Tensor, previous: Tensor) -> Tensor:
        """What both passes know: [channel context, hyper parameters], (B, K, h, w)."""
        if self.channel is None:
            return hyper
        seen = sum(channels.stop - channels.start for channels in self.seen)
        if seen < previous.shape[1]:
            previous = torch.cat([previous[:, channels] for channels in self.seen], dim=1)
        return torch.cat([self.channel(previous), hyper], dim=1)

    def anchor_parameters(self, known: Tensor) -> Tensor:
        """known: (B, a, K) at the anchors; (B, a, 2C): scales then means, before anything here is known."""
        if self.anchor is not None:
            return _at_rows(self.anchor, known)
        return _at_rows(self.non_anchor, known, skipped=self.spatial.out_channels)  # zeros have no part in it

    def non_anchor_parameters(self, known: Tensor, anchors: Tensor, board: Board) -> Tensor:
        """known: (B, n, K) at the others; anchors: (B, a, C), decoded; (B, n, 2C): scales then means."""
        return _at_rows(self.non_anchor, torch.cat([self.spatial.at_others(anchors, board), known], dim=2))


def _at_rows(net: nn.Sequential, x: Tensor, skipped: int = 0) -> Tensor:
    """A net of 1x1 convolutions on (B, n, C); the first `skipped` of its inputs are zero and not in x."""
    for layer in net:
        if isinstance(layer, nn.Conv2d):
            weight = layer.weight.flatten(1)[:, skipped:]
            x, skipped = nn.functional.linear(x, weight, layer.bias), 0
        else:
            x = layer(x)
    return x


class SpaceChannelContext(nn.Module):
    """All groups in coding order."""

    def __init__(self, config: ContextConfig) -> None:
        super().__init__()
        self.config = config
        self.groups = nn.ModuleList(GroupContext(config, group) for group in range(len(config.groups)))

    def slices(self) -> Iterator[tuple[GroupContext, slice]]:
        """Each group's nets with the channels it codes."""
        start = 0
        for nets, size in zip(self.groups, self.config.groups, strict=True):
            assert isinstance(nets, GroupContext)
            yield nets, slice(start, start + size)
            start += size

    def forward(self, y: Tensor, hyper: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Training pass with rounding around the mean, see `round_around`.

        y: (B, M, h, w); hyper: (B, hyper_channels, h, w). Returns y_hat, raw scales and means, all
        shaped like y.
        """
        config = self.config
        board = Board(y, config.anchor_parity, config.spatial_kernel)
        latents = _as_rows(y)
        decoded: list[Tensor] = []
        scales: list[Tensor] = []
        means: list[Tensor] = []
        for nets, channels in self.slices():
            target = latents[:, :, channels]
            known = _as_rows(nets.known(hyper, torch.cat(decoded, dim=1) if decoded else hyper[:, :0]))
            scale_a, mean_a = nets.anchor_parameters(known[:, board.anchors]).chunk(2, dim=2)
            anchors = round_around(target[:, board.anchors], mean_a)
            others = nets.non_anchor_parameters(known[:, board.others], anchors, board)
            scale_n, mean_n = others.chunk(2, dim=2)
            decoded.append(board.joined(anchors, round_around(target[:, board.others], mean_n)))
            scales.append(board.joined(scale_a, scale_n))
            means.append(board.joined(mean_a, mean_n))
        return torch.cat(decoded, dim=1), torch.cat(scales, dim=1), torch.cat(means, dim=1)
