"""What is drawn over the pictures of the canvas? Layers: each draws into every part, then over the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter

if TYPE_CHECKING:
    from app.canvas import Canvas

INK, PAPER, QUIET = QColor(255, 255, 255), QColor(18, 18, 20, 215), QColor(214, 216, 220)


class Layer:
    """Draws nothing; `canvas` is what it is drawn on. Layers are part of the chrome: copies have none."""

    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas

    def paint(self, painter: QPainter, which: str, clip: QRectF, frame: QRectF) -> None:
        """Draw over the picture named `which`, inside `clip`, placed by `frame` (see `Viewport`)."""

    def paint_over(self, painter: QPainter) -> None:
        """Draw over everything."""

    def placed(self, x: float, y: float, width: float, height: float, frame: QRectF) -> QRectF:
        """Where a rectangle of the picture is, in widget coordinates."""
        view = self.canvas.viewport
        return QRectF(
            view.to_widget(QPointF(x, y), frame), view.to_widget(QPointF(x + width, y + height), frame)
        )


def small_font(font: QFont, share: float = 0.88) -> QFont:
    """A font a little smaller."""
    made = QFont(font)
    if font.pointSizeF() > 0:
        made.setPointSizeF(font.pointSizeF() * share)
    else:
        made.setPixelSize(max(round(font.pixelSize() * share), 7))
    return made


def draw_tag(
    painter: QPainter, words: str, at: QPointF, font: QFont, ink: QColor = INK, paper: QColor = PAPER
) -> QRectF:
    """Draw words on a small rounded field whose left top corner is `at`; gives the field."""
    metrics = QFontMetricsF(font)
    field = QRectF(at.x(), at.y(), metrics.horizontalAdvance(words) + 10, metrics.height() + 4)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(paper)
    painter.drawRoundedRect(field, 4, 4)
    painter.setPen(ink)
    painter.setFont(font)
    painter.drawText(field, Qt.AlignmentFlag.AlignCenter, words)
    painter.restore()
    return field
