"""Which results were made with weights that are not here any more? They are made again. No widgets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import QObject, Signal, Slot

from app.catalogue import Catalogue
from app.compressor import Compressor
from app.desk import Desk
from app.engine import Priority
from app.forecast import Forecaster
from app.lanes import PLAIN
from app.realism import Redecoder
from app.state import Level, Notice, codec_name
from app.tasks import Coded
from app.worker import Failure
from models import realism, weights
from models.bitstream.container import FINGERPRINT_BYTES
from models.codec import plain

if TYPE_CHECKING:
    from app.worker import Bench

Stock = Mapping[str, str]  # see TakeStock


@dataclass(frozen=True)
class TakeStock:
    """See which weights are here -> dict of their names, as `Encoding.weights`, to what decodes them.

    That is the fingerprint of their realistic decoder, "" where they have none. Only headers are read.
    """

    lane: ClassVar[str] = PLAIN
    words: ClassVar[str] = "See which weights are here"

    def run(self, bench: Bench) -> dict[str, str]:
        """Cannot fail: damaged files are left out."""
        decoders: dict[str, str] = {}
        for file in realism.available():
            decoders.setdefault(file.base, file.fingerprint)
        present = [file.fingerprint for file in weights.available()]
        return {name[: 2 * FINGERPRINT_BYTES]: decoders.get(name, "") for name in present}


class Outdated(QObject):
    """Takes stock whenever weights came or went, and again when a result of other weights comes late."""

    changed = Signal()
    noticed = Signal(object)  # Notice: whose results are dropped

    def __init__(
        self,
        desk: Desk,
        catalogue: Catalogue,
        makers: tuple[Compressor, Redecoder, Forecaster],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._desk = desk
        self._compressor, self._redecoder, self._forecaster = makers
        self._stock: Stock | None = None
        self._job = 0
        catalogue.looked_again.connect(self._look)
        self._compressor.changed.connect(self._check)
        self._redecoder.changed.connect(self._check)

    def opened(self, file: Coded) -> Coded:
        """An opened file, which stays whatever weights are here; only how it can be decoded changes."""
        if self._stock is None:
            return file
        return current(file, self._stock) or replace(file, realistic=False)

    @Slot()
    def _look(self) -> None:
        self._desk.drop(self._job)
        self._job = self._desk.ask(TakeStock(), Priority.PREPARE, self._learn, self._fail)

    @Slot()
    def _check(self, *_: object) -> None:
        stock = self._stock
        if stock is not None and not self._job and any(current(made, stock) is None for made in self._all()):
            self._look()

    def _fail(self, _: Failure | None) -> None:
        self._job = 0

    def _learn(self, stock: Stock) -> None:
        self._job, self._stock = 0, stock
        gone = [made for made in self._all() if current(made, stock) is None]
        self._compressor.revise(lambda made: current(made, stock))
        self._redecoder.revise(lambda made: current(made, stock))
        self._forecaster.forget()
        self.changed.emit()
        if gone:
            self.noticed.emit(Notice(Level.INFO, _sentence(gone, stock)))

    def _all(self) -> Iterator[Coded]:
        for _, made in self._compressor.cache.items():
            yield made
        for several in self._redecoder.kept().values():
            yield from several


def current(made: Coded, stock: Stock) -> Coded | None:
    """A result as it is with the weights that are here, None where it was made with others."""
    name = made.encoding.weights
    if name is None:
        return made
    if name not in stock or (made.realism and made.decoder != stock[name]):
        return None
    if (used := (made.behind or "").partition("+")[2]) and not stock[name].startswith(used):
        return None  # of a codec whose id has a realism
    return replace(made, realistic=bool(stock[name])) if made.realistic != bool(stock[name]) else made


def _sentence(gone: list[Coded], stock: Stock) -> str:
    replaced = _names(made for made in gone if made.encoding.weights not in stock)
    redecoded = _names(made for made in gone if made.encoding.weights in stock)
    parts = [f"weights of {replaced}"] if replaced else []
    parts += [f"realistic decoder of {redecoded}"] if redecoded else []
    return (
        f"The {' and the '.join(parts)} changed on disk: what was made with the old ones is dropped, "
        "what is shown is made again."
    )


def _names(made: Iterable[Coded]) -> str:
    return ", ".join(dict.fromkeys(codec_name(plain(one.encoding.codec)) for one in made))
