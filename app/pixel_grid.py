"""Where does one pixel end, and what is its value? Lines and numbers over pictures shown very large."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QPen

from app.canvas import Canvas
from app.kinds import ZERO, Kind, coloured
from app.layers import Layer
from app.raster import Raster

GRID_FROM = 16.0  # device pixels a picture pixel
VALUES_FROM, VALUES_ALWAYS = 30.0, 60.0  # widget and device pixels from which three lines can be read
_LUMA = np.array([0.299, 0.587, 0.114])
_MINUS = "\N{MINUS SIGN}"


class PixelGrid(Layer):
    """Over 16 times: lines between the pixels; where they fit, each pixel's red, green and blue."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self.shown = True

    def paint(self, painter: QPainter, which: str, clip: QRectF, frame: QRectF) -> None:
        """Draw over one picture."""
        view, raster = self.canvas.viewport, self.canvas.raster(which)
        if not self.shown or raster is None or view.scale < GRID_FROM:
            return
        seen = QRectF(view.to_picture(clip.topLeft(), frame), view.to_picture(clip.bottomRight(), frame))
        left, top = max(int(seen.left()), 0), max(int(seen.top()), 0)
        right, bottom = min(int(seen.right()) + 1, raster.width), min(int(seen.bottom()) + 1, raster.height)
        if right <= left or bottom <= top:
            return
        whole = self.placed(left, top, right - left, bottom - top, frame)
        painter.save()
        painter.setClipRect(clip)
        if view.scale >= min(VALUES_FROM * view.ratio, VALUES_ALWAYS):
            self._values(painter, which, raster.levels[0][top:bottom, left:right, 2::-1], whole)
        step = view.scale / view.ratio
        for colour, by in ((QColor(0, 0, 0, 90), -1 / view.ratio), (QColor(255, 255, 255, 90), 0.0)):
            painter.setPen(QPen(colour, 0))  # the last of one pixel and the first of the next: always seen
            for at in range(right - left + 1):
                x = whole.left() + step * at + by
                painter.drawLine(QPointF(x, whole.top()), QPointF(x, whole.bottom()))
            for at in range(bottom - top + 1):
                y = whole.top() + step * at + by
                painter.drawLine(QPointF(whole.left(), y), QPointF(whole.right(), y))
        painter.restore()

    def _values(self, painter: QPainter, which: str, pixels: NDArray[np.uint8], whole: QRectF) -> None:
        """The numbers as one image: drawing them one by one would take too long."""
        view, ratio = self.canvas.viewport, self.canvas.viewport.ratio
        kind = view.kind if which == "difference" else None
        seen = coloured(np.ascontiguousarray(pixels), kind, view.gain) if kind is not None else pixels
        bright = seen @ _LUMA > 140
        words = _Words(self.canvas.font().family(), int(view.scale), kind)
        image = words.image(pixels, bright, view.scale)
        image.setDevicePixelRatio(ratio)
        painter.drawImage(whole.topLeft(), image)


class _Words:
    """The numbers of pixels at a size: 0..255 for each channel, or one number for a difference of one."""

    def __init__(self, family: str, cell: int, kind: Kind | None) -> None:
        self._single = kind in {Kind.SIGNED, Kind.PERCEPTUAL}
        lines = 1 if self._single else 3
        self._atlas = _atlas(family, cell, (cell - 4) // 3 if lines == 3 else cell // 3, kind)
        self._cell = cell

    def image(self, pixels: NDArray[np.uint8], bright: NDArray[np.bool_], scale: float) -> QImage:
        """(h, w, 3) pixels' numbers in device pixels, black on bright ones and white on others."""
        height, width = pixels.shape[:2]
        size = round(height * scale), round(width * scale)
        channels = [0] if self._single else [0, 1, 2]
        tall = len(channels) * self._atlas.shape[1]
        opaque = self._atlas[pixels[..., channels]].reshape(height, width, tall, self._cell)
        # Premultiplied: white is its opacity in every byte, black has it in the highest alone.
        blocks = opaque * np.where(bright, 0x01000000, 0x01010101).astype(np.uint32)[..., None, None]
        made = np.zeros(size, np.uint32)
        pad = (self._cell - tall) // 2
        columns = np.floor(np.arange(width) * scale).astype(int).tolist()
        for down, row in enumerate((np.floor(np.arange(height) * scale).astype(int) + pad).tolist()):
            for across, column in enumerate(columns):
                made[row : row + tall, column : column + self._cell] = blocks[down, across]
        form = QImage.Format.Format_ARGB32_Premultiplied
        return QImage(made.data, size[1], size[0], 4 * size[1], form)  # keeps the memory


@lru_cache(maxsize=4)
def _atlas(family: str, cell: int, high: int, kind: Kind | None) -> NDArray[np.uint32]:
    """(256, high, cell): how opaque the picture of each byte's number is, 0..255."""
    font = QFont(family)
    font.setPixelSize(max(high - 1, 6))
    while font.pixelSize() > 6 and QFontMetrics(font).horizontalAdvance("255 ") > cell:
        font.setPixelSize(font.pixelSize() - 1)
    image = QImage(cell, high * 256, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setFont(font)
    painter.setPen(Qt.GlobalColor.white)
    for byte in range(256):
        painter.drawText(
            QRectF(0, byte * high, cell, high), Qt.AlignmentFlag.AlignCenter, _number(byte, kind)
        )
    painter.end()
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(256, high, image.bytesPerLine() // 4, 4)
    return rows[:, :, :cell, 3].astype(np.uint32)


def _number(byte: int, kind: Kind | None) -> str:
    if kind is Kind.SIGNED:
        by = byte - ZERO
        return f"+{by}" if by > 0 else f"{_MINUS}{-by}" if by < 0 else "0"
    if kind is Kind.PERCEPTUAL:
        return f"{byte / 255:.2f}".removeprefix("0") if byte else "0"
    return str(byte)


def values_text(raster: Raster, x: int, y: int, kind: Kind) -> str:
    """What a difference's byte says in words, "" outside."""
    colour = raster.colour_at(x, y)
    if colour is None:
        return ""
    if kind is Kind.ABSOLUTE:
        return " ".join(map(str, colour))
    return _number(colour[0], kind)
