"""What are the pixels under the cursor, on both sides? A magnifier that follows it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QMouseEvent, QPainter, QPen

from app.canvas import Canvas
from app.layers import INK, PAPER, QUIET, Layer, small_font
from app.raster import Raster

TIMES = 8  # widget pixels a picture pixel
REACH = 9  # picture pixels from the middle to each edge
_GAP, _PADDING, _AWAY = 8.0, 8.0, 28.0
_OUTSIDE = QColor(60, 60, 62)
_SIDES = (("left", "A"), ("right", "B"))


class Loupe(QObject):
    """Watches the cursor while it is on; the drawing is that of its layer."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self.shown = False
        self.at: QPointF | None = None  # the cursor, widget coordinates
        self._glass = _Glass(canvas, self)
        canvas.layers.append(self._glass)
        canvas.installEventFilter(self)

    def set_shown(self, shown: bool) -> None:
        """Take it up or put it away."""
        self.shown = shown
        if shown and self.at is None and self._canvas.underMouse():
            self.at = QPointF(self._canvas.mapFromGlobal(self._canvas.cursor().pos()))
        self._canvas.update()

    def squares(self) -> dict[str, QRectF]:
        """Where each side is magnified now, by its letter, in widget coordinates."""
        at = self.at
        return self._glass.squares(at)[1] if self.shown and at is not None else {}

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Learns where the cursor is; takes nothing."""
        if isinstance(event, QMouseEvent):
            self.at = event.position()
        elif event.type() is QEvent.Type.Leave:
            self.at = None
        else:
            return False
        if self.shown:
            self._canvas.update()
        return False


class _Glass(Layer):
    """One square a side, beside the cursor, the pixel under it framed and written below."""

    def __init__(self, canvas: Canvas, loupe: Loupe) -> None:
        super().__init__(canvas)
        self._loupe = loupe

    def paint_over(self, painter: QPainter) -> None:
        """Draw it where the cursor is over the canvas."""
        at, sides = self._loupe.at, self._sides()
        if not self._loupe.shown or at is None or not sides:
            return
        point = self.canvas.viewport.to_picture(at, self.canvas.frame_at(at))
        x, y = int(point.x() // 1), int(point.y() // 1)
        field, squares = self.squares(at)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(255, 255, 255, 60), 1))
        painter.setBrush(PAPER)
        painter.drawRoundedRect(field, 8, 8)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setFont(small_font(self.canvas.font()))
        for letter, raster in sides.items():
            square = squares[letter]
            self._magnify(painter, raster, x, y, square)
            below = QRectF(square.left(), square.bottom() + _PADDING / 2, square.width(), self._line())
            colour = raster.colour_at(x, y)
            words = "  ".join(map(str, colour)) if colour is not None else "outside"
            painter.setPen(INK)
            painter.drawText(below, Qt.AlignmentFlag.AlignLeft, letter)
            painter.setPen(QUIET)
            painter.drawText(below, Qt.AlignmentFlag.AlignRight, words)
        painter.restore()

    def squares(self, at: QPointF) -> tuple[QRectF, dict[str, QRectF]]:
        """The field beside the cursor and the square of each side in it."""
        sides, side = self._sides(), float((2 * REACH + 1) * TIMES)
        wide = len(sides) * (side + _GAP) - _GAP + 2 * _PADDING
        field = self._beside(at, QSizeF(wide, side + 2.5 * _PADDING + self._line()))
        corner = field.topLeft() + QPointF(_PADDING, _PADDING)
        step = QPointF(side + _GAP, 0)
        return field, {
            letter: QRectF(corner + step * column, QSizeF(side, side)) for column, letter in enumerate(sides)
        }

    def _sides(self) -> dict[str, Raster]:
        found = {letter: self.canvas.raster(which) for which, letter in _SIDES}
        return {letter: raster for letter, raster in found.items() if raster is not None}

    def _line(self) -> float:
        return QFontMetricsF(small_font(self.canvas.font())).height()

    def _beside(self, at: QPointF, size: QSizeF) -> QRectF:
        """Right below the cursor, on another side of it near the edges, never out of the canvas."""
        room = QSizeF(self.canvas.size())
        x = at.x() + _AWAY if at.x() + _AWAY + size.width() <= room.width() else at.x() - _AWAY - size.width()
        y = at.y() + _AWAY
        if y + size.height() > room.height():
            y = at.y() - _AWAY - size.height()
        x = min(max(x, 0.0), max(room.width() - size.width(), 0.0))
        y = min(max(y, 0.0), max(room.height() - size.height(), 0.0))
        return QRectF(QPointF(round(x), round(y)), size)

    def _magnify(self, painter: QPainter, raster: Raster, x: int, y: int, square: QRectF) -> None:
        painter.fillRect(square, _OUTSIDE)
        left, top = max(x - REACH, 0), max(y - REACH, 0)
        pixels = raster.levels[0][top : max(y + REACH + 1, 0), left : max(x + REACH + 1, 0)]
        if pixels.size:
            image = image_of(pixels)
            corner = square.topLeft() + QPointF(left - x + REACH, top - y + REACH) * TIMES
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
            painter.drawImage(QRectF(corner, QSizeF(image.size()) * TIMES), image)
        middle = QRectF(square.topLeft() + QPointF(REACH, REACH) * TIMES, QSizeF(TIMES, TIMES))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for colour, by in ((QColor(0, 0, 0), 1), (INK, 0)):
            painter.setPen(QPen(colour, 1))
            painter.drawRect(middle.adjusted(-1 - by, -1 - by, by, by))


def image_of(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> QImage:
    """A copy of (h, w, 4) pixels of a raster."""
    held = np.ascontiguousarray(pixels)
    height, width = held.shape[:2]
    return QImage(held.data, width, height, 4 * width, QImage.Format.Format_RGB32).copy()
