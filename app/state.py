"""What does the session know about a side, and what does it tell people? Plain data, nothing of Qt."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import Enum

from app import text
from app.raster import Raster
from app.tasks import Coded, Measured
from models.codec import Rate, entry, parts, plain
from models.errors import CodecError
from models.refined import USUAL_STEPS

ORIGINAL = "original"
FILE = "file"

# Quickest first; the names are those of models.metrics.
METRICS = ("psnr", "ms_ssim", "lpips")


class Side(Enum):
    """One of the two compared pictures."""

    LEFT = "left"
    RIGHT = "right"

    @property
    def other(self) -> Side:
        """The side across."""
        return Side.RIGHT if self is Side.LEFT else Side.LEFT

    @property
    def letter(self) -> str:
        """A for left, B for right."""
        return "A" if self is Side.LEFT else "B"


class Phase(Enum):
    """Where a side's work stands."""

    EMPTY = "empty"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


class Level(Enum):
    """How loud a notice is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Notice:
    """One sentence for the message bar, with details for those who want them."""

    level: Level
    text: str
    details: str = ""


@dataclass(frozen=True)
class Choice:
    """What a side shall show: ORIGINAL, FILE (a compressed file that was opened) or a codec id at a rate.

    realism: how much of the codec's realistic decoder is used, 0..1; nothing where it has none.
    """

    codec: str
    rate: Rate
    realism: float = 0.0

    def of(self, codec: str) -> Choice:
        """Another codec at the same rate, faithful: a realism belongs to one codec, refined or not."""
        return replace(self, codec=codec, realism=self.realism if plain(codec) == plain(self.codec) else 0.0)


@dataclass(frozen=True)
class Key:
    """What names a result: the picture's hash, the codec and the rate."""

    reference: str
    codec: str
    rate: Rate


@dataclass(frozen=True)
class SideView:
    """All a widget needs to show a side.

    raster: what to draw, None for nothing; stale: whether it belongs to an older choice; coded: the file
    behind it, None for the original; stage and done (0..1) while waiting and running; error: why it failed.
    redecoding: the file is there and only its decoding, with another realism, is not.
    """

    side: Side
    choice: Choice
    phase: Phase
    raster: Raster | None = None
    coded: Coded | None = None
    stale: bool = False
    stage: str = ""
    done: float = 0.0
    error: str = ""
    redecoding: bool = False

    @property
    def working(self) -> bool:
        """Whether something is still to come."""
        return self.phase in {Phase.WAITING, Phase.RUNNING}

    @property
    def name(self) -> str:
        """What people call what is shown."""
        if self.choice.codec == ORIGINAL:
            return "Original"
        # What made the file says more than what was asked for: "hflic" may be served by other weights.
        if self.coded is None or self.stale:
            return codec_name(self.choice.codec)
        return decoded_name(self.coded.encoding.codec, self.coded.realism)


def codec_name(id: str) -> str:
    """A codec's name for people, with the size, the refinement and the realism where the id gives them."""
    known, steps, share = parts(id)
    base, _, size = known.partition(":")
    try:
        words = [f"{entry(base).name} {size}".rstrip()]
    except CodecError:
        words = [known]
    if steps:
        many = "" if steps == str(USUAL_STEPS) else f" in {text.counted(int(steps), 'step')}"
        words.append(f"refined{many}")
    if share:
        words.append(f"realism {share}")
    return ", ".join(words)


def decoded_name(id: str, realism: float) -> str:
    """A codec's name with the realism its file was decoded with, where that is not 0."""
    return f"{codec_name(id)}, realism {realism:.2g}" if realism else codec_name(id)


class ResultCache:
    """The last results, as many as fit in `limit` bytes of memory, least recently used out first."""

    def __init__(self, limit: int = 768 << 20) -> None:
        self.limit = limit
        self._results: OrderedDict[Key, Coded] = OrderedDict()

    def get(self, key: Key) -> Coded | None:
        """The result of a key, which then counts as used."""
        found = self._results.get(key)
        if found is not None:
            self._results.move_to_end(key)
        return found

    def put(self, key: Key, coded: Coded, needed: Collection[Key] = ()) -> None:
        """Keep a result. Those of its codec, refined or not, with other weights are out of date and go.

        What is `needed` stays though it does not fit: it would only be made once more.
        """
        stale = [
            k
            for k, c in self._results.items()
            if plain(k.codec) == plain(key.codec) and _weights(c) != _weights(coded)
        ]
        for old in stale:
            del self._results[old]
        self._results[key] = coded
        spare = [k for k in self._results if k != key and k not in needed]
        while spare and len(self._results) > 2 and sum(map(_memory, self._results.values())) > self.limit:
            del self._results[spare.pop(0)]

    def revise(self, current: Callable[[Coded], Coded | None]) -> None:
        """Put what `current` says in the place of each result; those it says None of go."""
        now = [(key, current(coded)) for key, coded in self._results.items()]
        self._results = OrderedDict((key, coded) for key, coded in now if coded is not None)

    def key_of(self, coded: Coded) -> Key | None:
        """What a result was asked for by, None where it is not kept (any more)."""
        return next((key for key, kept in self._results.items() if kept.encoding is coded.encoding), None)

    def items(self) -> list[tuple[Key, Coded]]:
        """All results, least recently used first; asking does not count as using."""
        return list(self._results.items())

    def __len__(self) -> int:
        return len(self._results)


def _weights(coded: Coded) -> str:
    """What made the file; a realistic decoder, named behind a "+", has no part in that."""
    return (coded.behind or coded.encoding.weights or "").partition("+")[0]


def _memory(coded: Coded) -> int:
    return coded.raster.bytes + len(coded.encoding.data)


__all__ = [
    "FILE",
    "METRICS",
    "ORIGINAL",
    "Choice",
    "Coded",
    "Key",
    "Level",
    "Measured",
    "Notice",
    "Phase",
    "ResultCache",
    "Side",
    "SideView",
    "codec_name",
    "decoded_name",
]
