"""How is one crop of the strip drawn? Magnified to whole screen pixels, with its name above."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import (
    QEnterEvent,
    QFocusEvent,
    QFont,
    QFontMetrics,
    QImage,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import QAbstractButton, QScrollArea, QWidget

from app.crops import Crop
from app.layers import small_font
from app.raster import Raster
from app.tiles import Tile

PART = 512  # pixels a side of the part of a magnified box that is shown; the middle of a larger one


class TileButton(QAbstractButton):
    """A click looks at the box."""

    def __init__(self, area: QScrollArea, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._area = area
        self._image = QImage()
        self._exact = QSizeF()  # of the pixels, whole ones of the screen each
        self._size = QSize()
        self._smooth = False
        self.tile: Tile | None = None
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def show_tile(self, tile: Tile, crop: Crop, scale: float) -> None:
        """Show a crop of a tile, `scale` widget pixels a picture pixel: whole numbers above 1."""
        part, ratio = _middle(crop) if scale > 1 else crop, self.devicePixelRatioF()
        if scale > 1:
            scale = round(scale * ratio) / ratio
        self._image = _cut(tile.raster, part, scale * ratio)
        self._exact = QSizeF(max(part.width * scale, 1), max(part.height * scale, 1))
        self._size = QSize(round(self._exact.width()), round(self._exact.height()))
        self._smooth = scale < 1
        self.tile = tile
        words = f"{tile.title}, {tile.line}" if tile.line else tile.title
        self.setAccessibleName(words)
        self.setToolTip(f"{words}\nClick to bring this place to the middle")
        self.setFixedSize(self.sizeHint())
        self.update()

    @property
    def pixels(self) -> QRect:
        """Where the crop is drawn."""
        return QRect((self.width() - self._size.width()) // 2, self.head, *self._size.toTuple())

    def _on_pixels(self, painter: QPainter) -> QRectF:
        """Where the crop is drawn, beginning with a whole pixel of the screen."""
        device = painter.deviceTransform()
        corner = device.map(QPointF(self.pixels.topLeft()))
        at = device.inverted()[0].map(QPointF(round(corner.x()), round(corner.y())))
        return QRectF(at, self._exact)

    @property
    def head(self) -> int:
        """The height of the words."""
        return QFontMetrics(self._bold()).height() + QFontMetrics(small_font(self.font())).height() + 3

    def sizeHint(self) -> QSize:  # noqa: N802
        """The crop and two lines of text, whatever is wider."""
        title, line = (self.tile.title, self.tile.line) if self.tile is not None else ("", "")
        words = max(
            QFontMetrics(self._bold()).horizontalAdvance(title),
            QFontMetrics(small_font(self.font())).horizontalAdvance(line),
        )
        return QSize(max(self._size.width(), words + 6), self.head + self._size.height() + 1)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Two lines, then the pixels as squares."""
        painter = QPainter(self)
        tile = self.tile
        if tile is not None:
            top = 0
            quiet, plain = QPalette.ColorRole.PlaceholderText, QPalette.ColorRole.WindowText
            for words, font, role in (
                (tile.title, self._bold(), plain),
                (tile.line, small_font(self.font()), quiet),
            ):
                painter.setFont(font)
                painter.setPen(self.palette().color(role))
                high = painter.fontMetrics().height()
                painter.drawText(QRect(0, top, self.width(), high), Qt.AlignmentFlag.AlignHCenter, words)
                top += high
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._smooth)
            painter.setOpacity(0.45 if tile.waiting else 1.0)
            painter.drawImage(self._on_pixels(painter), self._image)
            painter.setOpacity(1.0)
        if self.underMouse() or self.hasFocus():
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 2))
            painter.drawRect(self.pixels.adjusted(1, 1, -1, -1))
        painter.end()

    def enterEvent(self, event: QEnterEvent) -> None:  # noqa: N802
        """Framed while the cursor is over it."""
        super().enterEvent(event)
        self.update()

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802
        """Framed no more."""
        super().leaveEvent(event)
        self.update()

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802
        """The tile that has the keyboard is always in view."""
        super().focusInEvent(event)
        self._area.ensureWidgetVisible(self, 8, 0)

    def _bold(self) -> QFont:
        font = small_font(self.font())
        font.setBold(True)
        return font


def _middle(crop: Crop) -> Crop:
    wide, high = min(crop.width, PART), min(crop.height, PART)
    return Crop(crop.name, crop.x + (crop.width - wide) // 2, crop.y + (crop.height - high) // 2, wide, high)


def _cut(raster: Raster, crop: Crop, scale: float) -> QImage:
    """A copy of the crop, of a halved level where it is shown smaller than it is."""
    level = raster.level_for(scale)
    step = 2**level
    rows = slice(crop.y // step, max(-(-crop.bottom // step), crop.y // step + 1))
    columns = slice(crop.x // step, max(-(-crop.right // step), crop.x // step + 1))
    held = np.ascontiguousarray(raster.levels[level][rows, columns])
    height, width = held.shape[:2]
    return QImage(held.data, width, height, 4 * width, QImage.Format.Format_RGB32).copy()
