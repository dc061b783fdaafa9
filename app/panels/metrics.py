"""Which side is better, and by how much? The table of sizes, metrics and times."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from app import text
from app.state import METRICS, Measured, Side, SideView
from models.codec import TARGET_TOLERANCE
from models.metrics import TABLE

BETTER = "\N{BLACK UP-POINTING SMALL TRIANGLE}"


@dataclass(frozen=True)
class Row:
    """A line of the table. `better`: +1 where more is better, -1 where less is, 0 where neither."""

    id: str
    name: str
    tip: str
    better: int
    write: Callable[[float], str]
    unit: str = ""  # of the value itself, where its name does not tell it

    @property
    def heading(self) -> str:
        """Name and unit, for spreadsheets."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


def raw(measured: Measured | None) -> str:
    """A value as a spreadsheet takes it, in its row's unit; "" where there is none."""
    value = measured.value if measured is not None else None
    return "" if value is None or math.isnan(value) else f"{value:.12g}"


_SENTENCES = {
    "psnr": "How small the mean squared error of all samples is, in decibels.",
    "ms_ssim": "How alike the structures of both pictures are at five sizes.",
    "lpips": "How different both pictures are to a network that learned what people notice.",
}


def metric_tip(id: str) -> str:
    """A metric in one plain sentence, which way is better, and the paper or formula."""
    metric = TABLE[id]
    way = "More is better." if metric.higher_is_better else "Less is better."
    return f"{_SENTENCES.get(id, f'{metric.label}.')} {way}\n{metric.source}"


def _metric_row(id: str) -> Row:
    metric = TABLE[id]
    digits, unit = (2, f" {metric.unit}") if metric.unit else (4, "")

    def write(value: float) -> str:
        return "lossless" if math.isinf(value) else f"{value:.{digits}f}{unit}"

    return Row(
        id,
        metric.label,
        metric_tip(id),
        1 if metric.higher_is_better else -1,
        write,
        metric.unit,
    )


ROWS: tuple[Row, ...] = (
    Row("size", "File size", "The whole file, container included", -1, lambda v: text.size(int(v)), "bytes"),
    Row("bpp", "Bits per pixel", "8 \N{MULTIPLICATION SIGN} bytes of the file / pixels", -1, text.bpp),
    *(_metric_row(id) for id in METRICS),
    Row("encode", "Encode", "Time to make the file on this machine", -1, text.seconds, "s"),
    Row("decode", "Decode", "Time to make pixels of the file on this machine", -1, text.seconds, "s"),
    Row(
        "memory",
        "Memory",
        "The most the codec's process held meanwhile, libraries and all networks loaded there included",
        0,
        lambda v: text.size(round(v * 2**20)),
        "MiB",
    ),
    Row("kmac", "kMAC/px", "Thousand multiply-accumulates a pixel, encoder and decoder", 0, "{:.1f}".format),
)
HEADINGS = ("", "A", "B")
_OF_FILES = {"size", "bpp", "encode", "decode", "memory", "kmac"}
_ABSENT = {
    "memory": "Only Linux tells how much a process held during one piece of work.",
    "kmac": "There is no neural network in this codec.",
}


class MetricsTable(QTableWidget):
    """A row for each measure and a column for each side; the better one carries a mark and is bold."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(len(ROWS), len(HEADINGS), parent)
        self.setAccessibleName("Metrics of both sides")
        self.setHorizontalHeaderLabels(HEADINGS)
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setTabKeyNavigation(False)  # Tab goes on to what follows
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setSectionsClickable(False)
        header.setHighlightSections(False)
        self._cells: dict[tuple[int, int], QTableWidgetItem] = {}
        self._values: Mapping[Side, Mapping[str, Measured | None]] = {}
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for at, row in enumerate(ROWS):
            name = QTableWidgetItem(row.name)
            name.setToolTip(row.tip)
            self.setItem(at, 0, name)
            self._cells[at, 0] = name
            for column in (1, 2):
                item = QTableWidgetItem(text.DASH)
                item.setTextAlignment(right)
                self.setItem(at, column, item)
                self._cells[at, column] = item
        header.setDefaultAlignment(right)
        height = max(self.fontMetrics().height() + 8, 25)
        self.verticalHeader().setDefaultSectionSize(height)
        self.setFixedHeight(height * len(ROWS) + header.sizeHint().height() + 6)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_values(self, values: Mapping[Side, Mapping[str, Measured | None]]) -> None:
        """Fill in; a value None is still on its way, an absent one says why in its tooltip."""
        self._values = values
        for at, row in enumerate(ROWS):
            found = [values[side].get(row.id) for side in Side]
            written = ["\N{HORIZONTAL ELLIPSIS}" if m is None else _write(row, m) for m in found]
            winner = _winner(row, found, written)
            for column, (measured, words) in enumerate(zip(found, written, strict=True), start=1):
                item = self._cells[at, column]
                best = column - 1 == winner
                marked = f"{BETTER} {words}" if best else words
                tip = measured.absent if measured is not None else "Being measured"
                tip = tip or (f"{row.tip}\nThe better of both." if best else row.tip)
                if (item.text(), item.toolTip()) == (marked, tip):
                    continue  # each call below lays the whole table out again
                item.setText(marked)
                font = item.font()
                font.setBold(best)
                item.setFont(font)
                item.setToolTip(tip)

    def tsv(self) -> str:
        """The numbers as text with tabs, for spreadsheets: what is not known is empty."""
        lines = ["\t".join(("measure", "A", "B"))]
        for row in ROWS:
            cells = [raw(self._values.get(side, {}).get(row.id)) for side in Side]
            lines.append("\t".join((row.heading, *cells)))
        return "\n".join(lines)


def values_of(view: SideView, measure: Callable[[str], Measured | None]) -> dict[str, Measured | None]:
    """All rows' values of a side; `measure` gives those of the metrics."""
    known: dict[str, Measured | None] = {}
    coded = None if view.stale else view.coded
    for row in ROWS:
        if row.id not in _OF_FILES:
            known[row.id] = measure(row.id)
        elif coded is None:
            known[row.id] = None if view.working else Measured(None, "There is no compressed file.")
        else:
            encoding = coded.encoding
            found: dict[str, float | None] = {
                "size": float(encoding.bytes),
                "bpp": encoding.bpp,
                "encode": encoding.encode_s,
                "decode": coded.decode_s,
                "memory": coded.peak_mib,
                "kmac": coded.kmac,
            }
            value = found[row.id]
            known[row.id] = Measured(value, _ABSENT.get(row.id, "") if value is None else "")
    return known


def _write(row: Row, measured: Measured) -> str:
    return text.DASH if measured.value is None else row.write(measured.value)


def _winner(row: Row, found: list[Measured | None], written: list[str]) -> int | None:
    """The better column: none where the written values are equal or one is missing."""
    left, right = (m.value if m is not None else None for m in found)
    if row.better == 0 or left is None or right is None or math.isnan(left) or math.isnan(right):
        return None
    if written[0] == written[1]:
        return None
    if row.id in {"size", "bpp"} and abs(left - right) <= TARGET_TOLERANCE * max(left, right):
        return None  # driven to the same size: what is left is chance
    return 0 if (left > right) == (row.better > 0) else 1
