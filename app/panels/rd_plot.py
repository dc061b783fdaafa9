"""How good is each codec at each size that was tried? The rate-distortion plot of the open picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QCheckBox, QComboBox, QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app import text
from app.panels.metrics import metric_tip
from app.points import Point
from app.state import METRICS
from app.theme import is_dark
from models.codec import CATALOGUE, REFINED, entry
from models.metrics import TABLE

HEIGHT = 196
# After Okabe and Ito (2008), for colour-blind people too; the blue lighter, to be seen in the dark.
_COLOURS = ("#d55e00", "#2f8fd6", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_SHAPES = ("o", "s", "t", "d", "star", "p", "h")
_SIGNS = dict(zip(_SHAPES, "\u25cf\u25a0\u25bc\u25c6\u2605\u2b1f\u2b22", strict=True))
_HOLLOW = dict(zip(_SHAPES, "\u25cb\u25a1\u25bd\u25c7\u2606\u2b20\u2b21", strict=True))


@dataclass(frozen=True)
class _Look:
    """How a codec's points are drawn.

    Hollow and with a broken line: realistic decoders of its files; darker and with a dotted one: refined.
    """

    colour: QColor
    shape: str
    hollow: bool = False
    refined: bool = False

    @property
    def line(self) -> Qt.PenStyle:
        """How its points are joined."""
        if self.hollow:
            return Qt.PenStyle.DashLine
        return Qt.PenStyle.DotLine if self.refined else Qt.PenStyle.SolidLine

    @property
    def sign(self) -> str:
        """The shape as a letter."""
        return (_HOLLOW if self.hollow else _SIGNS)[self.shape]


class RdPlot(QFrame):
    """A curve for each codec and realism; the points the sides show are larger. Up is always better."""

    metric_chosen = Signal(str)
    point_chosen = Signal(object)  # Point

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        title = QLabel("Rate and quality")
        title.setObjectName("heading")
        self.choice = QComboBox()
        self.choice.setAccessibleName("Metric of the plot")
        for id in METRICS:
            self.choice.addItem(TABLE[id].label, id)
            self.choice.setItemData(self.choice.count() - 1, metric_tip(id), Qt.ItemDataRole.ToolTipRole)
        self.log = QCheckBox("log")
        self.log.setToolTip("Equal ratios of the size are equally far apart")
        self.log.setAccessibleName("Logarithmic size axis")
        self.hint = QLabel("Every size you try becomes a point.")
        self.hint.setObjectName("quiet")
        self.hint.setTextFormat(Qt.TextFormat.RichText)
        self.hint.setWordWrap(True)
        head = QHBoxLayout()
        head.addWidget(title, 1)
        head.addWidget(self.log)
        head.addWidget(self.choice)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(12, 8, 8, 8)
        self._layout.addLayout(head)
        self._layout.addWidget(self.hint)
        self._plot: Any = None
        self._points: Mapping[str, Sequence[Point]] = {}
        self.choice.activated.connect(lambda _: self.metric_chosen.emit(self.metric_id))
        self.log.toggled.connect(lambda _: self._draw())

    @property
    def metric_id(self) -> str:
        """Which metric is shown."""
        return str(self.choice.currentData())

    @property
    def points(self) -> list[Point]:
        """What is drawn."""
        return [point for curve in self._points.values() for point in curve]

    def show_points(self, points: Mapping[str, Sequence[Point]]) -> None:
        """Draw curves, see `points_of`. Nothing is drawn while the plot is hidden."""
        if points != self._points:
            self._points = points
            self._draw()

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """The first time, load the plotting library."""
        super().showEvent(event)
        if self._plot is None:
            self._plot = _new_plot()
            self._layout.addWidget(self._plot)
            self._layout.removeWidget(self.hint)
            self._layout.addWidget(self.hint)
        self._draw()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Another theme has other colours."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "_plot"):
            self._draw()

    def pick(self, point: Point) -> None:
        """What a click on a point does; after the click, as the point itself is drawn anew by that."""
        QTimer.singleShot(0, self, lambda: self.point_chosen.emit(point))

    def _draw(self) -> None:
        if self._plot is None or not self.isVisible():
            return

        item = self._plot.getPlotItem()
        item.clear()
        metric = TABLE[self.metric_id]
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        self._plot.setBackground(QColor("#323235" if is_dark(self.palette()) else "#ffffff"))
        for name in ("bottom", "left"):
            axis = item.getAxis(name)
            axis.setPen(QColor(128, 128, 128))
            axis.setTextPen(ink)
        item.setLabel("bottom", "bits per pixel")
        item.setLogMode(x=self.log.isChecked(), y=False)
        item.getViewBox().invertY(not metric.higher_is_better)
        for name, curve in self._points.items():
            item.addItem(self._curve(_look(name), metric.label, curve, ink))
        self.hint.setText(self._legend() if self._points else "Every size and codec you try becomes a point.")

    def _curve(self, look: _Look, metric: str, curve: Sequence[Point], ink: QColor) -> Any:
        import pyqtgraph

        finite = [point for point in curve if math.isfinite(point.value)]
        colour = look.colour
        drawn = pyqtgraph.PlotDataItem(
            [point.bpp for point in finite],
            [point.value for point in finite],
            data=finite,
            pen=pyqtgraph.mkPen(colour, width=1.5, style=look.line),
            symbol=look.shape,
            symbolBrush=None if look.hollow else colour,
            symbolPen=[_outline(look, point, ink) for point in finite],
            symbolSize=[12 if point.sides else 7 for point in finite],
        )
        drawn.scatter.setData(hoverable=True, tip=_tip_of(metric))
        drawn.sigPointsClicked.connect(lambda _, spots, *__: self.pick(spots[0].data()))
        return drawn

    def _legend(self) -> str:
        names = []
        for name, curve in self._points.items():
            look = _look(name)
            sign = f"<span style='color:{look.colour.name()}'>{look.sign}</span>"
            names.append(f"{sign}&nbsp;{escape(curve[0].name).replace(' ', '&nbsp;')}")
        return "&nbsp; ".join(names) + "<br>Click a point to show it."


def _outline(look: _Look, point: Point, ink: QColor) -> Any:
    """A pen: what a side shows stands out, filled points by an outline, hollow ones by a thick one."""
    import pyqtgraph

    if look.hollow:
        return pyqtgraph.mkPen(look.colour, width=2.5 if point.sides else 1.5)
    return pyqtgraph.mkPen(ink if point.sides else look.colour, width=1.5)


def _look(curve: str) -> _Look:
    codec, _, realism = curve.partition("+")
    refined = REFINED in codec
    at = CATALOGUE.index(entry(codec))
    colour = QColor(_COLOURS[at % len(_COLOURS)])
    return _Look(
        colour.darker(150) if refined else colour, _SHAPES[at % len(_SHAPES)], bool(realism), refined
    )


def _new_plot() -> Any:
    import pyqtgraph

    plot = pyqtgraph.PlotWidget()
    plot.setFixedHeight(HEIGHT)
    plot.setAccessibleName("Rate-distortion plot")
    plot.setMenuEnabled(False)
    plot.setMouseEnabled(x=False, y=False)
    plot.hideButtons()
    plot.setAntialiasing(True)
    plot.setFrameShape(QFrame.Shape.NoFrame)
    plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    item = plot.getPlotItem()
    rates = item.getAxis("bottom")
    rates.enableAutoSIPrefix(False)
    rates.logTickStrings = lambda values, scale, spacing: [f"{10**value * scale:.2g}" for value in values]
    item.getViewBox().setLimits(minXRange=0.1)  # two files of nearly one size are no wide range
    item.showGrid(x=True, y=True, alpha=0.15)
    item.getViewBox().setDefaultPadding(0.12)
    return plot


def _tip_of(metric: str) -> Any:
    def tip(x: float, y: float, data: Point) -> str:
        shown = f" (side {data.sides})" if data.sides else ""
        return f"{data.name}{shown}\n{text.bpp(data.bpp)} bpp\n{metric} {data.value:.4g}"

    return tip
