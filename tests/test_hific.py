"""HiFiC's own parts: channel norm, generator, hyperprior without context, conditional discriminator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from models.networks.base import CompressionNetwork
from models.networks.builders import build, config
from models.networks.discriminator import Discriminator
from models.networks.hific import ChannelNorm, HiFiC, HificConfig


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


def test_channel_norm_takes_the_unbiased_variance() -> None:
    norm = ChannelNorm(5)
    with torch.no_grad():
        norm.gamma.copy_(torch.randn(1, 5, 1, 1))
        norm.beta.copy_(torch.randn(1, 5, 1, 1))
        x = 0.1 * torch.randn(2, 5, 3, 4)
        variance = x.var(1, keepdim=True, unbiased=True)
        expected = (x - x.mean(1, keepdim=True)) / (variance + 1e-3).sqrt() * norm.gamma + norm.beta
        assert torch.allclose(norm(x), expected, atol=1e-6)
        biased = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, unbiased=False) + 1e-3).sqrt()
        assert not torch.allclose(norm(x), biased * norm.gamma + norm.beta, atol=1e-3)


def test_hific_has_nine_residual_blocks_under_a_long_skip() -> None:
    network = on_meta("hific-paper")
    assert isinstance(network, HiFiC)
    assert len(network.g_s.blocks) == 9
    seven = HificConfig(widths=(60, 120, 240, 480, 960), latent=220, hyper_width=320, blocks=7)
    with torch.device("meta"):
        assert count(build(seven).g_s) == 123_585_563  # the published weights with seven blocks


def test_hifics_coding_parameters_come_from_the_hyper_latents_alone() -> None:
    network = build(config("hific-lite"))
    assert isinstance(network, HiFiC)
    kinds = {type(layer) for net in (network.h_s_mean, network.h_s_scale) for layer in net}
    assert kinds == {nn.Conv2d, nn.ConvTranspose2d, nn.ReLU}  # what fixed point can run exactly
    z_hat = torch.randn(1, network.config.hyper_latent, 2, 3)
    with torch.no_grad():
        raw, mean = network.told(z_hat)
        _, again, mean_again = network.predict(torch.randn(1, 192, 8, 12), z_hat)
    assert raw.shape == mean.shape == (1, 192, 8, 12)
    assert torch.equal(raw, again)
    assert torch.equal(mean, mean_again)


@pytest.mark.parametrize("name", ["elic-5-lite", "hific-lite"])
def test_scales_stay_within_the_table(name: str) -> None:
    network = build(config(name))
    sigma = network.scale(torch.tensor([-50.0, -2.3, 0.0, 1.0, 50.0]))
    assert sigma[0].item() == pytest.approx(0.11)
    assert sigma[2].item() == pytest.approx(1.0)
    assert sigma[4].item() == pytest.approx(256.0)


def test_gaussian_bits_are_minus_log2_of_the_bins_mass() -> None:
    network = build(config("hific-lite"))
    normal = torch.distributions.Normal(0.0, 1.0)
    offset = torch.tensor([0.0, 1.0, -2.0, 0.3])
    sigma = torch.tensor([0.5, 1.0, 3.0, 2.0])
    mass = normal.cdf((offset + 0.5) / sigma) - normal.cdf((offset - 0.5) / sigma)
    assert torch.allclose(network.gaussian_bits(offset, sigma), -mass.log2(), atol=1e-5)


# The discriminator


def test_the_discriminator_has_hifics_size() -> None:
    assert count(Discriminator(220)) == 2_800_797
    assert count(Discriminator(192, width=16)) < 250_000


def test_the_discriminator_is_spectrally_normalised_and_has_no_batch_norm() -> None:
    judge = Discriminator(6, width=8)
    convolutions = [m for m in judge.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 6
    assert all(torch.nn.utils.parametrize.is_parametrized(m, "weight") for m in convolutions)
    assert not any(isinstance(m, nn.BatchNorm2d | nn.Sigmoid) for m in judge.modules())
    for _ in range(60):
        judge(torch.rand(1, 3, 16, 16), torch.randn(1, 6, 1, 1))  # each pass refines the estimate
    for layer in convolutions:
        norm = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2)
        assert norm.item() == pytest.approx(1, abs=0.05)


def test_every_picture_is_judged_with_its_own_latents() -> None:
    judge = Discriminator(6, width=8).eval()
    real, fake = torch.rand(3, 3, 32, 48), torch.rand(3, 3, 32, 48)
    y_hat = 3 * torch.randn(3, 6, 2, 3)
    with torch.no_grad():
        real_logits, fake_logits = judge.compare(real, fake, y_hat)
        assert real_logits.shape == (3, 1, 4, 6)
        assert torch.allclose(real_logits, judge(real, y_hat), atol=1e-5)
        assert torch.allclose(fake_logits, judge(fake, y_hat), atol=1e-5)
        wrong = judge(real, y_hat.repeat_interleave(2, 0)[:3])
        assert not torch.allclose(real_logits, wrong, atol=1e-3)


def test_the_discriminator_sends_no_gradient_into_the_latents() -> None:
    judge = Discriminator(6, width=8)
    y_hat = torch.randn(1, 6, 2, 2, requires_grad=True)
    x = torch.rand(1, 3, 32, 32, requires_grad=True)
    judge(x, y_hat).sum().backward()
    assert y_hat.grad is None
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
