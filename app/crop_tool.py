"""How are crop boxes drawn, moved and resized on the picture? With the mouse, or Alt and the arrows."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, QSizeF, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QKeyEvent, QMouseEvent, QPainter, QPen

from app.canvas import Canvas
from app.crops import SMALLEST, Crop, Crops
from app.layers import INK, PAPER, Layer, draw_tag, small_font

SELECTED = QColor(0, 190, 255)
_HALO = QColor(0, 0, 0, 150)
_REACH = 6.0  # widget pixels from an edge that still take hold of it
_CLICK = 4.0  # a shorter way between press and release is a click
_TIMES = "\N{MULTIPLICATION SIGN}"
_WAYS: dict[int, tuple[int, int]] = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
_CURSORS = {
    (1, 1): Qt.CursorShape.SizeFDiagCursor,
    (-1, -1): Qt.CursorShape.SizeFDiagCursor,
    (1, -1): Qt.CursorShape.SizeBDiagCursor,
    (-1, 1): Qt.CursorShape.SizeBDiagCursor,
    (1, 0): Qt.CursorShape.SizeHorCursor,
    (-1, 0): Qt.CursorShape.SizeHorCursor,
    (0, 1): Qt.CursorShape.SizeVerCursor,
    (0, -1): Qt.CursorShape.SizeVerCursor,
    (0, 0): Qt.CursorShape.SizeAllCursor,
}


@dataclass(frozen=True)
class _Grip:
    """What a drag holds: a box as it was, by which corner or edge; (0, 0) moves the whole, None makes one."""

    crop: Crop | None
    edge: tuple[int, int]
    start: QPointF  # picture coordinates
    frame: QRectF


class CropMarks(Layer):
    """Draws the boxes: the selected one bright with handles, proposals dashed, each with its name."""

    def __init__(self, canvas: Canvas, crops: Crops) -> None:
        super().__init__(canvas)
        self._crops = crops
        self.band: QRectF | None = None  # a box that is being drawn, in picture coordinates

    def paint(self, painter: QPainter, which: str, clip: QRectF, frame: QRectF) -> None:
        """Draw the boxes over one picture."""
        painter.save()
        painter.setClipRect(clip)
        selected = self._crops.selected
        others = [crop for crop in self._crops.all() if crop != selected]
        for crop in (*others, selected) if selected is not None else others:
            self._draw(painter, crop, frame, crop == selected)
        if self.band is not None:
            band = self.band
            rect = self.placed(band.x(), band.y(), band.width(), band.height(), frame)
            self._outline(painter, rect, SELECTED, dashed=False)
            size = f"{round(self.band.width())} {_TIMES} {round(self.band.height())}"
            draw_tag(painter, size, rect.bottomLeft() + QPointF(0, 4), small_font(self.canvas.font()))
        painter.restore()

    def rect(self, crop: Crop, frame: QRectF) -> QRectF:
        """Where a box is, in widget coordinates."""
        return self.placed(crop.x, crop.y, crop.width, crop.height, frame)

    def tag(self, crop: Crop, frame: QRectF) -> QRectF:
        """Where its name is."""
        metrics = QFontMetricsF(small_font(self.canvas.font()))
        size = QSizeF(metrics.horizontalAdvance(crop.name) + 10, metrics.height() + 4)
        corner = self.rect(crop, frame).topLeft() - QPointF(1, size.height() + 2)
        corner.setY(max(corner.y(), 0.0) if corner.y() > -2 * size.height() else corner.y())
        return QRectF(corner, size)

    def _draw(self, painter: QPainter, crop: Crop, frame: QRectF, selected: bool) -> None:
        rect = self.rect(crop, frame)
        colour = SELECTED if selected else INK
        self._outline(painter, rect, colour, self._crops.proposed(crop.name))
        tag = self.tag(crop, frame)
        ink, paper = (QColor(10, 20, 30), SELECTED) if selected else (INK, PAPER)
        draw_tag(painter, crop.name, tag.topLeft(), small_font(self.canvas.font()), ink, paper)
        if selected and min(rect.width(), rect.height()) >= 6 * _REACH:
            painter.setPen(QPen(_HALO, 1))
            painter.setBrush(SELECTED)
            for across in (rect.left(), rect.center().x(), rect.right()):
                for down in (rect.top(), rect.center().y(), rect.bottom()):
                    if QPointF(across, down) != rect.center():
                        painter.drawRect(QRectF(across - 3, down - 3, 6, 6))
            painter.setBrush(Qt.BrushStyle.NoBrush)

    def _outline(self, painter: QPainter, rect: QRectF, colour: QColor, dashed: bool) -> None:
        """A line around the box: its pixels stay to be seen."""
        around = rect.adjusted(-1, -1, 1, 1)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(_HALO, 4))
        painter.drawRect(around)
        painter.setPen(QPen(colour, 2, Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine))
        painter.drawRect(around)


class CropTool(QObject):
    """Watches the canvas's mouse and keys. While drawing, a drag makes a box; else it moves one."""

    drawing_changed = Signal()
    naming_wanted = Signal(str)

    def __init__(self, canvas: Canvas, crops: Crops) -> None:
        super().__init__(canvas)
        self._canvas, self._crops = canvas, crops
        self.marks = CropMarks(canvas, crops)
        self.drawing = False
        self._grip: _Grip | None = None
        self._pressed: QPointF | None = None
        canvas.layers.append(self.marks)
        canvas.installEventFilter(self)
        crops.changed.connect(canvas.update)
        crops.selection_changed.connect(canvas.update)
        crops.picture_changed.connect(self._let_go)

    def set_drawing(self, drawing: bool) -> None:
        """Begin or stop drawing a box; it ends by itself with the box."""
        self._let_go()
        if drawing == self.drawing:
            return
        self.drawing = drawing
        self._canvas.setCursor(Qt.CursorShape.CrossCursor if drawing else Qt.CursorShape.ArrowCursor)
        self.drawing_changed.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Takes what concerns boxes and leaves the rest to the canvas."""
        if isinstance(event, QMouseEvent) and self._canvas.chrome:
            hand = {
                QEvent.Type.MouseButtonPress: self._press,
                QEvent.Type.MouseMove: self._move,
                QEvent.Type.MouseButtonRelease: self._release,
                QEvent.Type.MouseButtonDblClick: self._double_click,
            }.get(event.type())
            return hand(event) if hand is not None else False
        if not isinstance(event, QKeyEvent):
            return False
        if event.type() is QEvent.Type.KeyPress:
            return self._key(event)
        if self.drawing and event.key() == Qt.Key.Key_Escape:
            event.accept()  # the key is not the one of Cancel now
            return True
        return False

    # The mouse

    def _let_go(self) -> None:
        """Whatever is dragged is dragged no more."""
        self._grip, self._pressed, self.marks.band = None, None, None
        self._canvas.update()

    def _press(self, event: QMouseEvent) -> bool:
        at = event.position()
        if event.button() is not Qt.MouseButton.LeftButton:
            return False
        self._pressed = at
        frame = self._canvas.frame_at(at)
        if self.drawing:
            self._grip = _Grip(None, (1, 1), self._point(at, frame), frame)
            return True
        held = self._held(at, frame)
        if held is None:
            return False
        crop, edge = held
        self._crops.select(crop.name)
        self._grip = _Grip(crop, edge, self._point(at, frame), frame)
        return True

    def _move(self, event: QMouseEvent) -> bool:
        if self._grip is not None and not event.buttons() & Qt.MouseButton.LeftButton:
            self._let_go()  # it was let go where nobody told of it
        at, grip = event.position(), self._grip
        if grip is None:
            frame = self._canvas.frame_at(at)
            held = None if event.buttons() or self.drawing else self._held(at, frame)
            if held is None and not self.drawing:
                return False
            self._canvas.mouseMoveEvent(event)  # tells what is under the cursor
            shape = Qt.CursorShape.CrossCursor if held is None else _CURSORS[held[1]]
            self._canvas.setCursor(shape)
            return True
        point = self._point(at, grip.frame)
        square = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if grip.crop is None:
            self.marks.band = _between(grip.start, point, square).intersected(self._canvas.viewport.whole)
            self._canvas.update()
        else:
            self._crops.place(grip.crop.name, *_dragged(grip.crop, grip.edge, point - grip.start))
        return True

    def _release(self, event: QMouseEvent) -> bool:
        grip, pressed, band = self._grip, self._pressed, self.marks.band
        self._let_go()
        if event.button() is not Qt.MouseButton.LeftButton or pressed is None:
            return False
        if grip is not None:
            if grip.crop is None:
                self._finish(band)
            return True
        if (event.position() - pressed).manhattanLength() <= _CLICK:
            self._select_at(event.position())
        return False

    def _finish(self, band: QRectF | None) -> None:
        """Make the box that was drawn; a mere click makes none, and drawing goes on."""
        if band is None or max(band.width(), band.height()) < SMALLEST:
            return
        rect = band.toRect()
        self.set_drawing(False)
        self._crops.add(rect.x(), rect.y(), rect.width(), rect.height())

    def _double_click(self, event: QMouseEvent) -> bool:
        """On a name: to change it."""
        frame = self._canvas.frame_at(event.position())
        for crop in self._crops.all():
            if not self.drawing and self.marks.tag(crop, frame).contains(event.position()):
                self.naming_wanted.emit(crop.name)
                return True
        return self.drawing

    def _select_at(self, at: QPointF) -> None:
        """The smallest box there."""
        point = self._point(at, self._canvas.frame_at(at))
        there = [crop for crop in self._crops.all() if crop.holds(point.x(), point.y())]
        if there:
            self._crops.select(min(there, key=lambda crop: crop.width * crop.height).name)

    def _held(self, at: QPointF, frame: QRectF) -> tuple[Crop, tuple[int, int]] | None:
        """The box to take hold of and by what: the selected one first, any one by its name."""
        selected = self._crops.selected
        if selected is not None and (edge := _edge(self.marks.rect(selected, frame), at)) is not None:
            return selected, edge
        for crop in self._crops.all():
            if self.marks.tag(crop, frame).contains(at):
                return crop, (0, 0)
        return None

    def _point(self, at: QPointF, frame: QRectF) -> QPointF:
        return self._canvas.viewport.to_picture(at, frame)

    # The keyboard

    def _key(self, event: QKeyEvent) -> bool:
        if self.drawing and event.key() == Qt.Key.Key_Escape:
            self.set_drawing(False)
            return True
        way, crop = _WAYS.get(event.key()), self._crops.selected
        if way is None or crop is None or not event.modifiers() & Qt.KeyboardModifier.AltModifier:
            return False
        x, y = way
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._crops.place(crop.name, crop.x, crop.y, crop.width + x, crop.height + y)
        else:
            self._crops.place(crop.name, crop.x + x, crop.y + y, crop.width, crop.height)
        return True


def _between(start: QPointF, end: QPointF, square: bool) -> QRectF:
    """Whole pixels from one point to another."""
    by = end - start
    if square:
        side = max(abs(by.x()), abs(by.y()))
        by = QPointF(side if by.x() >= 0 else -side, side if by.y() >= 0 else -side)
    return QRectF(QRectF(start, start + by).normalized().toAlignedRect())


def _edge(rect: QRectF, at: QPointF) -> tuple[int, int] | None:
    """The corner or edge of a rectangle near a point: -1, 0 or 1 across and down; None off its outline."""
    if not rect.adjusted(-_REACH, -_REACH, _REACH, _REACH).contains(at):
        return None
    inner = min(_REACH, rect.width() / 4, rect.height() / 4)  # a small box keeps an inside

    def near(place: float, low: float, high: float) -> int:
        return -1 if place <= low + inner else 1 if place >= high - inner else 0

    edge = near(at.x(), rect.left(), rect.right()), near(at.y(), rect.top(), rect.bottom())
    return edge if edge != (0, 0) else None


def _dragged(crop: Crop, edge: tuple[int, int], by: QPointF) -> tuple[int, int, int, int]:
    """Where a box is after its edge, or the whole of it, was dragged; an edge never passes the opposite."""
    x, y = round(by.x()), round(by.y())
    if edge == (0, 0):
        return crop.x + x, crop.y + y, crop.width, crop.height
    left, right = _stretched(crop.x, crop.right, edge[0], x)
    top, bottom = _stretched(crop.y, crop.bottom, edge[1], y)
    return left, top, right - left, bottom - top


def _stretched(low: int, high: int, which: int, by: int) -> tuple[int, int]:
    if which < 0:
        return max(min(low + by, high - SMALLEST), 0), high
    return (low, max(high + by, low + SMALLEST)) if which > 0 else (low, high)
