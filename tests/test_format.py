"""Does docs/format.md say enough? A decoder written from it alone must find the same latents and pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import codec, weights
from models.assets import asset_folder
from models.bitstream.container import NETWORKS
from models.codec import Rate
from models.importing.convert import convert
from models.importing.install import card_for
from models.learned import LearnedCodec
from models.picture import Picture
from models.training.recipes import HFLIC_TRANSFORMS, HIFIC_BLOCKS
from tests import reference_decoder, reference_pixels
from tests.foreign import Sizes, chandelier, jiang, saved
from tests.foreign_hific import justin_tan
from tests.test_importing_hific import training
from tests.test_importing_zoo import zoo
from tests.untrained import photo, untrained

_SIZES = [(64, 48), (1, 1), (17, 35), (80, 16)]


@pytest.mark.parametrize("id", ["elic:lite", "hflic-mse:lite"])
@pytest.mark.parametrize("size", _SIZES)
def test_a_decoder_written_from_the_specification_finds_the_latents(id: str, size: tuple[int, int]) -> None:
    file = weights.find(id)
    assert Path(file.path).parent == asset_folder() / "weights"
    down, across = np.mgrid[0 : size[1], 0 : size[0]]
    noise = np.random.default_rng(3).integers(0, 255, (size[1], size[0], 3))
    pixels = (np.stack([across * 3, down * 5, across + down], axis=-1) + noise // 3) % 256
    coder = codec.get(id)
    for quality in (8, 97):
        data = coder.encode(Picture(pixels.astype(np.uint8)), Rate(quality=quality)).data
        head = reference_decoder.header(data)
        assert (head.width, head.height, head.quality) == (*size, quality * 100)
        assert file.fingerprint.startswith(head.fingerprint)
        agree(coder, data)


def agree(coder: codec.Codec, data: bytes) -> None:
    """The program and the decoder of the specification, on a file's latents and pixels."""
    assert isinstance(coder, LearnedCodec)
    stored = coder.file.path.read_bytes()
    head, tensors = reference_decoder.header(data), reference_decoder.tensors_of(stored)
    assert NETWORKS[head.network] == coder.id.partition(":")[0]
    assert reference_decoder.fingerprint_of(tensors) == coder.file.fingerprint
    latents, crc = reference_decoder.decode_latents(data, stored)
    assert crc == head.latents_crc
    assert latents.any()
    configuration = reference_decoder.configuration_of(stored)
    found = reference_pixels.picture(latents, head, tensors, configuration).astype(int)
    shown = coder.decode(data).pixels
    assert found.shape == shown.shape and shown.std() > 5
    assert np.abs(found - shown).max() <= 1
    assert (found != shown).mean() < 0.01


def foreign(kind: str, folder: Path) -> LearnedCodec:
    """An imported network, tiny."""
    if kind == "jiang":
        path = saved(jiang(Sizes()), folder / "c.pth")
    elif kind == "chandelier":
        path = saved(chandelier(Sizes()), folder / "c.pth")
    elif kind.startswith("justin"):
        options = {"normalize_input_image": kind == "justin-signed", "likelihood_type": "logistic"}
        path = training(justin_tan(), folder / "c.pt", **options)
    else:
        path = saved(zoo(kind).state_dict(), folder / "c.pth.tar")
    found = convert(path)
    card = card_for(found, f"{found.layout.codec}:mine", path.name)
    return LearnedCodec(weights.save(found.network, card, folder / "mine.safetensors", half=False))


_KINDS = ("jiang", "chandelier", "justin-signed", "justin-unit", *(n for i, n in NETWORKS.items() if i >= 8))


@pytest.mark.parametrize(
    ("kind", "size"),
    [*((kind, (70, 40)) for kind in _KINDS), ("justin-signed", (7, 21))],  # less than mirrored borders take
)
def test_it_decodes_imported_networks(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    coder = foreign(kind, tmp_path)
    agree(coder, coder.encode(photo(*size), Rate(quality=50)).data)


def test_it_decodes_hific(tmp_path: Path) -> None:
    coder = untrained("hific-lite", tmp_path / "hific-lite.safetensors")
    agree(coder, coder.encode(photo(50, 33), Rate(quality=60)).data)


@pytest.mark.parametrize(
    ("network", "part"), [("hific-lite", HIFIC_BLOCKS), ("hflic-lite", HFLIC_TRANSFORMS)]
)
def test_it_decodes_with_kernels_in_eight_bits(tmp_path: Path, network: str, part: str) -> None:
    coder = untrained(network, tmp_path / "w.safetensors", eight_bit=part)
    agree(coder, coder.encode(photo(50, 33), Rate(quality=60)).data)


def test_escapes_are_read_as_the_specification_says() -> None:
    from models.bitstream.coder import SymbolEncoder, TableModels
    from models.bitstream.tables import gaussian_tables

    made = gaussian_tables(np.array([0.5, 3.0]))
    symbols = np.array([0, 900, -1, -70_000, 2, 16_000_000, -5, 5], dtype=np.int32)
    indexes = np.array([0, 0, 1, 1, 0, 1, 0, 1])
    encoder = SymbolEncoder()
    encoder.encode(symbols, indexes, TableModels(made))
    stored = {f"entropy_data.y.{part}": getattr(made, part) for part in ("counts", "lengths", "first")}
    reader = reference_decoder.RangeReader(encoder.payload())
    found = reference_decoder.read_pass(reader, indexes, reference_decoder.Tables(stored, "y"))
    assert found.tolist() == symbols.tolist()
