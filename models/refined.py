"""Which codecs can take their time over a picture, and how is that asked for? Loads no torch.

See `models.refinement` for how it is done.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from models import codec as codecs
from models.codec import QUIET, Codec, Encoding, Rate, Watch, entry
from models.errors import CodecError
from models.realism import DecoderFile, decode, decoder_of

if TYPE_CHECKING:
    from models.picture import Picture
    from models.weights import WeightsFile

MARK = codecs.REFINED
USUAL_STEPS = 100  # what the viewer asks for
MOST_STEPS = 10_000


@runtime_checkable
class Refining(Protocol):
    """A codec that can search for better latents of a picture."""

    @property
    def unrefinable(self) -> str:
        """Why it cannot, with these weights, "" where it can."""

    def encode(self, picture: Picture, rate: Rate, watch: Watch = QUIET, refine: int = 0) -> Encoding:
        """See models.codec.Codec; `refine`: steps of the search, 0 for none."""

    def memory(self, width: int, height: int, *, refine: bool = False) -> float:
        """Bytes a picture of this size takes at most."""


class Refined:
    """A codec that refines the latents of every picture with so many steps: "hflic-mse:lite~100".

    Its files are the codec's own and decode as they do.
    """

    def __init__(self, coder: Codec, steps: int) -> None:
        self.id = f"{coder.id}{MARK}{steps}"
        self.suffix, self.weights = coder.suffix, coder.weights
        self.coder, self.steps = coder, steps
        self.file: WeightsFile | None = getattr(coder, "file", None)

    @property
    def all_weights(self) -> str | None:
        """See models.codec.behind."""
        return codecs.behind(self.coder)

    @property
    def realistic(self) -> DecoderFile | None:
        """See models.realism.Blending."""
        return decoder_of(self.coder)

    def encode(self, picture: Picture, rate: Rate, watch: Watch = QUIET) -> Encoding:
        """See models.codec.Codec."""
        assert isinstance(self.coder, Refining)
        return replace(self.coder.encode(picture, rate, watch, refine=self.steps), codec=self.id)

    def decode(self, data: bytes, watch: Watch = QUIET, realism: float = 0.0) -> Picture:
        """See models.realism.Blending."""
        return decode(self.coder, data, realism, watch)

    def read_back(self, data: bytes, watch: Watch = QUIET) -> None:
        """See models.learned.LearnedCodec."""
        codecs.read_back(self.coder, data, watch)

    def memory(self, width: int, height: int) -> float:
        """See models.learned.LearnedCodec."""
        assert isinstance(self.coder, Refining)
        return self.coder.memory(width, height, refine=True)

    def info(self) -> dict[str, str]:
        """See models.codec.Codec."""
        return self.coder.info() | {"refinement": f"{self.steps} steps a picture"}

    @property
    def kmac_per_pixel(self) -> float | None:
        """See models.learned.LearnedCodec: of one pass each way."""
        return getattr(self.coder, "kmac_per_pixel", None)


def unrefinable(coder: Codec) -> str:
    """Why a codec's latents cannot be refined, "" where they can, or are."""
    if isinstance(coder, Refined):
        return ""
    if isinstance(coder, Refining):
        return coder.unrefinable
    return f"{entry(coder.id).name} has no latents to refine: leave {MARK} away"


def refinable(coder: Codec) -> bool:
    """Whether `ID~STEPS` is a codec too."""
    return not unrefinable(coder)


def variant(coder: Codec, steps: str) -> Refined:
    """The codec with steps of refinement written behind its id. Raises CodecError where it has none."""
    if not (steps.isascii() and steps.isdecimal() and 1 <= int(steps) <= MOST_STEPS):
        raise CodecError(
            f"'{coder.id}{MARK}{steps}': write the steps of refinement as a number from 1 to {MOST_STEPS}"
        )
    if reason := unrefinable(coder):
        raise CodecError(reason)
    return Refined(coder, int(steps))
