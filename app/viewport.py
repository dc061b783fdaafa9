"""Which part of the picture is seen, how large, and in which mode? Shared by all ways of comparing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from PySide6.QtCore import QObject, QPointF, QRectF, QSizeF, Signal

from app.kinds import Kind

SMALLEST, LARGEST = 1 / 64, 64.0
ZOOM_STEP = 2**0.25
_ROUNDING = 1e-6  # far below what the finest wheel turns, or the scale would never leave 100% again
GAINS = (1, 2, 4, 8, 16)


class Mode(Enum):
    """How two pictures are compared."""

    SPLIT = "split"
    SIDE = "side"
    FLICKER = "flicker"
    DIFFERENCE = "difference"


@dataclass(frozen=True)
class Pane:
    """A part of the canvas: `rect` in widget coordinates; `which` is "left", "right" or "difference"."""

    rect: QRectF
    which: str


class Viewport(QObject):
    """scale: device pixels a picture pixel; centre: the picture point in the middle of each pane;
    ratio: device pixels a widget coordinate.

    Survives every change of mode, side and result. While `fitted`, it follows the window's size.
    """

    changed = Signal()
    mode_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.scale = 1.0
        self.centre = QPointF()
        self.fitted = True
        self.split = 0.5  # share of the width (or height) that shows the left side
        self.extra: tuple[str, ...] = ()  # what side by side shows after both sides
        self.across = False  # the split line runs from left to right; the left side is above it
        self.mode = Mode.SPLIT
        self.flicker_right = False  # which side flicker mode shows
        self.original_held = False
        self.kind = Kind.ABSOLUTE  # what difference mode shows
        self._gains = {Kind.ABSOLUTE: 4, Kind.SIGNED: 4, Kind.PERCEPTUAL: 1}
        self._picture = QSizeF()
        self._pane = QSizeF()  # device pixels
        self.ratio = 1.0

    # What the canvas tells

    def set_picture(self, width: int, height: int) -> None:
        """A picture of another size fits the window anew; one of the same size keeps the view."""
        size = QSizeF(width, height)
        if size != self._picture:
            self._picture = size
            self.fitted = True
            self.split = 0.5
            self._refit()
        self.changed.emit()

    def set_canvas(self, size: QSizeF, ratio: float) -> None:
        """The canvas's size in widget coordinates and its device pixels for each."""
        self.ratio = ratio
        width = size.width() / self._columns if self.mode is Mode.SIDE else size.width()
        self._pane = QSizeF(width * ratio, size.height() * ratio)
        self._refit()

    # What a person does

    def set_mode(self, mode: Mode) -> None:
        """Change the way of comparing; scale and centre stay."""
        if mode is self.mode:
            return
        if Mode.SIDE in {mode, self.mode}:
            factor = 1 / self._columns if mode is Mode.SIDE else self._columns
            self._pane = QSizeF(self._pane.width() * factor, self._pane.height())
        self.mode = mode
        self._refit()
        self.mode_changed.emit()
        self.changed.emit()

    def show_side(self, right: bool) -> None:
        """Show one side alone over the whole canvas."""
        self.flicker_right = right
        self.set_mode(Mode.FLICKER)
        self.changed.emit()

    def hold_original(self, held: bool) -> None:
        """Show the original in place of everything while a key is down."""
        if held != self.original_held:
            self.original_held = held
            self.changed.emit()

    def set_split(self, share: float) -> None:
        """Move the split line, 0 at the left (upper) and 1 at the right (lower) edge."""
        self.split = min(max(share, 0.0), 1.0)
        self.changed.emit()

    def set_line(self, share: float, across: bool) -> None:
        """Put the split line back where and as it was."""
        self.across = across
        self.set_split(share)

    def turn_split(self) -> None:
        """Turn the split line: upright or across."""
        self.across = not self.across
        if self.mode is Mode.SPLIT:
            self.changed.emit()
        else:
            self.set_mode(Mode.SPLIT)

    def set_extra(self, names: tuple[str, ...]) -> None:
        """Show more pictures beside both sides in side by side."""
        if names == self.extra:
            return
        before, self.extra = self._columns, names
        if self.mode is Mode.SIDE:
            self._pane = QSizeF(self._pane.width() * before / self._columns, self._pane.height())
            self._refit()
        self.changed.emit()

    @property
    def _columns(self) -> int:
        return 2 + len(self.extra)

    @property
    def gain(self) -> int:
        """How much the difference is amplified: 1, 2, 4, 8 or 16. Each kind has its own."""
        return self._gains[self.kind]

    @property
    def gains(self) -> tuple[int, ...]:
        """How much each kind of difference is amplified, in the order of `Kind`."""
        return tuple(self._gains[kind] for kind in Kind)

    def set_gain(self, gain: int) -> None:
        """Amplify the difference."""
        self._gains[self.kind] = gain
        self.changed.emit()

    def set_difference(self, kind: Kind, gains: tuple[int, ...]) -> None:
        """Put back which difference is shown in its mode and how much each kind is amplified."""
        self._gains = dict(zip(Kind, gains, strict=True))
        other, self.kind = kind is not self.kind, kind
        if other and self.mode is Mode.DIFFERENCE:
            self.mode_changed.emit()
        self.changed.emit()

    def set_kind(self, kind: Kind) -> None:
        """Show another kind of difference, also where something else was shown."""
        if kind is self.kind and self.mode is Mode.DIFFERENCE:
            return
        self.kind = kind
        if self.mode is Mode.DIFFERENCE:
            self.mode_changed.emit()
            self.changed.emit()
        else:
            self.set_mode(Mode.DIFFERENCE)

    def fit(self) -> None:
        """Show the whole picture, never above 100% unless it is tiny, and follow the window from now on."""
        self.fitted = True
        self._refit()
        self.changed.emit()

    def zoom_to(self, scale: float) -> None:
        """Set the scale about the middle."""
        self.fitted = False
        self.scale = min(max(scale, SMALLEST), LARGEST)
        self._clamp()
        self.changed.emit()

    def zoom_by(self, factor: float) -> None:
        """Zoom by a factor about the middle."""
        self.zoom_to(self._stepped(factor))

    def zoom_at(self, factor: float, at: QPointF, pane: QRectF) -> None:
        """Zoom by a factor and keep the picture point under `at` (widget coordinates) where it is."""
        fixed = self.to_picture(at, pane)
        self.scale = min(max(self._stepped(factor), SMALLEST), LARGEST)
        self.fitted = False
        offset = (at - pane.center()) * self.ratio / self.scale
        self.centre = fixed - offset
        self._clamp()
        self.changed.emit()

    def pan(self, by: QPointF) -> None:
        """Move the picture by widget coordinates."""
        self.fitted = False
        self.centre -= by * self.ratio / self.scale
        self._clamp()
        self.changed.emit()

    def look_at(self, point: QPointF) -> None:
        """Bring a picture point to the middle."""
        self.fitted = False
        self.centre = QPointF(point)
        self._clamp()
        self.changed.emit()

    # Geometry

    @property
    def whole(self) -> QRectF:
        """The picture, in its own coordinates."""
        return QRectF(QPointF(), self._picture)

    def panes(self, size: QSizeF) -> list[Pane]:
        """The parts of a canvas of this size in widget coordinates."""
        whole = QRectF(0, 0, size.width(), size.height())
        if self.mode is Mode.SIDE:
            names = ("left", "right", *self.extra)
            edges = [round(size.width() * at / len(names)) for at in range(len(names) + 1)]
            return [
                Pane(QRectF(edges[at], 0, edges[at + 1] - edges[at], size.height()), name)
                for at, name in enumerate(names)
            ]
        if self.mode is Mode.DIFFERENCE:
            return [Pane(whole, "difference")]
        if self.mode is Mode.FLICKER:
            return [Pane(whole, "right" if self.flicker_right else "left")]
        if self.across:
            at = round(size.height() * self.split)
            return [
                Pane(QRectF(0, 0, size.width(), at), "left"),
                Pane(QRectF(0, at, size.width(), size.height() - at), "right"),
            ]
        at = round(size.width() * self.split)
        return [
            Pane(QRectF(0, 0, at, size.height()), "left"),
            Pane(QRectF(at, 0, size.width() - at, size.height()), "right"),
        ]

    def frame(self, pane: Pane, size: QSizeF) -> QRectF:
        """The rectangle whose middle is `centre` for a pane: the whole canvas, except side by side."""
        return pane.rect if self.mode is Mode.SIDE else QRectF(0, 0, size.width(), size.height())

    def to_picture(self, at: QPointF, frame: QRectF) -> QPointF:
        """Widget coordinates to picture coordinates."""
        return self.centre + (at - frame.center()) * self.ratio / self.scale

    def to_widget(self, point: QPointF, frame: QRectF) -> QPointF:
        """Picture coordinates to widget coordinates, the picture's corner on a whole device pixel.

        Whole, because at 100% and above every picture pixel must then cover equal screen pixels.
        """
        corner = frame.center() * self.ratio - self.centre * self.scale
        corner = QPointF(round(corner.x()), round(corner.y()))
        return (corner + point * self.scale) / self.ratio

    def visible(self, frame: QRectF) -> QRectF:
        """The picture rectangle a frame shows, cut to the picture."""
        seen = QRectF(self.to_picture(frame.topLeft(), frame), self.to_picture(frame.bottomRight(), frame))
        return seen.intersected(QRectF(QPointF(), self._picture))

    def _stepped(self, factor: float) -> float:
        """The scale times a factor; 100%, where pixels are themselves, is never passed without a stop."""
        scale = self.scale * factor
        passed = self.scale < 1.0 < scale or scale < 1.0 < self.scale
        return 1.0 if passed or abs(scale - 1.0) < _ROUNDING else scale

    def _refit(self) -> None:
        if not self.fitted or self._picture.isEmpty() or self._pane.isEmpty():
            return
        scale = min(self._pane.width() / self._picture.width(), self._pane.height() / self._picture.height())
        # Magnifying by anything but a whole number would make unequal pixels.
        self.scale = max(scale, SMALLEST) if scale < 1 else float(min(int(scale), 4) if scale >= 2 else 1)
        self.centre = QPointF(self._picture.width() / 2, self._picture.height() / 2)

    def _clamp(self) -> None:
        """Never lose the picture: its middle half cannot leave the pane."""
        self.centre = QPointF(
            min(max(self.centre.x(), 0.0), self._picture.width()),
            min(max(self.centre.y(), 0.0), self._picture.height()),
        )
