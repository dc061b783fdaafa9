"""How does what is too high for a low window or screen stay reachable? It scrolls, and only then."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget


class Scrolling(QScrollArea):
    """Wishes to be as large as what it holds, and shows the ground behind it."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self._content = content
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setWidget(content)
        for ground in (self.viewport(), content):
            ground.setAutoFillBackground(False)

    def sizeHint(self) -> QSize:  # noqa: N802
        """With room for the bar, so that what is only too high is not too wide then."""
        return self._content.sizeHint() + QSize(self.verticalScrollBar().sizeHint().width(), 0)
