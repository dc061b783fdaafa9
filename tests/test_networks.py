"""The networks are the published ones: totals, shapes, coding order, gains, and where they start from."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from models.errors import WeightsError
from models.networks.base import CompressionNetwork
from models.networks.builders import BUILDERS, build, config
from models.networks.complexity import kmac_per_pixel
from models.networks.context import (
    CheckerboardConv,
    ContextConfig,
    SpaceChannelContext,
    anchor_mask,
    round_around,
)
from models.networks.elic import (
    EARLIER_LADDERS,
    ELIC,
    LITE_GROUPS_10,
    LITE_LADDER,
    ElicConfig,
    Stage,
    lite_config,
)
from models.networks.hific import HificConfig
from models.networks.layers import (
    DctAnalysis,
    DctSynthesis,
    conv,
    dct_basis,
    dct_order,
    deconv,
    init_unit_variance,
)
from models.networks.rate import GainUnit, RateLadder, fitted, step_of_lambda


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def on_meta(name: str) -> CompressionNetwork:
    with torch.device("meta"):
        return build(config(name))


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


PUBLISHED = {
    "elic-paper": (49_590_543, {"context": 24_364_588, "g_a": 7_337_792, "g_s": 7_337_475}),
    "elic-5-paper": (
        41_936_627,
        {"g_a": 7_337_792, "g_s": 7_337_475, "h_a": 2_396_736, "h_s": 8_142_240, "context": 16_710_672},
    ),
    "hflic-paper": (
        61_910_281,
        {"g_a": 19_535_744, "g_s": 19_535_427, "h_a": 2_396_736, "h_s": 8_142_240, "context": 12_288_422},
    ),
    "hific-paper": (
        7_423_420 + 156_774_683 + 5_754_560 + 2 * 5_754_460 + 19_520,
        {
            "g_a": 7_423_420,
            "g_s": 156_774_683,
            "h_a": 5_754_560,
            "h_s_mean": 5_754_460,
            "h_s_scale": 5_754_460,
        },
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_paper_sizes_have_the_published_parameters(name: str) -> None:
    network = on_meta(name)
    total, parts = PUBLISHED[name]
    assert count(network) == total
    assert {part: count(network.get_submodule(part)) for part in parts} == parts


@pytest.mark.parametrize(
    ("group", "spatial", "channel", "anchor", "non_anchor"),
    [
        ("elic-5-paper", 2_125_440, 6_158_816, 3_519_615, 4_906_801),
        ("hflic-paper", 2_125_440, 6_158_816, 1_856_211, 2_147_955),
    ],
)
def test_context_nets_have_the_published_parameters(
    group: str, spatial: int, channel: int, anchor: int, non_anchor: int
) -> None:
    network = on_meta(group)
    assert isinstance(network, ELIC)
    nets = [nets for nets, _ in network.context.slices()]
    assert sum(count(n.spatial) for n in nets) == spatial
    assert sum(count(n.channel) for n in nets if n.channel is not None) == channel
    assert sum(count(n.anchor) for n in nets if n.anchor is not None) == anchor
    assert sum(count(n.non_anchor) for n in nets) == non_anchor


def test_published_costs_in_kmac_per_pixel() -> None:
    elic = kmac_per_pixel(config("elic-5-paper"))
    assert elic.total == pytest.approx(593, rel=0.01)
    assert elic.analysis == pytest.approx(255.0, abs=0.1)
    assert elic.synthesis == pytest.approx(255.0, abs=0.1)
    assert elic.channel_context == pytest.approx(24, abs=0.5)
    assert elic.parameters == pytest.approx(33, abs=0.5)
    assert elic.hyper_synthesis == pytest.approx(15, abs=0.5)
    assert elic.spatial_context == pytest.approx(8, abs=0.5)
    assert elic.hyper_analysis == pytest.approx(3, abs=0.5)
    spared = elic.parameters / 2 + elic.spatial_context * (1 - 12 / 25 / 2)
    assert elic.entropy_done == pytest.approx(elic.entropy - spared), "half the places, 12 of 25 taps"
    assert kmac_per_pixel(config("hflic-paper")).total == pytest.approx(3243, rel=0.01)
    hific = kmac_per_pixel(config("hific-paper"))
    assert hific.analysis == pytest.approx(81, rel=0.01)
    assert hific.synthesis == pytest.approx(664, rel=0.01)
    assert hific.entropy_done == hific.entropy, "no checkerboard"


def test_cost_does_not_depend_on_the_picture_or_the_device() -> None:
    small = config("elic-5-lite")
    assert kmac_per_pixel(build(small), side=64) == kmac_per_pixel(small, side=128)


@pytest.mark.parametrize("name", [n for n in BUILDERS if n.endswith("lite")])
def test_lite_sizes_suit_a_laptop(name: str) -> None:
    cost = kmac_per_pixel(config(name))
    assert 20 < cost.total < 80
    assert cost.decode < 50


@pytest.mark.parametrize("name", [n for n in BUILDERS if n.endswith("lite")])
def test_lite_networks_train_from_the_first_step(name: str) -> None:
    network = build(config(name))
    x = torch.nn.functional.interpolate(torch.rand(2, 3, 8, 16), (64, 128), mode="bicubic").clamp(0, 1)
    output = network(x, torch.tensor([0.5, 7.0]))
    assert output.x_hat.shape == x.shape
    assert output.y_hat.shape == (2, network.config.latent, 4, 8)
    assert output.y_bits.shape == output.z_bits.shape == (2,)
    # The DCT shortcut gives a recognisable picture before any training, a better one at a higher rate.
    error = (output.x_hat - x).square().flatten(1).mean(1)
    assert error[1] < error[0] < 0.02
    assert output.y_bits[1] > output.y_bits[0]
    (error.sum() + output.y_bits.sum() + output.z_bits.sum()).backward()
    still = [k for k, p in network.named_parameters() if p.grad is None and not k.endswith("quantiles")]
    assert still == []
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_an_impossible_configuration_is_refused() -> None:
    context = ContextConfig(groups=(2, 2), hyper_channels=8)
    with pytest.raises(ValueError, match="divide by 16"):
        ElicConfig((Stage(4),), 4, 0.5, (4, 4, 4), context)
    with pytest.raises(ValueError, match="add up"):
        ElicConfig((Stage(4),) * 3, 5, 0.5, (4, 4, 4), context)
    with pytest.raises(ValueError, match="divide by 16"):
        HificConfig(widths=(4, 4), latent=4, hyper_width=4)


# Coding order


GROUPS = (2, 3, 4)


def small_context(*, separate: bool, parity: int = 1) -> SpaceChannelContext:
    context = SpaceChannelContext(
        ContextConfig(
            groups=GROUPS,
            hyper_channels=6,
            channel_hidden=(8,),
            channel_kernels=(5, 3),
            separate=separate,
            anchor_parity=parity,
        )
    )
    init_unit_variance(context)
    return context


@pytest.mark.parametrize("separate", [True, False])
@pytest.mark.parametrize("parity", [0, 1])
def test_parameters_depend_only_on_what_is_already_decoded(separate: bool, parity: int) -> None:
    context = small_context(separate=separate, parity=parity)
    y, hyper = 4 * torch.randn(1, sum(GROUPS), 6, 7), torch.randn(1, 6, 6, 7)
    anchors = anchor_mask(6, 7, parity)

    def parameters(y: Tensor) -> Tensor:
        with torch.no_grad():
            _, scale, mean = context(y, hyper)
        return torch.stack([scale, mean])

    reference = parameters(y)
    starts = [0, 2, 5]
    for group, start in enumerate(starts):
        channels = slice(start, start + GROUPS[group])
        for cells, name in ((anchors, "anchors"), (~anchors, "non-anchors")):
            changed = y.clone()
            changed[:, channels] += 5.0 * cells
            difference = (parameters(changed) - reference).abs().amax((0, 1))
            assert not difference[:start].any(), f"{name} of group {group} reach an earlier group"
            own = difference[channels]
            assert not own[:, anchors[0, 0]].any(), f"{name} of group {group} reach its anchors"
            if name == "anchors":
                assert own[:, ~anchors[0, 0]].all(), "non-anchors see the anchors of their group"
            else:
                assert not own.any(), f"non-anchors of group {group} reach their own group"
            if group + 1 < len(GROUPS):
                assert difference[starts[group + 1] :].all(), "later groups see this one"


def test_the_checkerboard_convolution_has_no_tap_of_its_own_colour() -> None:
    layer = CheckerboardConv(2, 4, 5)
    taps = (layer.masked_weight() != 0).all(0).all(0)
    assert taps.sum() == 12
    assert not taps[2, 2]
    assert taps[2, 1]
    assert taps[1, 2]
    x = torch.zeros(1, 2, 9, 9)
    x[:, :, 4, 4] = 1
    with torch.no_grad():
        answer = layer(x) - layer(torch.zeros_like(x))
    same_colour = anchor_mask(9, 9, 0)
    assert not answer[:, :, same_colour[0, 0]].any()
    assert answer.any()


@pytest.mark.parametrize(("height", "width"), [(6, 6), (5, 7), (1, 4), (1, 1)])
@pytest.mark.parametrize("parity", [0, 1])
@pytest.mark.parametrize("separate", [True, False])
def test_each_colour_alone_equals_both_over_the_whole_board(
    height: int, width: int, parity: int, separate: bool
) -> None:
    context = small_context(separate=separate, parity=parity)
    for parameter in context.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)  # biases too
    y = (3 * torch.randn(2, sum(GROUPS), height, width)).requires_grad_()
    hyper = torch.randn(2, 6, height, width, requires_grad=True)
    leaves = [y, hyper, *context.parameters()]
    anchor = anchor_mask(height, width, parity)

    def over_the_whole_board() -> tuple[torch.Tensor, ...]:
        decoded, found = y[:, :0], []
        for nets, channels in context.slices():
            known = nets.known(hyper, decoded)
            nothing = known.new_zeros(2, nets.spatial.out_channels, height, width)
            first = nets.anchor(known) if nets.anchor else nets.non_anchor(torch.cat([nothing, known], dim=1))
            scale, mean = first.chunk(2, dim=1)
            anchors = torch.where(anchor, round_around(y[:, channels], mean), 0.0)
            near = nets.spatial(anchors)
            others = nets.non_anchor(torch.cat([near, known], dim=1)).chunk(2, dim=1)
            scale, mean = (torch.where(anchor, a, o) for a, o in zip((scale, mean), others, strict=True))
            rounded = torch.where(anchor, anchors, round_around(y[:, channels], mean))
            decoded = torch.cat([decoded, rounded], dim=1)
            found.append((rounded, scale, mean))
        return tuple(torch.cat(parts, dim=1) for parts in zip(*found, strict=True))

    answers = over_the_whole_board(), context(y, hyper)
    for old, new in zip(*answers, strict=True):
        assert new.shape == y.shape
        torch.testing.assert_close(new, old, atol=1e-5, rtol=1e-5)
    gradients = (
        torch.autograd.grad(sum((part * part.detach().cos()).sum() for part in parts), leaves)
        for parts in answers
    )
    for old, new in zip(*gradients, strict=True):
        torch.testing.assert_close(new, old, atol=1e-4, rtol=1e-4)


def test_decoded_latents_lie_on_the_grid_around_their_mean() -> None:
    context = small_context(separate=True)
    with torch.no_grad():
        y_hat, _, mean = context(3 * torch.randn(1, 9, 4, 4), torch.randn(1, 6, 4, 4))
    symbols = y_hat - mean
    assert (symbols - symbols.round()).abs().max() < 1e-5


def test_rounding_passes_the_gradient_to_the_latent_alone() -> None:
    y = torch.tensor([0.3, 1.9, -2.6], requires_grad=True)
    mean = torch.tensor([0.1, 0.2, -0.5], requires_grad=True)
    rounded = round_around(y, mean)
    assert torch.allclose(rounded, torch.tensor([0.1, 2.2, -2.5]))
    (rounded * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert y.grad is not None
    assert torch.equal(y.grad, torch.tensor([1.0, 2.0, 3.0]))
    assert mean.grad is None or not mean.grad.any()


# Rates


def test_gains_between_two_levels_are_the_geometric_mean() -> None:
    unit = GainUnit(RateLadder((1e-3, 4e-3, 2e-2)), 3)
    with torch.no_grad():
        unit.log_gain.copy_(torch.randn(3, 3))
        unit.log_inverse.copy_(torch.randn(3, 3))
        low, high = torch.tensor([1.0]), torch.tensor([2.0])
        for vector in (unit.gain, unit.inverse):
            expected = vector(low) ** 0.75 * vector(high) ** 0.25
            assert torch.allclose(vector(torch.tensor([1.25])), expected, rtol=1e-5)
            assert vector(low).shape == (1, 3, 1, 1)


def test_a_fresh_gain_makes_one_step_of_the_lambdas_quantiser() -> None:
    unit = GainUnit(LITE_LADDER, 2)
    positions = torch.arange(len(LITE_LADDER.lambdas), dtype=torch.float32)
    with torch.no_grad():
        steps = 1 / unit.gain(positions)[:, 0, 0, 0]
        assert torch.allclose(unit.gain(positions) * unit.inverse(positions), torch.ones(1), rtol=1e-5)
    expected = torch.tensor([step_of_lambda(weight) for weight in LITE_LADDER.lambdas])
    assert torch.allclose(steps, expected, rtol=1e-5)
    # D = s^2 / 12 and dR/dD = -1 / (2 ln 2 D) = -lambda 255^2
    s = step_of_lambda(0.01)
    assert 1 / (2 * math.log(2) * s * s / 12) == pytest.approx(0.01 * 255**2)


def test_the_ladder_maps_quality_to_positions_and_weights() -> None:
    ladder = RateLadder((1e-3, 4e-3, 1e-2))
    assert [ladder.position(q) for q in (-5, 0, 50, 100, 140)] == [0, 0, 1, 2, 2]
    assert ladder.weight(0.5) == pytest.approx(2e-3)
    assert ladder.weight(2.0) == pytest.approx(1e-2)


def test_equal_shares_of_a_ladder_are_equal_steps_of_log_lambda() -> None:
    shares = torch.linspace(0, 1, 41)
    positions = LITE_LADDER.equally(shares)
    logs = torch.tensor([math.log(LITE_LADDER.weight(p)) for p in positions.tolist()])
    assert torch.allclose(logs.diff(), (logs[-1] - logs[0]) / 40, atol=1e-4)
    assert (positions[0], positions[-1]) == (0, LITE_LADDER.top)
    assert torch.equal(RateLadder((0.01,)).equally(shares), torch.zeros(41))


def test_gains_of_another_ladder_lie_on_the_lines_between_the_old_ones() -> None:
    old, new = RateLadder((1.0, 4.0, 16.0)), RateLadder((0.5, 1.0, 2.0, 16.0, 64.0))
    table = torch.tensor([[0.0, 8.0], [2.0, 4.0], [10.0, 4.5]])
    found = fitted({"gain.log_gain": table, "g_a.0.weight": table[0]}, old, new)
    wanted = torch.tensor([[-1.0, 10.0], [0.0, 8.0], [1.0, 6.0], [10.0, 4.5], [18.0, 5.0]])
    torch.testing.assert_close(found["gain.log_gain"], wanted)
    assert torch.equal(found["g_a.0.weight"], table[0])
    back = fitted(found, new, RateLadder((1.0, 16.0)))  # what both have stays as it is, to the bit
    assert torch.equal(back["gain.log_gain"], table[::2])
    assert torch.equal(fitted({"gain.log_gain": table}, old, old)["gain.log_gain"], table)
    with pytest.raises(WeightsError, match="one rate, not of 3"):
        fitted({"gain.log_gain": table[:1]}, RateLadder((1.0,)), old)


def test_every_earlier_ladder_is_part_of_todays() -> None:
    for ladder in EARLIER_LADDERS:
        assert set(ladder.lambdas) <= set(LITE_LADDER.lambdas)
    assert len({len(ladder.lambdas) for ladder in (*EARLIER_LADDERS, LITE_LADDER)}) == 4, "known by number"


def test_a_higher_position_is_a_finer_quantiser() -> None:
    network = build(config("elic-5-lite"))
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        sizes = [network.analyse(x, torch.tensor([p])).abs().mean().item() for p in (0.0, 2.5, 7.0)]
    assert sizes[0] < sizes[1] < sizes[2]


# Where networks start from


def test_the_dct_basis_is_inverted_by_its_synthesis() -> None:
    analysis, synthesis = dct_basis(192)
    assert torch.allclose(analysis @ synthesis, torch.eye(192), atol=1e-5)
    luma = torch.tensor([plane == 0 for plane, _, _ in dct_order(192)])
    grey = analysis.reshape(192, 3, 256).sum(1)  # the answer to a grey picture: orthonormal rows, no chroma
    assert torch.allclose(grey[luma] @ grey[luma].T, torch.eye(int(luma.sum())), atol=1e-5)
    assert grey[~luma].abs().max() < 1e-5


def test_the_dct_shortcut_reconstructs_what_its_frequencies_can_hold() -> None:
    there, back = DctAnalysis(192), DctSynthesis(192)
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(48.0), indexing="ij")

    def wave(u: int, v: int) -> Tensor:
        return torch.cos(math.pi * (rows + 0.5) * u / 16) * torch.cos(math.pi * (columns + 0.5) * v / 16)

    x = torch.stack([0.3 * wave(2, 1) + 0.1, 0.2 * wave(0, 3) - 0.2, 0.1 * wave(1, 1) + 0.05 * wave(3, 0)])[
        None
    ]
    with torch.no_grad():
        assert torch.allclose(back(there(x)), x, atol=1e-5)
        noise = torch.randn(1, 3, 32, 32)
        kept = back(there(noise))
        assert torch.allclose(back(there(kept)), kept, atol=1e-4)  # a projection


def test_the_dct_order_starts_low_and_names_every_coefficient_once() -> None:
    order = dct_order(192)
    assert len(order) == len(set(order)) == 192
    assert order[0] == (0, 0, 0)
    assert set(order[:8]) >= {(0, 0, 0), (1, 0, 0), (2, 0, 0), (0, 0, 1), (0, 1, 0)}
    assert sum(plane == 0 for plane, _, _ in order) == 192 - 2 * 24
    first, last = order[: LITE_GROUPS_10[0]], order[-LITE_GROUPS_10[-1] :]
    assert max(u + v for _, u, v in first) < min(u + v for p, u, v in last if p == 0)


@pytest.mark.parametrize(
    "layer",
    [conv(64, 32, 3, 1), conv(64, 48, 5, 2), deconv(64, 32), deconv(48, 32, 3, 2), deconv(48, 64, 3, 1)],
)
def test_initial_layers_keep_unit_variance(layer: nn.Module) -> None:
    init_unit_variance(layer)
    with torch.no_grad():
        answer = layer(torch.randn(2, next(layer.parameters()).shape[0 if _transposed(layer) else 1], 24, 24))
    middle = answer[:, :, 4:-4, 4:-4]
    assert middle.std().item() == pytest.approx(1, abs=0.1)


def _transposed(layer: nn.Module) -> bool:
    return isinstance(layer, nn.ConvTranspose2d)


def test_initial_transforms_neither_vanish_nor_explode() -> None:
    network = ELIC(lite_config())
    for name in ("g_a", "g_s"):  # undo the quiet start beside the shortcut
        init_unit_variance(network.get_submodule(name))
    with torch.no_grad():
        assert 0.5 < network.g_a(torch.randn(1, 3, 128, 128)).std() < 2
        assert 0.5 < network.g_s(torch.randn(1, network.config.latent, 8, 8)).std() < 2
