"""How is an export made that still lacks results? Compress, measure, write; it can be stopped. No widgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from app.exporting import Form, Offer
from app.exports import ExportCrops, ExportEvidence, ExportFiles, ExportLabelled, ExportReport, Sweep
from app.gather import Result, report_with
from app.judge import STOPPED, MeasureKey
from app.report import METRICS, Box, Report, distinct
from app.session import Session
from app.state import Key, Phase, codec_name
from app.worker import Task
from models.paths import fitting

ANOTHER = "Another picture was opened meanwhile: close this and export again."


@dataclass(frozen=True)
class Order:
    """What a person asked for.

    picture: the hash of what the offers are of; boxes: those to show, none for the place that differs most.
    """

    form: Form
    path: Path
    offers: tuple[Offer, ...]
    picture: str
    boxes: tuple[Box, ...] = ()


class Exporter(QObject):
    """Carries out one order at a time. The sides and what they show stay as they are."""

    progressed = Signal(str, float)  # what is done now, how far all of it is
    ended = Signal(object, str)  # Path, or None and why not ("" when a person stopped it)
    picture_changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._order: Order | None = None
        self._job = 0
        self._asked: set[MeasureKey] = set()  # for this order
        session.compressor.changed.connect(self._go_on)
        session.compressor.progressed.connect(self._compressing)
        session.judge.measured.connect(self._go_on)
        session.picture_changed.connect(self._other_picture)
        session.saver.noticed.connect(self._hear)
        self.noticed = ""  # what a message has said already of why the last order failed

    @property
    def working(self) -> bool:
        """Whether an order is being carried out."""
        return self._order is not None

    @property
    def picture(self) -> str:
        """The hash of the open picture, "" for none."""
        picture = self._session.picture
        return picture.digest if picture is not None else ""

    def start(self, order: Order) -> None:
        """Begin; `ended` follows."""
        if self._order is not None or not order.offers:
            return
        picture = self._session.picture
        if picture is None or picture.digest != order.picture:
            self.ended.emit(None, ANOTHER)
            return
        self._order, self._job, self.noticed = order, 0, ""
        keys = [offer.key for offer in order.offers if offer.key]
        self._session.compressor.order(dict.fromkeys(keys, picture))
        self._go_on()

    def stop(self) -> None:
        """A person's Cancel: nothing is left half written."""
        order = self._order
        if order is None:
            return
        if self._job:
            self._session.saver.stop(self._job)  # its end is heard of
        else:
            self._end(None, "")

    def _missing(self) -> list[Key]:
        progress = self._session.compressor.progress
        keys = [offer.key for offer in self._order.offers if offer.key] if self._order else []
        return [key for key in keys if progress(key).coded is None]

    def _results(self) -> list[Result]:
        """All chosen results in the order offered, each file once."""
        found: list[Result] = []
        for offer in self._order.offers if self._order else ():
            result = offer.result
            if offer.key is not None:
                coded = self._session.compressor.progress(offer.key).coded
                result = (offer.key.rate, coded) if coded is not None else None
            if result is not None and not any(result[1] is coded for _, coded in found):
                found.append(result)
        return found

    @Slot(object)
    def _compressing(self, key: Key) -> None:
        missing = self._missing() if self._order is not None and not self._job else []
        if key in missing:
            now = self._session.compressor.progress(key)
            done = 1 - len(missing) / len(self._order.offers) if self._order else 0.0
            self.progressed.emit(f"{codec_name(key.codec)}: {now.stage}", 0.7 * done)

    @Slot()
    def _go_on(self, *_: object) -> None:
        """Whatever is not there yet is waited for."""
        if self._order is None or self._job:
            return
        if self.picture != self._order.picture:
            self._end(None, ANOTHER)
            return
        progress = self._session.compressor.progress
        for key in self._missing():
            now = progress(key)
            if now.phase in {Phase.FAILED, Phase.STOPPED}:
                self._end(None, f"{codec_name(key.codec)}: {now.error}")
                return
        if not self._missing() and self._measured(self._order, self._results()):
            self._write(self._order, self._results())

    @Slot()
    def _other_picture(self) -> None:
        self._go_on()
        self.picture_changed.emit()

    def _measured(self, order: Order, results: Sequence[Result]) -> bool:
        """Ask for the numbers captions want; whether all are there. One that is stopped ends the order."""
        picture, judge = self._session.picture, self._session.judge
        if picture is None or order.form is Form.FILES:
            return True
        wanted = {(name, picture.digest, coded.raster.digest): (picture, coded.raster)
                  for _, coded in results for name in METRICS}  # fmt: skip
        asked = [judge.measure(key) for key in wanted.keys() & self._asked]
        if any(found is not None and found.absent == STOPPED for found in asked):
            self._end(None, STOPPED)
            return False
        again = {key for key in wanted if judge.unfinished(key)} - self._asked
        missing = {key: both for key, both in wanted.items() if key in again or judge.measure(key) is None}
        if missing:
            self.progressed.emit("measuring", 0.7)
            self._asked |= missing.keys()
            judge.order(missing)
        return not missing

    def _write(self, order: Order, results: list[Result]) -> None:
        found = report_with(self._session, results, order.boxes)
        if found is None or not found[0].items:
            self._end(None, "There is no result to export.")
            return
        self._why = ""
        self.progressed.emit("writing", 0.8)
        self._job = self._session.saver.save(task_for(order, found[0]), found[1], self._written, self._told)

    def _told(self, stage: str, done: float) -> None:
        self.progressed.emit(stage, 0.8 + 0.2 * done)

    @Slot(object)
    def _hear(self, notice: object) -> None:
        self.noticed = str(getattr(notice, "text", ""))

    def _written(self, path: Path | None) -> None:
        order = self._order
        if path is None and order is not None:
            self._session.saver.sweep(Sweep(order.path))
        self._end(path, self.noticed if path is None else "")

    def _end(self, path: Path | None, why: str) -> None:
        self._order, self._job = None, 0
        self._asked.clear()
        self._session.compressor.order({})
        self._session.judge.order({})
        self.ended.emit(path, why)


def task_for(order: Order, report: Report) -> Task:
    """What the writing process does."""
    if order.form is Form.FILES:
        items = distinct(report).items
        rests = [f"-{item.stem}{item.suffix}" for item in items]
        names = [fitting(report.stem, rest) + rest for rest in rests]
        made = tuple((name, item.encoding.data) for name, item in zip(names, items, strict=True))
        return ExportFiles(order.path, made)
    if order.form is Form.EVIDENCE:
        return ExportEvidence(order.path, report)
    if order.form is Form.CROPS:
        return ExportCrops(order.path, report)
    if order.form is Form.LABELLED and order.boxes:
        return ExportLabelled(order.path, report, order.boxes[0])
    return ExportReport(order.path, report)
