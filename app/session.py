"""Which picture is open, what shall each side show, and what has to be computed for that? No widgets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.catalogue import Catalogue
from app.compressor import Compressor
from app.desk import Desk
from app.engine import Engine, Priority
from app.faces import FaceFinder
from app.judge import Judge, MeasureKey
from app.opener import Opener
from app.raster import Raster
from app.state import FILE, METRICS, ORIGINAL, Choice, Key, Level, Notice, Phase, Side, SideView, codec_name
from app.tasks import Coded, Measured, SaveFile, SavePicture
from app.worker import Failure, Task
from models.codec import Rate

SETTLE_MS = 150  # a dragged slider starts work after this pause
DEFAULT_BPP = 0.25


@dataclass
class _Wish:
    """What a side shall show; `insisted`: a person asked for this very codec; `shown`: the last result."""

    choice: Choice
    insisted: bool = False
    shown: Coded | None = None
    file: Coded | None = None


class Session(QObject):
    """The state behind the window. Every method returns at once; signals tell what changed.

    Sides are derived: a side names a `Key`, and everything about that key is asked of the compressor and
    the judge. What no side names any more is let go, so a late result can never show.
    """

    picture_changed = Signal()
    side_changed = Signal(object)  # Side
    measured = Signal()
    rate_changed = Signal()
    catalogue_changed = Signal()
    difference_changed = Signal()
    noticed = Signal(object)  # Notice
    saved = Signal(object)  # Path
    save_failed = Signal()
    settled = Signal()  # nothing runs or waits any more

    def __init__(
        self,
        engine: Engine,
        left: str = "hflic",
        right: str = "jpeg",
        rate: Rate | None = None,
        insisted: Collection[Side] = (),
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.picture: Raster | None = None
        self.locked = True
        self.saving = 0  # files being written
        self.rate = rate or Rate(bpp=DEFAULT_BPP)
        self._wishes = {
            side: _Wish(Choice(codec, self.rate), side in insisted)
            for side, codec in ((Side.LEFT, left), (Side.RIGHT, right))
        }
        self._difference_wanted = False
        self._engine = engine
        self._desk = Desk(engine, self)
        self.opener = Opener(self._desk, self)
        self.catalogue = Catalogue(self._desk, self)
        self.compressor = Compressor(self._desk, self)
        self.judge = Judge(self._desk, self)
        self.faces = FaceFinder(self._desk, self)
        self._settling = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._connect()

    def _connect(self) -> None:
        self._desk.settled.connect(self._check_settled)
        self._settling.timeout.connect(self._reconcile)
        self.opener.picture_read.connect(self._show_picture)
        self.opener.file_read.connect(self._show_file)
        self.opener.failed.connect(self._report)
        self.catalogue.changed.connect(self._catalogue_changed)
        self.catalogue.none_learned.connect(partial(self._tell, Level.WARNING))
        self.compressor.changed.connect(self._reconcile)
        self.compressor.progressed.connect(self._progressed)
        self.compressor.failed.connect(self._compressing_failed)
        self.judge.measured.connect(self.measured)
        self.judge.difference_changed.connect(self.difference_changed)
        self.judge.failed.connect(self._report)
        self.faces.failed.connect(self._report)

    # What is asked for

    def start(self) -> None:
        """Start the codec processes and ask what can be used here; until they answer, sides wait."""
        self._engine.prepare()
        self.catalogue.examine()

    def open(self, paths: Sequence[Path], side: Side | None = None) -> None:
        """Open a picture, neural files beside it, or any compressed file as a side. See `Opener.open`."""
        if paths:
            self.opener.open(paths, side)

    def step(self, by: int) -> None:
        """Go to the next or previous of the opened pictures."""
        self.opener.step(self.picture.path if self.picture is not None else None, by)

    def choose(self, side: Side, codec: str) -> None:
        """Show the original, the opened file or a codec on a side."""
        wish = self._wishes[side]
        if self.picture is None and wish.choice.codec == FILE and codec != FILE:
            self._tell(Level.WARNING, "There is no photo to compress: open the one this file was made from.")
            self.side_changed.emit(side)
            return
        wish.choice, wish.insisted = replace(wish.choice, codec=codec), True
        self._settle(later=False)

    def set_rate(self, side: Side, rate: Rate, settle: bool = False) -> None:
        """Ask for a rate on a side, on both while they are locked. `settle` waits for a pause first."""
        for each in Side if self.locked else (side,):
            self._wishes[each].choice = replace(self._wishes[each].choice, rate=rate)
        self.rate = rate
        self.rate_changed.emit()
        self._settle(settle)

    def set_locked(self, locked: bool) -> None:
        """Lock both sides to one bpp, the left side's, or let each have its own rate."""
        self.locked = locked
        if not locked:
            self.rate_changed.emit()
            return
        rate = self._wishes[Side.LEFT].choice.rate
        if rate.bpp is None:
            coded = self.view(Side.LEFT).coded
            rate = Rate(bpp=round(coded.encoding.bpp, 3) if coded is not None else DEFAULT_BPP)
        self.set_rate(Side.LEFT, rate)

    def swap(self) -> None:
        """Exchange the sides. Nothing is computed again."""
        self._wishes = {side: replace(self._wishes[side.other], insisted=True) for side in Side}
        self.rate_changed.emit()
        self._reconcile()

    def retry(self) -> None:
        """Try again what failed or was stopped."""
        self.compressor.retry()
        self.judge.retry()
        self._reconcile()

    def cancel(self) -> None:
        """Stop everything that runs; sides that had begun say so and can be tried again."""
        self._settling.stop()
        self.opener.stop()
        self.compressor.stop([key for side in Side if (key := self._key(side)) is not None])
        self.judge.stop()
        self.faces.stop()
        self._reconcile(start=False)

    def save_file(self, side: Side, path: Path) -> None:
        """Write a side's compressed file. Nothing is encoded again."""
        view = self.view(side)
        if view.coded is not None and not view.stale:
            self.save(SaveFile(path, view.coded.encoding.data), [])

    def save_picture(self, side: Side, path: Path) -> None:
        """Write a side's decoded pixels without loss."""
        view = self.view(side)
        if view.raster is not None and not view.stale:
            self.save(SavePicture(path, view.raster.digest), [view.raster])

    def save(self, task: Task, rasters: Sequence[Raster]) -> None:
        """Run a task that writes a file and gives its path."""

        def finish(path: Path) -> None:
            self.saving -= 1
            self._tell(Level.INFO, f"Saved {path}")
            self.saved.emit(path)

        def fail(failure: Failure | None) -> None:
            self.saving -= 1
            self._report(failure)
            self.save_failed.emit()

        self.saving += 1
        self._desk.ask(task, Priority.SAVE, finish, fail, rasters)

    def want_difference(self, wanted: bool) -> None:
        """Keep the difference of both sides up to date, or not."""
        self._difference_wanted = wanted
        self._want_judgement()

    def close(self) -> None:
        """Forget all jobs and stop the engine."""
        self._settling.stop()
        self._desk.drop_all()
        self._engine.close()

    # What is there

    def choice(self, side: Side) -> Choice:
        """What a side shall show."""
        return self._wishes[side].choice

    def insisted(self, side: Side) -> bool:
        """Whether a person chose the side's codec, now and not at an earlier start."""
        return self._wishes[side].insisted

    def has_file(self, side: Side) -> bool:
        """Whether a compressed file was opened for a side."""
        return self._wishes[side].file is not None

    @property
    def anything(self) -> Raster | None:
        """The picture, or a file's decoded pixels where its original is not open."""
        return self.picture or self.view(Side.LEFT).raster or self.view(Side.RIGHT).raster

    @property
    def idle(self) -> bool:
        """Whether nothing runs or waits."""
        return self._desk.idle and not self._settling.isActive()

    @property
    def working(self) -> bool:
        """Whether there is something Cancel would stop."""
        return bool(self.opener.name) or any(w.working for w in (self.compressor, self.judge, self.faces))

    @property
    def difference(self) -> Raster | None:
        """The absolute difference of what the sides show, None while it is not wanted or not there yet."""
        return self.judge.difference

    def view(self, side: Side) -> SideView:
        """All there is to show of a side now."""
        wish = self._wishes[side]
        key = self._key(side)
        if key is None:
            if wish.choice.codec == FILE and wish.file is not None:
                return SideView(side, wish.choice, Phase.DONE, wish.file.raster, wish.file)
            if wish.choice.codec == ORIGINAL and self.picture is not None:
                return SideView(side, wish.choice, Phase.DONE, self.picture)
            return SideView(side, wish.choice, Phase.EMPTY)
        now = self.compressor.progress(key)
        if now.coded is not None:
            return SideView(side, wish.choice, Phase.DONE, now.coded.raster, now.coded)
        stage = now.stage if self.catalogue.known(key.codec) else "loading the codecs"
        # Until the result is there, the last one or else the original fills the place.
        raster = wish.shown.raster if wish.shown is not None else self.picture
        return SideView(side, wish.choice, now.phase, raster, wish.shown, True, stage, now.done, now.error)

    def measure(self, side: Side, metric: str) -> Measured | None:
        """A metric of what a side shows; None while it is on its way."""
        key = self._measure_key(side, metric)
        if isinstance(key, str):
            return Measured(None, key)
        return self.judge.measure(key)

    # Keeping up

    def _key(self, side: Side) -> Key | None:
        choice = self._wishes[side].choice
        if self.picture is None or choice.codec in {ORIGINAL, FILE}:
            return None
        return Key(self.picture.digest, choice.codec, choice.rate)

    def _measure_key(self, side: Side, metric: str) -> MeasureKey | str:
        """The key, or why there can be no measurement."""
        view = self.view(side)
        if view.choice.codec == ORIGINAL:
            return "This is the original."
        if self.picture is None:
            return "The original is not open."
        if view.raster is None or (view.stale and not view.working):
            return "There is no result."
        return metric, self.picture.digest, "" if view.stale else view.raster.digest

    def _settle(self, later: bool) -> None:
        if not later:
            self._settling.stop()
            self._reconcile()
            return
        self._settling.start()
        self._reconcile(start=False)

    @Slot()
    def _reconcile(self, *_: object, start: bool = True) -> None:
        """Start what the sides need, let go of what nobody needs any more, and tell."""
        wanted: dict[Key, Raster] = {}
        for side in Side:
            self._replace_impossible(side)
            key = self._key(side)
            if key is not None and self.picture is not None and self.catalogue.known(key.codec):
                wanted[key] = self.picture
        if start and not self._settling.isActive():
            self.compressor.want(wanted)
        for side in Side:
            view = self.view(side)
            if view.phase is Phase.DONE:
                self._wishes[side].shown = view.coded
        self._want_judgement()
        for side in Side:
            self.side_changed.emit(side)
        self.measured.emit()
        self._check_settled()

    def _want_judgement(self) -> None:
        wanted: dict[MeasureKey, tuple[Raster, Raster]] = {}
        for metric in METRICS:
            for side in Side:
                key = self._measure_key(side, metric)
                raster = self.view(side).raster
                if not isinstance(key, str) and key[2] and raster is not None and self.picture is not None:
                    wanted[key] = (self.picture, raster)
        self.judge.want_measures(wanted)
        left, right = self.view(Side.LEFT).raster, self.view(Side.RIGHT).raster
        possible = left is not None and right is not None and left.same_size(right)
        if self._difference_wanted and possible and left is not None and right is not None:
            self.judge.want_difference((left, right))
        else:
            self.judge.want_difference(None)

    def _replace_impossible(self, side: Side) -> None:
        """Put the best possible codec where one cannot be used; say so if a person asked for it."""
        wish = self._wishes[side]
        reason = self.catalogue.reason(wish.choice.codec)
        if not reason:
            return
        instead = self.catalogue.best([self._wishes[side.other].choice.codec])
        if wish.insisted:
            self._tell(Level.WARNING, f"{codec_name(wish.choice.codec)} cannot be used here: {reason}")
        wish.choice = replace(wish.choice, codec=instead)
        wish.insisted = False

    @Slot(object)
    def _show_picture(self, raster: Raster) -> None:
        self.picture = raster
        self.compressor.retry()
        for side, wish in self._wishes.items():
            wish.shown = None
            if wish.file is not None and not wish.file.raster.same_size(raster):
                wish.file = None
                if wish.choice.codec == FILE:
                    taken = [self._wishes[side.other].choice.codec]
                    wish.choice = replace(wish.choice, codec=self.catalogue.best(taken))
        self._reconcile()
        self.picture_changed.emit()
        if raster.notices:
            self._tell(Level.INFO, " ".join(raster.notices))

    @Slot(object, object)
    def _show_file(self, coded: Coded, side: Side) -> None:
        alone = self.picture is None or not self.picture.same_size(coded.raster)
        if alone:
            self.picture = None
            for wish in self._wishes.values():
                wish.shown = wish.file = None
        self._wishes[side].file = coded
        self._wishes[side].choice = replace(self._wishes[side].choice, codec=FILE)
        self._reconcile()
        self.picture_changed.emit()
        if alone:
            self._tell(Level.WARNING, "Open the photo this file was made from to compare and measure.")

    @Slot()
    def _catalogue_changed(self) -> None:
        self.catalogue_changed.emit()
        self._reconcile()

    @Slot(object)
    def _progressed(self, key: Key) -> None:
        for side in Side:
            if self._key(side) == key:
                self.side_changed.emit(side)

    @Slot(object, object)
    def _compressing_failed(self, key: Key, failure: Failure) -> None:
        self._tell(Level.ERROR, f"{codec_name(key.codec)}: {failure.text}", failure.details)

    @Slot(object)
    def _report(self, failure: Failure | None) -> None:
        if failure is not None:
            self._tell(Level.ERROR, failure.text, failure.details)

    @Slot()
    def _check_settled(self) -> None:
        if self.idle:
            self.settled.emit()

    def _tell(self, level: Level, text: str, details: str = "") -> None:
        self.noticed.emit(Notice(level, text, details))
