"""What lies over the picture: where a drop goes, what is being opened, what to do while there is nothing."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from app import text, theme
from app.panels.side import BUSY_AFTER_MS
from app.state import Side

_SHOWN_RECENT = 5
_INSIDE, _APART = 32, 18


class EmptyState(QWidget):
    """The picture area without a picture."""

    open_wanted = Signal()
    sample_wanted = Signal()
    path_wanted = Signal(object)  # Path

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icon = QLabel()
        self._icon.setAlignment(Qt.AlignmentFlag.AlignCenter)
        title = QLabel("Drop a photo here")
        font = title.font()
        font.setPointSizeF(font.pointSizeF() * 1.7)
        font.setBold(True)
        title.setFont(font)
        title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        hint = QLabel(
            "It is compressed by two codecs to the same size, for you to compare.\n"
            "Nothing leaves this computer."
        )
        hint.setObjectName("quiet")
        hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        open_button = QPushButton(theme.icon("open"), "Open\N{HORIZONTAL ELLIPSIS}")
        sample = QPushButton(theme.icon("picture"), "Sample photo")
        open_button.clicked.connect(self.open_wanted)
        sample.clicked.connect(self.sample_wanted)
        self.setFocusProxy(open_button)
        buttons = QHBoxLayout()
        buttons.setSpacing(10)
        buttons.addStretch()
        buttons.addWidget(open_button)
        buttons.addWidget(sample)
        buttons.addStretch()
        self._paths: list[Path] = []
        self._outdated = False
        self._core = QWidget()
        core = QVBoxLayout(self._core)
        core.setContentsMargins(0, 0, 0, 0)
        core.setSpacing(12)
        for widget in (self._icon, title, hint):
            core.addWidget(widget)
        core.addSpacing(6)
        core.addLayout(buttons)
        self._recent = QVBoxLayout()
        self._recent.setSpacing(2)
        self._lines: list[QWidget] = []  # a heading and the links
        layout = QVBoxLayout(self)
        layout.setContentsMargins(9, _INSIDE, 9, _INSIDE)
        layout.setSpacing(_APART)
        layout.addStretch(3)
        layout.addWidget(self._core)
        layout.addLayout(self._recent)
        layout.addStretch(4)
        self.setMinimumHeight(self._core.sizeHint().height() + 2 * _INSIDE)  # the links give way

    def show_recent(self, paths: list[Path]) -> None:
        """Offer the pictures opened last. The links are made when they are seen: each is styled anew."""
        if paths != self._paths:
            self._paths, self._outdated = list(paths), True
        if self.isVisible():
            self._fill()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Catch up."""
        super().showEvent(event)
        self._fill()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """A low window has room for fewer links."""
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        """The links that fit, the latest first, and no heading without one."""
        room = self.height() - 2 * _INSIDE - self._core.sizeHint().height() - _APART
        heights = [widget.sizeHint().height() + self._recent.spacing() for widget in self._lines]
        for at, widget in enumerate(self._lines):
            widget.setVisible(sum(heights[: max(at, 1) + 1]) <= room)

    def _fill(self) -> None:
        if not self._outdated:
            return
        self._outdated = False
        for widget in self._lines:
            self._recent.removeWidget(widget)
            widget.hide()
            widget.deleteLater()
        self._lines = []
        if not self._paths:
            return
        heading = QLabel("Opened lately")
        heading.setObjectName("quiet")
        heading.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._recent.addWidget(heading)
        self._lines.append(heading)
        for path in self._paths[:_SHOWN_RECENT]:
            link = QPushButton(text.caption(path.name))
            link.setAccessibleName(path.name)
            link.setFlat(True)
            link.setToolTip(text.tip(str(path)))
            link.setCursor(Qt.CursorShape.PointingHandCursor)
            link.setStyleSheet("QPushButton { border: none; background: transparent; padding: 3px; }")
            link.clicked.connect(lambda _=False, path=path: self.path_wanted.emit(path))
            self._recent.addWidget(link, alignment=Qt.AlignmentFlag.AlignCenter)
            self._lines.append(link)
        self._make_room()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """A dashed frame says that things can be dropped here."""
        if self._icon.pixmap().isNull():
            self._icon.setPixmap(theme.icon("picture").pixmap(QSize(56, 56), self.devicePixelRatioF()))
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.surround(self.palette()))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = self.palette().color(QPalette.ColorRole.Mid)
        painter.setPen(_dashed(colour))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(24, 24, -24, -24), 14, 14)
        painter.end()

    def restyle(self) -> None:
        """The theme changed: draw the icon anew."""
        self._icon.setPixmap(theme.icon("picture").pixmap(QSize(56, 56), self.devicePixelRatioF()))


class DropOverlay(QWidget):
    """Shows over the picture area where a drop will go. `zones` are (rect share, words, target)."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._over = parent
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._zones: list[tuple[QRectF, str, Side | None]] = []
        self._at = QPointF()
        self.hide()

    def offer(self, name: str, sides: bool, picture: bool) -> None:
        """Offer to open `name` as the picture, on a side, or both."""
        whole = QRectF(0, 0, 1, 1)
        self._zones = []
        if picture:
            self._zones.append((QRectF(0, 0, 1, 0.66) if sides else whole, f"Open {name}", None))
        if sides:
            top = 0.66 if picture else 0.0
            for side, x in ((Side.LEFT, 0.0), (Side.RIGHT, 0.5)):
                words = f"Show as side {side.letter}"
                self._zones.append((QRectF(x, top, 0.5, 1 - top), words, side))
        self.setGeometry(self._over.rect())
        self.raise_()
        self.show()

    def move_to(self, at: QPointF) -> None:
        """Tell where the dragged thing is."""
        self._at = at
        self.update()

    def target(self) -> Side | None:
        """The side under the dragged thing, None for the picture."""
        for share, _, side in self._zones:
            if self._rect(share).contains(self._at):
                return side
        return None

    def _rect(self, share: QRectF) -> QRectF:
        wide, high = self.width(), self.height()
        return QRectF(share.x() * wide, share.y() * high, share.width() * wide, share.height() * high)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """One rounded field a zone, the one under the cursor stronger."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(10, 10, 12, 150))
        accent = self.palette().color(QPalette.ColorRole.Highlight)
        font = painter.font()
        font.setPointSizeF(font.pointSizeF() * 1.3)
        font.setBold(True)
        painter.setFont(font)
        for share, words, _ in self._zones:
            rect = self._rect(share)
            inside = rect.contains(self._at)
            fill = QColor(accent)
            fill.setAlpha(150 if inside else 45)
            painter.setBrush(fill)
            painter.setPen(_dashed(QColor(255, 255, 255, 230 if inside else 120)))
            painter.drawRoundedRect(rect.adjusted(14, 14, -14, -14), 12, 12)
            painter.setPen(QColor(255, 255, 255))
            shown = painter.fontMetrics().elidedText(
                words, Qt.TextElideMode.ElideMiddle, max(int(rect.width()) - 60, 40)
            )
            painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, shown)
        painter.end()


class OpeningStrip(QFrame):
    """A small card at the top of the picture area while something is being opened for long."""

    cancelled = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._over = parent
        self.setObjectName("card")
        self._text = QElidingLabel("")
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setElideMode(Qt.TextElideMode.ElideMiddle)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName("Progress of opening")
        cancel = QPushButton("Cancel")
        cancel.setAccessibleName("Cancel opening")
        cancel.clicked.connect(self.cancelled)
        column = QVBoxLayout()
        column.setSpacing(6)
        column.addWidget(self._text)
        column.addWidget(self._bar)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 10, 12, 10)
        layout.setSpacing(14)
        layout.addLayout(column, 1)
        layout.addWidget(cancel)
        self._patience = QTimer(self, singleShot=True, interval=BUSY_AFTER_MS)
        self._patience.timeout.connect(self._appear)
        self.hide()

    def show_opening(self, name: str, stage: str, done: float) -> None:
        """Show after half a second; an empty name hides."""
        if not name:
            self._patience.stop()
            self.hide()
            return
        self._text.setText(f"Opening {name}")
        known = 0 < done < 1
        self._bar.setRange(0, 1000 if known else 0)
        if known:
            self._bar.setValue(round(done * 1000))
        if self.isHidden() and not self._patience.isActive():
            self._patience.start()

    def place(self) -> None:
        """Top middle of the parent."""
        wide = min(460, self._over.width() - 32)
        self.setGeometry((self._over.width() - wide) // 2, 16, wide, self.sizeHint().height())

    def _appear(self) -> None:
        self.place()
        self.raise_()
        self.show()


def _dashed(colour: QColor) -> QPen:
    pen = QPen(colour, 2)
    pen.setDashPattern([5, 4])
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    return pen
