"""The quick way through the transforms gives what the plain layers give."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from models.networks import fused
from models.networks.builders import build, config
from models.networks.elic import ElicConfig
from models.networks.layers import AttentionBlock, ResidualBottleneck, deconv


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def last(layer: nn.Module) -> nn.Module:
    return layer.to(memory_format=torch.channels_last).requires_grad_(False)


def plane(channels: int, height: int, width: int) -> Tensor:
    return torch.randn(1, channels, height, width).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("strip", [1 << 20, 1])  # in one strip, and in strips of four rows
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 5), (5, 4), (8, 3), (9, 2), (21, 7)])
@pytest.mark.parametrize("kind", [ResidualBottleneck, AttentionBlock])
def test_blocks_of_any_size(
    kind: type[nn.Module], size: tuple[int, int], strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused, "_STRIP_BYTES", strip)
    block = last(kind(8, 4) if kind is ResidualBottleneck else kind(8))
    x = plane(8, *size)
    with torch.inference_mode():
        assert fused.usable(x)
        wanted, before = block(x), x.clone()
        found = fused.run(block, x, own=False)
        assert torch.equal(x, before)  # another needs it still
        assert (found - wanted).abs().max() < 1e-5
        assert (fused.run(block, x, own=True) - wanted).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["elic-5-lite", "hific-lite"])
def test_whole_transforms(name: str) -> None:
    network = build(config(name)).to(memory_format=torch.channels_last).requires_grad_(False)
    x = plane(3, 96, 64)
    with torch.inference_mode():
        y = network.g_a(x)
        assert (fused.run(network.g_a, x, own=False) - y).abs().max() < 1e-4 * y.abs().max()
        y = y.contiguous(memory_format=torch.channels_last)
        wanted = network.g_s(y)
        assert (fused.run(network.g_s, y, own=False) - wanted).abs().max() < 1e-4 * wanted.abs().max()
    assert isinstance(network.config, ElicConfig) or name == "hific-lite"


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (6, 4)])
@pytest.mark.parametrize(("kernel", "stride"), [(5, 2), (3, 2), (3, 1), (7, 4), (5, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_transposed_convolutions_to_few_channels(
    kernel: int, stride: int, size: tuple[int, int], bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = last(deconv(6, 3, kernel, stride))
    if not bias:
        layer.register_parameter("bias", None)
    rewritten, rewrite = [], fused._subpixel
    monkeypatch.setattr(fused, "_subpixel", lambda of, x: rewritten.append(of) or rewrite(of, x))
    x = plane(6, *size)
    with torch.inference_mode():
        wanted = layer(x)
        found = fused.run(layer, x, own=True)
        assert found.shape == wanted.shape and (found - wanted).abs().max() < 1e-5
        assert rewritten == [layer]
        # The realistic decoder changes weights in place: nothing of the old ones may be kept.
        layer.weight.mul_(2)
        assert (fused.run(layer, x, own=True) - layer(x)).abs().max() < 1e-5


def test_only_layers_that_scale_by_their_stride_are_rewritten() -> None:
    others = (
        nn.ConvTranspose2d(6, 3, 4, 2, 1),
        nn.ConvTranspose2d(6, 3, 5, 2, 2),  # without output padding
        nn.ConvTranspose2d(6, 3, 5, 2, 2, 1, groups=3),
        nn.ConvTranspose2d(6, 3, 3, 2, 2, 1, dilation=2),
        deconv(6, 9),  # to many channels
    )
    for layer in others:
        last(layer)
        with torch.inference_mode():
            x = plane(6, 5, 4)
            assert torch.equal(fused.run(layer, x, own=True), layer(x))


def test_other_tensors_go_the_plain_way() -> None:
    block = ResidualBottleneck(8, 4)
    x = plane(8, 6, 6)
    assert not fused.usable(x)  # gradients are wanted
    assert torch.equal(fused.run(block, x, own=True), block(x))
    with torch.inference_mode():
        for other in (x.double(), x.contiguous(), torch.cat([x, x]), x.to("meta")):
            assert not fused.usable(other)
        assert torch.equal(fused.run(block.double(), x.double(), own=True), block(x.double()))
