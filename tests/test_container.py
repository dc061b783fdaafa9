"""The .hflic file byte for byte, and what becomes of damaged ones."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bitstream.container import MAX_PIXELS, NETWORKS, HflicFile, parse, takes
from models.errors import BitstreamError

FILE = HflicFile("elic-5", bytes.fromhex("deadbeef"), 300, 5, 61.25, 0x01020304, b"abc")
BYTES = bytes.fromhex(
    "8b48464c"  # magic
    "01"  # version
    "06"  # elic-5
    "deadbeef"  # fingerprint
    "ac02"  # 300
    "05"
    "ed17"  # 6125
    "04030201"  # latents
    "616263"  # payload
    "cf6b5102"  # CRC-32 of all before
)


def sealed(body: bytes) -> bytes:
    return body + struct.pack("<I", zlib.crc32(body))


def test_every_byte_has_its_place() -> None:
    assert FILE.to_bytes() == BYTES
    assert parse(BYTES) == FILE


def test_network_numbers_are_for_ever() -> None:
    known = {1: "hflic", 2: "hflic-mse", 3: "po-elic", 4: "enh-po-elic", 5: "elic", 6: "elic-5", 7: "hific"}
    assert known.items() <= NETWORKS.items()
    for number, name in NETWORKS.items():
        assert replace(FILE, network=name).to_bytes()[5] == number


@pytest.mark.parametrize(
    ("value", "coded"),
    [(1, "01"), (127, "7f"), (128, "8001"), (16383, "ff7f"), (16384, "808001"), (2_097_152, "80808001")],
)
def test_widths_are_leb128(value: int, coded: str) -> None:
    data = replace(FILE, width=value).to_bytes()
    assert data[10 : 10 + len(coded) // 2].hex() == coded
    assert parse(data).width == value


@settings(deadline=None)
@given(
    st.builds(
        HflicFile,
        st.sampled_from(list(NETWORKS.values())),
        st.binary(min_size=4, max_size=4),
        st.integers(1, 100_000),
        st.integers(1, 2000),
        st.integers(0, 10_000).map(lambda steps: steps / 100),
        st.integers(0, 2**32 - 1),
        st.binary(max_size=200),
    )
)
def test_any_file_comes_back_with_at_most_32_bytes_around_it(file: HflicFile) -> None:
    data = file.to_bytes()
    assert parse(data) == file
    assert len(data) - len(file.payload) <= 32


def test_the_largest_sizes_keep_to_32_bytes() -> None:
    for width, height in ((MAX_PIXELS // 16, 16), (16, MAX_PIXELS // 16), (14_142, 14_142)):
        file = replace(FILE, width=width, height=height)
        assert takes(width, height) and parse(file.to_bytes()) == file
        assert len(file.to_bytes()) - len(file.payload) <= 32


def test_every_truncation_is_an_error() -> None:
    for end in range(len(BYTES)):
        with pytest.raises(BitstreamError):
            parse(BYTES[:end])


def test_every_flipped_bit_is_an_error() -> None:
    for bit in range(8 * len(BYTES)):
        damaged = bytearray(BYTES)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError):
            parse(bytes(damaged))


def test_appended_bytes_are_an_error() -> None:
    for more in (b"\0", b"\0" * 4, b"a", BYTES):
        with pytest.raises(BitstreamError):
            parse(BYTES + more)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.booleans())
def test_headers_with_a_right_checksum_are_still_checked(rest: bytes, known: bool) -> None:
    """Bytes made up by somebody who can compute a CRC: a file within the limits, or an error."""
    try:
        file = parse(sealed(BYTES[: 6 if known else 5] + rest))
    except BitstreamError:
        return
    assert 0 < file.width * file.height <= MAX_PIXELS
    assert 0 <= file.quality <= 100 and len(file.fingerprint) == 4 and file.network in NETWORKS.values()


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (MAX_PIXELS + 1, 1),
        (2**34, 2**34),
        (20_000, 20_000),
        (0, 5),
        (5, 0),
        (MAX_PIXELS, 1),  # few pixels, but of 16 x 16 blocks more than any picture has
        (1, MAX_PIXELS),
    ],
)
def test_impossible_sizes_are_refused(width: int, height: int) -> None:
    assert not takes(width, height)
    with pytest.raises(BitstreamError, match="claims"):
        parse(replace(FILE, width=width, height=height).to_bytes())


@pytest.mark.parametrize("coded", ["ffffffffff01", "808080808080", "ffffffff"])
def test_endless_widths_are_refused(coded: str) -> None:
    with pytest.raises(BitstreamError, match="header"):
        parse(sealed(BYTES[:10] + bytes.fromhex(coded) + b"\xff" * 6))


def test_widths_of_more_than_five_bytes_are_refused_whatever_they_say() -> None:
    with pytest.raises(BitstreamError, match="header"):
        parse(sealed(BYTES[:10] + bytes.fromhex("818080808000") + BYTES[12:-4]))


def test_a_header_that_reaches_into_the_checksum_is_refused() -> None:
    with pytest.raises(BitstreamError, match="header"):
        parse(sealed(BYTES[:10] + bytes.fromhex("ac02ac02ed17040302")))


def test_a_quality_over_100_is_refused() -> None:
    with pytest.raises(BitstreamError, match="quality"):
        parse(sealed(BYTES[:13] + struct.pack("<HI", 10_001, 0)))


def test_other_versions_and_networks_ask_for_a_newer_program() -> None:
    with pytest.raises(BitstreamError, match=r"version 2.*newer"):
        parse(sealed(BYTES[:4] + b"\x02" + BYTES[5:-4]))
    with pytest.raises(BitstreamError, match=r"network number 200.*newer"):
        parse(sealed(BYTES[:5] + b"\xc8" + BYTES[6:-4]))


@pytest.mark.parametrize("data", [b"", b"\x8b", b"\x89PNG\r\n\x1a\n" + bytes(40), b"HFL\x8b" + bytes(40)])
def test_other_files_are_no_hflic_files(data: bytes) -> None:
    with pytest.raises(BitstreamError, match=r"not a \.hflic file"):
        parse(data)
