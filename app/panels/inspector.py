"""The column beside the picture: the common size, the two sides, and the numbers."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app import text
from app.panels.columns import ColumnsCard
from app.panels.face_card import FaceCard
from app.panels.metrics import MetricsTable, values_of
from app.panels.rate import RateControl
from app.panels.rd_plot import RdPlot
from app.panels.side import SidePanel
from app.panels.wheel import WheelGuard
from app.points import points_of, show_point
from app.raster import Raster
from app.session import Session
from app.state import Side
from models.codec import Rate

PRESETS = (0.075, 0.15, 0.30)
WIDTH = 332


class Inspector(QScrollArea):
    """Shows a session and changes it."""

    def __init__(self, session: Session, lock: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("inspector")
        self._session = session
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedWidth(WIDTH)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.rate = RateControl(with_quality=False)
        self.presets = [_preset(value) for value in PRESETS]
        self.hint = QLabel()
        self.hint.setObjectName("quiet")
        self.sides = {side: SidePanel(side) for side in Side}
        self.metrics = MetricsTable()
        self.plot = RdPlot()
        self.plot.hide()
        self.faces = FaceCard()
        self.columns = ColumnsCard(session.columns)
        self.columns.hide()
        body = QWidget()
        body.setObjectName("inspectorBody")
        column = self._column = QVBoxLayout(body)
        column.setContentsMargins(12, 12, 12, 12)
        column.setSpacing(10)
        column.addWidget(self._size_card(lock))
        for panel in self.sides.values():
            column.addWidget(panel)
        column.addWidget(self.columns)
        self._numbers = self._metrics_card()
        column.addWidget(self._numbers)
        column.addWidget(self.plot)
        column.addWidget(self.faces)
        column.addStretch()
        self.setWidget(body)
        WheelGuard(body)
        self._connect()

    def add_card(self, card: QWidget) -> None:
        """Put a card below those of the sides."""
        self._column.insertWidget(self._column.indexOf(self.columns), card)
        WheelGuard(card)

    def set_save_menus(self, menus: dict[Side, QMenu]) -> None:
        """What the save buttons offer."""
        for side, menu in menus.items():
            self.sides[side].set_save_menu(menu)

    def _size_card(self, lock: QAction) -> QFrame:
        card = QFrame()
        card.setObjectName("card")
        self._title = QLabel()
        self._title.setObjectName("heading")
        button = QToolButton()
        button.setObjectName("flat")
        button.setDefaultAction(lock)
        button.setIconSize(QSize(18, 18))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setAccessibleName("Same size on both sides")
        head = QHBoxLayout()
        head.addWidget(self._title, 1)
        head.addWidget(button)
        row = QHBoxLayout()
        row.setSpacing(6)
        for preset in self.presets:
            row.addWidget(preset)
        row.addStretch()
        row.addWidget(self.hint)
        layout = QVBoxLayout(card)
        layout.setContentsMargins(12, 8, 12, 10)
        layout.setSpacing(7)
        layout.addLayout(head)
        layout.addWidget(self.rate)
        layout.addLayout(row)
        return card

    def _metrics_card(self) -> QFrame:
        card = QFrame()
        card.setObjectName("card")
        layout = QVBoxLayout(card)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addWidget(self.metrics)
        return card

    def _connect(self) -> None:
        session = self._session
        self.rate.changed.connect(lambda rate, dragging: session.set_rate(Side.LEFT, rate, dragging))
        for button, value in zip(self.presets, PRESETS, strict=True):
            button.clicked.connect(lambda _=False, value=value: self.preset(value))
        for side, panel in self.sides.items():
            panel.codec_chosen.connect(lambda codec, side=side: session.choose(side, codec))
            panel.rate_chosen.connect(lambda rate, drag, side=side: session.set_rate(side, rate, drag))
            panel.realism.changed.connect(lambda r, drag, side=side: session.set_realism(side, r, drag))
            panel.cancelled.connect(partial(session.stop, side))
            panel.retried.connect(session.retry)
        self.plot.metric_chosen.connect(self._show_points)
        self.plot.point_chosen.connect(lambda point: show_point(session, point))
        session.side_changed.connect(self._show_side)
        session.side_progressed.connect(self._show_side)
        session.measured.connect(self._show_metrics)
        session.rate_changed.connect(self._show_rate)
        session.picture_changed.connect(self._show_rate)
        session.face_numbers.changed.connect(self._show_faces)
        session.catalogue_changed.connect(self._fill)
        session.picture_changed.connect(self._fill)
        self._fill()
        self._show_rate()
        for side in Side:
            self._show_side(side)
        self._show_metrics()

    def preset(self, bpp: float) -> None:
        """Ask for a common size on both sides; this locks them."""
        if not self._session.locked:
            self._session.set_locked(True)
        self._session.set_rate(Side.LEFT, Rate(bpp=bpp))

    def _fill(self) -> None:
        self.columns.fill(self._session.catalogue.reasons)
        for side in Side:
            self._show_side(side)

    def _show_side(self, side: Side) -> None:
        # A swap, or one taken back, brings the file to the other side, and what can be chosen there with it.
        self.sides[side].fill(self._session.catalogue.reasons, self._session.file(side) is not None)
        self.sides[side].show_view(self._session.view(side), self._session.locked)

    def _show_faces(self) -> None:
        session = self._session
        views = {side: session.view(side) for side in Side}
        self.faces.show_faces(
            session.faces.of(session.picture),
            session.picture,
            {side: view.raster for side, view in views.items()},
            {side: session.face_numbers.of(view) for side, view in views.items()},
        )

    def _show_metrics(self) -> None:
        session = self._session
        views = {side: session.view(side) for side in Side}
        self.metrics.show_values(
            {side: values_of(view, partial(session.measure, side)) for side, view in views.items()}
        )
        session.face_numbers.show(session.picture, list(views.values()))
        self._show_points()

    def _show_points(self, *_: object) -> None:
        if not self.plot.isHidden():
            self.plot.show_points(points_of(self._session, self.plot.metric_id))

    def show_plot(self, shown: bool) -> None:
        """Show or hide the rate-distortion plot; in a low window it takes the place of the numbers."""
        self.plot.setVisible(shown)
        self._make_room()
        self._show_points()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """A higher window has room for both."""
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        if self.plot.isHidden():
            self._numbers.show()
            return
        hidden = self._numbers.isHidden()
        needed = self._column.sizeHint().height() + (self._numbers.sizeHint().height() + 10 if hidden else 0)
        self._numbers.setVisible(needed <= self.viewport().height())

    def _show_rate(self) -> None:
        session = self._session
        locked = session.locked
        pixels = session.picture.width * session.picture.height if session.picture else 0
        for control in (self.rate, *(panel.rate for panel in self.sides.values())):
            control.set_pixels(pixels)
        self._title.setText("Same size on both sides" if locked else "Each side has its own rate")
        self.rate.setVisible(locked)
        if locked:
            self.rate.show_rate(session.rate)
        for button, value in zip(self.presets, PRESETS, strict=True):
            button.setChecked(locked and session.rate.bpp == value)
        picture = session.picture
        self.hint.setText(_in_the_other_unit(session.rate, picture) if picture and locked else "")
        for side in Side:
            self._show_side(side)


def _in_the_other_unit(rate: Rate, picture: Raster) -> str:
    """A size asked for in bits per pixel as bytes, one in bytes as bits per pixel."""
    pixels = picture.width * picture.height
    if rate.bpp is not None:
        return f"\N{ALMOST EQUAL TO} {text.size(round(rate.bpp * pixels / 8))}"
    return f"\N{ALMOST EQUAL TO} {text.bpp(rate.bytes * 8 / pixels)} bpp" if rate.bytes is not None else ""


def _preset(value: float) -> QPushButton:
    button = QPushButton(f"{value:.3f}" if value < 0.1 else f"{value:.2f}")
    button.setCheckable(True)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setToolTip(f"{value:g} bits per pixel, a size of the PO-ELIC comparison")
    button.setAccessibleName(f"{value:g} bits per pixel")
    button.setStyleSheet("QPushButton { padding: 3px 8px; }")
    return button
