"""How does one bitstream become a faithful picture or a realistic one? A second decoder for the same files.

A perceptual stage that trains the decoder alone (Muckley et al. 2023, MS-ILLM) leaves every file as it was.
Its decoder is kept in a small file of its own beside the weights it belongs to; between the two decoders
lie those whose weights are interpolated (Wang et al. 2019, "Deep network interpolation").
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from models import codec as codecs
from models import weights
from models.codec import QUIET, Codec, Encoding, Rate, Watch, entry
from models.errors import CodecError, WeightsError
from models.files import write_file
from models.listed import FLOATS, listed
from models.weights import Card, WeightsFile

if TYPE_CHECKING:
    from torch import Tensor

    from models.networks.base import CompressionNetwork
    from models.picture import Picture

SUFFIX = ".realistic.safetensors"
# What a decoder alone uses: everything else makes the bitstream.
DECODER_PARTS = ("g_s.", "s_shortcut.", "gain.log_inverse")


@dataclass(frozen=True)
class DecoderFile:
    """A realistic decoder that was found; nothing but its header has been read.

    base: fingerprint of the weights whose files it decodes; fingerprint: its own.
    """

    path: Path
    card: Card
    fingerprint: str
    base: str

    @property
    def name(self) -> str:
        """The file's name without suffix."""
        return self.path.name.removesuffix(".safetensors")


@runtime_checkable
class Blending(Protocol):
    """A codec that decodes its files with any share of a realistic decoder."""

    @property
    def realistic(self) -> DecoderFile | None:
        """The realistic decoder of its weights, None where there is none."""

    def decode(self, data: bytes, watch: Watch = QUIET, realism: float = 0.0) -> Picture:
        """See models.codec.Codec; `realism`: 0 faithful to 1 realistic."""


def checked(share: float) -> float:
    """A realism. Raises CodecError unless it lies in 0..1."""
    if not (math.isfinite(share) and 0 <= share <= 1):
        raise CodecError(f"realism goes from 0 (faithful) to 1 (realistic), not {share:g}")
    return share


def decoder_of(coder: Codec) -> DecoderFile | None:
    """A codec's realistic decoder, None for codecs that decode in one way only."""
    return coder.realistic if isinstance(coder, Blending) else None


def decode(coder: Codec, data: bytes, share: float, watch: Watch = QUIET) -> Picture:
    """Decode a file with a share of the realistic decoder, 0..1.

    Raises CodecError where the codec has no such decoder, BitstreamError for a damaged file.
    """
    if not checked(share):
        return coder.decode(data, watch)
    if not isinstance(coder, Blending):
        raise CodecError(_one_way(coder))
    return coder.decode(data, watch, share)


class Variant:
    """A codec that decodes with a fixed realism, so that both decoders stand side by side in comparisons.

    It is called after the codec and the realism: "hflic-mse:lite+1". Its files are the codec's own.
    """

    def __init__(self, coder: Codec, share: float) -> None:
        self.id = f"{coder.id}+{share:g}"
        self.suffix, self.weights = coder.suffix, coder.weights
        self.coder, self.share = coder, share

    @property
    def all_weights(self) -> str | None:
        """See models.codec.behind: the decoder's too, where it is used."""
        own, decoder = codecs.behind(self.coder), decoder_of(self.coder)
        return f"{own}+{decoder.fingerprint[:8]}" if self.share and decoder is not None else own

    def encode(self, picture: Picture, rate: Rate, watch: Watch = QUIET) -> Encoding:
        """See models.codec.Codec."""
        return replace(self.coder.encode(picture, rate, watch), codec=self.id)

    def decode(self, data: bytes, watch: Watch = QUIET) -> Picture:
        """See models.codec.Codec."""
        return decode(self.coder, data, self.share, watch)

    def read_back(self, data: bytes, watch: Watch = QUIET) -> None:
        """See models.learned.LearnedCodec."""
        codecs.read_back(self.coder, data, watch)

    def memory(self, width: int, height: int) -> float:
        """See models.learned.LearnedCodec; 0 of a codec that does not foretell it."""
        foretold: Callable[[int, int], float] | None = getattr(self.coder, "memory", None)
        return foretold(width, height) if foretold is not None else 0.0

    def info(self) -> dict[str, str]:
        """See models.codec.Codec."""
        return self.coder.info()

    @property
    def kmac_per_pixel(self) -> float | None:
        """See models.learned.LearnedCodec."""
        return getattr(self.coder, "kmac_per_pixel", None)


def variant(coder: Codec, share: str) -> Variant:
    """The codec with a realism written behind its id. Raises CodecError where it cannot have that."""
    try:
        value = checked(float(share))
    except ValueError as error:
        raise CodecError(f"'{coder.id}+{share}': write the realism as a number from 0 to 1") from error
    if value and decoder_of(coder) is None:
        file = getattr(coder, "file", None)
        raise CodecError(why_none(file) if file is not None else _one_way(coder))
    return Variant(coder, value)


def _one_way(coder: Codec) -> str:
    return f"{entry(coder.id).name} files decode in one way only: leave realism at 0"


def is_decoder(path: Path) -> bool:
    """Whether a name is that of a realistic decoder."""
    return path.name.endswith(SUFFIX)


def beside(weights_path: Path) -> Path:
    """Where the realistic decoder of a weights file is published."""
    return weights_path.with_name(weights_path.name.removesuffix(weights.SUFFIX) + SUFFIX)


def read_header(path: Path) -> DecoderFile:
    """The card of a realistic decoder and what it belongs to. Raises WeightsError."""
    try:
        metadata = weights.read_metadata(path)
        card = weights.read_card(metadata["decoder"])
        fingerprint, base = (weights.checked_fingerprint(metadata[name]) for name in ("fingerprint", "base"))
        return DecoderFile(path, card, fingerprint, base)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path.name} is not a realistic decoder of this program ({error})") from error


def available() -> tuple[DecoderFile, ...]:
    """Every usable realistic decoder, in the order of `weights.folders`. Damaged files are left out."""
    return weights.usable(SUFFIX, read_header)


def find(base: WeightsFile) -> DecoderFile | None:
    """The realistic decoder of these very weights, None where there is none. Reads headers only."""
    return next((file for file in available() if file.base == base.fingerprint), None)


def why_none(base: WeightsFile) -> str:
    """Why weights have no realistic decoder, and what to do."""
    for file in available():
        if file.card.codec == base.card.codec:
            return (
                f"the realistic decoder {file.path.name} belongs to the {file.card.codec} weights "
                f"{file.base[:8]}, not to {base.fingerprint[:8]}: train and publish it again"
            )
    with_one = ", ".join(sorted({file.card.codec for file in available()}))
    return f"{base.card.codec} has no realistic decoder here" + (
        f": use a file of {with_one}, or realism 0" if with_one else ": decode without realism"
    )


def save(network: CompressionNetwork, base: WeightsFile, card: Card, path: Path) -> DecoderFile:
    """Write the decoder of a network as the realistic one of `base`. Under a temporary name and renamed."""
    from safetensors.numpy import save as to_bytes

    tensors: dict[str, Any] = {
        name: weights.as_stored(name, value).contiguous().numpy()
        for name, value in network.named_parameters()
        if name.startswith(DECODER_PARTS)
    }
    metadata = {
        "decoder": json.dumps(asdict(card), sort_keys=True),
        "fingerprint": weights.fingerprint_of(tensors),
        "base": base.fingerprint,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, to_bytes(tensors, metadata))
    return read_header(path)


def load(file: DecoderFile, network: CompressionNetwork) -> dict[str, Tensor]:
    """The parameters that take the place of the network's own, after checking every name, shape and type.

    Raises WeightsError that names the first mismatch.
    """
    import torch

    held = listed(file.path)
    own = {k: v for k, v in network.named_parameters() if k.startswith(DECODER_PARTS)}
    if other := sorted(own.keys() ^ held.keys()):
        where = "lacks" if other[0] in own else "has"
        raise WeightsError(f"{file.path.name} {where} the tensor {other[0]}, unlike its network's decoder")
    for name, value in own.items():
        if held[name].kind not in FLOATS or held[name].shape != tuple(value.shape):
            raise WeightsError(
                f"{file.path.name}: {name} is {held[name].kind} of the shape {held[name].shape}, "
                f"not a float of {tuple(value.shape)}"
            )
    tensors = weights.read_tensors(file.path, file.fingerprint)
    return {name: torch.from_numpy(tensors[name]).float() for name in own}


def verify(file: DecoderFile) -> None:
    """Check a decoder against the weights it belongs to. Raises WeightsError where something is wrong."""
    base = next((found for found in weights.available() if found.fingerprint == file.base), None)
    if base is None:
        raise WeightsError(
            f"{file.path.name} belongs to the {file.card.codec} weights {file.base[:8]}, which are not here"
        )
    load(file, weights.load(base)[0])


class Blend:
    """A network whose decoder is the faithful one, the realistic one, or lies between them.

    The network's own parameters are changed in place; at 0 they are what they were, bit for bit.
    """

    def __init__(self, network: CompressionNetwork, realistic: dict[str, Tensor]) -> None:
        own = dict(network.named_parameters())
        self._own = {name: own[name].detach() for name in realistic}
        self._faithful = {name: value.clone() for name, value in self._own.items()}
        self._realistic = {name: value.to(self._own[name].device) for name, value in realistic.items()}
        self._share = 0.0

    def set(self, share: float) -> None:
        """Take this much of the realistic decoder; gains are logarithms, so theirs is a geometric mean."""
        import torch

        if share == self._share:
            return
        with torch.no_grad():
            for name, value in self._own.items():
                value.copy_(torch.lerp(self._faithful[name], self._realistic[name], share))
        self._share = share
