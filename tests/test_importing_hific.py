"""Imported HiFiCs compute what their authors' programs compute, and their files are exact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models import codec as codecs
from models.codec import Rate
from models.errors import WeightsError
from models.importing.convert import _check_names, convert
from models.importing.install import install
from models.importing.layout import recognise
from models.networks.hific import HiFiC, HificConfig
from models.networks.stored import skeleton
from tests.foreign import Tensors, saved
from tests.foreign_hific import (
    ARGS,
    PUBLISHED,
    HificSizes,
    justin_tan,
    justin_tan_forward,
    neural_compression,
    neural_compression_forward,
)
from tests.test_importing import bottleneck_of, outputs, same
from tests.untrained import photo


def training(tensors: Tensors, path: Path, **options: Any) -> Path:
    """A file as Justin-Tan's training saves it."""
    optimizer = {"state": {0: {"step": 1, "exp_avg": torch.zeros(4)}}, "param_groups": [{"lr": 1e-4}]}
    torch.save(
        {
            "model_state_dict": tensors,
            "compression_optimizer_state_dict": optimizer,
            "epoch": 3,
            "steps": 100,
            "args": {k: v for k, v in (ARGS | options).items() if v is not None},
        },
        path,
    )
    return path


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("likelihood", ["gaussian", "logistic"])
def test_justin_tans_layout(tmp_path: Path, signed: bool, likelihood: str) -> None:
    tensors = justin_tan(HificSizes(blocks=3, seed=2 + signed))
    options = {"normalize_input_image": signed, "likelihood_type": likelihood, "n_residual_blocks": 3}
    found = convert(training(tensors, tmp_path / "hific.pt", **options))
    assert (found.layout.name, found.layout.codec) == ("Justin-Tan/HiFiC", "hific")
    assert isinstance(found.network, HiFiC)
    assert found.network.config.blocks == 3 and found.network.config.pixels == (
        "signed" if signed else "unit"
    )
    x = torch.rand(2, 3, 128, 192, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        same(outputs(found.network, x), justin_tan_forward(tensors, ARGS | options, x))
    line = found.describe()
    assert "3 residual blocks" in line and likelihood in line and "\n" not in line


def test_neural_compressions_layout(tmp_path: Path) -> None:
    tensors = neural_compression()
    found = convert(saved(tensors, tmp_path / "msillm.ckpt"))
    assert (found.layout.name, found.layout.codec) == ("NeuralCompression HiFiC / MS-ILLM", "hific")
    x = torch.rand(1, 3, 128, 64, generator=torch.Generator().manual_seed(8))
    with torch.no_grad():
        wanted = neural_compression_forward(tensors, 2, bottleneck_of(tensors, "hyper_bottleneck."), x)
        same(outputs(found.network, x), wanted)


@pytest.mark.parametrize(
    ("tensors", "args"), [(justin_tan, {"args": ARGS | {"n_residual_blocks": 9}}), (neural_compression, {})]
)
def test_published_sizes(tensors: Callable[[HificSizes], Tensors], args: dict[str, Any]) -> None:
    """Names, shapes and parameter counts of the real files (codecs.md, 1.4); no memory is taken."""
    values = tensors(PUBLISHED)
    layout = recognise("c.pt", values, args)
    _check_names("c.pt", layout, values)
    assert isinstance(layout.config, HificConfig)
    outline = skeleton(layout.config)
    sizes = [sum(p.numel() for p in part.parameters()) for part in (outline.g_a, outline.g_s, outline.h_a)]
    assert sizes == [7_423_420, 156_774_683, 5_754_560]


@pytest.mark.parametrize("likelihood", ["gaussian", "logistic"])
def test_files_are_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, likelihood: str) -> None:
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path / "installed"))
    monkeypatch.setattr(codecs, "_instances", {})
    monkeypatch.setattr("models.learned._loaded", {})
    made = install(training(justin_tan(), tmp_path / "c.pt", likelihood_type=likelihood), "hific:mine")
    assert abs(made.loss.rate) < 3 and abs(made.loss.psnr) < 0.05 and made.loss.float_bpp > 0.05
    coder = codecs.get("hific:mine")
    if likelihood == "logistic":  # a small logistic scale still has symbols: none may be left out
        assert coder.entropy.coded(torch.tensor([-5.0, 0.0, 0.11])).all()  # type: ignore[attr-defined]
    for size in ((150, 101), (16, 16), (7, 64)):  # down to less picture than a mirrored border takes
        picture = photo(*size)
        encoding = coder.encode(picture, Rate(quality=50))
        assert encoding.codec == "hific:mine" and codecs.identify(encoding.data) == "hific:mine"
        assert codecs.decode(encoding.data).pixels.shape == picture.pixels.shape
        assert encoding.bytes == pytest.approx(
            coder.estimated_bytes(picture, 50),
            rel=0.03,
            abs=60,  # type: ignore[attr-defined]
        )


def test_tiles_see_what_the_whole_picture_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("models.learned._loaded", {})
    from models import tiling
    from models.learned import LearnedCodec
    from models.watch import QUIET

    sizes = HificSizes(blocks=1)
    file = install(training(justin_tan(sizes), tmp_path / "c.pt", n_residual_blocks=1)).file
    codec = LearnedCodec(file)
    picture = photo(400, 336)
    whole = codec.analyse(picture)
    parts = tiling.analyse(codec.network, picture.pixels, 8, codec.device, QUIET)
    assert (whole - parts).abs().max() < 1e-4
    y_hat = whole[0].double()
    pixels = codec.synthesise(y_hat, 100, 336, 400)
    tiled = tiling.synthesise(codec.network, y_hat, None, (336, 400), 8, codec.device, QUIET)
    assert np.abs(pixels.astype(int) - tiled.astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("options", "spoil", "named"),
    [
        ({"sample_noise": True}, "", "random noise"),
        ({"use_latent_mixture_model": True}, "", "mixtures"),
        ({"use_channel_norm": False}, "", "use_channel_norm False"),
        ({"likelihood_type": "laplace"}, "", "'laplace' for likelihood_type, not gaussian or logistic"),
        ({"likelihood_type": None}, "", "nothing for likelihood_type"),
        ({"normalize_input_image": torch.ones(3)}, "", "nothing for normalize_input_image"),
        ({"n_residual_blocks": 9}, "", "has 2 residual blocks, but its args say n_residual_blocks 9"),
        ({}, "Encoder.conv_block3.2.gamma", "lacks the tensor Encoder.conv_block3.2.gamma"),
        ({}, "Encoder.conv_block5.1.weight", "has 4 stages, not 5"),
        ({}, "Hyperprior.synthesis_std.conv2.bias", "Hyperprior.synthesis_std.conv2.bias"),
        ({}, "Hyperprior.hyperlatent_likelihood.a_3", "Hyperprior.hyperlatent_likelihood.a_3"),
        ({"args": None}, "", "has no args beside its weights"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, options: dict[str, Any], spoil: str, named: str) -> None:
    tensors = justin_tan()
    if spoil:
        tensors.pop(spoil)
    path = tmp_path / "spoilt.pt"
    if "args" in options:
        saved(tensors, path)
    else:
        training(tensors, path, **options)
    with pytest.raises(WeightsError) as caught:
        convert(path)
    text = str(caught.value)
    assert named in text and "\n" not in text and path.name in text and len(text) < 320


def test_a_strange_tensor_or_shape_is_named(tmp_path: Path) -> None:
    tensors = neural_compression() | {"decoder.blocks.7.weight": torch.zeros(3)}
    with pytest.raises(WeightsError, match=r"has the tensor decoder\.blocks\.7\.weight"):
        convert(saved(tensors, tmp_path / "c.ckpt"))
    tensors = justin_tan() | {"Generator.resblock_1.conv2.weight": torch.zeros(12, 12, 5, 5)}
    with pytest.raises(WeightsError, match=r"resblock_1\.conv2\.weight has the shape"):
        convert(training(tensors, tmp_path / "c.pt"))
