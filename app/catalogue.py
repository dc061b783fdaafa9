"""Which codecs can be used here, and which is the best choice where one cannot? No widgets."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from PySide6.QtCore import QObject, Signal

from app.desk import Desk
from app.engine import Priority
from app.state import FILE, ORIGINAL
from app.tasks import Examine, WarmUp
from app.weightwatch import WeightsWatch
from app.worker import Failure
from models.codec import CATALOGUE, entry, plain

LEARNED_PREFERENCE = ("hflic", "hflic-mse", "po-elic", "enh-po-elic", "elic-5", "elic", "hific")
_FAMILIES = frozenset(line.id for line in CATALOGUE)
CLASSICAL_PREFERENCE = ("jxl", "avif", "webp", "jpeg", "heic", "jpeg2000")


class Catalogue(QObject):
    """Asks a codec process at start and whenever weights come or go; before its answer nothing is known."""

    changed = Signal()
    none_learned = Signal(str)  # once: a sentence that says why
    looked_again = Signal()  # weights came or went, and what can be used is known
    came = Signal(str)  # a sentence that says which codecs can be used now that could not before

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._reasons: dict[str, str] = {}
        self._broken: dict[str, str] = {}  # what is not usable whatever the weights
        self._told = False
        self.weights = WeightsWatch(self)
        self.weights.changed.connect(self._look_again)

    @property
    def reasons(self) -> Mapping[str, str]:
        """Codec id to why it cannot be used, "" where it can; unknown ones are absent."""
        return self._reasons

    def examine(self) -> None:
        """Ask what can be used, and let the learned codecs' process load what it needs meanwhile."""
        self._desk.ask(WarmUp(), Priority.PREPARE, lambda _: None, self._no_networks)
        self._desk.ask(Examine(), Priority.PREPARE, self._learn, self._nothing_known)
        self.weights.start()

    def known(self, codec: str) -> bool:
        """Whether the answer for a codec has come. Ids with more behind them count as their family."""
        return _family(codec) in self._reasons

    def reason(self, codec: str) -> str:
        """Why a codec cannot be used, "" where it can or nothing is known yet."""
        family = _family(codec)
        if family not in {*_FAMILIES, ORIGINAL, FILE} and self._reasons.keys() >= _FAMILIES:
            return "this program does not know it"  # settings of a later version, or changed by hand
        return self._reasons.get(family, "")

    def best(self, taken: Collection[str]) -> str:
        """The most interesting usable codec that is not taken: a learned one, else a classical one."""
        families = {_family(codec) for codec in taken}
        for id in (*LEARNED_PREFERENCE, *CLASSICAL_PREFERENCE):
            if self._reasons.get(id) == "" and id not in families:
                return id
        return "jpeg"

    def _look_again(self) -> None:
        self._desk.ask(Examine(), Priority.PREPARE, self._compare, lambda _: None)

    def _compare(self, reasons: Mapping[str, str]) -> None:
        before = dict(self._reasons)
        self._learn(reasons)
        names = [entry(id).name for id, reason in self._reasons.items() if not reason and before.get(id)]
        if names:
            *others, last = names
            both = f"{', '.join(others)} and {last}" if others else last
            self.came.emit(f"New weights were found: {both} can be used now.")
        self.looked_again.emit()

    def _nothing_known(self, failure: Failure | None) -> None:
        self._learn({line.id: _why(failure) for line in CATALOGUE})

    def _no_networks(self, failure: Failure | None) -> None:
        self._broken = {line.id: _why(failure) for line in CATALOGUE if line.learned}
        self._learn({})

    def _learn(self, reasons: Mapping[str, str]) -> None:
        self._reasons.update({**reasons, **self._broken})
        self.changed.emit()
        learned = [self._reasons.get(line.id, "") for line in CATALOGUE if line.learned]
        if all(learned) and not self._told:
            self._told = True
            self.none_learned.emit(f"No neural codec can be used here: {learned[0]}")


def _family(codec: str) -> str:
    return plain(codec).partition(":")[0]


def _why(failure: Failure | None) -> str:
    return failure.text if failure is not None else "The codec process was stopped: start the viewer again."
