"""Which picture is open, what shall each side show, and what has to be computed for that? No widgets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app import wishes
from app.catalogue import Catalogue
from app.columns import Base, Columns
from app.compressor import Compressor
from app.crops import Crops
from app.desk import Desk
from app.differences import Differences, Places
from app.engine import Engine
from app.face_numbers import FaceNumbers
from app.faces import FaceFinder
from app.forecast import Forecaster
from app.gallery import Gallery
from app.jobs import Jobs
from app.judge import Judge
from app.kinds import Kind
from app.opener import Opener
from app.outdated import Outdated
from app.raster import Raster
from app.realism import Redecoder
from app.reloading import Reloader
from app.saver import Saver
from app.state import FILE, Choice, Key, Level, Notice, Phase, Side, SideView, codec_name
from app.tasks import Coded, Measured
from app.wishes import Wish, compared, key_of, make_possible, measure_key, measures_of, put_back, view_of
from app.worker import Failure, Task
from models.codec import Rate

SETTLE_MS = 150  # a dragged slider starts work after this pause
DEFAULT_BPP = 0.25


class Session(QObject):
    """The state behind the window. Every method returns at once; signals tell what changed.

    Sides are derived: a side names a `Key`, and everything about that key is asked of the compressor and
    the judge. What no side names any more is let go, so a late result can never show.
    """

    picture_changed = Signal()
    side_changed = Signal(object)  # Side; after both of them comes `measured`
    side_progressed = Signal(object)  # Side: it works on, nothing else of it changed
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
        self._alone: Raster | None = None  # of an opened file, where there is no picture
        self.locked = True
        self.rate = rate or Rate(bpp=DEFAULT_BPP)
        self._wishes = {
            side: Wish(Choice(codec, self.rate), side in insisted)
            for side, codec in ((Side.LEFT, left), (Side.RIGHT, right))
        }
        self._difference_wanted: Kind | None = None
        self._engine = engine
        self._desk = Desk(engine, self)
        self.opener = Opener(self._desk, self)
        self.catalogue = Catalogue(self._desk, self)
        self.compressor = Compressor(self._desk, self)
        self.judge = Judge(self._desk, self)
        self.faces = FaceFinder(self._desk, self)
        self.face_numbers = FaceNumbers(self._desk, self.faces, self)
        self.saver = Saver(self._desk, self)
        self.gallery = Gallery(self._desk, self)
        self.forecaster = Forecaster(self._desk, self.compressor, self)
        self.jobs = Jobs(self._desk, self.forecaster.expect, parent=self)
        self.crops = Crops(self)
        self.differences = Differences(self._desk, self)
        self.places = Places(self._desk, self.crops, self.faces, self)
        parts = (self.compressor, self.judge, self.catalogue)
        self.columns = Columns(lambda: Base(self.picture, self.choice(Side.LEFT)), parts, self)
        self.reloader = Reloader(self, self)
        self.realism = Redecoder(self._desk, self)
        makers = (self.compressor, self.realism, self.forecaster)
        self.outdated = Outdated(self._desk, self.catalogue, makers, self)
        judging = (self.judge, self.faces, self.face_numbers, self.differences, self.places)
        self._workers = (self.realism, *judging)
        self._settling = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._connect()

    def _connect(self) -> None:
        self._desk.settled.connect(self._check_settled)
        self._settling.timeout.connect(self._reconcile)
        self.opener.picture_read.connect(self._show_picture)
        self.opener.file_read.connect(self._show_file)
        self.opener.file_renewed.connect(self._renew_file)
        self.catalogue.changed.connect(self._catalogue_changed)
        self.catalogue.none_learned.connect(partial(self._tell, Level.WARNING))
        self.catalogue.came.connect(partial(self._tell, Level.INFO))
        self.outdated.changed.connect(self._weights_changed)
        for maker in (self.compressor, self.columns, self.realism):
            maker.changed.connect(self._reconcile)
        self.compressor.progressed.connect(self._progressed)
        self.compressor.failed.connect(self._compressing_failed)
        self.judge.measured.connect(self.measured)
        self.realism.progressed.connect(self._progressed)
        self.differences.changed.connect(self.difference_changed)
        for worker in (self.opener, self.realism, self.differences, self.places, self.faces):
            worker.failed.connect(self._report)
        self.picture_changed.connect(self._other_boxes)
        for teller in (self.opener, self.saver, self.forecaster, self.reloader, self.outdated):
            teller.noticed.connect(self.noticed)
        self.saver.saved.connect(self.saved)
        self.saver.save_failed.connect(self.save_failed)

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
        self.opener.step(by)

    def choose(self, side: Side, codec: str) -> None:
        """Show the original, the opened file or a codec on a side."""
        wish = self._wishes[side]
        if codec == FILE and wish.file is None:
            self.side_changed.emit(side)
            return
        if self.picture is None and wish.choice.codec == FILE and codec != FILE:
            self._tell(Level.WARNING, "There is no photo to compress: open the one this file was made from.")
            self.side_changed.emit(side)
            return
        wish.choice, wish.insisted = wish.choice.of(codec), True
        self._settle(later=False)

    def set_rate(self, side: Side, rate: Rate, settle: bool = False) -> None:
        """Ask for a rate on a side, on both while they are locked. `settle` waits for a pause first."""
        for each in Side if self.locked else (side,):
            self._wishes[each].choice = replace(self._wishes[each].choice, rate=rate)
        self.rate = rate
        self.rate_changed.emit()
        self._settle(settle)

    def set_realism(self, side: Side, share: float, settle: bool = False) -> None:
        """Decode a side's file with this much of its codec's realistic decoder. Nothing is encoded again."""
        self._wishes[side].choice = replace(self._wishes[side].choice, realism=share)
        self._settle(settle)

    def set_locked(self, locked: bool) -> None:
        """Lock both sides to one bpp, the left side's, or let each have its own rate."""
        self.locked = locked
        if not locked:
            self.rate_changed.emit()
            return
        self.set_rate(Side.LEFT, wishes.common_rate(self.view(Side.LEFT)) or Rate(bpp=DEFAULT_BPP))

    def swap(self) -> None:
        """Exchange the sides. Nothing is computed again."""
        self._wishes = {side: replace(self._wishes[side.other], insisted=True) for side in Side}
        self.rate_changed.emit()
        self._reconcile()

    def restore(self, sides: Mapping[Side, tuple[Choice, bool]], rate: Rate, locked: bool) -> None:
        """Put back choices and whether a person insisted on them; what is not there any more stays away."""
        put_back(self._wishes, sides, self.picture is not None)
        self.rate, self.locked = rate, locked
        self.rate_changed.emit()
        self._settle(later=False)

    def retry(self) -> None:
        """Try again what failed or was stopped."""
        judging = (self.judge, self.faces, self.face_numbers, self.differences)
        for worker in (self.compressor, self.realism, *judging):
            worker.retry()
        self._reconcile()

    def cancel(self) -> None:
        """Stop everything that runs; sides that had begun say so and can be tried again."""
        self._settling.stop()
        self.opener.stop()
        waiting = [key for side in Side if (key := self._key(side)) is not None]
        self.compressor.stop([*waiting, *self.columns.wanted()])
        for worker in self._workers:
            worker.stop()
        self._reconcile(start=False)

    def stop(self, side: Side) -> None:
        """Stop what a side waits for; everything else goes on."""
        if (key := self._key(side)) is not None:
            self.compressor.stop_one(key)
        self.realism.stop_one(self._faithful(side))

    def save_file(self, view: SideView, path: Path) -> None:
        """Write the compressed file of a side as it was seen. Nothing is encoded again."""
        self.saver.save_file(view, path)

    def save_picture(self, view: SideView, path: Path) -> None:
        """Write the decoded pixels of a side as it was seen, without loss."""
        self.saver.save_picture(view, path)

    def save(self, task: Task, rasters: Sequence[Raster]) -> None:
        """Run a task that writes a file and gives its path."""
        self.saver.save(task, rasters)

    def want_difference(self, kind: Kind | None) -> None:
        """Keep a difference of both sides up to date, or none."""
        self._difference_wanted = kind
        self._want_judgement()

    def close(self) -> None:
        """Forget all jobs and stop the engine."""
        self._settling.stop()
        self.judge.close()
        self.catalogue.weights.stop()
        self.reloader.files.stop()
        self._desk.drop_all()
        self._engine.close()

    # What is there

    def choice(self, side: Side) -> Choice:
        """What a side shall show."""
        return self._wishes[side].choice

    def insisted(self, side: Side) -> bool:
        """Whether a person chose the side's codec, now and not at an earlier start."""
        return self._wishes[side].insisted

    def file(self, side: Side) -> Coded | None:
        """The compressed file that was opened for a side, shown or not."""
        return self._wishes[side].file

    @property
    def anything(self) -> Raster | None:
        """The picture, or a file's decoded pixels where its original is not open."""
        return self.picture or self._alone

    @property
    def saving(self) -> int:
        """How many files are being written."""
        return self.saver.running

    @property
    def both(self) -> tuple[Raster, Raster] | None:
        """What the sides show, None where that cannot be compared."""
        return compared(self.view(Side.LEFT), self.view(Side.RIGHT))

    @property
    def idle(self) -> bool:
        """Whether nothing runs or waits."""
        return self._desk.idle and not self._settling.isActive()

    @property
    def working(self) -> bool:
        """Whether there is something Cancel would stop."""
        return bool(self.opener.name or self.compressor.working) or any(w.working for w in self._workers)

    @property
    def difference(self) -> Raster | None:
        """The wanted difference of what the sides show, None while it is not wanted or not there yet."""
        return self.differences.raster

    def view(self, side: Side) -> SideView:
        """All there is to show of a side now."""
        return self.realism.shown(self._faithful(side), self._wishes[side].shown)

    def _faithful(self, side: Side) -> SideView:
        return view_of(side, self._wishes[side], self.picture, self.compressor, self.catalogue)

    def measure(self, side: Side, metric: str) -> Measured | None:
        """A metric of what a side shows; None while it is on its way."""
        key = measure_key(self.view(side), self.picture, metric)
        return Measured(None, key) if isinstance(key, str) else self.judge.measure(key)

    # Keeping up

    def _key(self, side: Side) -> Key | None:
        return key_of(self._wishes[side].choice, self.picture)

    def _settle(self, later: bool) -> None:
        if later:
            self._settling.start()
        else:
            self._settling.stop()
        self._reconcile(start=not later)

    @Slot()
    def _reconcile(self, *_: object, start: bool = True) -> None:
        """Start what the sides need, let go of what nobody needs any more, and tell."""
        wanted: dict[Key, Raster] = {}
        for side in Side:
            other = self._wishes[side.other].choice.codec
            if told := make_possible(self._wishes[side], other, self.catalogue):
                self._tell(Level.WARNING, told)
            if (key := self._key(side)) and self.picture and self.catalogue.known(key.codec):
                wanted[key] = self.picture
        if start and not self._settling.isActive():
            self.compressor.want(wanted | self.columns.wanted())
            self.realism.want([self._faithful(side) for side in Side])
        for side in Side:
            if (view := self.view(side)).phase is Phase.DONE:
                self._wishes[side].shown = view.coded
        self._want_judgement()
        for side in Side:
            self.side_changed.emit(side)
        self.measured.emit()
        self._check_settled()

    def _want_judgement(self) -> None:
        measures = measures_of([self.view(side) for side in Side], self.picture)
        self.judge.want_measures(measures | self.columns.measures(), self.compressor.working)
        kind = self._difference_wanted
        self.differences.want(self.both if kind is not None else None, kind or Kind.ABSOLUTE)

    @Slot(object)
    def _show_picture(self, raster: Raster) -> None:
        before, self.picture, self._alone = self.picture, raster, None
        self.compressor.retry()
        if before is None or before.digest != raster.digest:
            self.differences.begin_anew()
        if wishes.same_file(before, raster):
            self.crops.carry(raster.digest)
        wishes.next_picture(self._wishes, before, raster, self.catalogue)
        self._reconcile()
        self.picture_changed.emit()
        if raster.notices:
            self._tell(Level.INFO, " ".join(raster.notices))

    @Slot(object, object)
    def _show_file(self, coded: Coded, side: Side) -> None:
        before, alone = self.anything, self.picture is None or not self.picture.same_size(coded.raster)
        if alone and self.picture is not None:
            self.picture = None
            wishes.unrefined(self._wishes)
        wishes.next_file(self._wishes, side, coded)
        if alone:
            # Which file stands for the picture is settled here: no swap, realism or other weights change it.
            files = (self._wishes[each].file for each in Side)
            self._alone = next(file.raster for file in files if file is not None)
            self.differences.begin_anew()
            if wishes.same_file(before, self._alone):
                self.crops.carry(self._alone.digest)
        self._reconcile()
        self.picture_changed.emit()
        if alone:
            self._tell(Level.WARNING, "Open the photo this file was made from to compare and measure.")

    @Slot(object)
    def _renew_file(self, coded: Coded) -> None:
        for side in wishes.renew_file(self._wishes, coded, self.picture):
            self._show_file(coded, side)
        self.catalogue_changed.emit()  # also where no side shows it: it may not be one to choose any more

    @Slot()
    def _other_boxes(self) -> None:
        self.places.drop()
        self.crops.show_raster(self.anything)

    @Slot()
    def _catalogue_changed(self) -> None:
        self.catalogue_changed.emit()
        self._reconcile()

    @Slot()
    def _weights_changed(self) -> None:
        wishes.reopen(self._wishes, self.outdated.opened)
        self._reconcile()

    def _progressed(self, key: Key | None = None) -> None:
        for side in Side:
            if key is None or self._key(side) == key:
                self.side_progressed.emit(side)

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
