"""How does a person ask for a size or a quality? A slider, a number, and what it means."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QSlider, QWidget

from models.codec import Rate

LOWEST_BPP, HIGHEST_BPP = 0.02, 4.0
_STEPS = 1000


class RateControl(QWidget):
    """Emits `changed` while a person drags or types; `dragging` tells that more will follow."""

    changed = Signal(object, bool)  # Rate, dragging

    def __init__(self, with_quality: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kind = QComboBox()
        self._kind.addItem("bpp", "bpp")
        self._kind.addItem("quality", "quality")
        self._kind.setToolTip("Ask for bits per pixel of the finished file, or for the codec's own quality")
        self._kind.setAccessibleName("Kind of rate")
        self._kind.setVisible(with_quality)
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, _STEPS)
        self._slider.setPageStep(_STEPS // 20)
        self._slider.setAccessibleName("Rate")
        self._spin = QDoubleSpinBox()
        self._spin.setKeyboardTracking(False)
        self._spin.setAccessibleName("Rate as a number")
        self._spin.setMinimumWidth(92)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self._kind)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._spin)
        self._bpp, self._quality = 0.25, 50.0
        self.show_rate(Rate(bpp=0.25))
        self._kind.activated.connect(self._kind_chosen)
        self._slider.valueChanged.connect(self._slid)
        self._slider.sliderReleased.connect(self._released)
        self._spin.valueChanged.connect(self._typed)

    @property
    def rate(self) -> Rate:
        """What is asked for."""
        if self._kind.currentData() == "quality":
            return Rate(quality=self._quality)
        return Rate(bpp=self._bpp)

    def show_rate(self, rate: Rate) -> None:
        """Show a rate without telling anyone."""
        quality = rate.quality is not None
        if rate.quality is not None:
            self._quality = rate.quality
        elif rate.bpp is not None:
            self._bpp = rate.bpp
        self._kind.setCurrentIndex(1 if quality else 0)
        for widget in (self._slider, self._spin):
            widget.blockSignals(True)
        if quality:
            self._spin.setDecimals(1)
            self._spin.setRange(0, 100)
            self._spin.setSingleStep(1)
            self._spin.setSuffix("")
            self._spin.setValue(self._quality)
            self._slider.setValue(round(self._quality / 100 * _STEPS))
        else:
            self._spin.setDecimals(3)
            self._spin.setRange(0.005, 24)
            self._spin.setSingleStep(0.01)
            self._spin.setSuffix(" bpp")
            self._spin.setValue(self._bpp)
            self._slider.setValue(_slider_of(self._bpp))
        for widget in (self._slider, self._spin):
            widget.blockSignals(False)

    def _kind_chosen(self) -> None:
        self.show_rate(self.rate)
        self.changed.emit(self.rate, False)

    def _slid(self, position: int) -> None:
        share = position / _STEPS
        if self._kind.currentData() == "quality":
            self._quality = round(share * 100, 1)
        else:
            self._bpp = float(f"{LOWEST_BPP * (HIGHEST_BPP / LOWEST_BPP) ** share:.3g}")
        rate = self.rate
        self._spin.blockSignals(True)
        self._spin.setValue(self._quality if rate.bpp is None else self._bpp)
        self._spin.blockSignals(False)
        self.changed.emit(rate, True)

    def _released(self) -> None:
        self.changed.emit(self.rate, False)

    def _typed(self, value: float) -> None:
        if self._kind.currentData() == "quality":
            self._quality = value
        else:
            self._bpp = value
        self.show_rate(self.rate)
        self.changed.emit(self.rate, True)


def _slider_of(bpp: float) -> int:
    """Sizes are judged by ratio, so the slider is logarithmic."""
    share = math.log(max(bpp, 1e-6) / LOWEST_BPP) / math.log(HIGHEST_BPP / LOWEST_BPP)
    return round(min(max(share, 0.0), 1.0) * _STEPS)
