"""The picture area: how are two pictures drawn so that only their codecs differ?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from app.divider import draw_divider, near
from app.layers import Layer
from app.legend import paint_difference
from app.marks import Box, draw
from app.raster import Raster
from app.text import DOT
from app.viewport import ZOOM_STEP, Mode, Pane, Viewport

_MARGIN, _PADDING = 12.0, 8.0
_FEWEST = 5  # letters of a title that still say something, with that of its side
_WAYS: dict[int, QPointF] = {
    Qt.Key.Key_Left: QPointF(-1, 0),
    Qt.Key.Key_Right: QPointF(1, 0),
    Qt.Key.Key_Up: QPointF(0, -1),
    Qt.Key.Key_Down: QPointF(0, 1),
}


@dataclass(frozen=True)
class Label:
    """What is written into a side's corner: a bold title, and a second line."""

    title: str = ""
    line: str = ""


class Canvas(QWidget):
    """Draws rasters by a shared viewport. Knows nothing of codecs: the window tells it what to show."""

    hovered = Signal(object)  # QPoint of the picture, or None

    def __init__(self, viewport: Viewport, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewport = viewport
        self._images: dict[str, tuple[Raster, list[QImage]]] = {}
        self._labels: dict[str, Label] = {}
        self._boxes: tuple[Box, ...] = ()
        self.layers: list[Layer] = []  # drawn in this order, with the chrome
        self.chrome = True
        self.surround = QColor("#202124")
        self._drag_from: QPointF | None = None
        self._cursor: QPointF | None = None
        self._label_boxes: list[QRectF] = []  # where labels stand, and a little around them
        self._splitting = False
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(320, 200)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName("Picture")
        self.setAccessibleDescription("The two sides drawn over each other, divided by the split line")
        viewport.changed.connect(self.update)
        viewport.changed.connect(self._tell_hovered)
        viewport.mode_changed.connect(self._mode_changed)

    # What the window tells

    def show_raster(self, which: str, raster: Raster | None) -> None:
        """Set what "left", "right", "original" or "difference" draws."""
        if raster is self.raster(which):
            return  # drawing a large picture again for nothing would be felt
        if raster is None:
            del self._images[which]
        else:
            self._images[which] = (raster, [_image(raster, k) for k in range(len(raster.levels))])
        self._tell_hovered()
        self.update()

    def show_label(self, which: str, label: Label) -> None:
        """Set what is written into the corner of "left", "right" or "difference"."""
        if self._labels.get(which) != label:
            self._labels[which] = label
            self.update()

    def show_boxes(self, boxes: tuple[Box, ...]) -> None:
        """Set what is marked in every picture."""
        self._boxes = boxes
        self.update()

    def set_chrome(self, shown: bool) -> None:
        """Show or hide labels and the split line's handle."""
        self.chrome = shown
        self.update()

    def raster(self, which: str) -> Raster | None:
        """What is drawn for a name."""
        found = self._images.get(which)
        return found[0] if found else None

    def panes(self) -> list[Pane]:
        """What is drawn where; a side without a picture leaves its room to the other."""
        size = QSizeF(self.size())
        panes = self.viewport.panes(size)
        there = [pane for pane in panes if pane.which in self._images]
        if len(panes) > 1 and len(there) == 1:
            return [Pane(QRectF(QPointF(), size), there[0].which)]
        return panes

    def sizeHint(self) -> QSize:  # noqa: N802
        """A landscape photo's shape."""
        return QSize(900, 640)

    # Drawing

    def render_view(self, labels: bool = False) -> QImage:
        """The view as an image in device pixels, without the labels unless asked for."""
        ratio = self.devicePixelRatioF()
        image = QImage(self.size() * ratio, QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(ratio)
        painter = QPainter(image)
        self._paint(painter, QRectF(self.rect()), chrome=labels)
        painter.end()
        return image

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Draw what the viewport shows."""
        painter = QPainter(self)
        self._paint(painter, QRectF(event.rect()), self.chrome)
        painter.end()

    def _paint(self, painter: QPainter, dirty: QRectF, chrome: bool) -> None:
        painter.fillRect(dirty, self.surround)
        size = QSizeF(self.size())
        panes = self.panes()
        for pane in panes:
            which = self.drawn(pane)
            clip = pane.rect.intersected(dirty)
            if which not in self._images or clip.isEmpty():
                continue
            if which == "difference":
                self._draw_difference(painter, pane.rect, self.viewport.frame(pane, size))
            else:
                self._draw(painter, which, clip, self.viewport.frame(pane, size))
            if chrome:
                frame = self.viewport.frame(pane, size)
                draw(painter, self._boxes, clip, partial(self.viewport.to_widget, frame=frame))
                for layer in self.layers:
                    layer.paint(painter, which, clip, frame)
        if not self._images:
            return
        if len(panes) > 1 and (self.viewport.mode is Mode.SIDE or not self.viewport.original_held):
            across = self.viewport.mode is Mode.SPLIT and self.viewport.across
            handle = chrome and self.viewport.mode is Mode.SPLIT
            for pane in panes[1:]:
                at = pane.rect.top() if across else pane.rect.left()
                draw_divider(painter, size, at, across=across, handle=handle)
        if chrome:
            self._draw_labels(painter, panes)
            for layer in self.layers:
                layer.paint_over(painter)

    def drawn(self, pane: Pane) -> str:
        """Whose pixels a pane shows now."""
        held = self.viewport.original_held and "original" in self._images
        return "original" if held else pane.which

    def _draw(self, painter: QPainter, which: str, clip: QRectF, frame: QRectF) -> None:
        raster, images = self._images[which]
        if clip.isEmpty():
            return
        view = self.viewport
        level = raster.level_for(view.scale)
        top_left = view.to_widget(QPointF(), frame)
        bottom_right = view.to_widget(QPointF(raster.width, raster.height), frame)
        target = QRectF(top_left, bottom_right)
        # Cut to the frame, not to the side's part of it: the same cut makes Qt round alike on both sides.
        seen = target.intersected(frame)
        if seen.isEmpty():
            return
        per_pixel = view.scale / view.ratio * 2**level
        source = QRectF(
            (seen.topLeft() - target.topLeft()) / per_pixel,
            (seen.bottomRight() - target.topLeft()) / per_pixel,
        )
        whole = source.toAlignedRect().adjusted(-1, -1, 1, 1).intersected(images[level].rect())
        placed = QRectF(
            target.left() + whole.left() * per_pixel,
            target.top() + whole.top() * per_pixel,
            whole.width() * per_pixel,
            whole.height() * per_pixel,
        )
        painter.save()
        painter.setClipRect(seen.intersected(clip))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, view.scale < 1.0)
        painter.drawImage(placed, images[level], QRectF(whole))
        painter.restore()

    def _draw_difference(self, painter: QPainter, clip: QRectF, frame: QRectF) -> None:
        raster = self._images["difference"][0]
        corners = (QPointF(), QPointF(raster.width, raster.height))
        clip = clip.intersected(QRectF(*(self.viewport.to_widget(corner, frame) for corner in corners)))
        if not clip.isEmpty():
            # Whole pixels of the screen: the bytes are drawn, coloured, and must not be drawn between them.
            device = painter.deviceTransform()
            clip = device.inverted()[0].mapRect(QRectF(device.mapRect(clip).toAlignedRect()))
            draw_bytes = partial(self._draw, which="difference", clip=clip, frame=frame)
            paint_difference(painter, clip, self.viewport.kind, self.viewport.gain, draw_bytes)

    def _draw_labels(self, painter: QPainter, panes: list[Pane]) -> None:
        self._label_boxes = []
        width = float(self.width())
        if self.viewport.original_held:
            self._draw_label(painter, Label("Original"), QRectF(0, 0, width, 0), right=False)
            return
        if self.viewport.mode is Mode.DIFFERENCE:
            label = self._labels.get("difference", Label())
            self._draw_label(painter, label, QRectF(0, 0, width, 0), right=False)
            return
        for pane in panes:
            label = self._labels.get(pane.which, Label())
            stacked = (self.viewport.mode is Mode.SPLIT and self.viewport.across) or len(panes) > 2
            self._draw_label(painter, label, pane.rect, right=pane.which == "right" and not stacked)

    def _draw_label(self, painter: QPainter, label: Label, room: QRectF, right: bool) -> None:
        """Draw into a corner; text that does not fit is cut rather than drawn over the other side."""
        bold = QFont(self.font())
        bold.setBold(True)
        title, line = QFontMetricsF(bold), QFontMetricsF(self.font())
        space = room.width() - _MARGIN - 2 * _PADDING
        label = Label(title.elidedText(label.title, Qt.TextElideMode.ElideRight, space), label.line)
        while label.line and line.horizontalAdvance(label.line) > space:
            label = Label(label.title, label.line.rpartition(DOT)[0])  # what comes first matters most
        wide = max(title.horizontalAdvance(label.title), line.horizontalAdvance(label.line)) + 2 * _PADDING
        high = title.height() + (line.height() if label.line else 0) + 2 * _PADDING - 4
        if len(label.title) < _FEWEST or (room.height() and high + _MARGIN > room.height()):
            return
        left = room.right() - _MARGIN - wide if right else room.left() + _MARGIN
        box = QRectF(left, room.top() + _MARGIN, wide, high)
        if self.looked_under(box):
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(18, 18, 20, 225))
        painter.drawRoundedRect(box, 6, 6)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QColor(255, 255, 255))
        painter.setFont(bold)
        at = QPointF(box.left() + _PADDING, box.top() + _PADDING - 2 + title.ascent())
        painter.drawText(at, label.title)
        painter.setFont(self.font())
        painter.setPen(QColor(214, 216, 220))
        painter.drawText(at + QPointF(0, line.height()), label.line)

    # Hands

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Tell the viewport."""
        super().resizeEvent(event)
        self.viewport.set_canvas(QSizeF(self.size()), self.devicePixelRatioF())

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """A new font changes the labels."""
        super().changeEvent(event)
        self.update()

    def event(self, event: QEvent) -> bool:
        """A window moved to a screen of another density keeps its scale in device pixels."""
        if event.type() is QEvent.Type.DevicePixelRatioChange:
            self.viewport.set_canvas(QSizeF(self.size()), self.devicePixelRatioF())
        return super().event(event)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        """Zoom about the cursor."""
        steps = event.angleDelta().y() / 120
        if steps and self._images:
            self.viewport.zoom_at(ZOOM_STEP ** (2 * steps), event.position(), self.frame_at(event.position()))
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Take the split line, or the picture."""
        if event.button() not in {Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton} or not self._images:
            return
        self._drag_from = event.position()
        self._splitting = event.button() is Qt.MouseButton.LeftButton and self._near_line(event.position())
        if not self._splitting:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Move the split line or the picture, or tell what is under the cursor."""
        at = event.position()
        self._look_under(at)
        if self._drag_from is None:
            near = bool(self._images) and self._near_line(at)
            self.setCursor(self._line_cursor if near else Qt.CursorShape.ArrowCursor)
        elif self._splitting:
            across = self.viewport.across
            share = at.y() / max(self.height(), 1) if across else at.x() / max(self.width(), 1)
            self.viewport.set_split(share)
        else:
            self.viewport.pan(at - self._drag_from)
            self._drag_from = at
        self._tell_hovered()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Let go."""
        self._drag_from = None
        self._splitting = False
        self.setCursor(self._line_cursor if self._near_line(event.position()) else Qt.CursorShape.ArrowCursor)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """On the line: back to the middle. On the picture: between fit and 100%."""
        if not self._images:
            return
        if self._near_line(event.position()):
            self.viewport.set_split(0.5)
        elif self.viewport.fitted:
            factor = 1.0 / self.viewport.scale
            self.viewport.zoom_at(factor, event.position(), self.frame_at(event.position()))
        else:
            self.viewport.fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Arrows move the picture, with Shift the split line."""
        way = _WAYS.get(event.key())
        if way is None or not self._images:
            super().keyPressEvent(event)
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            step = way.y() if self.viewport.across else way.x()
            self.viewport.set_split(self.viewport.split + step * 0.02)
        else:
            self.viewport.pan(-way * 0.1 * min(self.width(), self.height()))

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802
        """Nothing is under the cursor any more."""
        self._look_under(None)
        self.hovered.emit(None)
        super().leaveEvent(event)

    def looked_under(self, box: QRectF) -> bool:
        """Whether what is about to be drawn there must not be: it would cover what is looked at."""
        self._label_boxes.append(box.adjusted(-_MARGIN, -_MARGIN, _MARGIN, _MARGIN))
        return self._cursor is not None and self._label_boxes[-1].contains(self._cursor)

    def _tell_hovered(self) -> None:
        """Also where the mouse rests, and what is under it becomes something else."""
        if self._cursor is not None:
            point = self.viewport.to_picture(self._cursor, self.frame_at(self._cursor))
            self.hovered.emit(QPoint(int(point.x() // 1), int(point.y() // 1)))

    def _look_under(self, at: QPointF | None) -> None:
        """A label steps aside while the cursor is on it."""
        before, self._cursor = self._cursor, at
        for box in self._label_boxes:
            if (before is not None and box.contains(before)) != (at is not None and box.contains(at)):
                self.update()
                return

    @property
    def _line_cursor(self) -> Qt.CursorShape:
        return Qt.CursorShape.SplitVCursor if self.viewport.across else Qt.CursorShape.SplitHCursor

    def _near_line(self, at: QPointF) -> bool:
        if self.viewport.mode is not Mode.SPLIT or len(self.panes()) < 2:
            return False
        across = self.viewport.across
        length = self.height() if across else self.width()
        return near(at, QSizeF(self.size()), round(length * self.viewport.split), across)

    def frame_at(self, at: QPointF) -> QRectF:
        """The frame, see `Viewport`, of the picture under a point in widget coordinates."""
        panes = self.panes()
        pane = next((pane for pane in panes if pane.rect.contains(at)), panes[0])
        return self.viewport.frame(pane, QSizeF(self.size()))

    def seen(self) -> QRectF:
        """What of the picture is in view, in its own pixels."""
        return self.viewport.visible(self.frame_at(QPointF()))

    def _mode_changed(self) -> None:
        self.viewport.set_canvas(QSizeF(self.size()), self.devicePixelRatioF())
        self.update()


def _image(raster: Raster, level: int) -> QImage:
    """A view of the level's memory, which the raster beside it keeps alive."""
    pixels = raster.levels[level]
    height, width = pixels.shape[:2]
    return QImage(pixels.data, width, height, pixels.strides[0], QImage.Format.Format_RGB32)
