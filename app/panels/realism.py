"""How faithful or how realistic shall a side's file be decoded? A slider, for codecs that can do both."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QWidget

from app.state import SideView
from models.codec import plain

_STEPS = 20
_TIP = (
    "Decode the same file faithful (0) or realistic (1): nothing is encoded again.\n"
    "Between the ends lie decoders whose weights are interpolated."
)


class RealismControl(QWidget):
    """Emits `changed` while a person drags; `dragging` tells that more will follow.

    Hidden for codecs that decode in one way only.
    """

    changed = Signal(float, bool)  # realism 0..1, dragging

    def __init__(self, letter: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        name = QLabel("Realism")
        name.setObjectName("quiet")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setPageStep(_STEPS // 4)
        self.slider.setAccessibleName(f"Realism of side {letter}")
        self._number = QLabel()
        self._number.setObjectName("quiet")
        self._number.setMinimumWidth(self._number.fontMetrics().horizontalAdvance("0.00"))
        self._number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.setToolTip(_TIP)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(name)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self._number)
        self.slider.valueChanged.connect(self._slid)
        self.slider.sliderReleased.connect(lambda: self.changed.emit(self.share, False))
        self._codec = ""  # the choice that offered it last
        self.hide()

    @property
    def share(self) -> float:
        """What is asked for."""
        return self.slider.value() / _STEPS

    def show_view(self, view: SideView) -> None:
        """Show a side's realism without telling anyone. While it works on another rate it stays as it was."""
        if view.coded is not None and not view.stale:
            self._codec = plain(view.choice.codec) if view.coded.realistic else ""
        self.setVisible(self._codec != "" and self._codec == plain(view.choice.codec))
        self.slider.blockSignals(True)
        self.slider.setValue(round(view.choice.realism * _STEPS))
        self.slider.blockSignals(False)
        self._number.setText(f"{view.choice.realism:.2f}")

    def _slid(self, _: int) -> None:
        self._number.setText(f"{self.share:.2f}")
        self.changed.emit(self.share, True)
