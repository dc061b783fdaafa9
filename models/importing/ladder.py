"""How do several imported networks of one rate each become one codec with a choice of rates?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from models import weights
from models.bitstream.container import FINGERPRINT_BYTES, parse
from models.codec import QUIET, TARGET_TOLERANCE, Encoding, Rate, Watch, timed
from models.errors import BitstreamError
from models.learned import LearnedCodec
from models.picture import Picture


def rungs(file: weights.WeightsFile) -> list[weights.WeightsFile]:
    """The imported networks under the id of `file`, lowest rate first as measured at import.

    `file` is one of them. One of ours, which has all rates in one network, stands alone.
    """
    if not file.card.configuration:
        return [file]
    found = {
        other.fingerprint: other
        for other in weights.available()
        if other.card.codec == file.card.codec and other.card.network == file.card.network
    }
    return sorted(found.values(), key=lambda one: (_bpp(one), one.fingerprint))


def _bpp(file: weights.WeightsFile) -> float:
    rows = file.card.validation
    return float(rows[0].get("bpp", 0.0)) if rows else 0.0


class RateLadderCodec(LearnedCodec):
    """Networks of one family, each with its own rate: qualities 0 to 100 go from the lowest to the highest.

    The network of the highest rate is loaded at once and stands for all where one is asked about; the
    others when they are needed.
    """

    def __init__(
        self,
        files: Sequence[weights.WeightsFile],
        load: Callable[[weights.WeightsFile], LearnedCodec],
        device: str = "cpu",
    ) -> None:
        super().__init__(files[-1], device)
        self._files, self._load = tuple(files), load

    @property
    def files(self) -> tuple[weights.WeightsFile, ...]:
        """The networks, lowest rate first."""
        return self._files

    @property
    def all_weights(self) -> str:
        """See models.codec.behind: a hash of all the networks' fingerprints."""
        together = "".join(file.fingerprint for file in self._files)
        return hashlib.blake2b(together.encode(), digest_size=FINGERPRINT_BYTES).hexdigest()

    def encode(self, picture: Picture, rate: Rate, watch: Watch = QUIET, refine: int = 0) -> Encoding:
        """See models.codec.Codec. A wanted size takes the rate whose file comes nearest to it."""
        return timed(lambda: self._nearest(picture, rate, watch))

    def _nearest(self, picture: Picture, rate: Rate, watch: Watch) -> Encoding:
        made: dict[int, Encoding] = {}

        def size(rung: int) -> int:
            if rung not in made:
                made[rung] = self._encode_with(rung, picture, watch)
            return made[rung].bytes

        last = len(self._files) - 1
        target = rate.target(picture)
        if target is None:
            assert rate.quality is not None
            size(round(rate.quality / 100 * last))
            return next(iter(made.values()))
        wanted = 8 * target / (picture.width * picture.height)
        at = min(range(last + 1), key=lambda rung: abs(_bpp(self._files[rung]) - wanted))
        step = 1 if size(at) < target else -1
        while 0 <= at + step <= last and abs(size(at + step) - target) < abs(size(at) - target):
            at += step
        off = size(at) / target - 1
        if abs(off) <= TARGET_TOLERANCE:
            return made[at]
        note = f"wanted {target:.0f} bytes, got {size(at)} ({off:+.1%}): these weights have {last + 1} rates"
        return replace(made[at], note=note)

    def _encode_with(self, rung: int, picture: Picture, watch: Watch) -> Encoding:
        file = self._files[rung]
        watch.step(f"rate {rung + 1} of {len(self._files)}", 0.0)
        quality = 100 * rung / (len(self._files) - 1)
        if file.fingerprint == self.file.fingerprint:
            return replace(super().encode(picture, Rate(quality=100), watch), quality=quality, note="")
        return replace(self._load(file).encode(picture, Rate(quality=100), watch), quality=quality, note="")

    def decode(self, data: bytes, watch: Watch = QUIET, realism: float = 0.0) -> Picture:
        """See models.codec.Codec: with the network that the file was made with."""
        other = self._maker(data)
        return super().decode(data, watch, realism) if other is None else other.decode(data, watch, realism)

    def read_back(self, data: bytes, watch: Watch = QUIET) -> None:
        """See LearnedCodec."""
        other = self._maker(data)
        if other is None:
            super().read_back(data, watch)
        else:
            other.read_back(data, watch)

    def _maker(self, data: bytes) -> LearnedCodec | None:
        """The network that made a file; None for the one that is this codec itself."""
        prefix = parse(data).fingerprint.hex()
        for file in self._files:
            if file.fingerprint.startswith(prefix):
                return None if file.fingerprint == self.file.fingerprint else self._load(file)
        raise BitstreamError(f"this file needs the weights {prefix}, which are not among those of {self.id}")

    def info(self) -> dict[str, str]:
        """See models.codec.Codec."""
        rates = ", ".join(f"{_bpp(file):.2f}" for file in self._files)
        return super().info() | {"rates": f"{len(self._files)} networks, {rates} bpp at import"}
