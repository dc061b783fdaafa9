"""The same bytes decode faithful or realistic, and the second decoder fits its weights or is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from app import sheet
from models import codec as codecs
from models import learned, realism, weights
from models.codec import Codec, Rate
from models.errors import BitstreamError, CodecError, WeightsError
from models.learned import LearnedCodec
from models.picture import Picture
from tests.command_line import one_line, run, run_json
from tests.realistic import ID, NAME, codec_with_both, other_decoder
from tests.untrained import photo, untrained

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first folder that is searched for weights; codecs made before are forgotten for the test."""
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(codecs, "_instances", {})
    monkeypatch.setattr(learned, "_loaded", {})
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    codec_with_both(folder)
    untrained(NAME, folder / "other", seed=11)
    return folder


@pytest.fixture
def both(folder: Path, made: Path) -> LearnedCodec:
    for path in made.glob(f"*{weights.SUFFIX}"):
        shutil.copy(path, folder)
    return LearnedCodec(weights.read_header(folder / f"{NAME}{weights.SUFFIX}"))


def newer(both: LearnedCodec, made: Path) -> LearnedCodec:
    """Other weights take the place of the codec's."""
    shutil.copy(made / "other", both.file.path.with_suffix(".new"))
    both.file.path.with_suffix(".new").replace(both.file.path)
    return LearnedCodec(weights.read_header(both.file.path))


@pytest.fixture
def data(both: LearnedCodec) -> bytes:
    return both.encode(photo(96, 64), Rate(quality=60)).data


def pixels(coder: LearnedCodec, data: bytes, share: float) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return realism.decode(coder, data, share).pixels


def test_realism_0_is_the_faithful_picture_whatever_was_decoded_before(
    both: LearnedCodec, data: bytes
) -> None:
    before = both.decode(data).pixels
    assert not np.array_equal(pixels(both, data, 1.0), before)
    assert not np.array_equal(pixels(both, data, 0.4), before)
    for again in (both.decode(data).pixels, pixels(both, data, 0.0)):
        assert np.array_equal(again, before)


def test_realism_1_is_the_picture_of_the_other_decoder(both: LearnedCodec, data: bytes) -> None:
    decoder = both.realistic
    assert decoder is not None
    stored = load_file(decoder.path)
    alone = LearnedCodec(both.file)
    with torch.no_grad():
        for name, value in alone.network.named_parameters():
            if name in stored:
                value.copy_(torch.from_numpy(stored[name]).float())
    assert np.array_equal(pixels(both, data, 1.0), alone.decode(data).pixels)


def test_between_them_every_weight_is_interpolated(both: LearnedCodec, data: bytes) -> None:
    assert both.realistic is not None
    stored = load_file(both.realistic.path)
    faithful = {name: value.clone() for name, value in both.network.named_parameters()}
    pixels(both, data, 0.25)
    for name, value in both.network.named_parameters():
        wanted = faithful[name]
        if name in stored:
            wanted = 0.75 * wanted + 0.25 * torch.from_numpy(stored[name]).float()
        torch.testing.assert_close(value, wanted, rtol=1e-5, atol=1e-6)


def test_encoding_takes_no_notice_of_realism(both: LearnedCodec, data: bytes) -> None:
    pixels(both, data, 1.0)
    assert both.encode(photo(96, 64), Rate(quality=60)).data == data


def test_large_pictures_in_tiles_are_realistic_too(
    both: LearnedCodec, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pixels(both, data, 1.0)
    plan = both._planner.plan(96, 64)
    monkeypatch.setattr(both._planner, "plan", lambda *_: replace(plan, tile=64))
    tiled = pixels(both, data, 1.0).astype(int)
    assert np.abs(tiled - whole).max() <= 1


@pytest.mark.parametrize("share", [-0.1, 1.01, float("nan"), float("inf")])
def test_realism_outside_0_to_1_is_refused(both: LearnedCodec, data: bytes, share: float) -> None:
    with pytest.raises(CodecError, match="from 0"):
        pixels(both, data, share)


def test_codecs_without_a_second_decoder_say_so(folder: Path, made: Path) -> None:
    single = LearnedCodec(weights.read_header(made / "other"))
    coded = single.encode(photo(64, 64), Rate(quality=50)).data
    assert single.realistic is None
    with pytest.raises(CodecError, match="elic-5:lite has no realistic decoder here"):
        pixels(single, coded, 0.5)
    assert np.array_equal(pixels(single, coded, 0.0), single.decode(coded).pixels)
    jpeg = codecs.get("jpeg")
    picture = jpeg.encode(photo(64, 64), Rate(quality=50)).data
    with pytest.raises(CodecError, match="JPEG files decode in one way only"):
        realism.decode(jpeg, picture, 1.0)
    assert realism.decode(jpeg, picture, 0.0).width == 64


def test_a_decoder_of_other_weights_is_refused_in_one_line(both: LearnedCodec, made: Path) -> None:
    other = newer(both, made)
    assert other.realistic is None
    coded = other.encode(photo(64, 64), Rate(quality=50)).data
    with pytest.raises(CodecError, match="belongs to the elic-5:lite weights") as caught:
        pixels(other, coded, 1.0)
    text = str(caught.value)
    assert both.file.fingerprint[:8] in text and other.file.fingerprint[:8] in text and "\n" not in text


def test_a_damaged_file_is_refused_at_any_realism(both: LearnedCodec, data: bytes) -> None:
    broken = data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]
    for share in (0.0, 0.5):
        with pytest.raises(BitstreamError):
            pixels(both, broken, share)


# --- the file ---


def test_it_is_found_by_its_base_and_is_no_weights_file(both: LearnedCodec) -> None:
    found = realism.find(both.file)
    assert found is not None and found.base == both.file.fingerprint
    assert found.path.name == "elic-5-lite.realistic.safetensors" and found.card.steps == 5
    assert [file.path for file in weights.available() if file.path.parent == both.file.path.parent] == [
        both.file.path
    ]
    with pytest.raises(WeightsError):
        weights.read_header(found.path)
    with pytest.raises(WeightsError, match="not a realistic decoder"):
        realism.read_header(both.file.path)


def test_it_holds_the_decoder_alone(both: LearnedCodec) -> None:
    assert both.realistic is not None
    names = load_file(both.realistic.path).keys()
    assert names and all(name.startswith(("g_s.", "s_shortcut.", "gain.log_inverse")) for name in names)
    size = both.realistic.path.stat().st_size
    assert size < 0.6 * both.file.path.stat().st_size


def _changed(path: Path, change: str) -> None:
    tensors = load_file(path)
    header = weights.read_metadata(path)
    name = next(iter(sorted(tensors)))
    if change == "lacks":
        del tensors[name]
    elif change == "has":
        tensors["h_a.0.weight"] = tensors[name]
    elif change == "shape":
        tensors[name] = tensors[name][None]
    else:
        tensors[name] = np.zeros(tensors[name].shape, np.int32)
    save_file(tensors, path, header | {"fingerprint": weights.fingerprint_of(tensors)})


@pytest.mark.parametrize(
    ("change", "told"), [("lacks", "lacks the"), ("has", "has the"), ("shape", "shape"), ("type", "int32")]
)
def test_a_decoder_unlike_its_network_is_refused(
    both: LearnedCodec, data: bytes, change: str, told: str
) -> None:
    assert both.realistic is not None
    _changed(both.realistic.path, change)
    with pytest.raises(WeightsError, match=told) as caught:
        pixels(both, data, 1.0)
    assert "\n" not in str(caught.value)


def test_one_changed_bit_is_noticed_and_the_faithful_picture_still_there(
    both: LearnedCodec, data: bytes
) -> None:
    assert both.realistic is not None
    before = both.decode(data).pixels
    path = both.realistic.path
    raw = bytearray(path.read_bytes())
    raw[-1000] ^= 1
    path.write_bytes(raw)
    with pytest.raises(WeightsError, match="fingerprint"):
        pixels(both, data, 1.0)
    assert np.array_equal(both.decode(data).pixels, before)


def test_a_decoder_published_meanwhile_is_taken_up(both: LearnedCodec, data: bytes) -> None:
    first = pixels(both, data, 1.0)
    faithful = both.decode(data).pixels
    pixels(both, data, 1.0)
    other_decoder(both.file, seed=8)
    assert not np.array_equal(pixels(both, data, 1.0), first)
    assert np.array_equal(both.decode(data).pixels, faithful)


# --- the command line ---


def test_decode_realism_on_the_command_line(both: LearnedCodec, data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.hflic"
    file.write_bytes(data)
    shown = {}
    for share in ("0", "0.5", "1"):
        found = run_json("decode", file, "-o", tmp_path / f"{share}.png", "--realism", share)
        assert found["realism"] == float(share) and found["codec"] == ID
        shown[share] = Picture.open(tmp_path / f"{share}.png").pixels
    crc = {run_json("info", file)["latents_crc"], found["latents_crc"]}
    assert len(crc) == 1
    assert np.array_equal(shown["0"], both.decode(data).pixels)
    assert np.array_equal(shown["1"], pixels(both, data, 1.0))
    distance = [np.abs(shown[s].astype(int) - shown["0"]).mean() for s in ("0.5", "1")]
    assert 0 < distance[0] < distance[1]


@pytest.mark.parametrize("share", ["-1", "1.5", "nan", "much"])
def test_an_impossible_realism_is_a_mistake_of_usage(
    both: LearnedCodec, data: bytes, tmp_path: Path, share: str
) -> None:
    file, out = tmp_path / "a.hflic", tmp_path / "a.png"
    file.write_bytes(data)
    code, _, errors = run("decode", file, "-o", out, "--realism", share)
    assert (code, out.exists()) == (2, False) and one_line(errors)


def test_a_file_without_a_second_decoder_names_itself(folder: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "a.jpg", tmp_path / "a.png"
    file.write_bytes(codecs.get("jpeg").encode(photo(64, 64), Rate(quality=50)).data)
    code, _, errors = run("decode", file, "-o", out, "--realism", "0.5")
    assert (code, out.exists()) == (2, False)
    assert one_line(errors) and "a.jpg: JPEG files decode in one way only" in errors


def test_models_and_info_tell_of_the_second_decoder(both: LearnedCodec, data: bytes, tmp_path: Path) -> None:
    decoder = both.realistic
    assert decoder is not None
    rows = {row["codec"]: row for row in run_json("models", "list")["codecs"]}
    assert rows["elic-5"]["realistic"] == decoder.fingerprint[:8]
    assert rows["jpeg"]["realistic"] is None
    assert "--realism" in run("models", "list")[2]
    assert decoder.fingerprint[:8] in run("models", "info", "elic-5")[1]
    file = tmp_path / "a.hflic"
    file.write_bytes(data)
    assert "realism" in run("info", file)[1]


def test_verify_looks_at_second_decoders_too(both: LearnedCodec, made: Path) -> None:
    decoder = both.realistic
    assert decoder is not None
    rows = {Path(row["file"]).name: row for row in run_json("models", "verify")["files"]}
    assert rows[decoder.path.name] == {
        "file": str(decoder.path), "codec": ID, "weights": decoder.fingerprint[:8], "error": ""
    }  # fmt: skip
    newer(both, made)
    code, printed, _ = run("models", "verify", "--json")
    rows = {Path(row["file"]).name: row for row in json.loads(printed)["files"]}
    assert code == 1 and "which are not here" in rows[decoder.path.name]["error"]


# --- both decoders in a comparison ---


def test_an_id_with_a_realism_is_a_codec_of_its_own(both: LearnedCodec, data: bytes) -> None:
    realistic = codecs.get("elic-5+1")
    assert isinstance(realistic, Codec)
    assert (realistic.id, realistic.weights) == ("elic-5:lite+1", both.weights)
    assert codecs.entry("elic-5:lite+0.5").id == "elic-5" and codecs.missing("elic-5+1") == ""
    made = realistic.encode(photo(96, 64), Rate(quality=60))
    assert (made.data, made.codec) == (data, "elic-5:lite+1")
    codecs.read_back(realistic, made.data)
    assert np.array_equal(realistic.decode(data).pixels, pixels(both, data, 1.0))
    assert np.array_equal(codecs.get("elic-5+0").decode(data).pixels, both.decode(data).pixels)
    assert realistic.info() == both.info()
    assert realistic.memory(3000, 2000) == both.memory(3000, 2000) > 8e8  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("id", "told"),
    [
        ("elic-5+2", "from 0"),
        ("elic-5+much", "as a number"),
        ("jpeg+1", "in one way only"),
        ("elic-5+", "number"),
    ],
)
def test_an_id_with_an_impossible_realism_is_refused(both: LearnedCodec, id: str, told: str) -> None:
    with pytest.raises(CodecError, match=told):
        codecs.get(id)
    code, _, errors = run("compare", "x.png", "--codecs", id, "--bpp", "0.2")
    assert code == 2 and one_line(errors) and told in errors


def test_compare_and_evaluate_tell_the_decoders_apart(both: LearnedCodec, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "r.json"
    folder.mkdir()
    photo(64, 64).save(folder / "a.png")
    ids = ["elic-5:lite", "elic-5:lite+1"]
    found = run_json(
        "compare", folder / "a.png", "--codecs", ",".join(ids), "--quality", "50", "--metrics", "psnr"
    )
    rows = found["results"]
    assert [row["codec"] for row in rows] == ids
    assert rows[0]["bytes"] == rows[1]["bytes"] and rows[0]["psnr"] != rows[1]["psnr"]
    told = run_json(
        "evaluate", folder, "--codecs", ",".join(ids), "-o", out, "--qualities", "50", "--metrics", "psnr"
    )
    assert [(row["codec"], row["psnr"]) for row in told["averages"]] == [
        (row["codec"], row["psnr"]) for row in rows
    ]


def test_the_sheet_of_a_comparison_names_the_decoders(
    both: LearnedCodec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def make_sheet(title: str, cells: Sequence[sheet.Cell], region: sheet.Region) -> Picture:
        drawn.extend(cell.name for cell in cells)
        return made_sheet(title, cells, region)

    made_sheet = sheet.make_sheet
    monkeypatch.setattr(sheet, "make_sheet", make_sheet)
    photo(64, 48).save(tmp_path / "a.png")
    ids, out = "elic-5:lite,elic-5:lite+0.5", tmp_path / "sheet.png"
    run_json(
        "compare", tmp_path / "a.png", "--codecs", ids, "--quality", "50", "--metrics", "psnr", "-o", out
    )
    assert drawn == ["Original", "ELIC (5 groups)", "ELIC (5 groups), realism 0.5"] and out.exists()
