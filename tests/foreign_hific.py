"""Checkpoints of two HiFiC projects as they write them, tiny, and a forward pass of each line by line."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tests.foreign import Tensors, Writer


@dataclass(frozen=True)
class HificSizes:
    """Widths of a synthetic network."""

    widths: tuple[int, ...] = (4, 6, 8, 10, 12)
    latent: int = 10
    hyper: int = 8
    blocks: int = 2
    seed: int = 1
    device: str = "cpu"


PUBLISHED = HificSizes((60, 120, 240, 480, 960), 220, 320, 9, device="meta")
ARGS: dict[str, Any] = {
    "normalize_input_image": True,
    "likelihood_type": "gaussian",
    "n_residual_blocks": 2,
    "use_channel_norm": True,
    "sample_noise": False,
    "use_latent_mixture_model": False,
    "lambda_schedule": {"vals": [2.0, 1.0], "steps": [50000]},
    "name": "hific",
}


class HificWriter(Writer):
    """Adds channel norms, whose outputs are near one."""

    def norm(self, name: str, channels: int) -> None:
        self.tensors[f"{name}.gamma"] = 1 + 0.2 * self.normal(1, channels, 1, 1)
        self.tensors[f"{name}.beta"] = 0.2 * self.normal(1, channels, 1, 1)


def justin_tan(sizes: HificSizes | None = None) -> Tensors:
    """`model_state_dict` of a training by Justin-Tan's program, discriminator and metric included."""
    sizes = sizes or HificSizes()
    w = HificWriter(sizes.seed, sizes.device)
    for at, width in enumerate(sizes.widths):
        w.conv(f"Encoder.conv_block{at + 1}.1", (3, *sizes.widths)[at], width, 3 if at else 7)
        w.norm(f"Encoder.conv_block{at + 1}.2", width)
    last, m, n = sizes.widths[-1], sizes.latent, sizes.hyper
    w.conv("Encoder.conv_block_out.1", last, m, 3, gain=3.0)
    w.norm("Generator.conv_block_init.0", m)
    w.conv("Generator.conv_block_init.2", m, last, 3)
    w.norm("Generator.conv_block_init.3", last)
    for at in range(sizes.blocks):
        for layer in (1, 2):
            w.conv(f"Generator.resblock_{at}.conv{layer}", last, last, 3)
            w.norm(f"Generator.resblock_{at}.norm{layer}", last)
    for at, (before, after) in enumerate(pairwise(sizes.widths[::-1])):
        w.deconv(f"Generator.upconv_block{at + 1}.0", before, after, 3, 2)
        w.norm(f"Generator.upconv_block{at + 1}.1", after)
    w.conv("Generator.conv_block_out.1", sizes.widths[0], 3, 7, gain=0.5)
    for layer, (inputs, kernel) in enumerate(((m, 3), (n, 5), (n, 5)), start=1):
        w.conv(f"Hyperprior.analysis_net.conv{layer}", inputs, n, kernel)
    for net in ("synthesis_mu", "synthesis_std"):
        for layer, (outputs, kernel, stride) in enumerate(((n, 5, 2), (n, 5, 2), (m, 3, 1)), start=1):
            w.deconv(f"Hyperprior.{net}.conv{layer}", n, outputs, kernel, stride, gain=0.8)
    w.tensors["Hyperprior.synthesis_std.conv3.bias"] += 2.5
    for k, (outputs, inputs) in enumerate(((3, 1), (3, 3), (3, 3), (1, 3))):
        for kind, shape in (("H", (n, outputs, inputs)), ("a", (n, outputs, 1)), ("b", (n, outputs, 1))):
            name = f"Hyperprior.hyperlatent_likelihood.{kind}_{k}"
            w.tensors[name] = w.normal(*shape) * 0.3 + (0.2 if kind == "H" else 0.0)
    w.conv("Discriminator.context_conv", m, 12, 3)
    w.tensors["Discriminator.conv1.weight_orig"] = w.normal(4, 15, 4, 4)
    w.tensors["perceptual_loss.model.net.lin0.model.1.weight"] = w.normal(1, 4, 1, 1)
    return w.tensors


def neural_compression(sizes: HificSizes | None = None) -> Tensors:
    """A state_dict of NeuralCompression's autoencoder, which MS-ILLM's weights are."""
    sizes = sizes or HificSizes()
    w = HificWriter(sizes.seed + 50, sizes.device)
    for at, width in enumerate(sizes.widths):
        w.conv(f"encoder.blocks.{at}.0", (3, *sizes.widths)[at], width, 3 if at else 7)
        w.norm(f"encoder.blocks.{at}.1", width)
    last, m, n = sizes.widths[-1], sizes.latent, sizes.hyper
    w.conv(f"encoder.blocks.{len(sizes.widths)}", last, m, 3, gain=3.0)
    w.norm("decoder.block_0.0", m)
    w.conv("decoder.block_0.1", m, last, 3)
    w.norm("decoder.block_0.2", last)
    for at in range(sizes.blocks):
        for layer in (0, 3):
            w.conv(f"decoder.resid_blocks.{at}.sequence.{layer}", last, last, 3)
            w.norm(f"decoder.resid_blocks.{at}.sequence.{layer + 1}", last)
    for at, (before, after) in enumerate(pairwise(sizes.widths[::-1])):
        w.deconv(f"decoder.blocks.{at}.0", before, after, 3, 2)
        w.norm(f"decoder.blocks.{at}.1", after)
    w.conv(f"decoder.blocks.{len(sizes.widths) - 1}", sizes.widths[0], 3, 7, gain=0.2)
    for layer, (inputs, kernel) in enumerate(((m, 3), (n, 5), (n, 5))):
        w.conv(f"hyper_analysis.{2 * layer}", inputs, n, kernel)
    for net in ("hyper_synthesis_mean", "hyper_synthesis_scale"):
        w.deconv(f"{net}.0", n, n, 5, 2, gain=0.8)
        w.deconv(f"{net}.2", n, n, 5, 2, gain=0.8)
        w.conv(f"{net}.4", n, m, 3, gain=0.8)
    w.tensors["hyper_synthesis_scale.4.bias"] += 2.5
    w.bottleneck("hyper_bottleneck", n, old=False)
    w.tensors["latent_bottleneck.scale_table"] = torch.zeros(3)
    w.tensors["latent_bottleneck.lower_bound_scale.bound"] = torch.tensor([0.11])
    return w.tensors


def _norm(t: Tensors, name: str, x: Tensor) -> Tensor:
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=True)
    normed = (x - mean) / torch.sqrt(variance + 1e-3)
    return normed * t[f"{name}.gamma"] + t[f"{name}.beta"]


def _conv(t: Tensors, name: str, x: Tensor, stride: int = 1, edges: tuple[int, ...] | None = None) -> Tensor:
    """`edges`: mirrored left, right, above, below; None: half the kernel in zeros."""
    weight, bias = t[f"{name}.weight"], t[f"{name}.bias"]
    if edges is None:
        return F.conv2d(x, weight, bias, stride, weight.shape[-1] // 2)
    return F.conv2d(F.pad(x, edges, mode="reflect"), weight, bias, stride)


def _up(t: Tensors, name: str, x: Tensor, stride: int = 2) -> Tensor:
    weight = t[f"{name}.weight"]
    return F.conv_transpose2d(x, weight, t[f"{name}.bias"], stride, weight.shape[-1] // 2, stride - 1)


def _density(t: Tensors, z: Tensor) -> Tensor:
    """The mass of the unit bin around z by four layers of which each, the last too, ends in a bend."""

    def logits(x: Tensor) -> Tensor:
        for k in range(4):
            h, a, b = (t[f"Hyperprior.hyperlatent_likelihood.{kind}_{k}"] for kind in "Hab")
            x = torch.bmm(F.softplus(h), x) + b
            x = x + torch.tanh(a) * torch.tanh(x)
        return x

    batch, channels, height, width = z.shape
    flat = z.permute(1, 0, 2, 3).reshape(channels, 1, -1).double()
    t = {name: value.double() for name, value in t.items()}
    mass = torch.sigmoid(logits(flat + 0.5)) - torch.sigmoid(logits(flat - 0.5))
    return mass.float().reshape(channels, batch, height, width).permute(1, 0, 2, 3)


def _mass(symbol: Tensor, scale: Tensor, likelihood: str) -> Tensor:
    if likelihood == "gaussian":
        normal = torch.distributions.Normal(torch.zeros_like(scale), scale)
        return normal.cdf(symbol + 0.5) - normal.cdf(symbol - 0.5)
    return torch.sigmoid((symbol + 0.5) / scale) - torch.sigmoid((symbol - 0.5) / scale)


def justin_tan_forward(t: Tensors, args: dict[str, Any], x: Tensor) -> dict[str, Tensor]:
    """Evaluation of Justin-Tan's model on x in 0..1, as section 1.4 of the design and its options say."""
    signed = args["normalize_input_image"]
    y = 2 * x - 1 if signed else x
    for at in range(1, 6):
        edges = (3, 3, 3, 3) if at == 1 else (0, 1, 1, 0)
        y = _conv(t, f"Encoder.conv_block{at}.1", y, 1 if at == 1 else 2, edges)
        y = F.relu(_norm(t, f"Encoder.conv_block{at}.2", y))
    y = _conv(t, "Encoder.conv_block_out.1", y, 1, (1, 1, 1, 1))
    z = F.relu(_conv(t, "Hyperprior.analysis_net.conv1", y))
    z = F.relu(_conv(t, "Hyperprior.analysis_net.conv2", z, 2, (2, 2, 2, 2)))
    z = torch.floor(_conv(t, "Hyperprior.analysis_net.conv3", z, 2, (2, 2, 2, 2)) + 0.5)
    found = []
    for net in ("synthesis_mu", "synthesis_std"):
        v = F.relu(_up(t, f"Hyperprior.{net}.conv1", z))
        v = F.relu(_up(t, f"Hyperprior.{net}.conv2", v))
        found.append(_up(t, f"Hyperprior.{net}.conv3", v, 1))
    mean, scale = found[0], found[1].clamp(min=0.11)
    symbol = torch.floor(y - mean + 0.5)
    v = _norm(t, "Generator.conv_block_init.0", symbol + mean)
    v = _conv(t, "Generator.conv_block_init.2", v, 1, (1, 1, 1, 1))
    head = v = _norm(t, "Generator.conv_block_init.3", v)
    for at in range(args["n_residual_blocks"]):
        name = f"Generator.resblock_{at}"
        r = F.relu(_norm(t, f"{name}.norm1", _conv(t, f"{name}.conv1", v, 1, (1, 1, 1, 1))))
        v = v + _norm(t, f"{name}.norm2", _conv(t, f"{name}.conv2", r, 1, (1, 1, 1, 1)))
    v = v + head
    for at in range(1, 5):
        name = f"Generator.upconv_block{at}"
        v = F.relu(_norm(t, f"{name}.1", _up(t, f"{name}.0", v)))
    v = _conv(t, "Generator.conv_block_out.1", v, 1, (3, 3, 3, 3))
    x_hat = (torch.tanh(v) + 1) / 2 if signed else v
    return {"x_hat": x_hat, "y": _mass(symbol, scale, args["likelihood_type"]), "z": _density(t, z)}


def neural_compression_forward(t: Tensors, blocks: int, bottleneck: Any, x: Tensor) -> dict[str, Tensor]:
    """Evaluation of NeuralCompression's autoencoder on x in 0..1. bottleneck: CompressAI's own."""
    y = x
    for at in range(5):
        y = F.relu(_norm(t, f"encoder.blocks.{at}.1", _conv(t, f"encoder.blocks.{at}.0", y, 2 if at else 1)))
    y = _conv(t, "encoder.blocks.5", y)
    z = F.relu(_conv(t, "hyper_analysis.0", y))
    z = _conv(t, "hyper_analysis.4", F.relu(_conv(t, "hyper_analysis.2", z, 2)), 2)
    z_hat, z_likelihoods = bottleneck(z)
    found = []
    for net in ("hyper_synthesis_mean", "hyper_synthesis_scale"):
        v = F.relu(_up(t, f"{net}.2", F.relu(_up(t, f"{net}.0", z_hat))))
        found.append(_conv(t, f"{net}.4", v))
    mean, scale = found[0], found[1].clamp(min=0.11)
    symbol = torch.round(y - mean)
    v = _norm(t, "decoder.block_0.0", symbol + mean)
    head = v = _norm(t, "decoder.block_0.2", _conv(t, "decoder.block_0.1", v))
    for at in range(blocks):
        name = f"decoder.resid_blocks.{at}.sequence"
        r = F.relu(_norm(t, f"{name}.1", _conv(t, f"{name}.0", v)))
        v = v + _norm(t, f"{name}.4", _conv(t, f"{name}.3", r))
    v = v + head
    for at in range(4):
        v = F.relu(_norm(t, f"decoder.blocks.{at}.1", _up(t, f"decoder.blocks.{at}.0", v)))
    return {
        "x_hat": _conv(t, "decoder.blocks.4", v),
        "y": _mass(symbol, scale, "gaussian"),
        "z": z_likelihoods,
    }
