"""Checkpoints as other projects write them, tiny and with seeded weights, and a file of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Sizes:
    """Widths of a synthetic network. hidden: of a residual bottleneck."""

    width: int = 8
    latent: int = 12
    hidden: int = 4
    groups: tuple[int, ...] = (2, 2, 2, 2, 4)
    blocks: int = 3
    rule: str = "ramp"
    channel: tuple[int, ...] = (10, 6)
    parameters: tuple[int, int] = (20, 16)  # hidden widths of VincentChandelier's nets
    seed: int = 1
    device: str = "cpu"  # "meta": names and shapes alone

    def parameter_widths(self, inputs: int, outputs: int, group: int) -> list[int]:
        if self.rule == "ramp":  # JiangWeibeta/ELIC since September 2024
            return [inputs, inputs * 2 // 3 + outputs // 3, inputs // 3 + outputs * 2 // 3, outputs]
        if self.rule == "narrow" and group == 0:  # beiluo97/HFLIC's deeper first net
            return [inputs, 10, 8, 6, outputs]
        if self.rule == "hflic" and group == 0:
            return [inputs, 320, 256, 128, outputs]
        return [inputs, outputs * 5 // 3, outputs * 4 // 3, outputs]  # both before


@dataclass
class Writer:
    """Collects tensors whose sizes keep activations near one, so that latents are far from all zero."""

    seed: int
    device: str
    tensors: Tensors = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.seed)

    def normal(self, *shape: int) -> Tensor:
        if self.device == "meta":
            return torch.empty(*shape, device="meta")
        return torch.randn(*shape, generator=self.generator)

    def conv(self, name: str, inputs: int, outputs: int, kernel: int, *, gain: float = 1.4) -> None:
        scale = gain / (inputs * kernel**2) ** 0.5
        self.tensors[f"{name}.weight"] = self.normal(outputs, inputs, kernel, kernel) * scale
        self.tensors[f"{name}.bias"] = self.normal(outputs) * 0.1

    def deconv(
        self, name: str, inputs: int, outputs: int, kernel: int, stride: int, *, gain: float = 1.4
    ) -> None:
        scale = gain / (inputs * kernel**2 / stride**2) ** 0.5
        self.tensors[f"{name}.weight"] = self.normal(inputs, outputs, kernel, kernel) * scale
        self.tensors[f"{name}.bias"] = self.normal(outputs) * 0.1

    def bottleneck(self, name: str, channels: int, *, old: bool) -> None:
        """CompressAI's factorised prior under its names before (`old`) or since 1.2.5, with its buffers."""
        widths = (1, 3, 3, 3, 3, 1)
        for i in range(5):
            names = ("_matrix", "_bias", "_factor") if old else ("matrices.", "biases.", "factors.")
            shape = (channels, widths[i + 1])
            self.tensors[f"{name}.{names[0]}{i}"] = self.normal(*shape, widths[i]) * 0.3 + 0.2
            self.tensors[f"{name}.{names[1]}{i}"] = self.normal(*shape, 1) * 0.2
            if i < 4:
                self.tensors[f"{name}.{names[2]}{i}"] = self.normal(*shape, 1) * 0.2
        self.tensors[f"{name}.quantiles"] = (
            torch.tensor([-8.0, 0.0, 8.0], device=self.device).repeat(channels, 1, 1)
            + self.normal(channels, 1, 1) * 0.3
        )
        self.tensors[f"{name}.target"] = torch.tensor([-21.0, 0.0, 21.0])
        self.tensors[f"{name}.likelihood_lower_bound.bound"] = torch.tensor([1e-9])
        for buffer in ("_offset", "_quantized_cdf", "_cdf_length"):
            self.tensors[f"{name}.{buffer}"] = torch.zeros(3, dtype=torch.int32)  # never to be trusted

    def transforms(self, sizes: Sizes, analysis: str, synthesis: str, block: tuple[str, ...]) -> None:
        n, m = sizes.width, sizes.latent

        def residual(name: str) -> None:
            for part, shape in zip(
                block,
                ((n, sizes.hidden, 1), (sizes.hidden, sizes.hidden, 3), (sizes.hidden, n, 1)),
                strict=True,
            ):
                self.conv(f"{name}.{part}", *shape, gain=0.8)

        def attention(name: str, width: int) -> None:
            for side in "ab":
                for unit in range(3):
                    for layer, shape in ((0, (width, width // 2, 1)), (2, (width // 2, width // 2, 3)),
                                         (4, (width // 2, width, 1))):  # fmt: skip
                        self.conv(f"{name}.conv_{side}.{unit}.conv.{layer}", *shape, gain=0.8)
            self.conv(f"{name}.conv_b.3", width, width, 1)

        at = 0
        for stage in range(3):
            self.conv(analysis.format(at), 3 if stage == 0 else n, n, 5)
            for number in range(sizes.blocks):
                residual(analysis.format(at + 1 + number))
            at += 1 + sizes.blocks
            if stage == 1:
                attention(analysis.format(at), n)
                at += 1
        self.conv(analysis.format(at), n, m, 5, gain=0.8)
        attention(analysis.format(at + 1), m)
        attention(synthesis.format(0), m)
        at = 1
        for stage in range(3):
            self.deconv(synthesis.format(at), m if stage == 0 else n, n, 5, 2)
            at += 1
            if stage == 1:
                attention(synthesis.format(at), n)
                at += 1
            for number in range(sizes.blocks):
                residual(synthesis.format(at + number))
            at += sizes.blocks
        self.deconv(synthesis.format(at), n, 3, 5, 2, gain=0.01)  # pixels not far outside 0..1


def jiang(sizes: Sizes | None = None, *, old: bool = False) -> Tensors:
    """A state_dict of JiangWeibeta/ELIC, or with wide `hidden` of beiluo97/HFLIC."""
    sizes = sizes or Sizes()
    writer = Writer(sizes.seed, sizes.device)
    n, m = sizes.width, sizes.latent
    writer.bottleneck("entropy_bottleneck", n, old=old)
    writer.transforms(
        sizes, "g_a.analysis_transform.{}", "g_s.synthesis_transform.{}", ("branch.0", "branch.2", "branch.4")
    )
    for layer, shape in ((0, (m, n, 3)), (2, (n, n, 5)), (4, (n, n, 5))):
        writer.conv(f"h_a.reduction.{layer}", *shape)
    writer.deconv("h_s.increase.0", n, m, 5, 2)
    writer.deconv("h_s.increase.2", m, m * 3 // 2, 5, 2)
    writer.deconv("h_s.increase.4", m * 3 // 2, 2 * m, 3, 1)
    for k, size in enumerate(sizes.groups):
        writer.conv(f"local_context.{k}", size, 2 * size, 5)
        context = 2 * size if k else 0
        if k:
            widths = (sum(sizes.groups[:k]), *sizes.channel, 2 * size)
            for layer in range(3):
                writer.conv(f"channel_context.{k}.fushion.{2 * layer}", widths[layer], widths[layer + 1], 5)
        for side, known in (("anchor", 2 * m + context), ("nonanchor", 2 * m + context + 2 * size)):
            ends = sizes.parameter_widths(known, 2 * size, k)
            for layer in range(len(ends) - 1):
                name = f"entropy_parameters_{side}.{k}.fusion.{2 * layer}"
                writer.conv(
                    name, ends[layer], ends[layer + 1], 1, gain=0.3 if layer == len(ends) - 2 else 1.4
                )
            # Scales about as large as the latents, as training makes them.
            writer.tensors[f"{name}.bias"][:size] += 3.0
    writer.tensors["gaussian_conditional.scale_bound"] = torch.tensor([0.11])
    return writer.tensors


def chandelier(sizes: Sizes | None = None) -> Tensors:
    """A state_dict of VincentChandelier's ELIC: means before scales, shared nets, context from both ends."""
    sizes = sizes or Sizes()
    writer = Writer(sizes.seed, sizes.device)
    n, m = sizes.width, sizes.latent
    writer.bottleneck("entropy_bottleneck", n, old=True)
    writer.transforms(sizes, "g_a.{}", "g_s.{}", ("conv1", "conv2", "conv3"))
    for layer, shape in ((0, (m, n, 3)), (2, (n, n, 5)), (4, (n, n, 5))):
        writer.conv(f"h_a.{layer}", *shape)
    writer.deconv("h_s.0", n, n, 5, 2)
    writer.deconv("h_s.2", n, n * 3 // 2, 5, 2)
    writer.conv("h_s.4", n * 3 // 2, 2 * m, 3)
    cells = torch.arange(5)
    mask = ((cells[:, None] + cells[None, :]) % 2 == 1).float()
    for k, size in enumerate(sizes.groups):
        writer.conv(f"context_prediction.{k}", size, 2 * size, 5)
        writer.tensors[f"context_prediction.{k}.mask"] = mask.expand(2 * size, size, 5, 5).clone()
        if k:
            seen = sizes.groups[0] + (sizes.groups[k - 1] if k > 1 else 0)
            widths = (seen, *sizes.channel, 2 * size)
            for layer in range(3):
                writer.conv(f"cc_transforms.{k - 1}.{2 * layer}", widths[layer], widths[layer + 1], 5)
        ends = (2 * m + 2 * size + (2 * size if k else 0), *sizes.parameters, 2 * size)
        for layer in range(3):
            gain = 0.3 if layer == 2 else 1.4
            writer.conv(f"ParamAggregation.{k}.{2 * layer}", ends[layer], ends[layer + 1], 1, gain=gain)
        writer.tensors[f"ParamAggregation.{k}.4.bias"][size:] += 3.0
    return writer.tensors


def saved(tensors: Tensors, path: Path, *, training: bool = False) -> Path:
    """The checkpoint as a file: bare, or as a training on several devices leaves it."""
    if training:
        optimizer = {"state": {0: {"step": 1, "exp_avg": torch.zeros(4)}}, "param_groups": [{"lr": 1e-4}]}
        inside = {f"module.{name}": value for name, value in tensors.items()}
        torch.save({"epoch": 3, "state_dict": inside, "loss": 1.5, "optimizer": optimizer}, path)
    else:
        torch.save(tensors, path)
    return path
