"""Trained weights go on in a network with more latents: what was there keeps its answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.errors import WeightsError
from models.networks.base import CompressionNetwork
from models.networks.builders import build, config
from models.networks.elic import EARLIER_LADDERS, ElicConfig, narrower
from models.networks.growth import grown
from models.networks.layers import dct_order

OLD, NEW = 192, 320


def configuration(name: str) -> ElicConfig:
    found = config(name)
    assert isinstance(found, ElicConfig)
    return found


def disturbed(configuration: ElicConfig) -> CompressionNetwork:
    """A network whose every parameter, biases too, is another than a fresh one's."""
    torch.manual_seed(3)
    network = build(configuration).eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            if not name.startswith("entropy_bottleneck."):
                value.add_(0.1 * value.std(correction=0).clamp(min=0.05) * torch.randn_like(value))
    return network


def pair(name: str) -> tuple[CompressionNetwork, CompressionNetwork, dict[str, Tensor]]:
    ours = configuration(name)
    old, new = disturbed(narrower(ours)), build(ours).eval()
    parameters = grown(old.state_dict(), narrower(ours), ours)
    assert not new.load_state_dict(parameters).missing_keys
    return old, new, parameters


@pytest.mark.parametrize("name", ["elic-lite", "elic-5-lite", "hflic-lite"])
def test_the_latents_before_are_coded_as_before(name: str) -> None:
    old, new, _ = pair(name)
    x, position = torch.rand(2, 3, 64, 128), torch.tensor([2.0, 7.5])
    with torch.no_grad():
        y = new.analyse(x, position)
        torch.testing.assert_close(y[:, :OLD], old.analyse(x, position))
        z = new.hyper_round(new.h_a(y))
        torch.testing.assert_close(z, old.hyper_round(old.h_a(y[:, :OLD])))
        before, now = old.predict(y[:, :OLD], z), new.predict(y, z)
        for was, part in zip(before, now, strict=True):
            torch.testing.assert_close(part[:, :OLD], was)
        assert not now[2][:, OLD:].any(), "nothing is known of the new ones"


def test_the_picture_changes_by_what_the_new_latents_add_alone() -> None:
    old, new, _ = pair("hflic-lite")
    position = torch.tensor([4.0])
    y = torch.randn(1, NEW, 4, 4)
    with torch.no_grad():
        was = old.synthesise(y[:, :OLD], position)
        silent = torch.cat([y[:, :OLD], torch.zeros(1, NEW - OLD, 4, 4)], dim=1)
        torch.testing.assert_close(new.synthesise(silent, position), was)
        assert new.s_shortcut is not None
        added = new.unscale(y - silent, position)
        torch.testing.assert_close(new.synthesise(y, position), was + new.s_shortcut(added))


def test_a_new_latent_begins_with_a_share_of_a_coefficient_nobody_had() -> None:
    _, new, _ = pair("elic-5-lite")
    assert new.a_shortcut is not None and new.s_shortcut is not None
    rows = new.a_shortcut.project.weight.detach()[OLD:, :, 0, 0]
    columns = new.s_shortcut.project.weight.detach()[:, OLD:, 0, 0]
    torch.testing.assert_close(rows @ columns, 0.5 * torch.eye(NEW - OLD), atol=1e-4, rtol=0)
    fresh = build(narrower(configuration("elic-5-lite")))
    assert fresh.s_shortcut is not None
    there = fresh.s_shortcut.project.weight.detach()[:, :, 0, 0]
    torch.testing.assert_close(rows @ there, torch.zeros(NEW - OLD, OLD), atol=1e-4, rtol=0)


def test_a_new_scale_begins_as_that_of_the_nearest_latent_of_its_colour() -> None:
    _, new, _ = pair("hflic-lite")
    y, z = torch.randn(1, NEW, 4, 4), torch.randn(1, 64, 1, 1)
    with torch.no_grad():
        raw = new.predict(y, z)[1]
    order = dct_order(OLD)
    planes = [place[0] for place in dct_order(NEW) if place not in set(order)]
    for plane in (0, 1, 2):
        nearest = max(i for i, (colour, _, _) in enumerate(order) if colour == plane)
        for at in (OLD + planes.index(plane), NEW - 1 - planes[::-1].index(plane)):
            torch.testing.assert_close(raw[:, at], raw[:, nearest])


def test_rates_and_latents_grow_together() -> None:
    ours = configuration("elic-lite")
    theirs = replace(narrower(ours), ladder=EARLIER_LADDERS[0])
    parameters = grown(disturbed(theirs).state_dict(), theirs, ours)
    assert parameters["gain.log_gain"].shape == (12, NEW)
    assert not build(ours).load_state_dict(parameters).missing_keys


def test_the_same_network_is_left_alone() -> None:
    ours = configuration("elic-lite")
    state = build(ours).state_dict()
    assert all(torch.equal(value, state[name]) for name, value in grown(state, ours, ours).items())


def test_groups_that_changed_otherwise_are_refused() -> None:
    ours = configuration("elic-lite")
    theirs = narrower(configuration("elic-5-lite"))
    with pytest.raises(WeightsError, match="192 latents cannot become 320"):
        grown(build(theirs).state_dict(), theirs, ours)
