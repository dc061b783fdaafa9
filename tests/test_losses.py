"""Each loss against a value computed by hand, and a test for each known mistake of public code."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from models.distortion import charbonnier, face_mse, lpips_distance, masked_fake
from models.networks.base import NetworkOutput
from models.perceptual import lpips as lpips_metric
from models.training.losses import rate_distortion
from models.training.perceptual import (
    HIFIC_HIGH,
    HIFIC_LOW,
    HIFIC_MIDDLE,
    grid_pattern,
    hinge_discriminator,
    hinge_generator,
    nonsaturating_discriminator,
    nonsaturating_generator,
    patch_grams,
    rate_multiplexer,
    style_loss,
)
from models.trunks import trunk


def picture(value: float, side: int = 4) -> Tensor:
    return torch.full((1, 3, side, side), value)


def output(x_hat: Tensor, y_bits: list[float], z_bits: list[float]) -> NetworkOutput:
    return NetworkOutput(x_hat, torch.zeros(1), torch.tensor(y_bits), torch.tensor(z_bits))


def test_rate_distortion_by_hand() -> None:
    x = torch.zeros(2, 3, 2, 2)
    x_hat = torch.stack([torch.full((3, 2, 2), 0.1), torch.full((3, 2, 2), 0.2)])
    terms = rate_distortion(x, output(x_hat, [6.0, 2.0], [2.0, 2.0]), torch.tensor([0.01, 0.04]), 0.01)
    first = 0.01 * 255**2 * 0.01 + 8 / 4
    second = (0.04 * 255**2 * 0.04 + 4 / 4) / 2
    assert terms.loss.item() == pytest.approx((first + second) / 2, rel=1e-5)
    assert terms.bpp.tolist() == [2.0, 1.0]
    assert terms.mse.tolist() == pytest.approx([0.01, 0.04])


# Charbonnier


def test_charbonnier_by_hand() -> None:
    x = torch.zeros(1, 1, 1, 2)
    x_hat = torch.tensor([[[[0.003, 0.0]]]])
    expected = (math.sqrt(9e-6 + 1e-6) + 1e-3) / 2
    assert charbonnier(x, x_hat).item() == pytest.approx(expected, rel=1e-5)


def test_charbonnier_is_a_mean_and_knows_no_picture_size() -> None:
    small = charbonnier(picture(0.2, 4), picture(0.5, 4))
    large = charbonnier(picture(0.2, 32), picture(0.5, 32))
    assert small.item() == pytest.approx(large.item(), rel=1e-5)
    assert small.item() == pytest.approx(0.3, rel=1e-4)


def test_charbonnier_of_equal_pictures_has_a_finite_gradient() -> None:
    x_hat = picture(0.5).requires_grad_()
    charbonnier(picture(0.5), x_hat).backward()
    assert x_hat.grad is not None
    assert torch.equal(x_hat.grad, torch.zeros_like(x_hat))


# Adversarial losses


def test_hinge_losses_by_hand() -> None:
    real, fake = torch.tensor([0.5, 2.0, -1.0]), torch.tensor([-3.0, 0.0, 0.5])
    assert hinge_discriminator(real, fake).item() == pytest.approx((0.5 + 0 + 2) / 3 + (0 + 1 + 1.5) / 3)
    assert hinge_generator(fake).item() == pytest.approx(2.5 / 3)


def test_hinge_margins_are_reached_by_raw_logits() -> None:
    """Behind a sigmoid the loss never leaves 0.5 to 1.5 and the discriminator never rests."""
    real, fake = torch.tensor([4.0], requires_grad=True), torch.tensor([-4.0], requires_grad=True)
    loss = hinge_discriminator(real, fake)
    loss.backward()
    assert loss.item() == 0
    assert real.grad is not None
    assert real.grad.item() == 0
    squashed = hinge_discriminator(torch.tensor([4.0]).sigmoid(), torch.tensor([-4.0]).sigmoid())
    assert squashed.item() > 0.5


def test_hinge_generator_gradient_does_not_vanish_on_confident_logits() -> None:
    fake = torch.tensor([-40.0, 0.0], requires_grad=True)
    hinge_generator(fake).backward()
    assert fake.grad is not None
    assert fake.grad.tolist() == [-0.5, -0.5]


def test_nonsaturating_losses_by_hand() -> None:
    real, fake = torch.tensor([1.0]), torch.tensor([-2.0])

    def sigmoid(v: float) -> float:
        return 1 / (1 + math.exp(-v))

    expected = -math.log(sigmoid(1)) - math.log(1 - sigmoid(-2))
    assert nonsaturating_discriminator(real, fake).item() == pytest.approx(expected, rel=1e-5)
    assert nonsaturating_generator(fake).item() == pytest.approx(-math.log(sigmoid(-2)), rel=1e-5)
    assert nonsaturating_generator(torch.tensor([-200.0])).item() == pytest.approx(200)


# Masking


def test_the_masked_picture_is_the_original_inside_and_the_decoded_one_outside() -> None:
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., :2] = 1
    mask[..., 2] = 0.25
    mixed = masked_fake(picture(0.8), picture(0.4), mask)
    assert torch.allclose(mixed[0, 0, 0], torch.tensor([0.8, 0.8, 0.5, 0.4]))


def test_a_soft_mask_leaves_the_original_as_the_optimum() -> None:
    """Comparing (1 - m) x^ with x, as public code does, drives x^ to x / (1 - m)."""
    x, mask = picture(0.3), torch.full((1, 1, 4, 4), 0.5)

    def loss(x_hat: Tensor) -> float:
        return charbonnier(masked_fake(x, x_hat, mask), x).item()

    assert loss(x) < loss(1.1 * x)
    assert loss(x) < loss(x / 0.5)
    mistaken = charbonnier((1 - mask) * (x / 0.5), x)
    assert mistaken < charbonnier((1 - mask) * x, x)  # the mistake this guards against


def test_inside_a_hard_mask_only_the_face_term_has_a_gradient() -> None:
    x, x_hat = picture(0.3), picture(0.5).requires_grad_()
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., 0, 0] = 1
    charbonnier(masked_fake(x, x_hat, mask), x).backward()
    assert x_hat.grad is not None
    assert not x_hat.grad[..., 0, 0].any()
    assert x_hat.grad[..., 1:, :].all()
    x_hat.grad = None
    face_mse(x, x_hat, mask).backward()
    assert x_hat.grad is not None
    assert x_hat.grad[..., 0, 0].all()
    assert not x_hat.grad[..., 1:, :].any()


def test_face_error_is_normalised_by_the_faces_area() -> None:
    x, x_hat = torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)
    x_hat[..., :2, :2] = 0.2
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :2, :2] = 1
    assert face_mse(x, x_hat, mask).item() == pytest.approx(0.04, rel=1e-5)
    wide = torch.zeros_like(mask)
    wide[..., :4, :2] = 1
    assert face_mse(x, x_hat, wide).item() == pytest.approx(0.02, rel=1e-5)
    assert face_mse(x, x_hat, torch.zeros_like(mask)).item() == 0


def test_pictures_weigh_what_they_are_given() -> None:
    torch.manual_seed(0)
    x, x_hat, weights = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16), torch.tensor([3.0, 0.5])
    mask = torch.ones(2, 1, 16, 16)

    def weighed_by_hand(loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        return (3 * loss(x[:1], x_hat[:1]) + 0.5 * loss(x[1:], x_hat[1:])) / 2

    assert torch.isclose(charbonnier(x, x_hat, weights), weighed_by_hand(charbonnier))
    faces = weighed_by_hand(lambda a, b: face_mse(a, b, mask[:1]))
    assert torch.isclose(face_mse(x, x_hat, mask, weights=weights), faces)
    style = weighed_by_hand(lambda a, b: style_loss([a], [b]))
    assert torch.isclose(style_loss([x], [x_hat], weights=weights), style)


# Features: LPIPS and style


def test_trunks_take_pictures_in_0_to_1_and_normalise_them_as_lpips_and_imagenet_do() -> None:
    """Public code feeds [0, 1] where LPIPS expects [-1, 1], and VGG without ImageNet's mean and deviation."""
    alex = trunk("alex")
    x = torch.rand(1, 3, 64, 64)
    shift = torch.tensor([-0.030, -0.088, -0.188])[None, :, None, None]
    scale = torch.tensor([0.458, 0.448, 0.450])[None, :, None, None]
    first = alex.stages[0]
    with torch.no_grad():
        expected = first(((2 * x - 1) - shift) / scale)
        mistaken = first((x - shift) / scale)
        found = alex.features(x)[0]
    assert torch.allclose(found, expected, atol=1e-2)
    assert (found - mistaken).abs().max() > 0.5


def test_the_training_lpips_equals_the_metric() -> None:
    rows, columns = np.mgrid[0:96, 0:80]
    a = np.stack([rows * 2, columns * 3, rows + columns], axis=2).astype(np.uint8)
    b = (a // 16 * 16).astype(np.uint8)
    alex = trunk("alex")
    maps = [alex.features(torch.from_numpy(p).permute(2, 0, 1)[None] / 255) for p in (a, b)]
    assert lpips_distance(*maps, alex.heads).item() == pytest.approx(lpips_metric("alex", a, b), rel=1e-3)


def test_lpips_distance_by_hand() -> None:
    real = torch.tensor([3.0, 4.0])[None, :, None, None].expand(1, 2, 1, 2)
    fake = torch.tensor([[[[2.0, 3.0]], [[0.0, 4.0]]]])  # (2, 0) at the left, (3, 4) at the right
    head = torch.tensor([0.5, 2.0])
    left = 0.5 * (0.6 - 1) ** 2 + 2 * 0.8**2
    distance = lpips_distance([real, real], [fake, real], [head, head])
    assert distance.shape == (1,)
    assert distance.item() == pytest.approx(left / 2, rel=1e-4)


def test_lpips_gradient_is_finite_where_all_features_are_zero() -> None:
    """Where x~ equals x the root of zero has an infinite slope, unless the eps is inside."""
    fake = torch.zeros(1, 4, 2, 2, requires_grad=True)
    lpips_distance([torch.zeros(1, 4, 2, 2)], [fake], [torch.ones(4)]).sum().backward()
    assert fake.grad is not None
    assert fake.grad.isfinite().all()
    naive = torch.zeros(1, 4, 2, 2, requires_grad=True)
    unit = naive / (naive.square().sum(1, keepdim=True).sqrt() + 1e-10)
    unit.square().sum().backward()
    assert naive.grad is not None
    assert naive.grad.isnan().any()  # the mistake this guards against


def test_gram_matrices_by_hand() -> None:
    features = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [0.0, -1.0]]]])
    grams = patch_grams(features)
    assert grams.shape == (1, 1, 2, 2)
    assert torch.allclose(grams[0, 0], torch.tensor([[30.0, -2.0], [-2.0, 2.0]]) / 4)


def test_grams_belong_to_patches_of_the_feature_map() -> None:
    features = torch.randn(2, 3, 40, 33)
    grams = patch_grams(features)
    assert grams.shape == (2, 4, 3, 3)
    patch = features[1, :, 16:32, :16].reshape(3, 256)
    assert torch.allclose(grams[1, 2], patch @ patch.T / 256, atol=1e-5)


def test_style_compares_texture_within_a_patch_but_not_across_patches() -> None:
    torch.manual_seed(0)
    real = torch.randn(1, 4, 16, 32)
    shuffled = real.flatten(2)[:, :, torch.randperm(512)].reshape(real.shape)
    rolled = torch.cat([real[..., :16].roll((3, 5), (2, 3)), real[..., 16:].roll(7, 3)], dim=3)
    assert style_loss([real], [rolled]).item() == pytest.approx(0, abs=1e-6)
    assert style_loss([real], [shuffled]).item() > 1e-3
    swapped = torch.cat([2 * real[..., :16], real[..., 16:]], dim=3)
    backwards = torch.cat([swapped[..., 16:], swapped[..., :16]], dim=3)
    assert style_loss([swapped], [backwards]) > 0.1  # a Gram matrix of the whole map would give zero
    assert style_loss([real, real], [rolled, 2 * real]).item() == pytest.approx(
        (patch_grams(real) * 3).abs().mean().item() / 2, rel=1e-4
    )


# Rate


def test_the_rate_multiplexer_switches_at_the_target() -> None:
    bpp = torch.tensor([0.10, 0.16], requires_grad=True)
    weights = rate_multiplexer(bpp, 0.14, above=2.0, below=0.0625)
    assert weights.tolist() == [0.0625, 2.0]
    (weights * bpp).sum().backward()
    assert bpp.grad is not None
    assert bpp.grad.tolist() == [0.0625, 2.0]  # the weight itself is no path for the gradient


def test_hifics_constants() -> None:
    assert [c.target for c in (HIFIC_LOW, HIFIC_MIDDLE, HIFIC_HIGH)] == [0.14, 0.30, 0.45]
    assert [c.above for c in (HIFIC_LOW, HIFIC_MIDDLE, HIFIC_HIGH)] == [2.0, 1.0, 0.5]
    assert HIFIC_LOW.mse == pytest.approx(0.00234375)
    assert (HIFIC_LOW.lpips, HIFIC_LOW.gan) == (1.0, 0.15)


def test_hifics_rate_weight_is_halved_and_its_target_raised_while_it_warms_up() -> None:
    """Public code doubles the weight at first: the constant divides lambda in the reference."""
    over, between, under = torch.tensor(0.25), torch.tensor(0.17), torch.tensor(0.05)
    assert HIFIC_LOW.rate_weight(over, step=0).item() == 1.0
    assert HIFIC_LOW.rate_weight(between, step=0).item() == 0.0625
    assert HIFIC_LOW.rate_weight(between, step=50_000).item() == 2.0
    assert HIFIC_LOW.rate_weight(under, step=50_000).item() == 0.0625


# The pattern on the grid


def dotted(x: Tensor, blocks: list[tuple[int, int, int]], size: float) -> Tensor:
    """x with dots of `size` grey levels at row 3, column 4 of blocks (picture, row, column), all colours."""
    y = x.clone()
    for number, row, column in blocks:
        y[number, :, 16 * row + 3, 16 * column + 4] += size / 255
    return y


def test_the_grid_pattern_by_hand() -> None:
    x = torch.full((1, 3, 16, 32), 0.5)
    # Two blocks alike: a dot of 2 grey levels in each, so the pattern is 2 less the mean of 2 / 256.
    both = dotted(x, [(0, 0, 0), (0, 0, 1)], 2.0)
    expected = 2.0**2 / 256 - (2.0 / 256) ** 2
    assert grid_pattern(x, both).item() == pytest.approx(expected, rel=1e-4)
    # In one of two it counts half, opposite ones cancel, and a shift of everything is no pattern.
    assert grid_pattern(x, dotted(x, [(0, 0, 0)], 2.0)).item() == pytest.approx(expected / 4, rel=1e-4)
    opposite = dotted(dotted(x, [(0, 0, 0)], 2.0), [(0, 0, 1)], -2.0)
    assert grid_pattern(x, opposite).item() == pytest.approx(0, abs=1e-9)
    assert grid_pattern(x, x + 0.1).item() == pytest.approx(0, abs=1e-7)


def test_the_grid_pattern_is_that_of_calm_blocks() -> None:
    x = torch.full((2, 3, 16, 16), 0.5)
    x[1, :, ::2] = 0.5 + 10 / 255  # rows in turn: a standard deviation of 5 grey levels, so a weight of half
    found = grid_pattern(x, dotted(x, [(0, 0, 0)], 3.0)).item()
    share = 3.0 * 1 / 1.5
    assert found == pytest.approx(share**2 / 256 - (share / 256) ** 2, rel=1e-4)


def test_the_grid_patterns_gradient_is_that_of_its_value() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    x_hat = (x + 0.1 * torch.rand_like(x)).requires_grad_()
    grid_pattern(x, x_hat).backward()
    assert x_hat.grad is not None
    step, move = 1e-6, torch.rand_like(x)
    with torch.no_grad():
        rise = grid_pattern(x, x_hat + step * move) - grid_pattern(x, x_hat - step * move)
    assert (x_hat.grad * move).sum().item() == pytest.approx(rise.item() / (2 * step), rel=1e-4)


def test_processes_share_the_grid_pattern_of_the_whole_batch() -> None:
    torch.manual_seed(0)
    x, error = torch.rand(4, 3, 16, 32), 0.1 * torch.rand(4, 3, 16, 32)
    whole = (x + error).requires_grad_()
    value = grid_pattern(x, whole)
    value.backward()
    parts = [slice(0, 2), slice(2, 4)]
    asked: list[list[Tensor]] = []
    for part in parts:  # what each process has to give
        asked.append([])
        grid_pattern(x[part], x[part] + error[part], lambda t, own=asked[-1]: own.append(t) or t.detach())  # type: ignore[misc]
    total = (asked[0][0] + asked[1][0]) / 2
    # The second thing that is shared was divided by each process's own total there, here by that of both.
    own = [[a[0], a[1] * a[0] / total] for a in asked]
    means = [(a + b).detach() / 2 for a, b in zip(*own, strict=True)]
    halves = [(x[part] + error[part]).requires_grad_() for part in parts]
    for part, half in zip(parts, halves, strict=True):
        answers = iter(means)
        found = grid_pattern(x[part], half, lambda _, answers=answers: next(answers))  # type: ignore[misc]
        assert found.item() == pytest.approx(value.item(), rel=1e-4)
        found.backward()
    assert whole.grad is not None
    gradient = torch.cat([half.grad for half in halves if half.grad is not None]) / 2
    torch.testing.assert_close(gradient, whole.grad, rtol=1e-3, atol=1e-7)
