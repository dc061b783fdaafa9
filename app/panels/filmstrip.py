"""Which pictures are open, and which is shown? A strip of thumbnails under the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QFontMetrics,
    QImage,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPalette,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from app import text, theme
from app.session import Session

CELL = QSize(112, 98)
_PICTURE = QSize(96, 64)
_NAME_HEIGHT = 18
_AROUND = 3  # pictures beyond each end of what is in view whose thumbnails are made too

_STYLE = """
QListView#filmstrip { background: palette(window); border: none; border-top: 1px solid palette(mid); }
QListView#filmstrip QScrollBar:horizontal { height: 9px; background: transparent; margin: 0 6px 1px 6px; }
QListView#filmstrip QScrollBar::handle:horizontal {
    background: palette(dark); border-radius: 3px; min-width: 40px; margin: 1px 0;
}
QListView#filmstrip QScrollBar::add-line:horizontal, QListView#filmstrip QScrollBar::sub-line:horizontal {
    width: 0;
}
QListView#filmstrip QScrollBar::add-page:horizontal, QListView#filmstrip QScrollBar::sub-page:horizontal {
    background: transparent;
}
"""

Index = QModelIndex | QPersistentModelIndex


class _Pictures(QAbstractListModel):
    """The opened pictures by their paths."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        self.paths: tuple[Path, ...] = ()

    def rowCount(self, parent: Index | None = None) -> int:  # noqa: N802
        return 0 if parent is not None and parent.isValid() else len(self.paths)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        path = self.paths[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return path.name
        if role == Qt.ItemDataRole.ToolTipRole:
            return text.tip("\n".join(filter(None, (str(path), self._session.gallery.problem(path)))))
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{path.name}, {index.row() + 1} of {len(self.paths)}"
        if role == Qt.ItemDataRole.UserRole:
            return path
        return None

    def show_paths(self, paths: tuple[Path, ...]) -> None:
        """Other pictures."""
        self.beginResetModel()
        self.paths = paths
        self.endResetModel()

    def refresh(self, path: Path) -> None:
        """A thumbnail came."""
        if path in self.paths:
            index = self.index(self.paths.index(path))
            self.dataChanged.emit(index, index)


class _Painter(QStyledItemDelegate):
    """A thumbnail with rounded corners, its name, a ring around the shown one, a dot for results."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:  # noqa: N802
        return CELL

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        path: Path = index.data(Qt.ItemDataRole.UserRole)
        rect: QRect = option.rect
        state = option.state
        colours: QPalette = option.palette
        fonts: QFontMetrics = option.fontMetrics
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        room = QRect(rect.left() + (rect.width() - _PICTURE.width()) // 2, rect.top() + 8,
                     _PICTURE.width(), _PICTURE.height())  # fmt: skip
        place = self._draw_picture(painter, path, room, colours)
        if chosen or state & QStyle.StateFlag.State_MouseOver:
            colour = colours.color(QPalette.ColorRole.Highlight if chosen else QPalette.ColorRole.Dark)
            painter.setPen(QPen(colour, 3 if chosen else 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(place.adjusted(-2.5, -2.5, 2.5, 2.5), 6, 6)
        if chosen and state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(colours.color(QPalette.ColorRole.WindowText), 1, Qt.PenStyle.DotLine))
            painter.drawRoundedRect(place.adjusted(-6, -6, 6, 6), 8, 8)
        below = QRect(rect.left() + 4, room.bottom() + 5, rect.width() - 8, _NAME_HEIGHT)
        role = QPalette.ColorRole.WindowText if chosen else QPalette.ColorRole.PlaceholderText
        painter.setPen(colours.color(role))
        name = fonts.elidedText(path.name, Qt.TextElideMode.ElideMiddle, below.width())
        painter.drawText(below, Qt.AlignmentFlag.AlignCenter, name)
        painter.restore()

    def _draw_picture(self, painter: QPainter, path: Path, room: QRect, colours: QPalette) -> QRectF:
        """Draw what there is of a file; gives where."""
        made = self._session.gallery.thumbnail(path)
        if made is None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colours.color(QPalette.ColorRole.Midlight))
            painter.drawRoundedRect(room, 4, 4)
            broken = bool(self._session.gallery.problem(path))
            icon = theme.icon("warning" if broken else "picture")
            icon.paint(painter, QRect(room.center() - QPoint(11, 11), QSize(22, 22)))
            return QRectF(room)
        image = QImage(made.data, made.shape[1], made.shape[0], made.strides[0], QImage.Format.Format_RGB32)
        size = image.size().scaled(room.size(), Qt.AspectRatioMode.KeepAspectRatio)
        size = size.expandedTo(QSize(8, 8))
        place = QRectF(0, 0, size.width(), size.height())
        place.moveCenter(QRectF(room).center())
        shape = QPainterPath()
        shape.addRoundedRect(place, 4, 4)
        painter.save()
        painter.setClipPath(shape)
        painter.drawImage(place, image)
        painter.restore()
        if self._has_results(path):
            painter.setPen(QPen(QColor(255, 255, 255), 1.5))
            painter.setBrush(colours.color(QPalette.ColorRole.Highlight))
            painter.drawEllipse(QRectF(place.right() - 12, place.bottom() - 12, 8, 8))
        return place

    def _has_results(self, path: Path) -> bool:
        digest = self._session.gallery.digest(path)
        return bool(digest) and any(
            key.reference == digest for key, _ in self._session.compressor.cache.items()
        )


class FilmStrip(QListView):
    """A thumbnail for each opened picture while there are several; a click or an arrow key opens one."""

    path_wanted = Signal(object)  # Path

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._wanted, self._chrome = True, True
        self._pictures = _Pictures(session, self)
        self.setModel(self._pictures)
        self.setItemDelegate(_Painter(session, self))
        self.setAccessibleName("Opened pictures")
        self.setObjectName("filmstrip")
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setUniformItemSizes(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMouseTracking(True)
        self.setTabKeyNavigation(False)
        self.setFixedHeight(CELL.height() + 14)
        self.setStyleSheet(_STYLE)
        self._looking = QTimer(self, singleShot=True, interval=0)
        self._looking.timeout.connect(self._want_visible)
        self.horizontalScrollBar().valueChanged.connect(self._look)
        self.selectionModel().currentChanged.connect(self._chosen)
        self._marked = QPersistentModelIndex()  # when the mouse button went down
        self.clicked.connect(self._clicked)
        session.gallery.arrived.connect(self._pictures.refresh)
        session.opener.changed.connect(self.follow)
        session.picture_changed.connect(self._shown)
        session.compressor.changed.connect(lambda _: self.viewport().update())
        self.follow()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Pressing marks; what was marked before, only `_clicked` hears of."""
        self._marked = QPersistentModelIndex(self.currentIndex())
        super().mousePressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802
        """The wheel moves along the strip, whichever way it turns."""
        bar = self.horizontalScrollBar()
        turned = event.angleDelta()
        moved = event.pixelDelta().x() or (turned.x() or turned.y()) * CELL.width() // 120
        bar.setValue(bar.value() - moved)
        event.accept()

    def set_wanted(self, wanted: bool) -> None:
        """Whether a person wants it at all; it still hides while there is but one picture."""
        self._wanted = wanted
        self.follow()

    def set_chrome(self, shown: bool) -> None:
        """Hide it with the other panels, whether it is wanted or not."""
        self._chrome = shown
        self.follow()

    @property
    def wanted(self) -> bool:
        """Whether a person wants it."""
        return self._wanted

    def follow(self) -> None:
        """Show the session's pictures and mark the one that is open or being opened."""
        opener = self._session.opener
        if opener.paths != self._pictures.paths:
            self._pictures.show_paths(opener.paths)
        self.setVisible(self._wanted and self._chrome and len(opener.paths) > 1)
        shown = opener.asked
        if shown in opener.paths:
            index = self._pictures.index(opener.paths.index(shown))
            if self.currentIndex() != index:
                blocked = self.selectionModel().blockSignals(True)
                self.setCurrentIndex(index)
                self.selectionModel().blockSignals(blocked)
                self.scrollTo(index)
                self.viewport().update()
        self._look()

    def _shown(self) -> None:
        picture = self._session.picture
        if picture is not None and picture.path is not None:
            self._session.gallery.note(picture.path, picture.digest)
        self.follow()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """More or fewer pictures are in view."""
        super().resizeEvent(event)
        self._look()

    def _look(self, *_: object) -> None:
        if self.isVisible():
            self._looking.start()

    def _want_visible(self) -> None:
        """Ask for the thumbnails in view, from the left."""
        if not self._pictures.paths:
            return
        offset, wide = self.horizontalOffset(), self.viewport().width()
        first = max(offset // CELL.width() - _AROUND, 0)
        last = (offset + wide) // CELL.width() + _AROUND + 1
        self._session.gallery.want(self._pictures.paths[first:last])

    def _chosen(self, now: QModelIndex, before: QModelIndex) -> None:
        if now.isValid() and now != before:
            self.path_wanted.emit(now.data(Qt.ItemDataRole.UserRole))

    def _clicked(self, index: QModelIndex) -> None:
        """The marked picture is wanted again where something else stands in its place."""
        path, session = index.data(Qt.ItemDataRole.UserRole), self._session
        shown = session.picture is not None and session.picture.path == path
        opening = session.opener.asked == path and session.opener.name == path.name
        if self._marked == index and not (shown or opening):
            self.path_wanted.emit(path)
