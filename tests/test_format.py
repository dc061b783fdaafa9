"""Does docs/format.md say enough? A decoder written from it alone must find the same latents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import codec, weights
from models.assets import asset_folder
from models.codec import Rate
from models.picture import Picture
from tests import reference_decoder

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
        latents, crc = reference_decoder.decode_latents(data, file.path.read_bytes())
        assert crc == head.latents_crc
        assert latents.any()


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
