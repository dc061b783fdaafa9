"""Wrong, truncated, mixed and hostile checkpoints are refused in one line that names what is wrong."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models import weights
from models.errors import WeightsError
from models.importing.convert import convert
from models.importing.families import COMPRESSAI_OFFICIAL, FAMILIES, JIANG
from models.importing.install import install
from models.networks.builders import BUILDERS, config
from models.networks.stored import from_json, skeleton, to_json
from tests.foreign import Sizes, Tensors, chandelier, jiang, saved


def refused(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        convert(path)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 320 and path.name in text
    return text


SPATIAL = "local_context.1.weight"
LAST = "entropy_parameters_nonanchor.0.fusion.4.weight"


def without(key: str) -> Callable[[Tensors], object]:
    return lambda t: t.pop(key)


def replaced(key: str, value: torch.Tensor) -> Callable[[Tensors], object]:
    return lambda t: t.update({key: value})


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (without("g_a.analysis_transform.5.branch.2.weight"), "g_a.analysis_transform.5.branch.2.weight"),
        (without("h_s.increase.2.weight"), "h_s.increase.2.weight"),
        (without("entropy_bottleneck.quantiles"), "entropy_bottleneck.quantiles"),
        (without("g_s.synthesis_transform.14.bias"), "g_s.synthesis_transform.14.bias"),
        (without("local_context.0.weight"), "local_context.0.weight"),
        (without(LAST), "entropy_parameters_nonanchor.0.fusion"),
        (replaced(SPATIAL, torch.zeros(5, 2, 5, 5)), f"{SPATIAL} has the shape (5, 2, 5, 5)"),
        (replaced(SPATIAL, torch.zeros(4, 2, 4, 4)), f"{SPATIAL} has the shape (4, 2, 4, 4)"),
        (replaced("h_a.reduction.0.bias", torch.zeros(9)), "h_a.reduction.0.bias has the shape (9,)"),
        (replaced("h_a.reduction.0.bias", torch.full((8,), torch.nan)), "h_a.reduction.0.bias has values"),
        (replaced("h_a.reduction.0.bias", torch.zeros(8).int()), "h_a.reduction.0.bias is of type"),
        (replaced("h_a.reduction.0.bias", torch.zeros(8).to_sparse()), "h_a.reduction.0.bias is of a kind"),
        (replaced("h_a.reduction.0.bias", torch.zeros(8, 1).expand(8, 10**9)), "claims more values"),
        (replaced("h_a.reduction.9.weight", torch.zeros(8)), "has the tensor h_a.reduction.9.weight"),
        (lambda t: t.update({"g_a.0.weight": torch.zeros(8, 3, 5, 5)}), "has the tensor g_a.0.weight"),
        (lambda t: t.update(chandelier()), "entropy_bottleneck.matrices.0 under an old and a new name"),
    ],
)
def test_the_first_wrong_tensor_is_named(
    tmp_path: Path, spoil: Callable[[Tensors], object], named: str
) -> None:
    tensors = jiang()
    spoil(tensors)
    assert named in refused(saved(tensors, tmp_path / "spoilt.pth.tar"))


def test_parts_of_two_networks(tmp_path: Path) -> None:
    small, wide = jiang(), jiang(Sizes(width=10, hidden=5))
    mixed = {k: (wide if k.startswith("g_s") else small)[k] for k in small}
    assert "g_s.synthesis_transform.1.weight has the shape (12, 10, 5, 5)" in refused(
        saved(mixed, tmp_path / "mixed.pth")
    )
    mixed = {
        k: (jiang(Sizes(groups=(2, 2, 2, 2, 3), latent=11)) if "context" in k else small)[k] for k in small
    }
    assert "parts of different networks" in refused(saved(mixed, tmp_path / "mixed.pth"))


def test_another_checkerboard(tmp_path: Path) -> None:
    tensors = chandelier()
    tensors["context_prediction.2.mask"] = 1 - tensors["context_prediction.2.mask"]
    assert "context_prediction.2.mask is not the checkerboard" in refused(saved(tensors, tmp_path / "c.pth"))


class _Trap:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("sprung"),))


def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "trap.pth"
    torch.save({"state_dict": {**jiang(), "extra": _Trap()}}, path)
    assert "holds more than tensors and plain values" in refused(path)
    path.write_bytes(pickle.dumps({"a": _Trap()}))
    refused(path)
    assert not (tmp_path / "sprung").exists()


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    whole = saved(jiang(), tmp_path / "c.pth").read_bytes()
    path = tmp_path / "bad.pth"
    for content in (
        b"",
        b"not a checkpoint",
        whole[: len(whole) // 2],
        whole[:-40],
        bytes(1000),
        b"PK\x03\x04",
    ):
        path.write_bytes(content)
        refused(path)
    for value, said in (
        ([1, 2], "holds a list"), ({"epoch": 3}, "no named tensors but epoch"), ({}, "nothing"),
        ({"conv1.weight": torch.zeros(3, 3)}, "of no known family: it begins with conv1.weight (3, 3)"),
    ):  # fmt: skip
        torch.save(value, path)
        assert said in refused(path)
    with pytest.raises(WeightsError, match="is a folder"):
        convert(tmp_path)
    with pytest.raises(WeightsError, match="cannot read"):
        convert(tmp_path / "absent.pth")


def test_damaged_bytes_give_one_line_or_a_network(tmp_path: Path) -> None:
    """Everywhere in the file, and most of all in its pickle and its directory."""
    whole = saved(jiang(Sizes(groups=(12,), blocks=1)), tmp_path / "c.pth").read_bytes()
    random = np.random.default_rng(4)
    pickled = whole.index(b"data.pkl")
    ranges = [(0, len(whole)), (pickled, pickled + 6000), (len(whole) - 3000, len(whole))]
    path = tmp_path / "flipped.pth"
    refusals = 0
    for number in range(24):
        data = bytearray(whole)
        low, high = ranges[number % 3]
        for place in random.integers(low, high, 3):
            data[place] ^= 1 << int(random.integers(8))
        path.write_bytes(data)
        try:
            convert(path)
        except WeightsError as error:
            assert "\n" not in str(error) and len(str(error)) < 320
            refusals += 1
    assert refusals > 8


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path, packed = saved(jiang(), tmp_path / "c.pth"), tmp_path / "packed.pth"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry.filename))
    assert "is compressed" in refused(packed)


def test_safetensors_and_prefixes_are_read_too(tmp_path: Path) -> None:
    tensors = jiang()
    path = tmp_path / "c.safetensors"
    save_file({f"module.{k}": v.contiguous() for k, v in tensors.items()}, path)
    assert convert(path).layout.name == JIANG.name
    path.write_bytes(path.read_bytes()[:3000])
    refused(path)


def test_an_id_means_one_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path / "w"))
    path = saved(jiang(), tmp_path / "c.pth")
    for id in ("jpeg", "elic:", "elic:../x", "mine", "elic-5:A"):
        with pytest.raises(WeightsError, match="cannot be the id"):
            install(path, id)
    with pytest.raises(WeightsError, match="trained by this program"):
        install(path, "elic:lite")
    install(path)
    with pytest.raises(WeightsError, match=r"of another network \(imported: JiangWeibeta/ELIC\)"):
        install(saved(chandelier(), tmp_path / "d.pth"))
    assert [file.card.codec for file in weights.available()][:1] == ["elic-5:paper"]


def test_configurations_come_back_and_bad_ones_do_not() -> None:
    for name in BUILDERS:
        assert from_json(json.loads(json.dumps(to_json(config(name))))) == config(name)
    good = to_json(config("elic-5-paper"))
    for change, said in (
        ({"kind": "vae"}, "unknown kind 'vae'"), ({"kind": None}, "unknown kind"),
        ({"latent": 320.5}, "network.latent has the value"), ({"latent": -1}, "network.latent"),
        ({"latent": 1 << 40}, "network.latent"), ({"expansion": float("nan")}, "network.expansion"),
        ({"centred": 1}, "network.centred"), ({"colour": 3}, "unknown part 'colour'"),
        ({"stages": [{"width": 8}] * 300}, "network.stages is no list"), ({"latent": 319}, "add up"),
        ({"hyper_widths": [1, 2]}, "network.hyper_widths has 2 entries"), ({"context": 3}, "network.context"),
        ({"context": {**good["context"], "rule": "odd"}}, "network.context.rule"),
        ({"context": {"groups": [320]}}, "does not fit together"),
    ):  # fmt: skip
        with pytest.raises(WeightsError, match=said.replace("(", r"\(")):
            from_json({**good, **change})
    with pytest.raises(WeightsError, match="cannot be built"):
        skeleton(from_json({**good, "context": {**good["context"], "rule": "listed"}}))


def test_a_forged_configuration_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path))
    file = install(saved(jiang(), tmp_path / "c.pth")).file
    huge = to_json(config("elic-5-paper")) | {"hyper_widths": [16000, 16000, 16000]}
    for configuration, said in (
        (huge, "its network needs"),
        ({"kind": "elic"}, "is damaged: network does not"),
    ):
        forged = replace(file, card=replace(file.card, configuration=configuration))
        with pytest.raises(WeightsError, match=said):
            weights.load(forged)


def test_every_family_names_every_tensor_once() -> None:
    for family in FAMILIES:
        if family is COMPRESSAI_OFFICIAL:
            assert family.of("g_a.2.branch.4.bias") == "g_a.1.conv3.bias"
        network = skeleton(replace(config("elic-5-paper"), centred=False))
        separate = bool(family.anchor)
        names = [
            family.of(name) for name, _ in network.named_parameters() if separate or ".anchor." not in name
        ]
        assert len(set(names)) == len(names)
