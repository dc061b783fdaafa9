"""Which difference is shown, and how much is it amplified? A card with three buttons and a slider."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from app.kinds import Kind
from app.viewport import GAINS, Mode, Viewport

_TIPS = {
    Kind.ABSOLUTE: ("Absolute", "How far each channel of A is from B"),
    Kind.SIGNED: ("Signed", "Where A is brighter than B, and where darker"),
    Kind.PERCEPTUAL: ("Perceptual", "LPIPS by place: how different it looks.\nZhang et al., CVPR 2018"),
}


class DifferenceCard(QFrame):
    """Shown in difference mode; follows the keys that do the same."""

    def __init__(self, viewport: Viewport, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self._view = viewport
        self.buttons: dict[Kind, QPushButton] = {}
        group = QButtonGroup(self)
        row = QHBoxLayout()
        row.setSpacing(6)
        for kind, (words, tip) in _TIPS.items():
            button = QPushButton(words)
            button.setCheckable(True)
            button.setToolTip(tip)
            button.setAccessibleName(f"{words} difference")
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _=False, kind=kind: viewport.set_kind(kind))
            group.addButton(button)
            row.addWidget(button, 1)
            self.buttons[kind] = button
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, len(GAINS) - 1)
        self.slider.setPageStep(1)
        self.slider.setAccessibleName("Amplification of the difference")
        self.slider.setToolTip("How much the difference is amplified (G, Shift+G)")
        self.slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.value = QLabel()
        self.value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.value.setMinimumWidth(self.value.fontMetrics().horizontalAdvance("\N{MULTIPLICATION SIGN}16 "))
        gain = QHBoxLayout()
        gain.setSpacing(8)
        gain.addWidget(QLabel("Amplified"))
        gain.addWidget(self.slider, 1)
        gain.addWidget(self.value)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 10)
        layout.setSpacing(7)
        layout.addLayout(row)
        layout.addLayout(gain)
        self.slider.valueChanged.connect(self._slid)
        viewport.changed.connect(self._follow)
        viewport.mode_changed.connect(self._follow)
        self._follow()

    def _slid(self, at: int) -> None:
        if GAINS[at] != self._view.gain:
            self._view.set_gain(GAINS[at])

    def _follow(self) -> None:
        view = self._view
        self.setVisible(view.mode is Mode.DIFFERENCE)
        self.buttons[view.kind].setChecked(True)
        self.slider.setValue(GAINS.index(view.gain))
        self.value.setText(f"\N{MULTIPLICATION SIGN}{view.gain}")
