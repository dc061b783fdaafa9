"""CompressAI's zoo: imported networks compute what CompressAI computes, and their files are exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models import codec as codecs
from models import tiling
from models.codec import Rate
from models.errors import WeightsError
from models.importing.convert import convert
from models.importing.install import install
from models.learned import LearnedCodec
from models.networks.balle import Balle
from tests.foreign import Tensors, saved
from tests.test_importing import outputs, same
from tests.untrained import photo

SERIAL = ("mbt2018", "cheng2020-anchor", "cheng2020-attn")
PARALLEL = ("bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean")


def zoo(name: str, n: int = 12, m: int = 18) -> Any:
    """One of CompressAI's own, tiny, with weights that keep activations near one."""
    from compressai.zoo.image import model_architectures

    torch.manual_seed(5)
    n, m = (12, 12) if name.startswith("cheng") else (n, m)
    model = model_architectures[name](*((n,) if name.startswith("cheng") else (n, m))).eval()
    last_hyper = ""
    for path, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            stride = layer.stride[0] if isinstance(layer, nn.ConvTranspose2d) else 1
            fan = layer.in_channels * layer.kernel_size[0] ** 2 / stride**2
            nn.init.normal_(layer.weight, std=1.2 / fan**0.5)
            assert layer.bias is not None
            nn.init.normal_(layer.bias, std=0.1)
        if path.endswith("gdn"):
            layer.beta.data.mul_(1 + torch.rand_like(layer.beta))
            layer.gamma.data.add_(0.05 * torch.rand_like(layer.gamma))
        if isinstance(layer, nn.Conv2d) and path.startswith(("h_s", "entropy_parameters")):
            last_hyper = path
    with torch.no_grad():
        x = torch.rand(1, 3, 64, 64)
        y = model.g_a(x)
        ends = [layer for layer in model.g_a.modules() if isinstance(layer, nn.Conv2d)]
        if not name.endswith("attn"):
            for value in ends[-1].parameters():  # latents far from all zero
                value.mul_(3 / y.std())
        if name.endswith("attn"):
            model.g_a[0].conv1.weight.mul_(2.0)
        spread = model(x)["x_hat"].std()
        ends = [v for v in model.g_s.modules() if isinstance(v, nn.Conv2d | nn.ConvTranspose2d)]
        for value in ends[-1].parameters():
            value.div_(5 * spread)
        if last_hyper:  # scales about as large as the latents, as training makes them
            layer = model.get_submodule(last_hyper)
            layer.weight.mul_(0.2)
            layer.bias[: y.shape[1]] += 3.0
    nn.init.normal_(model.entropy_bottleneck.quantiles[:, 0, 1], std=0.3)
    return model


def image(width: int, height: int, batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(8))


@pytest.mark.parametrize("name", PARALLEL)
def test_the_output_is_compressais_own(tmp_path: Path, name: str) -> None:
    model = zoo(name)
    x = image(128, 64, batch=2)
    with torch.no_grad():
        out = model(x)
    found = convert(saved(model.state_dict(), tmp_path / "c.pth.tar"))
    assert (found.layout.name, found.layout.codec) == (f"CompressAI {name}", name)
    ours, theirs = outputs(found.network, x), {"x_hat": out["x_hat"], **out["likelihoods"]}
    if name == "bmshj2018-factorized":  # what CompressAI calls y is coded as z here
        theirs["z"] = theirs.pop("y")
        ours["symbols"] = found.network.hyper_round(found.network.analyse(x, None))
    same(ours, theirs)


@pytest.mark.parametrize("name", SERIAL)
def test_serial_networks_know_what_compressais_know(tmp_path: Path, name: str) -> None:
    """CompressAI's forward rounds latents without their means, its coder around them: both are met."""
    model = zoo(name)
    found = convert(saved(model.state_dict(), tmp_path / "c.pth.tar"))
    assert found.layout.codec == name and isinstance(found.network, Balle)
    network = found.network
    x = image(128, 64)
    with torch.no_grad():
        out = model(x)
        y = network.analyse(x, None)
        z_hat, z_likelihoods = network.entropy_bottleneck(network.h_a(y), training=False)
        assert network.h_s is not None and network.context is not None
        raw, mean = network.context.known(y.round(), network.h_s(z_hat))
        symbols = torch.round(y - mean)
        ours = {
            "x_hat": network.synthesise(y.round(), None),
            "y": torch.exp2(-network.gaussian_bits(symbols, network.scale(raw))),
            "z": z_likelihoods,
            "symbols": symbols,
        }
        same(ours, {"x_hat": out["x_hat"], **out["likelihoods"]})
        # As coded: each latent is known before the next.
        y_hat, raw, mean = network.predict(y, network.hyper_round(network.h_a(y)))
        again, known = network.context.known(y_hat, network.h_s(z_hat))
        assert torch.allclose(raw, again, atol=1e-4) and torch.allclose(mean, known, atol=1e-4)
        assert torch.allclose(y_hat, torch.round(y - mean) + mean, atol=1e-5)
        model.update(force=True)
        coded = model.compress(x)
        decoded = model.decompress(coded["strings"], coded["shape"])["x_hat"]
        # Rounding errors pass from latent to latent before they meet in a pixel.
        assert (network.synthesise(y_hat, None).clamp(0, 1) - decoded).abs().max() < 5e-4


@pytest.mark.parametrize("name", [*PARALLEL, *SERIAL])
def test_files_are_exact_and_as_short_as_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path / "installed"))
    monkeypatch.setattr(codecs, "_instances", {})
    monkeypatch.setattr("models.learned._loaded", {})
    made = install(saved(zoo(name).state_dict(), tmp_path / "c.pth.tar"), f"{name}:mine")
    # What the attention lets vary most falls below the scales that are coded at all.
    assert abs(made.loss.rate) < (0.5 if name != "cheng2020-attn" else 2)
    assert abs(made.loss.psnr) < 0.05 and made.loss.float_bpp > 0.15
    coder = codecs.get(f"{name}:mine")
    assert isinstance(coder, LearnedCodec)
    for size in ((150, 101), (16, 16), (33, 7)):
        picture = photo(*size)
        encoding = coder.encode(picture, Rate(quality=50))
        assert codecs.identify(encoding.data) == f"{name}:mine"
        decoded = codecs.decode(encoding.data)
        assert decoded.pixels.shape == picture.pixels.shape
        assert encoding.bytes == pytest.approx(coder.estimated_bytes(picture, 50), rel=0.03, abs=45)
        spoilt = bytearray(encoding.data)
        spoilt[len(spoilt) // 2] ^= 4
        with pytest.raises(codecs.BitstreamError):
            codecs.decode(bytes(spoilt))


@pytest.mark.parametrize("name", ["bmshj2018-hyperprior", "cheng2020-attn"])
def test_tiles_see_what_the_whole_picture_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path))
    network = convert(saved(zoo(name).state_dict(), tmp_path / "c.pth.tar")).network
    from models.watch import QUIET

    cpu = torch.device("cpu")
    picture = photo(304, 272)
    x = torch.from_numpy(picture.pixels).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        y = network.g_a(x - 0.5)
        parts = tiling.analyse(network, picture.pixels, 8, cpu, QUIET)
        assert (y - parts).abs().max() < 1e-3 * y.abs().max()
        pixels = tiling.to_bytes(network.g_s(y.round())[0])
        tiled = tiling.synthesise(network, y.round()[0].double(), None, (272, 304), 8, cpu, QUIET)
    assert np.abs(pixels.astype(int) - tiled.astype(int)).max() <= 1


def test_the_oldest_names_are_read(tmp_path: Path) -> None:
    """CompressAI's first weights: parameter lists, and skips by another name."""
    tensors: Tensors = {}
    for key, value in zoo("cheng2020-anchor").state_dict().items():
        name = key.replace(".skip.", ".downsample.")
        for new, old in (("matrices.", "_matrices."), ("biases.", "_biases."), ("factors.", "_factors.")):
            name = name.replace(f"entropy_bottleneck.{new}", f"entropy_bottleneck.{old}")
        tensors[name] = value
    assert any("downsample" in name for name in tensors)
    assert convert(saved(tensors, tmp_path / "c.pth.tar", training=True)).layout.codec == "cheng2020-anchor"


@pytest.mark.parametrize(
    ("name", "spoil", "named"),
    [
        ("mbt2018", {"context_prediction.mask": 1}, "context_prediction.mask is not the mask"),
        ("mbt2018-mean", {"h_s.2.weight": 0}, "lacks the tensor h_s.2.weight"),
        ("bmshj2018-factorized", {"g_s.3.gamma": 0}, "lacks the tensor g_s.3.gamma"),
        ("cheng2020-anchor", {"g_a.2.skip.weight": 0}, "lacks the tensor g_a.2.skip.weight"),
        ("cheng2020-anchor", {"context_prediction.weight": 0}, "lacks the tensor context_prediction.weight"),
    ],
)
def test_the_first_wrong_tensor_is_named(
    tmp_path: Path, name: str, spoil: dict[str, int], named: str
) -> None:
    tensors = dict(zoo(name).state_dict())
    for key, value in spoil.items():
        if value:
            tensors[key] = torch.ones_like(tensors[key])
        else:
            del tensors[key]
    with pytest.raises(WeightsError) as caught:
        convert(saved(tensors, tmp_path / "spoilt.pth.tar"))
    assert named in str(caught.value) and "\n" not in str(caught.value)


def test_waves_cover_every_latent_once_and_in_order() -> None:
    from models.networks.causal import CausalContext

    context = CausalContext(2, 5, (4,))
    for height, width in ((1, 1), (1, 7), (6, 1), (5, 5), (4, 9)):
        done = torch.zeros(height, width, dtype=torch.bool)
        for rows, columns in context.waves(height, width):
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
                assert not done[row, column]
                above = done[max(row - 2, 0) : row, max(column - 2, 0) : column + 3]
                assert above.all() and done[row, max(column - 2, 0) : column].all()
            done[rows, columns] = True
        assert done.all()


def test_the_context_is_a_masked_convolution() -> None:
    from models.networks.causal import CausalConv

    layer = CausalConv(3, 4, 5)
    x = torch.randn(1, 3, 7, 9)
    with torch.no_grad():
        whole = layer(x)
        window = layer(x[:, :, 1:6, 2:7], windows=True)
        changed = x.clone()
        changed[:, :, 3, 4:] += 9
        changed[:, :, 4:] += 9
        assert torch.allclose(whole[:, :, 3, 4], window[:, :, 0, 0], atol=1e-6)
        assert torch.allclose(whole[:, :, 3, 4], layer(changed)[:, :, 3, 4])
        assert not torch.allclose(whole[:, :, 3, 5], layer(changed)[:, :, 3, 5])
        assert torch.allclose(F.conv2d(x, layer.weight * layer.mask, layer.bias, padding=2), whole)
