"""What did the blind test find? Who was preferred, how sure that is, and what was what."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app import text
from app.blind import BlindTest, Contestant, in_numbers, in_words
from app.state import Side


class ResultPage(QWidget):
    """The numbers, and the buttons to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.title = title_label("")
        self.title.setWordWrap(True)
        self.grid = QGridLayout()
        self.grid.setHorizontalSpacing(28)
        self.grid.setVerticalSpacing(6)
        self.numbers = QLabel()
        self.numbers.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.csv, self.json = QPushButton("Export CSV\u2026"), QPushButton("Export JSON\u2026")
        self.again, self.leave = QPushButton("Once more"), QPushButton("Close")
        row = QHBoxLayout()
        row.setSpacing(10)
        row.addStretch()
        for button in (self.csv, self.json, self.again, self.leave):
            row.addWidget(button)
        row.addStretch()
        middle = QHBoxLayout()
        middle.addStretch()
        middle.addLayout(self.grid)
        middle.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(40, 30, 40, 30)
        layout.setSpacing(18)
        layout.addStretch()
        layout.addWidget(self.title)
        layout.addLayout(middle)
        layout.addWidget(self.numbers)
        layout.addLayout(row)
        layout.addStretch()

    def show_result(self, test: BlindTest, contestants: Mapping[Side, Contestant]) -> None:
        """Tell everything that was hidden."""
        outcome = test.outcome()
        a, b = (contestants[side] for side in Side)
        self.title.setText(in_words(outcome, a, b))
        while (item := self.grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        total = max(len(test.answers), 1)
        rows = [("A", a.name, _size(a), outcome.a), ("B", b.name, _size(b), outcome.b)]
        rows.append(("", "No difference", "", outcome.none))
        for at, (letter, name, size, count) in enumerate(rows):
            badge, bar = QLabel(letter), QProgressBar()
            if letter:
                badge.setObjectName("badge")
            bar.setTextVisible(False)
            bar.setFixedWidth(260)
            bar.setRange(0, total)
            bar.setValue(count)
            bar.setAccessibleName(f"{name}: {count} of {total}")
            quiet = QLabel(size)
            quiet.setObjectName("quiet")
            for column, widget in enumerate((badge, QLabel(name), quiet, bar, QLabel(str(count)))):
                self.grid.addWidget(widget, at, column, Qt.AlignmentFlag.AlignVCenter)
        self.numbers.setText(in_numbers(outcome, test.rounds))


def _size(contestant: Contestant) -> str:
    return (
        f"{text.bpp(contestant.bpp)} bpp{text.DOT}{text.size(contestant.bytes)}" if contestant.bytes else ""
    )


def title_label(words: str) -> QLabel:
    """A heading of a page."""
    label = QLabel(words)
    font = label.font()
    font.setPointSizeF(font.pointSizeF() * 1.5)
    font.setBold(True)
    label.setFont(font)
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    return label
