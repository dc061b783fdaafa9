"""How does a difference become visible, and what do its colours mean?"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen

from app.kinds import ZERO, Kind, colours, full_scale
from app.layers import PAPER, QUIET, Layer, small_font
from app.viewport import Mode

_WIDE, _HIGH, _MARGIN, _PADDING = 240.0, 10.0, 12.0, 10.0


def paint_difference(
    painter: QPainter, area: QRectF, kind: Kind, gain: int, draw: Callable[[QPainter], None]
) -> None:
    """Draw bytes, which `draw` draws in widget coordinates, into `area` in the colours of their kind.

    They are scaled as bytes and coloured after that, so that smoothing never invents a colour.
    """
    ratio = painter.device().devicePixelRatioF()
    image = QImage((area.size() * ratio).toSize(), QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    none = ZERO if kind is Kind.SIGNED else 0
    image.fill(QColor(none, none, none))  # what the picture does not cover differs in nothing
    inner = QPainter(image)
    inner.save()
    inner.translate(-area.topLeft())
    draw(inner)
    inner.restore()
    if kind is Kind.ABSOLUTE:  # each channel by itself: an addition to itself doubles it
        inner.setCompositionMode(QPainter.CompositionMode.CompositionMode_Plus)
        while gain > 1:
            inner.drawImage(QPointF(), image.copy())
            gain //= 2
    inner.end()
    if kind is not Kind.ABSOLUTE:
        image = _coloured(image, _table(kind, gain))
    painter.drawImage(area.topLeft(), image)


class Legend(Layer):
    """The colour scale in the corner of the difference."""

    def paint_over(self, painter: QPainter) -> None:
        """Draw it where the whole canvas is a difference and has room."""
        view = self.canvas.viewport
        seen = view.mode is Mode.DIFFERENCE and not view.original_held
        room = QSizeF(self.canvas.size())
        wide = _WIDE + 2 * _PADDING
        if not seen or self.canvas.raster("difference") is None or room.width() < wide + 2 * _MARGIN:
            return
        font = small_font(self.canvas.font())
        metrics = QFontMetricsF(font)
        high = _HIGH + metrics.height() + 2 * _PADDING - 2
        field = QRectF(_MARGIN, room.height() - _MARGIN - high, wide, high)
        if self.canvas.looked_under(field):
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(PAPER)
        painter.drawRoundedRect(field, 6, 6)
        bar = QRectF(field.left() + _PADDING, field.top() + _PADDING, _WIDE, _HIGH)
        painter.drawImage(bar, _scale(view.kind, view.gain))
        painter.setPen(QPen(QColor(255, 255, 255, 70), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(bar)
        painter.setFont(font)
        painter.setPen(QUIET)
        below = QRectF(bar.left(), bar.bottom() + 3, bar.width(), metrics.height())
        ways = (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignHCenter, Qt.AlignmentFlag.AlignRight)
        for way, words in zip(ways, full_scale(view.kind, view.gain), strict=True):
            painter.drawText(below, way | Qt.AlignmentFlag.AlignVCenter, words)
        painter.restore()


def _coloured(grey: QImage, table: NDArray[np.uint32]) -> QImage:
    """An image whose three channels are equal, in the colours of a table of 256."""
    bytes_ = np.frombuffer(grey.constBits(), np.uint8)[::4].reshape(grey.height(), grey.width())
    made = table.take(bytes_)
    image = QImage(made.data, grey.width(), grey.height(), 4 * grey.width(), QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(grey.devicePixelRatio())
    return image  # keeps the memory


@lru_cache(maxsize=16)
def _table(kind: Kind, gain: int) -> NDArray[np.uint32]:
    red, green, blue = colours(kind, gain).astype(np.uint32).T
    return np.asarray(0xFF000000 | red << 16 | green << 8 | blue, np.uint32)


def _scale(kind: Kind, gain: int) -> QImage:
    """The part of the scale the gain leaves, from its first colour to its last."""
    table = _table(kind, gain)
    half = 127 / gain
    low, high = (128 - half, 128 + half) if kind is Kind.SIGNED else (0, 255 / gain)
    image = QImage(256, 1, QImage.Format.Format_RGB32)
    for x in range(256):
        image.setPixel(x, 0, int(table[round(low + (high - low) * x / 255)]))
    return image
