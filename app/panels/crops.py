"""How does the same crop look in every codec? The strip under the picture."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QStyle,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.crops import Crop
from app.panels.box_tabs import BoxTabs
from app.panels.tile import TileButton
from app.panels.wheel import WheelGuard
from app.session import Session
from app.tiles import Tile, crop_psnr, tiles_of

ZOOMS = (2, 3, 4, 6, 8)
LARGEST = 8
HEIGHT = 264
PAUSE_MS = 120  # without a change, before large boxes are measured
_TIMES = "\N{MULTIPLICATION SIGN}"
_HINT = (
    "Draw a box on the picture (C), or find the places where the sides differ most (W): "
    "the same crop of every codec then stands here."
)
_BUTTONS = ("draw_box", "places", "previous_box", "next_box")


class CropStrip(QFrame):
    """The boxes as tabs, and the selected one cut out of the original, both sides and all kept results."""

    looked = Signal(object)  # Crop: bring it to the middle

    def __init__(
        self, session: Session, actions: Mapping[str, QAction], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("strip")
        self.setMinimumHeight(130)
        self._session = session
        self._shown: tuple[list[Tile], Crop, float] | None = None
        self.tabs = BoxTabs(session.crops)
        self.zoom = QComboBox()
        self.zoom.setAccessibleName("Magnification of the crops")
        self.zoom.setToolTip("Magnification of the crops, every pixel a square")
        self.zoom.addItem("Fit", 0)
        for times in ZOOMS:
            self.zoom.addItem(f"{times}{_TIMES}", times)
        self.area = QScrollArea()
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setWidgetResizable(True)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.area.setObjectName("stripArea")
        body = QWidget()
        body.setObjectName("stripBody")
        self._row = QHBoxLayout(body)
        self._row.setContentsMargins(12, 2, 12, 6)
        self._row.setSpacing(14)
        self._row.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.area.setWidget(body)
        self.hint = QLabel(_HINT)
        self.hint.setObjectName("quiet")
        self.hint.setWordWrap(True)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.tiles: list[TileButton] = []
        self._later = QTimer(self, singleShot=True, interval=0)
        self._measuring = QTimer(self, singleShot=True)
        self._arrange(actions)
        WheelGuard(self)
        self._connect()

    def sizeHint(self) -> QSize:  # noqa: N802
        """A row of small crops."""
        return QSize(900, HEIGHT)

    def _arrange(self, actions: Mapping[str, QAction]) -> None:
        head = QHBoxLayout()
        head.setContentsMargins(12, 4, 8, 0)
        head.setSpacing(4)
        head.addWidget(self.tabs, 1)
        for id in _BUTTONS:
            head.addWidget(_button(actions[id]))
        head.addSpacing(6)
        head.addWidget(self.zoom)
        close = QToolButton()
        close.setObjectName("flat")
        close.setIcon(theme.icon("close"))
        close.setIconSize(QSize(18, 18))
        close.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        close.setAccessibleName("Close the strip of crops")
        close.setToolTip("Close the strip; T opens it again")
        close.clicked.connect(actions["strip"].trigger)
        head.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(head)
        layout.addWidget(self.area, 1)
        layout.addWidget(self.hint, 1)

    def _connect(self) -> None:
        session = self._session
        self._later.timeout.connect(self._fill)
        self._measuring.timeout.connect(self._measure)
        self.zoom.currentIndexChanged.connect(self._soon)
        self.tabs.chosen.connect(lambda _: self._look())
        for signal in (
            session.crops.changed,
            session.crops.selection_changed,
            session.picture_changed,
            session.side_changed,
            session.measured,
        ):
            signal.connect(self._soon)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Catch up."""
        super().showEvent(event)
        self._fill()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802
        """Rest."""
        super().hideEvent(event)
        self._later.stop()
        self._measuring.stop()
        self._keep(0)  # or the pictures would stay in memory
        self._shown = None

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Another height has room for another magnification."""
        super().resizeEvent(event)
        self._soon()

    def _soon(self, *_: object) -> None:
        """Many changes at once are shown once."""
        if self.isVisible():
            self._later.start()

    def _fill(self) -> None:
        crop = self._session.crops.selected
        self.hint.setVisible(crop is None)
        self.area.setVisible(crop is not None)
        tiles = tiles_of(self._session, crop) if crop is not None else []
        self._keep(len(tiles))
        if crop is None:
            self._shown = None
            return
        scale = self._scale(crop)
        now = (tiles, crop, scale)
        if now == self._shown:
            return
        self._shown = now
        while len(self.tiles) < len(tiles):
            made = TileButton(self.area)
            made.clicked.connect(self._look)
            self._row.addWidget(made, 0, Qt.AlignmentFlag.AlignTop)
            self.tiles.append(made)
        for button, tile in zip(self.tiles, tiles, strict=True):
            button.show_tile(tile, crop, scale)
        if any(tile.unmeasured for tile in tiles):
            self._measuring.start(PAUSE_MS)

    def _measure(self) -> None:
        """The number of one tile; a box is dragged smoothly because numbers wait for a pause."""
        picture, crop = self._session.picture, self._session.crops.selected
        waiting = next((tile for tile in self._shown[0] if tile.unmeasured), None) if self._shown else None
        if picture is None or crop is None or waiting is None:
            return
        crop_psnr(picture, waiting.raster, crop, now=True)
        self._fill()
        if self._measuring.isActive():
            self._measuring.start(0)  # the next one at the next turn

    def _keep(self, count: int) -> None:
        while len(self.tiles) > count:
            gone = self.tiles.pop()
            self._row.removeWidget(gone)
            gone.hide()
            gone.deleteLater()

    def _scale(self, crop: Crop) -> float:
        chosen = int(self.zoom.currentData())
        if chosen:
            return float(chosen)
        head = self.tiles[0].head if self.tiles else 2 * self.fontMetrics().height()
        margins = self._row.contentsMargins()
        # The bar below is counted in, there or not: it must not come and go with the scale.
        bar = self.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
        room = max(self.area.height() - bar - head - margins.top() - margins.bottom() - 2, 16)
        return float(min(room // crop.height, LARGEST)) if room >= crop.height else room / crop.height

    def _look(self, *_: object) -> None:
        crop = self._session.crops.selected
        if crop is not None:
            self.looked.emit(crop)


def _button(action: QAction) -> QToolButton:
    button = QToolButton()
    button.setObjectName("flat")
    button.setDefaultAction(action)
    button.setIconSize(QSize(18, 18))
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
    button.setAccessibleName(action.text().replace("&", ""))
    return button
