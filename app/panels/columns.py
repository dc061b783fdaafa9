"""Which codecs stand beside A and B? A card with a choice for the third and the fourth column."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from app.columns import Column, Columns
from app.state import ORIGINAL, codec_name
from models.codec import CATALOGUE


class ColumnsCard(QFrame):
    """Shown in side by side."""

    def __init__(self, columns: Columns, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self._columns = columns
        self._filled: dict[str, str] | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 5, 12, 5)
        layout.setSpacing(4)
        self.boxes: dict[Column, QComboBox] = {}
        for column in Column:
            badge = QLabel(column.letter)
            badge.setObjectName("badge")
            badge.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
            badge.setFixedWidth(30)
            badge.setToolTip("One more column, at the size of A")
            badge.setAlignment(Qt.AlignmentFlag.AlignCenter)
            box = QComboBox()
            box.setAccessibleName(f"Codec of column {column.letter}")
            box.setMaxVisibleItems(20)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(8)
            box.activated.connect(lambda at, column=column: self._choose(column, at))
            row = QHBoxLayout()
            row.setSpacing(8)
            row.addWidget(badge)
            row.addWidget(box, 1)
            layout.addLayout(row)
            self.boxes[column] = box
        columns.changed.connect(self._show)
        self.fill({})

    def fill(self, reasons: Mapping[str, str]) -> None:
        """List nothing, the original, and every codec; those that cannot be used say why."""
        if reasons == self._filled:
            return
        self._filled = dict(reasons)
        for box in self.boxes.values():
            box.clear()
            box.addItem("None", "")
            box.addItem("Original", ORIGINAL)
            for line in CATALOGUE:
                if line.fetched and reasons.get(line.id, "unknown"):
                    continue
                box.addItem(codec_name(line.id), line.id)
                at = box.count() - 1
                reason = reasons.get(line.id, "")
                box.setItemData(at, reason or line.sentence, Qt.ItemDataRole.ToolTipRole)
                model = box.model()
                if reason and isinstance(model, QStandardItemModel):
                    model.item(at).setEnabled(False)
        self._show()

    def _show(self) -> None:
        for column, box in self.boxes.items():
            box.setCurrentIndex(max(box.findData(self._columns.codec(column)), 0))

    def _choose(self, column: Column, at: int) -> None:
        self._columns.choose(column, str(self.boxes[column].itemData(at)))
