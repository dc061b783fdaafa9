"""Imported networks compute what their authors' programs compute, and their files are exact."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models import codec as codecs
from models import weights
from models.codec import Rate
from models.importing.convert import _check_names, convert
from models.importing.families import renewed
from models.importing.install import install
from models.importing.ladder import RateLadderCodec
from models.importing.layout import recognise
from models.importing.loss import ExactLoss
from models.networks.base import CompressionNetwork
from models.networks.elic import GROUPS_5, GROUPS_10, ElicConfig
from models.networks.stored import skeleton
from tests.foreign import Sizes, Tensors, chandelier, jiang, saved
from tests.untrained import photo

PUBLISHED = Sizes(192, 320, 96, GROUPS_5, channel=(224, 128), device="meta")


def outputs(network: CompressionNetwork, x: Tensor) -> dict[str, Tensor]:
    """x_hat and the likelihoods of the rounded latents."""
    with torch.no_grad():
        y = network.analyse(x, None)
        z = network.h_a(y)
        _, z_likelihoods = network.entropy_bottleneck(z, training=False)
        y_hat, raw, mean = network.predict(y, network.hyper_round(z))
        bits = network.gaussian_bits(y_hat - mean, network.scale(raw))
        return {
            "x_hat": network.synthesise(y_hat, None),
            "y": torch.exp2(-bits),
            "z": z_likelihoods,
            "symbols": y_hat - mean,
        }


def same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    for name, wanted in theirs.items():
        assert ours[name].shape == wanted.shape
        assert (ours[name] - wanted).abs().max() < 1e-4, name
    assert (ours["symbols"].abs() > 0.5).float().mean() > 0.2 and theirs["x_hat"].std() > 0.02


def bottleneck_of(tensors: Tensors, prefix: str) -> nn.Module:
    """CompressAI's own factorised prior with the file's numbers."""
    from compressai.entropy_models import EntropyBottleneck

    new = {"_matrix": "matrices.", "_bias": "biases.", "_factor": "factors."}
    own: Tensors = {}
    for key, value in tensors.items():
        if key.startswith(prefix) and value.is_floating_point():
            name = key.removeprefix(prefix)
            own[next((n + name[-1] for o, n in new.items() if name.startswith(o)), name)] = value
    bottleneck = EntropyBottleneck(own["quantiles"].shape[0])
    bottleneck.load_state_dict(own, strict=False)
    module: nn.Module = bottleneck.eval()
    return module


class Straight:
    """JiangWeibeta/ELIC's forward pass in evaluation, line by line from its description."""

    def __init__(self, tensors: Tensors, groups: tuple[int, ...]) -> None:
        self.t, self.groups = tensors, groups

    def conv(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = self.t[f"{name}.weight"]
        return F.conv2d(x, weight, self.t[f"{name}.bias"], stride, weight.shape[-1] // 2)

    def deconv(self, name: str, x: Tensor, stride: int = 2) -> Tensor:
        weight = self.t[f"{name}.weight"]
        half = weight.shape[-1] // 2
        return F.conv_transpose2d(x, weight, self.t[f"{name}.bias"], stride, half, stride - 1)

    def stack(self, name: str, x: Tensor) -> Tensor:
        layer = 0
        while f"{name}.{layer}.weight" in self.t:
            x = self.conv(f"{name}.{layer}", F.relu(x) if layer else x)
            layer += 2
        return x

    def attention(self, name: str, x: Tensor) -> Tensor:
        sides = []
        for side in "ab":
            v = x
            for unit in range(3):
                v = F.relu(v + self.stack(f"{name}.conv_{side}.{unit}.conv", v))
            sides.append(v)
        return x + sides[0] * torch.sigmoid(self.conv(f"{name}.conv_b.3", sides[1]))

    def transform(self, name: str, x: Tensor, *, up: bool) -> Tensor:
        for layer in range(15):
            part = f"{name}.{layer}"
            if f"{part}.branch.0.weight" in self.t:
                x = x + self.stack(f"{part}.branch", x)
            elif f"{part}.conv_b.3.weight" in self.t:
                x = self.attention(part, x)
            else:
                x = self.deconv(part, x) if up else self.conv(part, x, 2)
        return x

    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        y = self.transform("g_a.analysis_transform", x, up=False)
        z = self.conv("h_a.reduction.0", y)
        z = self.conv("h_a.reduction.4", F.relu(self.conv("h_a.reduction.2", F.relu(z), 2)), 2)
        z_hat, z_likelihoods = bottleneck_of(self.t, "entropy_bottleneck.")(z)
        hyper = self.deconv("h_s.increase.2", F.relu(self.deconv("h_s.increase.0", z_hat)))
        hyper = self.deconv("h_s.increase.4", F.relu(hyper), 1)
        odd = torch.zeros_like(y[:, :1])
        odd[..., 0::2, 1::2] = odd[..., 1::2, 0::2] = 1  # anchors: (even, odd) and (odd, even)
        done: list[Tensor] = []
        likelihoods = []
        start = 0
        for k, size in enumerate(self.groups):
            part = y[:, start : start + size]
            known = hyper
            if k:
                known = torch.cat([self.stack(f"channel_context.{k}.fushion", torch.cat(done, 1)), hyper], 1)
            scale_a, mean_a = self.stack(f"entropy_parameters_anchor.{k}.fusion", known).chunk(2, 1)
            anchors = (torch.round(part - mean_a) + mean_a) * odd
            local = self.conv(f"local_context.{k}", anchors)  # no mask: other cells hold zero
            name = f"entropy_parameters_nonanchor.{k}.fusion"
            scale_n, mean_n = self.stack(name, torch.cat([local, known], 1)).chunk(2, 1)
            scale = (scale_a * odd + scale_n * (1 - odd)).clamp(min=0.11)
            mean = mean_a * odd + mean_n * (1 - odd)
            symbol = torch.round(part - mean)
            normal = torch.distributions.Normal(torch.zeros_like(scale), scale)
            likelihoods.append(normal.cdf(symbol + 0.5) - normal.cdf(symbol - 0.5))
            done.append(symbol + mean)
            start += size
        x_hat = self.transform("g_s.synthesis_transform", torch.cat(done, 1), up=True)
        return {"x_hat": x_hat, "y": torch.cat(likelihoods, 1), "z": z_likelihoods}


TEN = (1, 1, 1, 1, 1, 1, 1, 1, 2, 2)


@pytest.mark.parametrize(
    ("sizes", "old", "name", "codec"),
    [
        (Sizes(), False, "JiangWeibeta/ELIC", "elic-5"),
        (Sizes(groups=TEN, seed=2), True, "JiangWeibeta/ELIC", "elic"),
        (Sizes(rule="wide", seed=3), True, "JiangWeibeta/ELIC", "elic-5"),
        (Sizes(hidden=16, rule="narrow", seed=4), False, "beiluo97/HFLIC", "hflic"),
        (Sizes(hidden=4, rule="narrow", groups=TEN, seed=5), False, "beiluo97/HFLIC", "po-elic"),
    ],
)
def test_jiangweibetas_layout(tmp_path: Path, sizes: Sizes, old: bool, name: str, codec: str) -> None:
    tensors = jiang(sizes, old=old)
    found = convert(saved(tensors, tmp_path / "c.pth.tar", training=old))
    assert (found.layout.name, found.layout.codec) == (name, codec)
    config = found.layout.config
    assert config.expansion == sizes.hidden / sizes.width and config.context.groups == sizes.groups
    assert not config.centred and config.context.separate and config.context.anchor_parity == 1
    x = torch.rand(1, 3, 64, 128, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        same(outputs(found.network, x), Straight(tensors, sizes.groups)(x))
    line = found.describe()
    assert name in line and "kMAC/px" in line and "\n" not in line


def compressai(kind: str, groups: tuple[int, ...]) -> Any:
    """One of CompressAI's two ELICs, tiny, with weights that keep activations near one."""
    from compressai.models import sensetime

    torch.manual_seed(11)
    model = getattr(sensetime, kind)(N=8, M=sum(groups), groups=list(groups)).eval()
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            stride = layer.stride[0] if isinstance(layer, nn.ConvTranspose2d) else 1
            gain = 0.5 if ".conv" in name else 0.3 if name.endswith("entropy_parameters.4") else 1.0
            fan = layer.in_channels * layer.kernel_size[0] ** 2 / stride**2
            nn.init.normal_(layer.weight, std=gain * 1.3 / fan**0.5)
            assert layer.bias is not None
            nn.init.normal_(layer.bias, std=0.1)
            if name.endswith("entropy_parameters.4"):
                half = layer.out_channels // 2
                scales = layer.bias[half:] if kind.endswith("Chandelier") else layer.bias[:half]
                scales.data += 2.0
    with torch.no_grad():
        spread = model(torch.rand(1, 3, 64, 64))["x_hat"].std()
        for value in model.g_s[14].parameters():
            value.div_(5 * spread)
    nn.init.normal_(model.latent_codec.hyper.entropy_bottleneck.quantiles[:, 0, 1], std=0.3)
    return model


@pytest.mark.parametrize("kind", ["Elic2022Official", "Elic2022Chandelier"])
@pytest.mark.parametrize("groups", [(2, 2, 2, 2, 4), TEN])
def test_compressais_own_output(tmp_path: Path, kind: str, groups: tuple[int, ...]) -> None:
    model = compressai(kind, groups)
    x = torch.rand(2, 3, 64, 128, generator=torch.Generator().manual_seed(8))
    with torch.no_grad():
        out = model(x)
    found = convert(saved(model.state_dict(), tmp_path / "c.pth"))
    assert found.layout.name == f"CompressAI {kind}" and found.layout.config.context.anchor_parity == 0
    assert found.layout.config.context.channel_reach == ("ends" if kind.endswith("Chandelier") else "all")
    same(outputs(found.network, x), {"x_hat": out["x_hat"], **out["likelihoods"]})


def test_chandeliers_names_mean_what_compressais_class_computes(tmp_path: Path) -> None:
    """The same numbers under CompressAI's names, run by CompressAI."""
    from compressai.models.sensetime import Elic2022Chandelier

    sizes = Sizes(latent=32, groups=(4, 4, 4, 8, 12), channel=(224, 128), parameters=(64, 512))
    tensors = chandelier(sizes)
    renamed: Tensors = {}
    for key, value in tensors.items():
        part, _, rest = key.partition(".")
        number, _, tail = rest.partition(".")
        of_group = f"latent_codec.y.latent_codec.y{number}"
        if part == "cc_transforms":
            renamed[f"latent_codec.y.channel_context.y{int(number) + 1}.{tail}"] = value
        elif part == "context_prediction":
            renamed[f"{of_group}.context_prediction.{tail}"] = value
        elif part == "ParamAggregation":
            renamed[f"{of_group}.entropy_parameters.{tail}"] = value
        elif part in {"h_a", "h_s"}:
            renamed[f"latent_codec.hyper.{key}"] = value
        elif part in {"g_a", "g_s"}:
            renamed[key] = value
    model = Elic2022Chandelier(N=8, M=32, groups=list(sizes.groups)).eval()
    missing, unknown = model.load_state_dict(renamed, strict=False)
    assert not unknown and not [key for key in missing if key.endswith("weight")]
    model.latent_codec.hyper.entropy_bottleneck = bottleneck_of(tensors, "entropy_bottleneck.")
    x = torch.rand(1, 3, 64, 128, generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        out = model(x)
    found = convert(saved(tensors, tmp_path / "c.pth", training=True))
    assert found.layout.name == "VincentChandelier/ELiC"
    same(outputs(found.network, x), {"x_hat": out["x_hat"], **out["likelihoods"]})


@pytest.mark.parametrize(
    ("tensors", "name", "parameters"),
    [
        (lambda: jiang(PUBLISHED), "JiangWeibeta/ELIC", 41_936_627),
        (lambda: jiang(Sizes(192, 320, 96, GROUPS_10, channel=(224, 128), device="meta")),
         "JiangWeibeta/ELIC", 49_590_543),
        (lambda: jiang(Sizes(192, 320, 384, GROUPS_5, rule="hflic", channel=(224, 128), device="meta")),
         "beiluo97/HFLIC", 61_910_281),
        (lambda: jiang(Sizes(192, 320, 384, GROUPS_10, rule="hflic", channel=(224, 128), device="meta")),
         "beiluo97/HFLIC", 65_726_305),
        (lambda: jiang(Sizes(192, 320, 96, GROUPS_5, rule="hflic", channel=(224, 128), device="meta")),
         "beiluo97/HFLIC", 37_514_377),
        (lambda: chandelier(Sizes(192, 320, 96, GROUPS_5, channel=(224, 128), parameters=(640, 512),
         device="meta")), "VincentChandelier/ELiC", 33_792_771),
    ],
)  # fmt: skip
def test_published_sizes(tensors: Any, name: str, parameters: int) -> None:
    """Names, shapes and parameter counts of the real files; no memory is taken for them."""
    values = {renewed(key): value for key, value in tensors().items() if not key.endswith(".mask")}
    layout = recognise("c.pth", values, {})
    _check_names("c.pth", layout, values)
    assert isinstance(layout.config, ElicConfig) and layout.name == name
    assert sum(p.numel() for p in skeleton(layout.config).parameters()) == parameters


def test_tables_in_a_file_are_never_taken(tmp_path: Path) -> None:
    """Forged buffers, such as `update` leaves, change nothing of what files are coded with."""
    forged = jiang()
    for prefix, rows in (("entropy_bottleneck", 8), ("gaussian_conditional", 64)):
        forged[f"{prefix}._quantized_cdf"] = torch.randint(1, 99, (rows, 30), dtype=torch.int32)
        forged[f"{prefix}._cdf_length"] = torch.full((rows,), 30, dtype=torch.int32)
        forged[f"{prefix}._offset"] = torch.full((rows,), -7, dtype=torch.int32)
    forged["gaussian_conditional.scale_table"] = torch.linspace(1, 9, 64)
    plain, other = (
        weights.export_entropy_data(convert(saved(tensors, tmp_path / "c.pth")).network)
        for tensors in (jiang(), forged)
    )
    for one, two in ((plain.y_tables, other.y_tables), (plain.z_tables, other.z_tables)):
        assert all(np.array_equal(getattr(one, f.name), getattr(two, f.name)) for f in fields(one))
    assert np.array_equal(plain.thresholds, other.thresholds) and torch.equal(plain.medians, other.medians)


@pytest.mark.parametrize("kind", ["jiang", "chandelier"])
def test_files_are_exact_and_their_loss_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path / "installed"))
    monkeypatch.setattr(codecs, "_instances", {})
    monkeypatch.setattr("models.learned._loaded", {})  # another test may have these weights under another id
    tensors = jiang(Sizes()) if kind == "jiang" else chandelier(Sizes())
    made = install(saved(tensors, tmp_path / "c.pth"), "elic:mine")
    assert abs(made.loss.rate) < 3 and abs(made.loss.psnr) < 0.05 and made.loss.float_bpp > 0.05
    card = weights.read_header(made.file.path).card
    assert card.validation[0]["bpp"] == made.loss.bpp and made.rungs == 1
    assert ExactLoss.of(card) == made.loss  # the card keeps it
    for spoilt in ({}, {"float_bpp": 0.0}, {"psnr": "high"}, {"exact_bpp": math.nan}):
        row = {**card.validation[0], **spoilt} if spoilt else {}
        assert ExactLoss.of(replace(card, validation=(row,))) is None
    assert ExactLoss.of(replace(card, validation=())) is None
    assert ExactLoss.of(replace(card, configuration={})) is None  # one of ours
    assert made.file.path.parent == tmp_path / "installed"
    coder = codecs.get("elic:mine")
    picture = photo(150, 101)
    encoding = coder.encode(picture, Rate(quality=50))
    assert encoding.codec == "elic:mine" and codecs.identify(encoding.data) == "elic:mine"
    decoded = codecs.decode(encoding.data)
    assert decoded.pixels.shape == picture.pixels.shape
    # The lean way of large pictures walks the same passes.
    latents = coder.analyse(picture)  # type: ignore[attr-defined]
    z = coder.network.h_a(F.pad(latents, (0, 2, 0, 1), mode="replicate"))  # type: ignore[attr-defined]
    whole, lean = (
        coder.entropy.encode(latents[0], z[0], lean=way)  # type: ignore[attr-defined]
        for way in (False, True)
    )
    assert whole.payload == lean.payload and whole.crc == lean.crc
    assert np.array_equal(whole.y_hat.numpy(), lean.y_hat.numpy())


def test_several_under_one_id_are_its_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path / "installed"))
    monkeypatch.setattr(codecs, "_instances", {})
    monkeypatch.setattr("models.learned._loaded", {})
    factors = (0.3, 1.0, 4.0)
    for factor in factors:  # larger latents under wider distributions cost more
        tensors = jiang()
        for kind in ("weight", "bias"):
            tensors[f"g_a.analysis_transform.13.{kind}"] *= factor
            for k in range(5):
                for side in ("anchor", "nonanchor"):
                    tensors[f"entropy_parameters_{side}.{k}.fusion.4.{kind}"] *= factor
        made = install(saved(tensors, tmp_path / "c.pth"), "elic-5:rates")
    assert made.rungs == 3
    coder = codecs.get("elic-5:rates")
    assert "3 networks" in coder.info()["rates"]
    picture = photo(192, 128)
    files = [coder.encode(picture, Rate(quality=quality)) for quality in (0, 50, 100)]
    assert [file.quality for file in files] == [0, 50, 100]
    sizes = [file.bytes for file in files]
    assert sizes[0] < sizes[1] < sizes[2] and len({file.weights for file in files}) == 3
    near = coder.encode(picture, Rate(bytes=sizes[1]))
    assert near.data == files[1].data and near.note == ""
    below = coder.encode(picture, Rate(bytes=sizes[0] // 2))
    assert below.data == files[0].data and "these weights have 3 rates" in below.note
    for file in files:
        decoded = codecs.decode(file.data)
        assert np.array_equal(decoded.pixels, coder.decode(file.data).pixels)
        codecs.read_back(coder, file.data)
    assert isinstance(coder, RateLadderCodec) and codecs.get("elic-5:rates") is coder
    coder.files[1].path.unlink()
    fewer = codecs.get("elic-5:rates")
    assert "2 networks" in fewer.info()["rates"] and fewer.weights == coder.weights
    assert codecs.behind(fewer) != codecs.behind(coder)


def test_only_the_latest_rates_stay_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from models import learned

    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path / "installed"))
    monkeypatch.setattr(codecs, "_instances", {})
    monkeypatch.setattr(learned, "_loaded", {})
    monkeypatch.setattr(learned, "KEPT", 2)
    for seed in range(1, 6):
        install(saved(jiang(Sizes(seed=seed)), tmp_path / "c.pth"), "elic-5:many")
    coder = codecs.get("elic-5:many")
    picture = photo(64, 64)
    files = [coder.encode(picture, Rate(quality=quality)) for quality in (0, 25, 50, 75, 100)]
    assert len({file.weights for file in files}) == 5
    ladder, *rates = learned._loaded.values()
    assert ladder is coder and len(rates) == 2  # the ladder's own network, and the last two others
    assert [one.weights for one in rates] == [files[2].weights, files[3].weights]
    codecs.decode(files[2].data)
    assert [one.weights for one in list(learned._loaded.values())[-2:]] == [
        files[3].weights,
        files[2].weights,
    ]
    assert codecs.decode(files[0].data).pixels.shape == picture.pixels.shape


def test_the_configuration_travels_in_the_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path))
    made = install(saved(chandelier(), tmp_path / "c.pth"))
    file = weights.read_header(made.file.path)
    network, _ = weights.load(file)
    converted = convert(tmp_path / "c.pth")
    assert network.config == converted.layout.config
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    same(outputs(network, x), outputs(converted.network, x))
