"""How do all results of the picture compare? A table with codecs as rows and measures as columns."""

from __future__ import annotations

import math

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app import text
from app.panels.metrics import ROWS, raw
from app.points import Point, show_point
from app.possible import allow
from app.results import Line, lines_of
from app.session import Session
from app.state import Measured

BETTER, WORSE = "\N{BLACK UP-POINTING SMALL TRIANGLE}", "\N{BLACK DOWN-POINTING SMALL TRIANGLE}"
_MARKS = {1: f"{BETTER} ", -1: f"{WORSE} ", 0: ""}
_FIRST = ("Side", "Codec")
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_HINT = (
    f"{BETTER} better and {WORSE} worse than A; of A itself, than B. A double click puts a result on a side. "
    "A heading sorts."
)
_SIZE, _MARGIN = QSize(1120, 420), 16
_SLACK = 8  # border and padding, which the style sheet decides
_ROOM = 0.95  # the widest it opens by itself, of the screen or the window
_LINE, _VALUE = Qt.ItemDataRole.UserRole, int(Qt.ItemDataRole.UserRole) + 1


def _same(one: Line, two: Line) -> bool:
    """Whether both are the same result, whatever is known of it by now and on whichever side it is."""
    mine, its = ((line.key, line.name, line.realism) for line in (one, two))
    return mine == its and (one.key is not None or one.values.get("size") == two.values.get("size"))


class _Cell(QTableWidgetItem):
    """Sorts by its value, not by its words; what is not known comes last, either way."""

    def __lt__(self, other: QTableWidgetItem) -> bool:
        mine, its = self.data(_VALUE), other.data(_VALUE)
        if mine is None or its is None:
            order = self.tableWidget().horizontalHeader().sortIndicatorOrder()
            one, two = mine is None, its is None
            return one > two if order == Qt.SortOrder.DescendingOrder else one < two
        return bool(mine < its)


class ResultsDialog(QDialog):
    """Stays open beside the picture and follows what is tried."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("All results")
        self.resize(_SIZE)
        self._session = session
        self._lines: list[Line] | None = None
        self.table = QTableWidget(0, len(_FIRST) + len(ROWS))
        self.table.setAccessibleName("Results of the open picture")
        self.hint = QLabel()
        self.copy = QPushButton("Copy")
        self.show_it = QPushButton("Show on a side")
        close = QPushButton("Close")
        self._arrange(close)
        self._later = QTimer(self, singleShot=True, interval=0)
        self._later.timeout.connect(self.fill)
        for signal in (session.side_changed, session.measured, session.picture_changed):
            signal.connect(self._changed)
        self.copy.clicked.connect(lambda: QApplication.clipboard().setText(self.tsv()))
        self.show_it.clicked.connect(self._show_current)
        self.table.itemSelectionChanged.connect(self._selected)
        self.table.itemActivated.connect(self._show_current)
        close.clicked.connect(self.reject)

    def _arrange(self, close: QPushButton) -> None:
        table = self.table
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setShowGrid(False)
        table.setTabKeyNavigation(False)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(max(self.fontMetrics().height() + 10, 26))
        header = table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        header.setHighlightSections(False)
        for at, (name, tip) in enumerate(
            [*((name, "") for name in _FIRST), *((r.name, r.tip) for r in ROWS)]
        ):
            item = QTableWidgetItem(name)
            item.setToolTip(tip)
            item.setTextAlignment(_LEFT if at < len(_FIRST) else _RIGHT)
            table.setHorizontalHeaderItem(at, item)
        table.setSortingEnabled(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.hint.setObjectName("quiet")
        self.hint.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addWidget(self.hint, 1)
        for button in (self.copy, self.show_it, close):
            button.setAutoDefault(False)  # Return is for the table
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(_MARGIN, 14, _MARGIN, 14)
        layout.setSpacing(12)
        layout.addWidget(table, 1)
        layout.addLayout(buttons)

    def fill(self) -> None:
        """Show what there is now; what is selected stays so."""
        lines = lines_of(self._session)
        self.hint.setText(_HINT if lines else "Every codec and size you try is listed here.")
        allow(self.copy, "Copy the table with tabs, for spreadsheets", "" if lines else "There is no result")
        self._selected()
        if lines == self._lines:
            return
        chosen = self.line()
        self._lines = lines
        table = self.table
        table.setSortingEnabled(False)
        table.setRowCount(len(lines))
        for at, line in enumerate(lines):
            side = _Cell(line.letter)
            side.setData(_VALUE, line.letter or "~")
            side.setData(_LINE, at)
            name = _Cell(line.name)
            name.setData(_VALUE, line.name)
            for column, item in enumerate((side, name, *(self._cell(line, row.id) for row in ROWS))):
                table.setItem(at, column, item)
        table.setSortingEnabled(True)
        table.setCurrentItem(None)  # type: ignore[call-overload]
        for at in range(table.rowCount()):
            if chosen is not None and (there := self.line(at)) is not None and _same(there, chosen):
                table.selectRow(at)
        self._selected()

    def line(self, at: int | None = None) -> Line | None:
        """The result of a row, or of the selected one."""
        item = self.table.item(self.table.currentRow() if at is None else at, 0)
        lines = self._lines or []
        index = item.data(_LINE) if item is not None else None
        return lines[index] if isinstance(index, int) and index < len(lines) else None

    def tsv(self) -> str:
        """The numbers in the order of the table, as text with tabs: what is not known is empty."""
        lines = ["\t".join((*_FIRST, *(row.heading for row in ROWS)))]
        for at in range(self.table.rowCount()):
            if (line := self.line(at)) is not None:
                cells = [raw(line.values.get(row.id)) for row in ROWS]
                lines.append("\t".join((line.letter, line.name, *cells)))
        return "\n".join(lines)

    def _widen(self) -> None:
        """Let all columns be seen at once where the screen has room for them."""
        table, parent = self.table, self.parentWidget()
        header = table.horizontalHeader()
        columns = sum(
            max(table.sizeHintForColumn(at), header.sectionSizeHint(at)) for at in range(header.count())
        )
        beside = table.verticalScrollBar().sizeHint().width() + 2 * table.frameWidth() + 2 * _MARGIN + _SLACK
        room = max(self.screen().availableGeometry().width(), parent.width() if parent is not None else 0)
        self.resize(max(self.width(), min(columns + beside, int(room * _ROOM))), self.height())

    def _cell(self, line: Line, id: str) -> QTableWidgetItem:
        row = next(row for row in ROWS if row.id == id)
        found = line.values.get(id) or Measured(None)
        mark = line.mark(id)
        value = found.value if found.value is not None and not math.isnan(found.value) else None
        item = _Cell(text.DASH if value is None else f"{_MARKS[mark]}{row.write(value)}")
        item.setTextAlignment(_RIGHT)
        item.setData(_VALUE, value)
        font = item.font()
        font.setBold(mark > 0)
        item.setFont(font)
        words = {1: f"Better than {line.against}.", -1: f"Worse than {line.against}."}.get(mark, "")
        item.setToolTip("\n".join(filter(None, (found.absent or row.tip, words))))
        return item

    def _selected(self) -> None:
        line = self.line()
        reason = "Select a result first" if line is None else "This is a file that was opened"
        possible = line is not None and line.key is not None
        allow(self.show_it, "Show the selected result on a side", "" if possible else reason)

    def _show_current(self, *_: object) -> None:
        line = self.line()
        if line is not None and line.key is not None:
            show_point(self._session, Point(line.key, 0.0, 0.0, realism=line.realism))

    def _changed(self, *_: object) -> None:
        if self.isVisible():
            self._later.start()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """What happened meanwhile."""
        super().showEvent(event)
        self.fill()
        self._widen()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802
        """Nobody looks any more."""
        super().hideEvent(event)
        self._later.stop()
