"""Pixels of decoded latents, written from docs/format.md, section 7, alone: plain Python and NumPy.

It shares no code with `models` and computes in float64, so pixels may differ from the program's by a level.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.reference_decoder import Header, shuffle

Plane = NDArray[np.float64]
Tensors = dict[str, NDArray[Any]]


def picture(
    latents: NDArray[np.int64], file: Header, tensors: Tensors, configuration: dict[str, Any]
) -> NDArray[np.uint8]:
    """Latents times 2^10 to (height, width, 3) bytes."""
    y = latents / 1024.0
    if "gain.log_inverse" in tensors:
        table = tensors["gain.log_inverse"].astype(np.float64)
        position = file.quality / 10_000 * (len(table) - 1)
        levels = np.arange(len(table))
        y = y * np.exp([np.interp(position, levels, channel) for channel in table.T])[:, None, None]
    x = generator(y, tensors, configuration) if file.network == 7 else in_a_row(y, tensors)
    if file.network > 7 or configuration.get("centred") is False:
        x = x - 0.5
    if "s_shortcut.project.weight" in tensors:
        x = x + shuffle(np.einsum("oc,chw->ohw", tensors["s_shortcut.project.weight"][:, :, 0, 0], y), 16)
    levels_of = np.clip(np.rint((x + 0.5) * 255), 0, 255).astype(np.uint8)
    return levels_of[:, : file.height, : file.width].transpose(1, 2, 0)


def in_a_row(x: Plane, tensors: Tensors) -> Plane:
    """g_s.0, g_s.1 ...: what each is shows in its tensors."""
    numbers = sorted({int(name.split(".")[1]) for name in tensors if name.startswith("g_s.")})
    for number in numbers:
        x = layer(x, f"g_s.{number}", tensors)
    return x if len(x) == 3 else shuffle(x, 4)


def layer(x: Plane, name: str, tensors: Tensors) -> Plane:
    """One row of the table."""

    def has(part: str) -> bool:
        return f"{name}.{part}" in tensors

    if has("weight"):
        big = tensors[f"{name}.weight"].shape[-1] == 5
        return deconv(x, name, tensors) if big else conv(x, name, tensors)
    if has("branch.0.weight"):
        return residual(x, f"{name}.branch", tensors)
    if has("mask.3.weight"):
        sides = []
        for side in ("trunk", "mask"):
            v = x
            for unit in range(3):
                v = np.maximum(residual(v, f"{name}.{side}.{unit}.block.branch", tensors), 0)
            sides.append(v)
        return x + sides[0] * (0.5 + 0.5 * np.tanh(conv(sides[1], f"{name}.mask.3", tensors) / 2))
    if has("beta"):
        energy = np.einsum("oc,chw->ohw", tensors[f"{name}.gamma"], x * x)
        return x * np.sqrt(energy + tensors[f"{name}.beta"][:, None, None])
    if has("conv1.weight"):
        return x + leaky(conv(leaky(conv(x, f"{name}.conv1", tensors)), f"{name}.conv2", tensors))
    if has("expand.0.weight"):
        wide = leaky(layer(x, f"{name}.expand", tensors))
        normed = layer(conv(wide, f"{name}.conv", tensors), f"{name}.norm", tensors)
        return normed + layer(x, f"{name}.skip", tensors)
    assert has("0.weight"), f"the specification knows no layer like {name}"
    return shuffle(conv(x, f"{name}.0", tensors), 2)


def leaky(x: Plane) -> Plane:
    """A leaky ReLU."""
    return np.where(x < 0, 0.01 * x, x)


def weights_of(name: str, tensors: Tensors) -> Plane:
    """A layer's weights; where they are integers, times the step of each index of the first axis."""
    weight = tensors[f"{name}.weight"].astype(np.float64)
    steps = tensors.get(f"{name}.weight.step")
    return weight if steps is None else weight * steps.astype(np.float64)[:, None, None, None]


def conv(x: Plane, name: str, tensors: Tensors, edges: str = "constant") -> Plane:
    """A convolution to the input's size; `edges` as NumPy's pad calls them."""
    weight = weights_of(name, tensors)
    kernel, (height, width) = weight.shape[-1], x.shape[1:]
    half = kernel // 2
    padded = np.pad(x, ((0, 0), (half, half), (half, half)), mode=edges)  # type: ignore[call-overload]
    out = np.zeros((len(weight), height, width)) + tensors[f"{name}.bias"][:, None, None]
    for row in range(kernel):
        for column in range(kernel):
            window = padded[:, row : row + height, column : column + width]
            out += np.einsum("oc,chw->ohw", weight[:, :, row, column], window)
    return out


def deconv(x: Plane, name: str, tensors: Tensors) -> Plane:
    """A transposed convolution of stride 2."""
    weight = weights_of(name, tensors)
    kernel, (height, width) = weight.shape[-1], x.shape[1:]
    half = kernel // 2
    big = np.zeros((weight.shape[1], 2 * height + kernel, 2 * width + kernel))
    for row in range(kernel):
        for column in range(kernel):
            share = np.einsum("co,chw->ohw", weight[:, :, row, column], x)
            big[:, row : row + 2 * height : 2, column : column + 2 * width : 2] += share
    cut: Plane = big[:, half : half + 2 * height, half : half + 2 * width]
    return cut + tensors[f"{name}.bias"][:, None, None]


def residual(x: Plane, name: str, tensors: Tensors) -> Plane:
    """x plus three convolutions of it, ReLU between."""
    v = x
    for at in (0, 2, 4):
        v = conv(np.maximum(v, 0) if at else v, f"{name}.{at}", tensors)
    return x + v


def generator(y: Plane, tensors: Tensors, configuration: dict[str, Any]) -> Plane:
    """HiFiC's."""

    def norm(x: Plane, name: str) -> Plane:
        gamma, beta = (tensors[f"g_s.{name}.{part}"].reshape(-1, 1, 1) for part in ("gamma", "beta"))
        normed: Plane = (x - x.mean(0)) / np.sqrt(x.var(0, ddof=1) + 0.001) * gamma + beta
        return normed

    def plain(x: Plane, name: str) -> Plane:
        if configuration.get("padding") != "reflect":
            return conv(x, f"g_s.{name}", tensors)
        small = min(x.shape[1:]) <= tensors[f"g_s.{name}.weight"].shape[-1] // 2
        return conv(x, f"g_s.{name}", tensors, "edge" if small else "reflect")

    head = norm(plain(norm(y, "head.0"), "head.1"), "head.2")
    x, number = head, 0
    while f"g_s.blocks.{number}.branch.0.weight" in tensors:
        name = f"blocks.{number}.branch"
        v = np.maximum(norm(plain(x, f"{name}.0"), f"{name}.1"), 0)
        x = x + norm(plain(v, f"{name}.3"), f"{name}.4")
        number += 1
    x, number = x + head, 0
    while f"g_s.up.{number}.weight" in tensors:
        x = np.maximum(norm(deconv(x, f"g_s.up.{number}", tensors), f"up.{number + 1}"), 0)
        number += 3
    x = plain(x, "tail.0")
    x = x if len(x) == 3 else shuffle(x, 4)
    ends: dict[str, Callable[[Plane], Plane]] = {
        "unit": lambda v: v - 0.5,
        "signed": lambda v: np.tanh(v) / 2,
    }
    end = ends.get(configuration.get("pixels", ""))
    return end(x) if end is not None else x
