"""What is a codec, and which ones are there? Imports no network."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from models.errors import BitstreamError, CodecError
from models.picture import Picture
from models.sizing import TARGET_TOLERANCE, reach
from models.watch import QUIET, Watch

__all__ = [
    "CATALOGUE",
    "QUIET",
    "REFINED",
    "TARGET_TOLERANCE",
    "Codec",
    "CodecEntry",
    "Encoding",
    "Rate",
    "Watch",
    "decode",
    "entry",
    "get",
    "identify",
    "missing",
    "reach",
    "read_back",
    "timed",
]


_LARGEST_RATE = 1e15  # bytes or bits per pixel: no disk holds more


@dataclass(frozen=True)
class Rate:
    """What is asked of a codec: exactly one of quality 0..100, bits per pixel, or file size in bytes."""

    quality: float | None = None
    bpp: float | None = None
    bytes: int | None = None

    def __post_init__(self) -> None:
        given = [v for v in (self.quality, self.bpp, self.bytes) if v is not None]
        if len(given) != 1:
            raise CodecError("give exactly one of quality, bpp and bytes")
        value = given[0]
        if self.quality is None and _LARGEST_RATE < value != math.inf:  # a whole number of any length too
            raise CodecError(f"the wanted size must be below {_LARGEST_RATE:g}")
        if not math.isfinite(value):
            raise CodecError("the rate must be a finite number")
        if self.quality is not None and not 0 <= value <= 100:
            raise CodecError(f"quality must be between 0 and 100, not {value:g}")
        if self.quality is None and value <= 0:
            raise CodecError(f"the wanted size must be above zero, not {value:g}")

    def target(self, picture: Picture) -> float | None:
        """The wanted file size in bytes, or None where a quality is asked for."""
        if self.bpp is not None:
            return self.bpp * picture.width * picture.height / 8
        return float(self.bytes) if self.bytes is not None else None


@dataclass(frozen=True)
class Encoding:
    """A complete file and how it came about.

    data: the bytes to write, container included; quality: what was used, 0..100; note: how near a
    wanted size came and why, where it was missed, else ""; latents_crc: of learned codecs.
    """

    data: bytes = field(repr=False)
    codec: str
    quality: float
    width: int
    height: int
    encode_s: float
    weights: str | None = None
    latents_crc: int | None = None
    note: str = ""

    @property
    def bytes(self) -> int:
        """The file's size."""
        return len(self.data)

    @property
    def bpp(self) -> float:
        """Bits per pixel of the whole file."""
        return 8 * len(self.data) / (self.width * self.height)


@runtime_checkable
class Codec(Protocol):
    """Pixels to a complete file and back. Any thread may call, one at a time."""

    id: str
    suffix: str
    weights: str | None

    def encode(self, picture: Picture, rate: Rate, watch: Watch = QUIET) -> Encoding:
        """Raises CodecError for a picture or rate the codec cannot take, Cancelled when stopped."""

    def decode(self, data: bytes, watch: Watch = QUIET) -> Picture:
        """From the file's bytes alone. Raises BitstreamError for a damaged file, Cancelled when stopped."""

    def info(self) -> dict[str, str]:
        """Settings a person may want to know, name to value."""


@dataclass(frozen=True)
class CodecEntry:
    """A line of the catalogue. `module` holds `create(id) -> Codec`, a classical one's also `missing`.

    `magic` are the (offset, bytes) a file of this codec shows, any one of them. `fetched`: its weights are
    published elsewhere (`hflic models fetch`), and lists to choose from have it once they are here.
    """

    id: str
    name: str
    sentence: str
    source: str
    suffix: str
    module: str
    magic: tuple[tuple[int, bytes], ...] = ()
    fetched: bool = False

    @property
    def learned(self) -> bool:
        """Whether a neural network is inside."""
        return self.module == "models.learned"


REFINED = "~"  # between a codec's id and its steps of refinement, see models.refined

_HFLIC_MAGIC = ((0, b"\x8bHFL"),)


def _learned(id: str, name: str, sentence: str, source: str) -> CodecEntry:
    return CodecEntry(id, name, sentence, source, ".hflic", "models.learned", _HFLIC_MAGIC)


def _fetched(id: str, name: str, sentence: str, source: str) -> CodecEntry:
    return CodecEntry(id, name, sentence, source, ".hflic", "models.learned", _HFLIC_MAGIC, fetched=True)


def _classical(
    id: str, name: str, sentence: str, source: str, suffix: str, *magic: tuple[int, bytes]
) -> CodecEntry:
    return CodecEntry(id, name, sentence, source, suffix, "models.classical", magic)


CATALOGUE: tuple[CodecEntry, ...] = (
    _learned(
        "hflic",
        "HFLIC",
        "Perceptual neural codec that keeps small faces faithful.",
        "Ning et al. 2023, arXiv 2305.07519",
    ),
    _learned(
        "hflic-mse",
        "HFLIC (MSE)",
        "HFLIC's network trained for the smallest squared error.",
        "Ning et al. 2023, arXiv 2305.07519",
    ),
    _learned(
        "po-elic",
        "PO-ELIC",
        "ELIC tuned for the eye with adversarial and style losses.",
        "He et al., CVPRW 2022",
    ),
    _learned(
        "enh-po-elic",
        "Enh-PO-ELIC",
        "PO-ELIC's losses on HFLIC's wider residual blocks.",
        "Ning et al. 2023, arXiv 2305.07519",
    ),
    _learned(
        "elic",
        "ELIC",
        "Neural codec with ten uneven channel groups, trained on squared error.",
        "He et al., CVPR 2022",
    ),
    _learned(
        "elic-5",
        "ELIC (5 groups)",
        "ELIC with five channel groups, faster to decode.",
        "He et al., CVPRW 2022",
    ),
    _learned(
        "hific",
        "HiFiC",
        "The first convincing generative codec, with a conditional discriminator.",
        "Mentzer et al., NeurIPS 2020",
    ),
    _classical(
        "jpeg",
        "JPEG",
        "The format of 1992, progressive and with optimised Huffman tables.",
        "ITU-T T.81",
        ".jpg",
        (0, b"\xff\xd8\xff"),
    ),
    _classical("webp", "WebP", "VP8 key frames, slowest and best method.", "RFC 9649", ".webp", (8, b"WEBP")),
    _classical(
        "avif",
        "AVIF",
        "AV1 key frames at speed 4.",
        "AV1 Image File Format 1.1",
        ".avif",
        (4, b"ftypavif"),
        (4, b"ftypavis"),
    ),
    _classical(
        "jxl",
        "JPEG XL",
        "The VarDCT mode of JPEG XL.",
        "ISO/IEC 18181-1",
        ".jxl",
        (0, b"\xff\x0a"),
        (0, b"\x00\x00\x00\x0cJXL "),
    ),
    _classical(
        "heic",
        "HEIC",
        "HEVC intra frames by x265, the coder inside BPG.",
        "ISO/IEC 23008-12",
        ".heic",
        (4, b"ftypheic"),
        (4, b"ftypheix"),
        (4, b"ftypmif1"),
        (4, b"ftyphevc"),
    ),
    _classical(
        "jpeg2000",
        "JPEG 2000",
        "Wavelets and bit planes; the format of digital cinema.",
        "ITU-T T.800",
        ".j2k",
        (0, b"\xff\x4f\xff\x51"),
        (0, b"\x00\x00\x00\x0cjP  "),
    ),
    CodecEntry(
        "vvc",
        "VVC",
        "One intra frame of H.266 by vvenc, the state of the art before neural codecs.",
        "ITU-T H.266",
        ".vvc",
        "models.vvc",
        ((0, b"\x00\x00\x00\x01\x00\x79"), (0, b"\x00\x00\x00\x01\x00\xa1")),
    ),
    _fetched(
        "bmshj2018-factorized",
        "Factorized prior",
        "The plainest neural codec: every latent by itself.",
        "Balle et al., ICLR 2018",
    ),
    _fetched(
        "bmshj2018-hyperprior",
        "Scale hyperprior",
        "The first to send along how much the latents vary.",
        "Balle et al., ICLR 2018",
    ),
    _fetched(
        "mbt2018-mean",
        "Mean-scale hyperprior",
        "Means and scales from the hyperprior, still in one pass.",
        "Minnen et al., NeurIPS 2018",
    ),
    _fetched(
        "mbt2018",
        "Joint autoregressive prior",
        "Each latent from those before it; the first on a par with BPG.",
        "Minnen et al., NeurIPS 2018",
    ),
    _fetched(
        "cheng2020-anchor",
        "Cheng 2020",
        "Residual blocks and an autoregressive prior.",
        "Cheng et al., CVPR 2020",
    ),
    _fetched(
        "cheng2020-attn",
        "Cheng 2020 (attention)",
        "Residual blocks, attention and an autoregressive prior.",
        "Cheng et al., CVPR 2020",
    ),
)

_instances: dict[str, Codec] = {}


def entry(id: str) -> CodecEntry:
    """The catalogue line of an id; what stands behind it ("elic:lite", "hflic-mse~100+1") does not matter.

    Raises CodecError for an unknown id and names the known ones.
    """
    base = plain(id).split(":", 1)[0]
    for line in CATALOGUE:
        if line.id == base:
            return line
    raise CodecError(f"there is no codec '{id}': choose one of {', '.join(line.id for line in CATALOGUE)}")


def plain(id: str) -> str:
    """An id without refinement and realism: "hflic-mse:lite~100+0.5" is the codec "hflic-mse:lite"."""
    return parts(id)[0]


def parts(id: str) -> tuple[str, str, str]:
    """An id's codec, its steps of refinement and its realism as written, "" for what it does not have."""
    coded, _, share = id.partition("+")
    codec, _, steps = coded.partition(REFINED)
    return codec, steps, share


def missing(id: str) -> str:
    """Why a codec cannot be used here and what to do about it, "" where it can. Loads no torch."""
    line = entry(id)
    if line.learned:
        from models.weights import missing as no_weights

        return no_weights(plain(id))
    reason: str = importlib.import_module(line.module).missing(id)
    return reason


def get(id: str) -> Codec:
    """The codec of an id. Raises CodecError where it is unknown or not usable here.

    It is made once, a learned one once for each weights file: where that has been replaced, the next call
    gives the codec of the new one.

    "ID+R" is the codec ID that decodes with the realism R, for those that have a realistic decoder; "ID~N"
    the one that refines its latents for every picture in N steps, "ID~N+R" both.
    """
    if "+" in id:
        from models.realism import variant

        coded, _, share = id.partition("+")
        return variant(get(coded), share)
    if REFINED in id:
        from models.refined import variant as refined

        coded, _, steps = id.partition(REFINED)
        return refined(get(coded), steps)
    if id in _instances:
        return _instances[id]
    if reason := missing(id):
        raise CodecError(reason)
    line = entry(id)
    made: Codec = importlib.import_module(line.module).create(id)
    if not line.learned:  # those are kept by their weights
        _instances[id] = made
    return made


def behind(coder: Codec) -> str | None:
    """What names all the weights that a codec's files and pictures come from, None where there are none.

    Of most it is `Codec.weights`; a codec of several networks, or with a second decoder, says more.
    """
    named: str | None = getattr(coder, "all_weights", coder.weights)
    return named


def identify(data: bytes) -> str:
    """The codec id a file's first bytes belong to. Raises BitstreamError for anything else."""
    for line in CATALOGUE:
        if any(data[offset : offset + len(magic)] == magic for offset, magic in line.magic):
            if line.learned:
                id: str = importlib.import_module(line.module).identify(data)
                return id
            return line.id
    raise BitstreamError("this is not a file of any codec of this program")


def decoder(data: bytes) -> Codec:
    """The codec that reads a file: of a learned one, the very weights it was made with.

    Raises BitstreamError, and WeightsError where those weights are not here.
    """
    id = identify(data)
    line = entry(id)
    if line.learned:
        made: Codec = importlib.import_module(line.module).for_file(data)
        return made
    return get(id)


def decode(data: bytes, watch: Watch = QUIET) -> Picture:
    """Decode a file of any codec. Raises BitstreamError, WeightsError."""
    return decoder(data).decode(data, watch)


def read_back(coder: Codec, data: bytes, watch: Watch = QUIET) -> None:
    """See that a learned codec can read what it just made, before it is written. Others are not asked.

    Raises CodecError where it cannot.
    """
    if entry(coder.id).learned:
        importlib.import_module(entry(coder.id).module).read_back(coder, data, watch)


def timed(make: Callable[[], Encoding]) -> Encoding:
    """The encoding with the wall-clock seconds it took."""
    begin = time.perf_counter()
    made = make()
    return replace(made, encode_s=time.perf_counter() - begin)
