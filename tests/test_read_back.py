"""What cannot be read back is not written, and entropy networks that were touched are noticed."""

from __future__ import annotations

import json
import shutil
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from models import codec as codecs
from models import weights
from models.bitstream.container import parse
from models.codec import Rate
from models.errors import BitstreamError, CodecError, WeightsError
from models.learned import LearnedCodec
from tests.command_line import SENTINEL, one_line, run
from tests.untrained import CALIBRATED, untrained
from tests.untrained import photo as made_photo

SHIPPED = tuple(sorted((weights.asset_folder() / "weights").glob("*-lite.safetensors")))


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> LearnedCodec:
    return untrained("elic-5-lite", tmp_path_factory.mktemp("read-back") / "elic-5-lite.safetensors")


def test_a_good_file_is_read_back_and_a_spoilt_one_is_not(codec: LearnedCodec) -> None:
    data = codec.encode(made_photo(60, 50), Rate(quality=60)).data
    codec.read_back(data)
    codecs.read_back(codecs.get("jpeg"), b"not looked at")
    file = parse(data)
    payload = bytearray(file.payload)
    payload[len(payload) // 2] ^= 1
    with pytest.raises(CodecError, match=r"cannot be read back .* nothing was written"):
        codec.read_back(replace(file, payload=bytes(payload)).to_bytes())


def test_the_command_line_writes_nothing_that_cannot_be_read(
    learned: str, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bit turns round between the coder and the file, as in a machine with bad memory."""
    coder: Any = codecs.get(learned)
    real = coder._file

    def faulty(*arguments: Any) -> Any:
        file = real(*arguments)
        return replace(file, payload=file.payload[:40] + bytes([file.payload[40] ^ 4]) + file.payload[41:])

    monkeypatch.setattr(coder, "_file", faulty)
    out = tmp_path / "out.hflic"
    out.write_bytes(SENTINEL)
    code, printed, errors = run("encode", photo, "--codec", learned, "--quality", "50", "-o", out)
    assert code == 2 and printed == "" and one_line(errors) and "cannot be read back" in errors
    assert out.read_bytes() == SENTINEL


def test_one_ulp_in_any_stored_tensor_is_caught_at_load(codec: LearnedCodec, tmp_path: Path) -> None:
    """Every entropy network, table and gain is under the fingerprint."""
    path = tmp_path / "touched.safetensors"
    raw = codec.file.path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    names = [n for n in header if n.startswith(("h_s.", "context.", "entropy_data.", "gain."))]
    assert len(names) > 30
    for name in names[:: max(len(names) // 12, 1)] + [n for n in names if n.startswith("entropy_data.")]:
        start, end = (8 + length + at for at in header[name]["data_offsets"])
        touched = bytearray(raw)
        touched[start + (end - start) // 2 // 8 * 8] ^= 1  # the lowest bit of a number in the middle
        path.write_bytes(touched)
        with pytest.raises(WeightsError, match="does not match its fingerprint"):
            weights.load(weights.read_header(path))
    shutil.copy(codec.file.path, path)
    weights.load(weights.read_header(path))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_one_ulp_in_a_shipped_entropy_network_is_caught_at_load(path: Path, tmp_path: Path) -> None:
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    names = sorted(n for n in header if n.startswith(("h_s", "context.", "entropy_data.y")))
    copy = tmp_path / path.name
    for name in (names[0], names[len(names) // 2], names[-1]):
        touched = bytearray(raw)
        touched[8 + length + header[name]["data_offsets"][0]] ^= 1  # of its first number
        copy.write_bytes(touched)
        with pytest.raises(WeightsError, match="does not match its fingerprint"):
            LearnedCodec(weights.read_header(copy))
    copy.write_bytes(raw)
    LearnedCodec(weights.read_header(copy))


def test_networks_touched_after_loading_decode_to_an_error(codec: LearnedCodec, tmp_path: Path) -> None:
    """Should the bits change later still, the latents' checksum tells."""
    data = codec.encode(made_photo(120, 90), Rate(quality=CALIBRATED)).data
    other = LearnedCodec(codec.file)
    layer = other.entropy.h_s.layers[-1]  # type: ignore[attr-defined]
    layer.matrix[0, :] += 2.0**-14
    with pytest.raises(BitstreamError):
        other.decode(data)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_exact_bound_holds_for_the_shipped_weights_and_can_fail(path: Path, tmp_path: Path) -> None:
    """2^53 at worst; a network with larger weights is neither exported nor, where a file has them, used."""
    network, _ = weights.load(weights.read_header(path))
    LearnedCodec(weights.read_header(path))  # raises where it does not hold
    names = [n for n, m in network.named_modules() if isinstance(m, torch.nn.ConvTranspose2d)]
    key = next(name for name in names if name.startswith("h_s")) + ".weight"
    layer = network.get_parameter(key)
    with torch.no_grad():
        layer.mul_(60_000 / layer.abs().max())
    out = tmp_path / "large.safetensors"
    with pytest.raises(WeightsError, match="exact bound"):
        weights.save(network, weights.read_header(path).card, out)
    assert not list(tmp_path.iterdir())
    tensors = load_file(path)
    tensors[key] = layer.detach().half().numpy()
    assert np.isfinite(tensors[key]).all()
    mark = weights.fingerprint_of(tensors)
    save_file(tensors, out, {"card": weights.read_metadata(path)["card"], "fingerprint": mark})
    with pytest.raises(WeightsError, match="exact bound"):
        LearnedCodec(weights.read_header(out))
