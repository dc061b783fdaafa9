"""Shall a side's codec take its time over the picture? A tick, for codecs that can."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QWidget

from app.state import SideView
from models.codec import REFINED, plain
from models.refined import USUAL_STEPS

_TIP = (
    f"Search for this picture's best latents, in {USUAL_STEPS} steps: a better picture at the same size.\n"
    "Takes from half a minute to many minutes. Decoding takes no longer."
)


class RefineControl(QCheckBox):
    """Emits `chosen` with the codec's id, with or without refinement. Hidden for codecs that cannot."""

    chosen = Signal(str)

    def __init__(self, letter: str, parent: QWidget | None = None) -> None:
        super().__init__("Refine for this picture (slow)", parent)
        self.setToolTip(_TIP)
        self.setAccessibleName(f"Refine side {letter}")
        self._offered = ""  # the codec that offered it last
        self._shown = ""
        self.clicked.connect(self._clicked)
        self.hide()

    def show_view(self, view: SideView) -> None:
        """Show a side's choice without telling anyone. While it works on another rate it stays as it was."""
        self._shown = view.choice.codec
        refined = REFINED in self._shown
        if view.coded is not None and not view.stale:
            self._offered = plain(self._shown) if view.coded.refinable else ""
        if refined:  # whoever asked for it, on the command line say, can take it back
            self._offered = plain(self._shown)
        self.setVisible(self._offered != "" and self._offered == plain(self._shown))
        self.setChecked(refined)

    def _clicked(self, ticked: bool) -> None:
        codec = plain(self._shown)
        self.chosen.emit(f"{codec}{REFINED}{USUAL_STEPS}" if ticked else codec)
