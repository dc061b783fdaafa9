"""What does the line between the two sides look like, and where can it be taken?"""

from __future__ import annotations

from PySide6.QtCore import QLineF, QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

GRAB = 10  # widget pixels beside the line that still move it
_INSET = 40.0  # of the handle from the line's end: the middle of the picture is what people compare
_REACH = 22


def _handle(size: QSizeF, at: float, across: bool) -> QPointF:
    return QPointF(size.width() - _INSET, at) if across else QPointF(at, size.height() - _INSET)


def near(point: QPointF, size: QSizeF, at: float, across: bool) -> bool:
    """Whether a point takes the line at `at`; `across`: it runs from left to right."""
    distance = abs((point.y() if across else point.x()) - at)
    return distance <= GRAB or (_handle(size, at, across) - point).manhattanLength() <= _REACH


def draw_divider(painter: QPainter, size: QSizeF, at: float, *, across: bool, handle: bool) -> None:
    """Draw the line, white within a dark edge, and where wanted its handle."""

    def bar(start: float, thick: float) -> QRectF:
        if across:
            return QRectF(0, start, size.width(), thick)
        return QRectF(start, 0, thick, size.height())

    painter.fillRect(bar(at - 1, 3), QColor(0, 0, 0, 110))
    painter.fillRect(bar(at, 1), QColor(255, 255, 255))
    if not handle:
        return
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    middle = _handle(size, at, across)
    painter.setPen(QPen(QColor(0, 0, 0, 90), 1))
    painter.setBrush(QColor(255, 255, 255, 235))
    painter.drawEllipse(middle, 15, 15)
    painter.setPen(QPen(QColor(60, 60, 60), 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    along = QPointF(0, 1) if across else QPointF(1, 0)
    aside = QPointF(along.y(), along.x())
    for way in (-1, 1):
        tip = middle + along * 8 * way
        for arm in (-1, 1):
            painter.drawLine(QLineF(tip, tip - along * 4 * way + aside * 4 * arm))
    painter.setBrush(Qt.BrushStyle.NoBrush)
