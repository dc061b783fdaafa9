"""The fixed-point networks: exactly the integers they stand for, and close to the float network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.bitstream import fixed_point
from models.bitstream.fixed_point import CLAMP, GRID, FixedLayer, fixed_conv, fixed_deconv, fixed_net
from models.errors import WeightsError
from models.networks.context import CheckerboardConv
from models.networks.layers import conv, deconv

Integers = NDArray[np.int64]


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.manual_seed(7)
    yield
    torch.set_num_threads(before)


def activations(channels: int, height: int, width: int, largest: float = CLAMP) -> Tensor:
    """Integers over the whole range, the ends included."""
    x = torch.randint(-int(largest), int(largest) + 1, (channels, height, width)).double()
    x.view(-1)[:2] = torch.tensor([-largest, largest])
    return x


def integers(x: Tensor) -> Integers:
    return x.numpy().astype(np.int64)


def finish(sums: Integers, bias: Tensor, relu: bool) -> Integers:
    """Sums of products in steps of 2^-24 to activations in steps of 2^-10, rounded half up."""
    offset = np.rint(bias.detach().double().numpy() * 2.0**24).astype(np.int64)
    rounded = (sums + offset[:, None, None] + (1 << 13)) >> 14
    return np.clip(rounded, 0 if relu else -int(CLAMP), int(CLAMP))


def weight_integers(layer: nn.Conv2d | nn.ConvTranspose2d) -> Integers:
    return np.rint(layer.weight.detach().double().numpy() * 2.0**14).astype(np.int64)


def integer_conv(
    layer: nn.Conv2d, x: Integers, relu: bool, mask: NDArray[np.bool_] | None = None
) -> Integers:
    """A convolution by its definition, in 64-bit integers."""
    weight = weight_integers(layer)
    kernel, (_, height, width) = weight.shape[2], x.shape
    half = kernel // 2
    padded = np.pad(x, ((0, 0), (half, half), (half, half)))
    sums = np.zeros((len(weight), height, width), dtype=np.int64)
    for row in range(kernel):
        for column in range(kernel):
            if mask is None or mask[row, column]:
                seen = padded[:, row : row + height, column : column + width]
                sums += np.einsum("oi,ihw->ohw", weight[:, :, row, column], seen)
    assert layer.bias is not None
    return finish(sums, layer.bias, relu)


def integer_deconv(layer: nn.ConvTranspose2d, x: Integers, relu: bool) -> Integers:
    """A transposed convolution by its definition: every input is spread over its window."""
    weight = weight_integers(layer)
    stride, kernel, (_, height, width) = layer.stride[0], weight.shape[2], x.shape
    half = kernel // 2
    spread = np.zeros((weight.shape[1], height * stride + kernel, width * stride + kernel), dtype=np.int64)
    for row in range(kernel):
        for column in range(kernel):
            part = np.einsum("io,ihw->ohw", weight[:, :, row, column], x)
            spread[:, row : row + height * stride : stride, column : column + width * stride : stride] += part
    assert layer.bias is not None
    inner = spread[:, half : half + height * stride, half : half + width * stride]
    return finish(inner, layer.bias, relu)


LAYERS = {
    "conv1": lambda: conv(9, 7, 1, 1),
    "conv3": lambda: conv(6, 7, 3, 1),
    "conv5": lambda: conv(6, 7, 5, 1),
    "deconv5s2": lambda: deconv(6, 7, 5, 2),
    "deconv3s1": lambda: deconv(6, 7, 3, 1),
    "deconv3s2": lambda: deconv(6, 7, 3, 2),
}


def made(name: str) -> nn.Conv2d | nn.ConvTranspose2d:
    layer: nn.Conv2d | nn.ConvTranspose2d = LAYERS[name]()
    assert layer.bias is not None
    nn.init.normal_(layer.weight, std=0.3)
    nn.init.normal_(layer.bias, std=2.0)
    return layer


def fixed(layer: nn.Conv2d | nn.ConvTranspose2d, relu: bool) -> FixedLayer:
    if isinstance(layer, nn.ConvTranspose2d):
        return fixed_deconv(layer, relu=relu)
    return fixed_conv(layer, relu=relu)


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 2), (7, 9)])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_exactly_its_integer_definition(name: str, relu: bool, size: tuple[int, int]) -> None:
    layer = made(name)
    for largest in (CLAMP, 3000.0):  # with and without the clamp at work
        x = activations(layer.in_channels, *size, largest=largest)
        reference = integer_deconv if isinstance(layer, nn.ConvTranspose2d) else integer_conv
        assert np.array_equal(integers(fixed(layer, relu)(x)), reference(layer, integers(x), relu))  # type: ignore[operator]


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_the_float_layer_within_the_grids_rounding(name: str) -> None:
    layer = made(name).double()
    x = activations(layer.in_channels, 6, 7, largest=4096)
    with torch.no_grad():
        expected = layer(x[None] / GRID)[0]
    taps = layer.in_channels * layer.kernel_size[0] ** 2
    # half a step of the activations, and of every weight times the largest input; then the bias
    allowed = 2.0**-11 + taps * (4096 / GRID) * 2.0**-15 + 2.0**-25
    assert (fixed(layer, False)(x) / GRID - expected).abs().max() <= allowed


@pytest.mark.parametrize("kernel", [3, 5])
def test_a_checkerboard_keeps_only_the_taps_of_the_other_colour(kernel: int) -> None:
    layer = CheckerboardConv(4, 6, kernel)
    nn.init.normal_(layer.weight, std=0.5)  # the taps of the own colour too: they must not be seen
    x = activations(4, 5, 6, largest=20_000)
    mask = layer.mask[0, 0]
    mine = fixed_conv(layer, relu=False, mask=mask)
    assert mine.matrix.shape[1] == 4 * int(mask.sum()) < 4 * kernel**2
    expected = integer_conv(layer, integers(x), False, mask.numpy() > 0)
    assert np.array_equal(integers(mine(x)), expected)
    with torch.no_grad():
        real = layer.double()(x[None] / GRID)[0]
    assert (mine(x) / GRID - real).abs().max() < 0.1


def network() -> nn.Sequential:
    stack = nn.Sequential(
        deconv(5, 8), nn.ReLU(), conv(8, 6, 3, 1), nn.ReLU(), conv(6, 6, 1, 1), deconv(6, 4, 3, 1)
    )
    for layer in stack:
        if not isinstance(layer, nn.ReLU):
            nn.init.normal_(layer.weight, std=0.2)
    return stack


def test_a_net_is_exactly_its_integer_definition() -> None:
    stack = network()
    x = activations(5, 4, 3, largest=9000)
    step = integer_deconv(stack[0], integers(x), True)  # type: ignore[arg-type]
    step = integer_conv(stack[2], step, True)  # type: ignore[arg-type]
    step = integer_conv(stack[4], step, False)  # type: ignore[arg-type]
    step = integer_deconv(stack[5], step, False)  # type: ignore[arg-type]
    assert np.array_equal(integers(fixed_net(stack)(x)), step)


def test_a_net_is_close_to_the_float_net() -> None:
    stack = network()
    x = activations(5, 6, 6, largest=4 * GRID)
    with torch.no_grad():
        expected = stack(x[None].float() / GRID)[0].double()
    off = (fixed_net(stack)(x) / GRID - expected).abs().max()
    assert off < 0.02 < expected.abs().max() / 50


@pytest.mark.parametrize("name", LAYERS)
def test_strips_give_the_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = fixed(made(name), True)
    x = activations(9 if name == "conv1" else 6, 11, 5)
    whole = mine(x)
    assert len(list(mine.strips(11, 5, 6))) == 1
    for rows in (1, 2, 4):
        channels = x.shape[0]
        monkeypatch.setattr(fixed_point, "_COLUMN_BYTES", rows * channels * mine.kernel**2 * 5 * 8)
        strips = list(mine.strips(11, 5, channels))
        assert [s.stop - s.start for s in strips][:-1] == [rows] * (len(strips) - 1)
        assert torch.equal(mine(x), whole)


def test_1x1_nets_can_run_on_chosen_positions() -> None:
    net = fixed_net(nn.Sequential(conv(5, 9, 1, 1), nn.ReLU(), conv(9, 4, 1, 1)))
    x = activations(5, 4, 6)
    chosen = torch.rand(4, 6) < 0.4
    assert torch.equal(net.at(x[:, chosen]), net(x)[:, chosen])
    assert net.at(x[:, torch.zeros(4, 6, dtype=torch.bool)]).shape == (4, 0)


def near_the_bound(factor: float = 1.0) -> tuple[Tensor, Tensor]:
    """Weights and columns whose partial sums come near factor * 2^39 and cancel in the end."""
    half = torch.randn(12, 320).double()
    half = torch.round(half * factor * 32_000 / half.abs().sum(1, keepdim=True) * 2**14) / 2**14
    first = activations(320, 1, 50)[:, 0]
    second = (torch.randint(-9, 10, first.shape) - first).clamp(-CLAMP, CLAMP)
    return torch.cat([half, half], dim=1), torch.cat([first, second])


def sums_in_other_orders(matrix: Tensor, columns: Tensor) -> list[Tensor]:
    sums = []
    for _ in range(4):
        order = torch.randperm(len(columns))
        for threads in (1, 2):
            torch.set_num_threads(threads)
            sums.append(matrix[:, order].contiguous() @ columns[order])
    one_by_one = torch.zeros_like(sums[0])
    for index in range(len(columns)):
        one_by_one += matrix[:, index, None] * columns[index]
    return [*sums, one_by_one]


def test_the_order_of_summation_and_the_threads_do_not_matter() -> None:
    matrix, columns = near_the_bound()
    expected = matrix @ columns
    layer = FixedLayer(matrix, torch.full((12,), 0.5).double(), 1, relu=False)
    assert torch.equal(layer.on_columns(columns), (expected + 0.5).floor())
    assert all(torch.equal(other, expected) for other in sums_in_other_orders(matrix, columns))


def test_over_the_bound_the_order_would_matter() -> None:
    """So the test above has something to find, and the bound is needed."""
    matrix, columns = near_the_bound(factor=64.0)
    with pytest.raises(WeightsError):
        FixedLayer(matrix, torch.zeros(12).double(), 1, relu=False)
    expected = matrix @ columns
    assert not all(torch.equal(other, expected) for other in sums_in_other_orders(matrix, columns))


def test_weights_over_the_exact_bound_are_refused() -> None:
    layer = conv(8, 3, 3, 1)
    with torch.no_grad():
        layer.weight.fill_(65_535 / 72)
        fixed_conv(layer, relu=False)
        layer.weight[1] = -66_000 / 72  # one output channel is enough
    with pytest.raises(WeightsError, match="exact bound"):
        fixed_conv(layer, relu=False)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", ["weight", "bias"])
def test_weights_that_are_no_numbers_are_refused(value: float, place: str) -> None:
    layer = conv(3, 3, 3, 1)
    with torch.no_grad():
        getattr(layer, place)[0] = value
    with pytest.raises(WeightsError):
        fixed_net(nn.Sequential(layer))


@pytest.mark.parametrize(
    "layer",
    [
        nn.GELU(),
        nn.Conv2d(4, 4, 3, stride=2, padding=1),
        nn.Conv2d(4, 4, 3, padding=0),
        nn.Conv2d(4, 4, 3, padding=1, groups=2),
        nn.Conv2d(4, 4, 3, padding=1, dilation=2),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.ConvTranspose2d(4, 4, 5, stride=2, padding=2),
        nn.ConvTranspose2d(4, 4, 5, stride=2, padding=2, output_padding=1, groups=2),
        nn.ConvTranspose2d(4, 4, 3, padding=1, dilation=2),
        nn.ConvTranspose2d(4, 4, 4, stride=2, padding=2, output_padding=1),
    ],
    ids=lambda layer: str(layer)[:60],
)
def test_what_has_no_exact_form_is_refused(layer: nn.Module) -> None:
    with pytest.raises(WeightsError):
        fixed_net(nn.Sequential(layer))
