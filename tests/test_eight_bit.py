"""Kernels in 8 bits: what comes back, what it costs, and which files are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from models import eight_bit, weights
from models.errors import WeightsError
from models.networks import builders
from models.training.recipes import HIFIC_BLOCKS
from models.training.start import recipe_named

KERNEL = "g_s.blocks.3.branch.0.weight"
Tensors = dict[str, np.ndarray[Any, Any]]
CARD = weights.Card("hific:lite", "hific-lite", "r", 1, 0.1, "d", "l", "abc", "2026-01-01")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> weights.WeightsFile:
    """HiFiC's lite network with its residual blocks in 8 bits."""
    torch.manual_seed(3)
    network = builders.build(builders.config("hific-lite"))
    return weights.save(
        network, CARD, tmp_path_factory.mktemp("eight") / "h.safetensors", eight_bit=HIFIC_BLOCKS
    )


def test_a_kernel_comes_back_within_half_a_step() -> None:
    value = torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(1)) * torch.tensor(
        [1.0, 100.0, 1e-4, 0.0, 3.0]
    ).view(5, 1, 1, 1)
    stored, steps = eight_bit.packed(value)
    assert stored.dtype == torch.int8 and steps.shape == (5,)
    back = eight_bit.unpacked(stored.numpy(), steps.numpy())
    assert ((back - value).abs() <= steps.view(5, 1, 1, 1) * 0.5001).all()
    assert torch.allclose(steps[0] * 127, value[0].abs().max()) and not back[3].any()


def test_only_kernels_of_the_named_part_are_packed(saved: weights.WeightsFile) -> None:
    kinds = {name: str(value.dtype) for name, value in load_file(saved.path).items()}
    packed = {name for name, kind in kinds.items() if kind == "int8"}
    assert len(packed) == 18 and all(name.startswith(HIFIC_BLOCKS) for name in packed)
    assert kinds[KERNEL + ".step"] == "float32" and kinds["g_s.head.1.weight"] == "float16"


def test_the_network_that_is_measured_is_the_one_that_is_loaded(tmp_path: Path) -> None:
    torch.manual_seed(4)
    network = builders.build(builders.config("hific-lite"))
    before = network.get_parameter(KERNEL).detach().clone()
    file = weights.save(network, CARD, tmp_path / "h.safetensors", eight_bit=HIFIC_BLOCKS)
    loaded, _ = weights.load(file)
    for name, value in network.named_parameters():
        assert torch.equal(value, loaded.get_parameter(name)), name
    assert not torch.equal(before, network.get_parameter(KERNEL))
    assert torch.allclose(before, network.get_parameter(KERNEL), atol=float(before.abs().max()) / 250)


@pytest.mark.parametrize(
    "name", ["hific-lite", "hific-perceptual-lite", "hflic-lite", "hflic-perceptual-lite", "enh-po-elic-lite"]
)
def test_published_weights_fit_into_the_repository(name: str, tmp_path: Path) -> None:
    recipe = recipe_named(name)
    network = builders.build(recipe.network())
    halves = weights.save(network, CARD, tmp_path / "a.safetensors").path.stat().st_size
    file = weights.save(network, CARD, tmp_path / "b.safetensors", eight_bit=recipe.eight_bit)
    assert file.path.stat().st_size < 12 << 20 < halves


def _without(tensors: Tensors) -> None:
    del tensors[KERNEL + eight_bit.STEP]


def _short(tensors: Tensors) -> None:
    tensors[KERNEL + eight_bit.STEP] = tensors[KERNEL + eight_bit.STEP][:-1]


def _halves(tensors: Tensors) -> None:
    tensors[KERNEL + eight_bit.STEP] = tensors[KERNEL + eight_bit.STEP].astype(np.float16)


def _idle(tensors: Tensors) -> None:
    tensors["g_s.head.1.weight" + eight_bit.STEP] = np.ones(192, np.float32)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without, f"the steps of {KERNEL} are missing"),
        (_short, f"the steps of {KERNEL} are missing or of a wrong type or shape"),
        (_halves, f"the steps of {KERNEL} are missing or of a wrong type or shape"),
        (_idle, "has the tensor g_s.head.1.weight.step, unknown to its network"),
    ],
)
def test_forged_steps_are_refused(
    saved: weights.WeightsFile, tmp_path: Path, change: Callable[[Tensors], None], words: str
) -> None:
    tensors: Tensors = load_file(saved.path)
    change(tensors)
    path = tmp_path / "forged.safetensors"
    mark = weights.fingerprint_of(tensors)
    save_file(tensors, path, {"card": json.dumps(asdict(CARD)), "fingerprint": mark})
    with pytest.raises(WeightsError, match=words.replace(".", r"\.")):
        weights.load(weights.read_header(path))
