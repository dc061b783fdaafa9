"""Files once written must decode for ever.

The rule: published weights may be replaced only together with the golden files, in one commit (`make
golden`), and only until the first release. From then on golden files are added and never changed: new weights
or a new format version come beside the old ones, whose decoder and weights stay.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import weights
from models.errors import WeightsError
from models.picture import Picture
from tests import golden_files, reference_decoder
from tests.golden_files import Golden, check, make, read, scene, shipped
from tests.untrained import untrained

GOLDEN = read()


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.name)
def test_golden_files_decode_as_they_did(golden: Golden) -> None:
    problem = check(golden, shipped())
    assert not problem, problem


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.name)
def test_the_decoder_of_the_specification_reads_golden_files(golden: Golden) -> None:
    file = next((f for f in shipped() if f.fingerprint == golden.fingerprint), None)
    if file is None:
        pytest.skip("weights that are gone are told by the test above")
    data = (golden_files.FOLDER / f"{golden.name}.hflic").read_bytes()
    _, crc = reference_decoder.decode_latents(data, file.path.read_bytes())
    assert crc == golden.latents_crc


def test_all_published_weights_have_golden_files() -> None:
    """Once there are any: weights that come later are not forgotten."""
    if GOLDEN:
        assert {f.fingerprint for f in shipped()} <= {golden.fingerprint for golden in GOLDEN}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[weights.WeightsFile], list[Golden]]:
    folder = tmp_path_factory.mktemp("golden")
    (folder / "stale.hflic").write_bytes(b"of weights that were replaced")
    file = untrained("elic-5-lite", tmp_path_factory.mktemp("made") / "elic-5-lite.safetensors").file
    return folder, [file], make([file], folder)


Made = tuple[Path, list[weights.WeightsFile], list[Golden]]


def test_what_is_made_is_small_checked_and_complete(made: Made) -> None:
    folder, found, golden = made
    assert read(folder) == golden and len(golden) == 2
    names = {f"{g.name}.{suffix}" for g in golden for suffix in ("hflic", "png")}
    assert {path.name for path in folder.iterdir()} == names | {golden_files.INDEX}
    for line in golden:
        assert check(line, found, folder) == ""
        assert (folder / f"{line.name}.hflic").stat().st_size <= golden_files.LARGEST
        decoded = Picture.open(folder / f"{line.name}.png")
        assert decoded.pixels.shape == scene().pixels.shape


def test_weights_that_are_gone_are_told(made: Made) -> None:
    folder, _, golden = made
    text = check(golden[0], [], folder)
    assert golden[0].fingerprint[:8] in text and "gone" in text and "make golden" in text


def test_weights_that_decode_differently_are_told(made: Made, tmp_path: Path) -> None:
    folder, found, golden = made
    line = golden[1]
    assert "other latents" in check(replace(line, latents_crc=line.latents_crc ^ 1), found, folder)
    other = untrained("elic-5-lite", tmp_path / "elic-5-lite.safetensors", seed=8).file
    with pytest.raises(WeightsError, match="fingerprint"):  # a file that says it is the old one
        check(line, [replace(other, fingerprint=line.fingerprint)], folder)


def test_a_changed_picture_or_file_is_told(made: Made, tmp_path: Path) -> None:
    folder, found, golden = made
    name = golden[0].name
    data = (folder / f"{name}.hflic").read_bytes()
    (tmp_path / f"{name}.hflic").write_bytes(data)
    picture = Picture.open(folder / f"{name}.png")
    pixels = picture.pixels.copy()
    pixels[5, 5] += np.uint8(2)
    Picture(pixels).save(tmp_path / f"{name}.png")
    assert "another picture" in check(golden[0], found, tmp_path)
    (tmp_path / f"{name}.hflic").write_bytes(data[:-1] + b"?")
    assert "not the file that was recorded" in check(golden[0], found, tmp_path)
