"""Training in bfloat16: where it reaches, where it does not, and that it leads the same way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models.networks.base import CompressionNetwork
from models.networks.builders import build
from models.training import precision
from models.training.trainer import Trainer, averaged
from tests.test_training import TINY, tiny_elic, tiny_hific
from tests.training_photos import make_photos

BUILDS = pytest.mark.parametrize("config", [tiny_elic(), tiny_hific()], ids=["elic", "hific"])


def built(config: object) -> CompressionNetwork:
    torch.manual_seed(3)
    return build(config)  # type: ignore[arg-type]


def seen_types(network: CompressionNetwork, x: Tensor, position: Tensor) -> dict[str, torch.dtype]:
    types: dict[str, torch.dtype] = {}
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, name=name: types.update({name: out.dtype}))  # type: ignore[misc]
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]
    network(x, position)
    for hook in hooks:
        hook.remove()
    return types


@BUILDS
def test_only_the_transforms_but_their_last_layers_are_reduced(config: object) -> None:
    network = built(config)
    x, position = torch.rand(1, 3, 64, 64), torch.tensor([1.0])
    assert set(seen_types(network, x, position).values()) == {torch.float32}
    network.transform_precision = torch.bfloat16
    types = seen_types(network, x, position)
    reduced = {name for name, dtype in types.items() if dtype == torch.bfloat16}
    assert {name.split(".")[0] for name in reduced} == {"g_a", "g_s"}
    for part in ("g_a", "g_s"):
        whole = [name for name in types if name.startswith(part)]
        assert whole[-1] not in reduced
        assert len(reduced.intersection(whole)) >= len(whole) - 1
    output = network(x, position)
    for value in (output.x_hat, output.y_hat, output.y_bits, output.z_bits):
        assert value.dtype == torch.float32


@BUILDS
def test_gradients_lead_the_same_way(config: object) -> None:
    network = built(config)
    x, position = torch.rand(2, 3, 64, 64), torch.tensor([0.5, 1.0])

    def gradient(dtype: torch.dtype) -> Tensor:
        network.transform_precision = dtype
        torch.manual_seed(1)
        output = network(x, position, hard=False)
        loss = (output.x_hat - x).square().mean() * 1e3 + (output.y_bits + output.z_bits).mean() / 64**2
        network.zero_grad(set_to_none=True)
        loss.backward()
        return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])

    exact, reduced = gradient(torch.float32), gradient(torch.bfloat16)
    assert not torch.equal(exact, reduced)
    assert torch.cosine_similarity(exact, reduced, dim=0) > 0.98


def quick(monkeypatch: pytest.MonkeyPatch, *, native: bool, share: float) -> None:
    """A processor with or without bfloat16, which takes that share of float32's time."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native})
    monkeypatch.setattr(precision, "bfloat16_share", lambda: share)


@pytest.mark.parametrize(
    ("native", "share", "dtype"),
    [
        (True, 0.6, torch.bfloat16),
        (True, 1.5, torch.float32),
        (True, 0.95, torch.float32),
        (False, 0.6, torch.float32),
    ],
    ids=["quick", "slow", "no gain", "emulated"],
)
def test_it_is_taken_where_the_processor_gains_by_it(
    monkeypatch: pytest.MonkeyPatch, native: bool, share: float, dtype: torch.dtype
) -> None:
    quick(monkeypatch, native=native, share=share)
    assert precision.reduced_precision(torch.device("cpu")) == dtype
    assert precision.reduced_precision(torch.device("meta")) == torch.float32


def test_processes_that_train_together_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, native=True, share=0.8)
    assert precision.reduced_precision(torch.device("cpu"), lambda own: (own + 0.7) / 2) == torch.bfloat16
    assert precision.reduced_precision(torch.device("cpu"), lambda own: (own + 1.4) / 2) == torch.float32


def test_the_share_is_the_shortest_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    # A clock on which every float32 pass takes 1 s, and a bfloat16 one 3 s once and 2 s from then on.
    ticks = iter([t for second in (3, 2, 2, 2, 2, 2) for t in (0, 1, 10, 10 + second)])
    monkeypatch.setattr(precision.time, "perf_counter", lambda: float(next(ticks)))
    assert precision.bfloat16_share.__wrapped__() == 2.0
    assert next(ticks, None) is None


def test_validation_and_publishing_see_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, native=True, share=0.6)
    photos = make_photos(tmp_path / "photos")
    recipe = replace(TINY, rounds=(replace(TINY.rounds[0], steps=4, batch=1, side=64),))
    threads = torch.get_num_threads()
    trainer = Trainer(recipe, photos, tmp_path / "run", threads=1)
    try:
        assert trainer.network.transform_precision == torch.bfloat16
        trainer.train_step()
        assert all(p.dtype == torch.float32 for p in trainer.network.parameters())
        assert averaged(trainer.network, trainer.ema).transform_precision == torch.float32
        assert trainer.network.transform_precision == torch.bfloat16
    finally:
        trainer.close()
        torch.set_num_threads(threads)
