"""Minimal filtering gives the very sums of the definition, and steps aside where it could not."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn

from models.bitstream import fixed_point, winograd
from models.bitstream.fixed_point import CLAMP, FixedLayer, fixed_conv
from models.bitstream.winograd import Winograd
from models.networks.layers import conv
from tests.test_fixed_point import activations, integer_conv, integers

BOUND = 2.0**39
SIZES = [(1, 1), (1, 5), (2, 4), (3, 2), (4, 4), (5, 7), (9, 6), (13, 11)]


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(3)
    yield
    torch.set_num_threads(before)


def layer(kernel: int, inputs: int = 5, outputs: int = 40, std: float = 0.3) -> nn.Conv2d:
    made = conv(inputs, outputs, kernel, 1)
    assert made.bias is not None
    nn.init.normal_(made.weight, std=std)
    nn.init.normal_(made.bias, std=2.0)
    return made


def directly(fixed: FixedLayer, x: Tensor) -> Tensor:
    """The sums without bias, by unfolding."""
    return (fixed.matrix @ fixed.columns(x, slice(0, x.shape[1]))).view(-1, *x.shape[1:])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", [3, 5])
def test_sums_are_those_of_the_definition_up_to_the_limit(kernel: int, size: tuple[int, int]) -> None:
    fixed = fixed_conv(layer(kernel), relu=False)
    quick = Winograd.of(fixed.matrix, kernel, BOUND)
    assert 1000 < quick.limit < CLAMP  # worth having, and not without an end
    x = activations(5, *size, largest=int(quick.limit) - 1)
    assert quick.takes(x)
    assert torch.equal(quick.sums(x, slice(0, size[0])), directly(fixed, x))


@pytest.mark.parametrize("kernel", [3, 5])
def test_the_limit_keeps_every_number_on_the_way_exact(kernel: int) -> None:
    """Inputs at the limit, signed for the largest sum; fractions, which are never rounded, agree."""
    fixed = fixed_conv(layer(kernel, inputs=2, outputs=3, std=2.0), relu=False)
    quick = Winograd.of(fixed.matrix, kernel, BOUND)
    largest, half = int(quick.limit) - 1, kernel // 2
    weight = fixed.matrix.view(3, 2, kernel, kernel)
    x = torch.zeros(2, 6, 6, dtype=torch.float64)
    x[:, :kernel, :kernel] = torch.where(weight[0] < 0, -largest, largest).double()
    found = quick.sums(x, slice(0, 6))[0, half, half]
    pairs = zip(weight[0].flatten().tolist(), x[:, :kernel, :kernel].flatten().tolist(), strict=True)
    assert Fraction(float(found)) == sum((Fraction(w) * Fraction(v) for w, v in pairs), Fraction(0))
    for beyond in (quick.limit, -quick.limit):
        assert not quick.takes(torch.tensor([0.0, beyond], dtype=torch.float64))


def test_the_transforms_are_those_of_polynomials() -> None:
    """Kernel times inputs at six points, back to outputs, is 24 times the correlation, in one dimension."""
    for kernel in (3, 5):
        outputs = winograd.TILE + 1 - kernel
        taps, inputs = torch.randint(-9, 10, (kernel,)).double(), torch.randint(-9, 10, (6,)).double()
        products = (winograd._kernel_transform(kernel) @ taps) * (winograd._INPUT @ inputs)
        wanted = torch.stack([taps @ inputs[at : at + kernel] for at in range(outputs)])
        assert torch.equal(winograd._output_transform(outputs) @ products, 24 * wanted)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("largest", [2000, int(CLAMP)])  # quick, and beyond the limit
@pytest.mark.parametrize("kernel", [3, 5])
def test_a_layer_takes_the_quick_way_where_it_is_exact(
    kernel: int, largest: int, relu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = layer(kernel)
    fixed, x = fixed_conv(plain, relu=relu), activations(5, 9, 11, largest=largest)
    assert fixed.filter is not None
    quick = fixed.filter.takes(x)
    assert quick == (largest == 2000)
    filtered, whole = [], Winograd.sums

    def sums(self: Winograd, x: Tensor, rows: slice) -> Tensor:
        filtered.append(rows)
        return whole(self, x, rows)

    monkeypatch.setattr(Winograd, "sums", sums)
    wanted = integer_conv(plain, integers(x), relu)
    for held in (winograd._STRIP_BYTES, 1):  # whole, and tile by tile
        filtered.clear()
        monkeypatch.setattr(winograd, "_STRIP_BYTES", held)
        assert (integers(fixed(x)) == wanted).all()
        assert (len(filtered) > (0 if held > 1 else 1)) == quick
    filtered.clear()
    fixed(x[:, :4, :4])  # too few positions to be worth it
    assert not filtered


def test_layers_without_a_quick_way() -> None:
    assert fixed_conv(layer(1), relu=False).filter is None
    assert fixed_conv(layer(5, outputs=fixed_point._FILTER_OUTPUTS - 1), relu=False).filter is None
    mask = torch.ones(5, 5)
    mask[2, 2] = 0
    assert fixed_conv(layer(5), relu=False, mask=mask).filter is None


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_do_not_matter(threads: int) -> None:
    fixed = fixed_conv(layer(5, inputs=64, outputs=64, std=0.05), relu=True)
    x = activations(64, 24, 20, largest=9000)
    torch.set_num_threads(threads)
    assert fixed.filter is not None and fixed.filter.takes(x)
    assert torch.equal(fixed(x), fixed.finish(directly(fixed, x) + fixed.bias[:, None, None]))


def test_chosen_columns_are_columns_of_all() -> None:
    for mask in (None, torch.tensor([[0, 1, 0], [1, 0, 1], [0, 1, 0]])):
        fixed = fixed_conv(layer(3), relu=False, mask=mask)
        x, chosen = activations(5, 6, 7), torch.rand(6, 7) < 0.5
        taps = len(fixed.taps) if fixed.taps is not None else 9
        unfolded = nn.functional.unfold(x[None], 3, padding=1)[0].view(5, 9, 42)
        kept = unfolded[:, list(fixed.taps)] if fixed.taps is not None else unfolded
        wanted = kept.reshape(5 * taps, 42)[:, chosen.flatten()]
        assert torch.equal(fixed.columns_at(x, slice(0, 6), chosen), wanted)
        upper = wanted[:, : int(chosen[:3].sum())]
        assert torch.equal(fixed.columns_at(x, slice(0, 3), chosen[:3]), upper)
        assert torch.equal(fixed.columns(x, slice(0, 6)), kept.reshape(5 * taps, 42))
