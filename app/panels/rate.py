"""How does a person ask for a size or a quality? A slider, a number, and what it means."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QLocale, Qt, Signal
from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QSlider, QWidget

from models.codec import Rate

LOWEST_BPP, HIGHEST_BPP = 0.02, 4.0
_STEPS = 1000
_USUAL_PIXELS = 768 * 512  # while no picture is open


@dataclass(frozen=True)
class _Kind:
    """How a kind of rate is written: of the number, its digits, smallest and largest value and step."""

    id: str
    name: str
    suffix: str
    digits: int
    lowest: float
    highest: float
    step: float


_KINDS = {
    kind.id: kind
    for kind in (
        _Kind("bpp", "bpp", " bpp", 3, 0.005, 24, 0.01),
        _Kind("bytes", "kB", " kB", 2, 0.05, 1e6, 0.5),
        _Kind("quality", "quality", "", 1, 0, 100, 1),
    )
}
_TIP = "Ask for bits per pixel of the finished file, or for its size in thousand bytes"


class _Number(QDoubleSpinBox):
    """A number as the program writes it, with a point; a comma typed in its place counts as one."""

    def __init__(self) -> None:
        super().__init__()
        self.setLocale(QLocale.c())

    def validate(self, input: str, pos: int) -> tuple[QValidator.State, str, int]:
        """In every locale both marks are the decimal one: else one would be passed over in silence."""
        return super().validate(input.replace(",", "."), pos)

    def valueFromText(self, text: str) -> float:  # noqa: N802
        """As `validate`."""
        return super().valueFromText(text.replace(",", "."))


class RateControl(QWidget):
    """Emits `changed` while a person drags or types; `dragging` tells that more will follow."""

    changed = Signal(object, bool)  # Rate, dragging

    def __init__(self, with_quality: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kind = QComboBox()
        for kind in _KINDS.values():
            if with_quality or kind.id != "quality":
                self._kind.addItem(kind.name, kind.id)
        self._kind.setToolTip(f"{_TIP}, or for the codec's own quality" if with_quality else _TIP)
        self._kind.setAccessibleName("Kind of rate")
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, _STEPS)
        self._slider.setPageStep(_STEPS // 20)
        self._slider.setAccessibleName("Rate")
        self._spin = _Number()
        self._spin.setKeyboardTracking(False)
        self._spin.setAccessibleName("Rate as a number")
        self._spin.setMinimumWidth(92)
        self._spin.setMaximumWidth(104)  # what is left is the slider's
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self._kind)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._spin)
        self._pixels = _USUAL_PIXELS
        self._values = {"bpp": 0.25, "bytes": 0.25 * _USUAL_PIXELS / 8000, "quality": 50.0}  # as written
        self._shown: Rate | None = None  # what the number says, or said before a person began to type
        self.show_rate(Rate(bpp=0.25))
        self._kind.activated.connect(self._kind_chosen)
        self._slider.valueChanged.connect(self._slid)
        self._slider.sliderReleased.connect(self._released)
        self._spin.valueChanged.connect(self._typed)

    @property
    def kind(self) -> str:
        """What is asked for: "bpp", "bytes" or "quality"."""
        return str(self._kind.currentData())

    @property
    def rate(self) -> Rate:
        """What is asked for, as codecs take it."""
        value = self._values[self.kind]
        if self.kind == "quality":
            return Rate(quality=value)
        return Rate(bpp=value) if self.kind == "bpp" else Rate(bytes=max(round(value * 1000), 1))

    def set_pixels(self, count: int) -> None:
        """The open picture's pixels, 0 without one: the slider reaches the same rates in bytes as in bpp."""
        self._pixels = count or _USUAL_PIXELS

    def show_rate(self, rate: Rate) -> None:
        """Show a rate without telling anyone. One that is shown already leaves alone what a person types."""
        for id, value in (("quality", rate.quality), ("bpp", rate.bpp), ("bytes", rate.bytes)):
            if value is not None:
                self._values[id] = value / 1000 if id == "bytes" else float(value)
                self._kind.setCurrentIndex(max(self._kind.findData(id), 0))
        if self.rate != self._shown:
            self._write_number()
        self._slider.blockSignals(True)
        self._slider.setValue(round(self._share(self._values[self.kind]) * _STEPS))
        self._slider.blockSignals(False)

    def _write_number(self) -> None:
        kind = _KINDS[self.kind]
        self._shown = self.rate
        self._spin.blockSignals(True)
        self._spin.setDecimals(kind.digits)
        self._spin.setRange(kind.lowest, kind.highest)
        self._spin.setSingleStep(kind.step)
        self._spin.setSuffix(kind.suffix)
        self._spin.setValue(self._values[kind.id])
        self._spin.blockSignals(False)

    def _kind_chosen(self) -> None:
        """A size stays the same size in the other unit."""
        bits = 8000 / self._pixels  # a pixel has in a file of 1 kB
        if self._spin.suffix() == _KINDS["bytes"].suffix:
            self._values["bpp"] = max(round(self._values["bytes"] * bits, 3), _KINDS["bpp"].lowest)
        elif self.kind == "bytes":
            self._values["bytes"] = max(round(self._values["bpp"] / bits, 2), _KINDS["bytes"].lowest)
        self.show_rate(self.rate)
        self.changed.emit(self.rate, False)

    def _slid(self, position: int) -> None:
        share = position / _STEPS
        if self.kind == "quality":
            value = round(share * 100, 1)
        else:
            lowest, highest = self._ends()
            value = float(f"{lowest * (highest / lowest) ** share:.3g}")
        self._values[self.kind] = value
        self._write_number()
        self.changed.emit(self.rate, True)

    def _released(self) -> None:
        self.changed.emit(self.rate, False)

    def _typed(self, value: float) -> None:
        self._values[self.kind] = value
        self.show_rate(self.rate)
        self.changed.emit(self.rate, True)

    def _ends(self) -> tuple[float, float]:
        """The sizes at the slider's ends, in bpp or kB."""
        by = self._pixels / 8000 if self.kind == "bytes" else 1.0
        return LOWEST_BPP * by, HIGHEST_BPP * by

    def _share(self, value: float) -> float:
        """Where the slider stands. Sizes are judged by ratio, so for them it is logarithmic."""
        if self.kind == "quality":
            return value / 100
        lowest, highest = self._ends()
        share = math.log(max(value, 1e-6) / lowest) / math.log(highest / lowest)
        return min(max(share, 0.0), 1.0)
