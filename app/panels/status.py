"""What is open, what is under the cursor, and how large is it shown? The line at the bottom."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QLabel, QStatusBar, QWidget
from superqt import QElidingLabel

from app import text
from app.panels.announcing import announce
from app.raster import Raster

NEWS_MS = 8000
DELTA = "\N{GREEK CAPITAL LETTER DELTA}"


class StatusLine(QStatusBar):
    """News cover what is open for a few seconds."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._picture = QElidingLabel("")
        self._picture.setTextFormat(Qt.TextFormat.PlainText)
        self._picture.setElideMode(Qt.TextElideMode.ElideMiddle)
        self._pixel = QLabel()
        self._pixel.setAccessibleName("Colours under the cursor")
        self._zoom = QLabel()
        self._zoom.setMinimumWidth(56)
        self._zoom.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._zoom.setToolTip("Screen pixels for each picture pixel")
        self.setSizeGripEnabled(False)
        # Qt draws news 6 pixels from the edge: what is open stands there too.
        self.setContentsMargins(4, 2, 12, 2)
        self.addWidget(self._picture, 1)
        self.addPermanentWidget(self._pixel)
        self.addPermanentWidget(self._zoom)

    @property
    def pixel_words(self) -> str:
        """What is told of the pixel under the cursor."""
        return self._pixel.text()

    def show_picture(self, details: str) -> None:
        """What is open."""
        self._picture.setText(details)
        self._picture.setToolTip(text.tip(details))

    def show_news(self, words: str) -> None:
        """What just happened."""
        self.showMessage(words, NEWS_MS)
        announce(self, words)

    def show_zoom(self, scale: float | None) -> None:
        """The scale; None without a picture."""
        self._zoom.setText(text.zoom(scale) if scale is not None else "")

    def show_pixel(
        self, point: QPoint | None, rasters: Mapping[str, Raster | None], difference: str = ""
    ) -> None:
        """The colours of the rasters, by the letter that names them, at a picture point."""
        parts = []
        for letter, raster in rasters.items():
            colour = raster.colour_at(point.x(), point.y()) if point is not None and raster else None
            if colour is not None:
                parts.append(f"{letter} {colour[0]} {colour[1]} {colour[2]}")
        if point is not None and parts:
            parts.insert(0, f"x {point.x()}  y {point.y()}")
            parts += [f"{DELTA} {difference}"] if difference else []
        self._pixel.setText("   ".join(parts))
