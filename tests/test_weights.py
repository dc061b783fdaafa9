"""Weights files: what was saved comes back, and everything else is refused in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from models import codec, weights
from models.codec import Rate
from models.errors import HflicError, WeightsError
from models.networks import builders
from models.networks.context import CheckerboardConv
from tests.untrained import photo, untrained

Tensors = dict[str, np.ndarray[Any, Any]]


@pytest.fixture
def file(weights_folder: Path, tmp_path: Path) -> weights.WeightsFile:
    """A copy that may be spoilt."""
    path = tmp_path / "spoilt.safetensors"
    shutil.copy(weights_folder / "elic-5-lite.safetensors", path)
    return weights.read_header(path)


def refused(file: weights.WeightsFile) -> str:
    """The one line a person reads; from the header or from the whole file."""
    with pytest.raises(WeightsError) as caught:
        weights.load(weights.read_header(file.path))
    text = str(caught.value)
    assert "\n" not in text and len(text) < 300 and file.path.name in text
    return text


def rewrite(
    file: weights.WeightsFile,
    change: Callable[[Tensors], None],
    *,
    fingerprint: str | None = None,
    **card: Any,
) -> None:
    """Change tensors or the card, with the fingerprint that belongs to them: a forged file."""
    tensors: Tensors = load_file(file.path)
    change(tensors)
    values = json.loads(json.dumps(replace(file.card, **card).__dict__))
    mark = weights.fingerprint_of(tensors) if fingerprint is None else fingerprint
    save_file(tensors, file.path, {"card": json.dumps(values), "fingerprint": mark})


def nothing(_: Tensors) -> None:
    pass


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(5)
    network = builders.build(builders.config("elic-5-lite"))
    wanted = {name: value.detach().clone() for name, value in network.named_parameters()}
    card = weights.Card(
        "elic-5:lite", "elic-5-lite", "r", 7, 1.5, "d", "l", "abc", "2026-01-01", ({"bpp": 1.0},)
    )
    saved = weights.save(network, card, tmp_path / "folder" / "w.safetensors")
    assert weights.read_header(saved.path) == saved and saved.card == card and saved.name == "w"
    loaded, data = weights.load(saved)
    masks = {
        f"{name}.weight": module.mask
        for name, module in loaded.named_modules()
        if isinstance(module, CheckerboardConv)
    }
    assert len(masks) == 5 and not loaded.training
    for name, value in loaded.named_parameters():
        kept = wanted[name] * masks[name] if name in masks else wanted[name]
        if not name.startswith(("gain.", "entropy_bottleneck.")):
            kept = kept.half().float()
        assert torch.equal(value, kept), name
    exported = weights.export_entropy_data(loaded)  # of the weights as stored, not as trained
    assert torch.equal(exported.medians, data.medians)
    assert np.array_equal(exported.thresholds, data.thresholds)
    for mine, theirs in ((exported.y_tables, data.y_tables), (exported.z_tables, data.z_tables)):
        assert np.array_equal(mine.counts, theirs.counts) and np.array_equal(mine.first, theirs.first)


def test_the_fingerprint_is_of_the_tensors_alone(file: weights.WeightsFile) -> None:
    rewrite(file, nothing, notes="another card")
    again = weights.read_header(file.path)
    assert again.fingerprint == file.fingerprint and again.card.notes == "another card"
    weights.load(again)


def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    file: weights.WeightsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file.path.read_bytes()
    network, _ = weights.load(file)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(HflicError, match="No space left"):
        weights.save(network, file.card, file.path)
    assert file.path.read_bytes() == before
    assert list(file.path.parent.iterdir()) == [file.path]


def test_one_changed_bit_of_a_tensor_is_noticed(file: weights.WeightsFile) -> None:
    data = bytearray(file.path.read_bytes())
    data[-1000] ^= 1
    file.path.write_bytes(data)
    assert "fingerprint" in refused(file)


@pytest.mark.parametrize("kept", [0, 5, 8, 300, -1, -100_000])
def test_truncated_files_are_refused(file: weights.WeightsFile, kept: int) -> None:
    file.path.write_bytes(file.path.read_bytes()[:kept])
    refused(file)


def test_a_file_that_went_away_is_refused(file: weights.WeightsFile) -> None:
    file.path.unlink()
    with pytest.raises(WeightsError):
        weights.load(file)
    refused(file)


@pytest.mark.parametrize(
    "data",
    [b"no weights at all, but long enough", b"PK\x03\x04" + bytes(100), b"\xff" * 64, bytes(64)],
    ids=["text", "zip", "ones", "zeros"],
)
def test_other_files_are_refused(file: weights.WeightsFile, data: bytes) -> None:
    file.path.write_bytes(data)
    refused(file)


@pytest.mark.parametrize(
    "header",
    [
        {},
        [],
        {"__metadata__": None},
        {"__metadata__": {"card": "{}", "fingerprint": "0" * 64}},
        {"__metadata__": {"card": "[1]", "fingerprint": "0" * 64}},
        {"__metadata__": {"card": "[" * 100_000, "fingerprint": "0" * 64}},
    ],
    ids=["empty", "list", "none", "no card", "list card", "deep card"],
)
def test_foreign_headers_are_refused(file: weights.WeightsFile, header: object) -> None:
    text = json.dumps(header).encode()
    file.path.write_bytes(len(text).to_bytes(8, "little") + text)
    refused(file)


def test_foreign_safetensors_are_refused(file: weights.WeightsFile) -> None:
    save_file({"weight": np.zeros((2, 2), dtype=np.float32)}, file.path, {"format": "pt"})
    assert "not a weights file of this program" in refused(file)


@pytest.mark.parametrize(
    ("card", "why"),
    [
        ({"network": "elic-9-lite"}, "unknown network 'elic-9-lite'"),
        ({"network": "hflic-lite"}, ""),
        ({"network": ["elic-lite"]}, "network is no str"),
        ({"codec": "jpeg"}, "no codec 'jpeg'"),
        ({"codec": 5}, "codec is no str"),
        ({"steps": "many"}, "steps is no int"),
        ({"hours": None}, "hours is no float"),
        ({"validation": 3}, ""),
    ],
)
def test_cards_that_make_no_sense_are_refused(
    file: weights.WeightsFile, card: dict[str, Any], why: str
) -> None:
    rewrite(file, nothing, **card)
    assert why in refused(file)


@pytest.mark.parametrize("mark", ["", "z" * 64, "00", "é" * 64])
def test_a_file_with_a_bad_fingerprint_hides_no_other(
    file: weights.WeightsFile, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search for a file's weights looks at every header: one bad header must not end it."""
    good = file.path.with_name("zz.safetensors")
    shutil.copy(file.path, good)
    rewrite(file, nothing, fingerprint=mark)
    refused(file)
    monkeypatch.setenv("HFLIC_WEIGHTS", str(file.path.parent))
    found = weights.by_fingerprint(bytes.fromhex(file.fingerprint[:8]), "elic-5")
    assert found.path == good and weights.find("elic-5").path == good


def test_unknown_fingerprints_name_the_weights_needed(
    weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HFLIC_WEIGHTS", str(weights_folder))
    with pytest.raises(WeightsError, match="needs the hific weights 01020304"):
        weights.by_fingerprint(bytes((1, 2, 3, 4)), "hific")


def drop(key: str) -> Callable[[Tensors], None]:
    return lambda tensors: tensors.__delitem__(key)


def put(key: str, change: Callable[[Any], Any]) -> Callable[[Tensors], None]:
    return lambda tensors: tensors.update({key: change(tensors[key])})


SPATIAL = "context.groups.0.spatial.weight"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (drop("h_a.0.weight"), "lacks the tensor h_a.0.weight"),
        (drop(SPATIAL), f"lacks the tensor {SPATIAL}"),
        (drop("entropy_data.medians"), "no table 'medians'"),
        (drop("entropy_data.z.first"), "no table 'z.first'"),
        (put("h_a.0.bias", lambda t: t[:-1]), "h_a.0.bias has the shape"),
        (put("h_a.0.bias", lambda t: t[:, None]), "h_a.0.bias has the shape"),
        (put("h_a.0.bias", lambda t: t.astype(np.int64)), "h_a.0.bias is of type int64"),
        (put("h_a.0.bias", lambda t: t.astype(bool)), "h_a.0.bias is of type bool"),
        (put(SPATIAL, lambda t: np.zeros((*t.shape[:2], 25), np.float16)), f"{SPATIAL} has the shape"),
        (lambda tensors: tensors.update({"extra": np.zeros(3)}), "has the tensor extra"),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    file: weights.WeightsFile, change: Callable[[Tensors], None], why: str
) -> None:
    rewrite(file, change)
    assert why in refused(file)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (put("h_a.0.weight", lambda t: np.zeros((1000, 1000), np.float16)), "h_a.0.weight has the shape"),
        (put("entropy_data.y.counts", lambda t: np.zeros(5 << 20, np.int32)), "table 'y.counts' has a wrong"),
        (put("h_a.0.bias", lambda t: t.astype(np.float64)), "h_a.0.bias is of type float64"),
        (lambda tensors: tensors.update({"extra": np.zeros(3_000_000)}), "has the tensor extra"),
    ],
    ids=["large tensor", "large table", "large numbers", "large stranger"],
)
def test_what_does_not_fit_is_refused_before_any_of_it_is_read(
    file: weights.WeightsFile,
    change: Callable[[Tensors], None],
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the header, whatever fingerprint the file has."""
    rewrite(file, change)
    monkeypatch.setattr("safetensors.numpy.load_file", lambda *_: pytest.fail("tensors were read"))
    assert why in refused(file)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("medians", lambda t: t[:-1]),
        ("medians", lambda t: t + 2.0**-12),  # off the grid: not the same on every machine
        ("medians", lambda t: t * np.nan),
        ("medians", lambda t: t + 2.0**40),
        ("medians", lambda t: t.astype(np.float32)),
        ("thresholds", lambda t: t[:-1]),
        ("thresholds", lambda t: t[::-1].copy()),
        ("thresholds", lambda t: t.astype(np.int64)),
        ("y.counts", lambda t: t + 1),
        ("y.counts", lambda t: t.astype(np.float32)),
        ("y.lengths", lambda t: t[::-1].copy()),
        ("z.first", lambda t: t[:-1]),
        ("z.first", lambda t: t[:, None]),
    ],
)
def test_forged_tables_are_refused(file: weights.WeightsFile, key: str, change: Callable[[Any], Any]) -> None:
    rewrite(file, put(f"entropy_data.{key}", change))
    with pytest.raises(WeightsError) as caught:
        weights.load(weights.read_header(file.path))
    assert "\n" not in str(caught.value)


def test_the_tables_of_another_network_are_refused(file: weights.WeightsFile) -> None:
    def change(tensors: Tensors) -> None:
        tables = {k: v for k, v in tensors.items() if k.startswith("entropy_data.y")}
        for name, value in tables.items():  # valid tables, but not as many as channels of z
            tensors[name.replace(".y.", ".z.")] = np.concatenate([value, value])
        tensors["entropy_data.medians"] = np.zeros(128)

    rewrite(file, change)
    assert "64 and 128 tables" in refused(file)


def test_weights_that_were_replaced_serve_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path))
    path = tmp_path / "elic-lite.safetensors"
    untrained("elic-lite", path, seed=3)
    first = codec.get("elic:lite")
    assert codec.get("elic:lite") is first
    data = first.encode(photo(40, 30), Rate(quality=50)).data
    untrained("elic-lite", path, seed=4)
    second = codec.get("elic:lite")
    assert second is not first and second.weights != first.weights
    with pytest.raises(WeightsError, match=f"needs the elic weights {first.weights}, which are not here"):
        codec.decode(data)
    untrained("elic-lite", tmp_path / "kept.safetensors", seed=3)  # the old ones, under another name
    assert codec.decode(data).pixels.shape == (30, 40, 3)
    assert codec.get("elic:lite") is second, "the first by name"
