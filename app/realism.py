"""How does a side's file look when its codec's realistic decoder reads it? No widgets.

The file stays what it is: only its decoding is done again, and what was decoded before is kept.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from PySide6.QtCore import QObject, Signal

from app.desk import Desk
from app.keyed import STOPPED, JobsByKey
from app.lanes import lane_of
from app.raster import from_picture
from app.state import Phase, SideView
from app.tasks import Coded
from app.worker import Bench, Failure
from models import codec, realism
from models.codec import Encoding
from models.refined import refinable

_LIMIT = 384 << 20  # bytes of pixels that are kept, but always the last two

_Key = tuple[bytes, float]  # a file, a realism


@dataclass(frozen=True)
class Redecode:
    """Decode a file again with a share of its codec's realistic decoder -> Coded."""

    coded: Encoding = field(repr=False)
    share: float

    @property
    def lane(self) -> str:
        """The codec's lane; decoding is quick whatever the encoder did."""
        return lane_of(codec.plain(self.coded.codec))

    @property
    def words(self) -> str:
        """For the list of jobs."""
        return f"Decode with realism {self.share:.2g}"

    def run(self, bench: Bench) -> Coded:
        """Raises BitstreamError, CodecError and WeightsError."""
        bench.watch.step("decoding", 0.0)
        coder = codec.decoder(self.coded.data)
        begin = time.perf_counter()
        picture = realism.decode(coder, self.coded.data, self.share, bench.watch)
        seconds = time.perf_counter() - begin
        bench.watch.step("showing", 1.0)
        raster = from_picture(picture)
        bench.keep(raster.digest, picture)
        kmac: float | None = getattr(coder, "kmac_per_pixel", None)
        made = Coded(self.coded, raster, seconds, None, kmac, True, self.share, refinable(coder))
        file = realism.decoder_of(coder)
        return replace(made, decoder=file.fingerprint if file is not None else "")


class Redecoder(QObject):
    """Puts the realistic picture of a side's file in the place of the faithful one."""

    changed = Signal()
    progressed = Signal()
    failed = Signal(object)  # Failure

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._kept: OrderedDict[_Key, Coded] = OrderedDict()
        self._jobs = JobsByKey[_Key](desk)

    @property
    def working(self) -> bool:
        """Whether something runs."""
        return bool(self._jobs)

    def kept(self) -> dict[bytes, list[Coded]]:
        """A file to what realistic decoders made of it, by rising realism."""
        found: dict[bytes, list[Coded]] = {}
        for (data, _), coded in sorted(self._kept.items(), key=lambda kept: kept[0][1]):
            found.setdefault(data, []).append(coded)
        return found

    def shown(self, view: SideView, last: Coded | None) -> SideView:
        """A side as it is at the realism wanted; until that is there, with the `last` result it showed."""
        key = _key(view)
        if key is None or view.coded is None:
            return view
        if (found := self._kept.get(key)) is not None:
            return replace(view, raster=found.raster, coded=found)
        before = last or view.coded
        waiting = replace(view, raster=before.raster, coded=before, stale=True, redecoding=True)
        if (error := self._jobs.error(key)) is not None:
            return replace(waiting, phase=Phase.STOPPED if error == STOPPED else Phase.FAILED, error=error)
        stage, done = self._jobs.stage(key) or ("decoding", 0.0)
        return replace(waiting, phase=Phase.RUNNING, stage=stage, done=done)

    def want(self, views: Iterable[SideView]) -> None:
        """Start what is missing for these sides, as they are without realism; let go of anything else."""
        wanted = {key: view.coded for view in views if (key := _key(view)) is not None and view.coded}
        self._jobs.keep(wanted)
        for key, coded in wanted.items():
            if key in self._kept:
                self._kept.move_to_end(key)
            elif key not in self._jobs and self._jobs.error(key) is None:
                self._start(key, coded)

    def revise(self, current: Callable[[Coded], Coded | None]) -> None:
        """Other weights are here: keep what `current` says of each; what failed may be tried again."""
        now = [(key, current(made)) for key, made in self._kept.items()]
        self._kept = OrderedDict((key, made) for key, made in now if made is not None)
        self._jobs.forgive(self._jobs.failed)

    def stop(self) -> None:
        """A person's Cancel: what runs counts as stopped."""
        self._jobs.stop()

    def stop_one(self, view: SideView) -> None:
        """A person's Cancel for one side, as it is without realism."""
        key = _key(view)
        if key is not None and key not in self._kept:
            self._jobs.stop_one(key)
            self.changed.emit()

    def retry(self) -> None:
        """Forget failures."""
        self._jobs.retry()

    def _start(self, key: _Key, coded: Coded) -> None:
        def done(made: Coded) -> None:
            self._kept[key] = made
            while len(self._kept) > 2 and sum(c.raster.bytes for c in self._kept.values()) > _LIMIT:
                self._kept.popitem(last=False)
            self.changed.emit()

        def failed(failure: Failure | None) -> None:
            if failure is not None:
                self.failed.emit(failure)
            self.changed.emit()

        self._jobs.start(key, Redecode(coded.encoding, key[1]), done, failed, self.progressed.emit)


def _key(view: SideView) -> _Key | None:
    """What has to be decoded again; None where the faithful picture is wanted or the only one."""
    share, coded = view.choice.realism, view.coded
    if not share or view.phase is not Phase.DONE or coded is None or not coded.realistic:
        return None
    return coded.encoding.data, share
