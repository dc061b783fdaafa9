"""How are things found in the picture marked on it? Boxes with the same line width at every zoom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

STRONG = QColor(255, 196, 0)
PLAIN = QColor(255, 255, 255)
_ROUND_FROM = 14  # widget pixels: a smaller ellipse is a blot
_HALO = QColor(0, 0, 0, 150)


@dataclass(frozen=True)
class Box:
    """A rectangle in picture pixels; a strong one is drawn solid and yellow, with the ellipse in it (the mask
    of a small face), another dashed and white.
    """

    left: float
    top: float
    right: float
    bottom: float
    strong: bool


def draw(painter: QPainter, boxes: Sequence[Box], clip: QRectF, place: Callable[[QPointF], QPointF]) -> None:
    """Draw boxes into the widget rectangle `clip`; `place` takes picture to widget coordinates."""
    painter.save()
    painter.setClipRect(clip)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for box in boxes:
        rect = QRectF(place(QPointF(box.left, box.top)), place(QPointF(box.right, box.bottom)))
        painter.setPen(QPen(_HALO, 4))
        painter.drawRect(rect)
        dashes = Qt.PenStyle.SolidLine if box.strong else Qt.PenStyle.DashLine
        painter.setPen(QPen(STRONG if box.strong else PLAIN, 2, dashes))
        painter.drawRect(rect)
        if box.strong and min(rect.width(), rect.height()) >= _ROUND_FROM:
            # What the face mask covers, as a thin outline: a tint would change what is compared.
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
            painter.setPen(QPen(STRONG, 1, Qt.PenStyle.DotLine))
            painter.drawEllipse(rect)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.restore()
