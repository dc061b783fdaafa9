"""Where does one pixel end, and what is its value? Lines and numbers over pictures shown very large."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetrics, QImage, QPainter

from app.canvas import Canvas
from app.kinds import ZERO, Kind, coloured
from app.layers import Layer
from app.raster import Raster

GRID_FROM = 16.0  # device pixels a picture pixel
VALUES_FROM, VALUES_ALWAYS = 30.0, 60.0  # widget and device pixels from which three lines can be read
_LUMA = np.array([0.299, 0.587, 0.114])
# Lines as premultiplied colours, 90 of 255 opaque, and where two of them cross.
_DARK, _BRIGHT, _DARKER, _BRIGHT_ON_DARK, _BRIGHTER = (
    0x5A000000,
    0x5A5A5A5A,
    0x94000000,
    0x945A5A5A,
    0x94949494,
)
_MINUS = "\N{MINUS SIGN}"
_MIDDLE = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextDontClip


class PixelGrid(Layer):
    """Over 16 times: lines between the pixels; where they fit, each pixel's red, green and blue."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self.shown = True
        self._memory = np.empty(0, np.uint32)

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
        step, ratio = view.scale / view.ratio, view.ratio
        edges = (
            _edges(whole.left(), step, ratio, right - left),
            _edges(whole.top(), step, ratio, bottom - top),
        )
        columns, rows = (each - each[0] + 1 for each in edges)  # the first line begins one pixel before
        over = self._transparent(int(rows[-1]) + 1, int(columns[-1]) + 1)
        if view.scale >= min(VALUES_FROM * ratio, VALUES_ALWAYS):
            pixels = raster.levels[0][top:bottom, left:right, 2::-1]
            self._values(over, which, pixels, rows[:-1].tolist(), columns[:-1].tolist())
        _lines(over, rows, columns)
        high, wide = over.shape
        form = QImage.Format.Format_ARGB32_Premultiplied
        image = QImage(over.data, wide, high, 4 * wide, form)
        image.setDevicePixelRatio(ratio)
        painter.save()
        painter.setClipRect(clip)
        painter.drawImage(QPointF((int(edges[0][0]) - 1) / ratio, (int(edges[1][0]) - 1) / ratio), image)
        painter.restore()

    def _transparent(self, height: int, width: int) -> NDArray[np.uint32]:
        """(height, width) of nothing, in memory that is used again: fresh memory costs as much as drawing."""
        if self._memory.size < height * width:
            self._memory = np.empty(height * width, np.uint32)
        made = self._memory[: height * width].reshape(height, width)
        made.fill(0)
        return made

    def _values(
        self,
        over: NDArray[np.uint32],
        which: str,
        pixels: NDArray[np.uint8],
        rows: list[int],
        columns: list[int],
    ) -> None:
        """Put in the numbers: drawing them one by one would take too long."""
        view = self.canvas.viewport
        kind = view.kind if which == "difference" else None
        seen = coloured(np.ascontiguousarray(pixels), kind, view.gain) if kind is not None else pixels
        words = _Words(self.canvas.font().family(), int(view.scale), kind)
        words.put(over, pixels, seen @ _LUMA > 140, rows, columns)


def _edges(first: float, step: float, ratio: float, count: int) -> NDArray[np.intp]:
    """The device pixels that picture pixels begin with, one after the last included; from widget units."""
    begins: NDArray[np.intp] = np.floor((first + step * np.arange(count + 1)) * ratio + 0.5).astype(np.intp)
    return begins


def _lines(over: NDArray[np.uint32], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> None:
    """The last device pixels of a picture pixel darker, the first of the next brighter: always seen."""
    ends, begins = (rows - 1, columns - 1), (rows, columns)
    for down, across in (ends, begins):
        ink = _DARK if down is ends[0] else _BRIGHT
        over[down] = ink
        over[:, across] = ink
    for down, across, ink in (
        (ends[0], ends[1], _DARKER),
        (ends[0], begins[1], _BRIGHT_ON_DARK),
        (begins[0], ends[1], _BRIGHT_ON_DARK),
        (begins[0], begins[1], _BRIGHTER),
    ):
        over[np.ix_(down, across)] = ink


class _Words:
    """The numbers of pixels at a size: 0..255 for each channel, or one number for a difference of one."""

    def __init__(self, family: str, cell: int, kind: Kind | None) -> None:
        self._single = kind in {Kind.SIGNED, Kind.PERCEPTUAL}
        lines = 1 if self._single else 3
        self._atlas = _atlas(family, cell, (cell - 4) // 3 if lines == 3 else cell // 3, kind)
        self._cell = cell

    def put(
        self,
        over: NDArray[np.uint32],
        pixels: NDArray[np.uint8],
        bright: NDArray[np.bool_],
        rows: list[int],
        columns: list[int],
    ) -> None:
        """Write the numbers of (h, w, 3) pixels that begin there, black on bright ones, white on others."""
        width = pixels.shape[1]
        channels = [0] if self._single else [0, 1, 2]
        tall = len(channels) * self._atlas.shape[1]
        # Premultiplied: white is its opacity in every byte, black has it in the highest alone.
        inks = np.where(bright, 0x01000000, 0x01010101).astype(np.uint32)[..., None, None]
        pad = (self._cell - tall) // 2
        for down, row in enumerate(rows):
            # A row of pixels at once stays in the processor's cache: a view of them takes 10 MB of memory.
            opaque = self._atlas[pixels[down][:, channels]].reshape(width, tall, self._cell)
            strip, blocks = over[row + pad : row + pad + tall], opaque * inks[down]
            for across, column in enumerate(columns):
                strip[:, column : column + self._cell] = blocks[across]


@lru_cache(maxsize=4)
def _atlas(family: str, cell: int, high: int, kind: Kind | None) -> NDArray[np.uint8]:
    """(256, high, cell): how opaque the picture of each byte's number is, 0..255.

    Put together from digits: drawing 256 texts would be felt when a zoom is used for the first time.
    """
    font = QFont(family)
    font.setPixelSize(max(high - 1, 6))
    while font.pixelSize() > 6 and QFontMetrics(font).horizontalAdvance("255 ") > cell:
        font.setPixelSize(font.pixelSize() - 1)
    signs = _signs(font, high)
    made = np.zeros((256, high, cell), np.uint8)
    for byte in range(256):
        word = np.concatenate([signs[sign] for sign in _number(byte, kind)], axis=1)[:, :cell]
        left = (cell - word.shape[1]) // 2
        made[byte, :, left : left + word.shape[1]] = word
    return made


def _signs(font: QFont, high: int) -> dict[str, NDArray[np.uint8]]:
    """What numbers are written with: (high, its width), how opaque each pixel is."""
    signs = f"0123456789+{_MINUS}."
    wide = [QFontMetrics(font).horizontalAdvance(sign) for sign in signs]
    image = QImage(sum(wide), high, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setFont(font)
    painter.setPen(Qt.GlobalColor.white)
    ends = np.cumsum(wide).tolist()
    for sign, end, width in zip(signs, ends, wide, strict=True):
        painter.drawText(QRectF(end - width, 0, width, high), _MIDDLE, sign)
    painter.end()
    seen = np.frombuffer(image.constBits(), np.uint8).reshape(high, image.bytesPerLine() // 4, 4)[..., 3]
    return {
        sign: seen[:, end - width : end].copy() for sign, end, width in zip(signs, ends, wide, strict=True)
    }


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
