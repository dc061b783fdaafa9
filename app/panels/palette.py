"""How is a command found by typing? A field and a list over the picture, for the keyboard alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QAction, QColor, QCursor, QFont, QFontMetrics, QIcon, QKeyEvent, QPainter, QPalette
from PySide6.QtWidgets import (
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.action import Facts
from app.finding import Found, find
from app.panels.dialogs import keys_text
from app.panels.floating import Floating

WIDTH, ROW, SHOWN = 600, 34, 10
_TOP, _AROUND = 74, 9
_FOUND = Qt.ItemDataRole.UserRole
_Index = QModelIndex | QPersistentModelIndex


class Palette(Floating):
    """Finds commands of the action table; `chosen` gives the id once it is hidden. Made anew each time."""

    chosen = Signal(str)

    def __init__(
        self,
        parent: QWidget,
        facts: Callable[[], Facts],
        made: Mapping[str, QAction],
        recent: Sequence[str] = (),
    ) -> None:
        super().__init__(parent)
        self._facts, self._recent = facts, tuple(recent)
        self.setAccessibleName("Find a command")
        self.field = QLineEdit()
        self.field.setPlaceholderText("Type a few letters of a command")
        self.field.setAccessibleName("Letters of a command")
        self.setFocusProxy(self.field)
        self.field.addAction(theme.icon("search"), QLineEdit.ActionPosition.LeadingPosition)
        self.list = QListView()
        self.list.setAccessibleName("Commands that fit")
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setUniformItemSizes(True)
        self.list.setMouseTracking(True)
        self._model = _Commands(made, self)
        self.list.setModel(self._model)
        self.list.setItemDelegate(_Line(self.list))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(_AROUND, _AROUND, _AROUND, _AROUND)
        layout.setSpacing(7)
        layout.addWidget(self.field)
        layout.addWidget(self.list)
        self.field.textChanged.connect(self._search)
        self.field.installEventFilter(self)
        self.list.clicked.connect(lambda _: self._choose())
        self._mouse = QCursor.pos()
        self.list.entered.connect(self._pointed_at)
        self.hidden.connect(self.deleteLater)
        self._search("")

    def _pointed_at(self, line: QModelIndex) -> None:
        """The mouse marks a line when it moves there, not when the list moves below it."""
        if (now := QCursor.pos()) != self._mouse:
            self._mouse = now
            self.list.setCurrentIndex(line)

    @property
    def found(self) -> list[Found]:
        """What is listed."""
        return self._model.found

    @property
    def current(self) -> Found | None:
        """The marked line."""
        at = self.list.currentIndex().row()
        return self._model.found[at] if 0 <= at < len(self._model.found) else None

    def show_over(self, window: QWidget) -> None:
        """Open at the top middle of a window."""
        wide = min(WIDTH, window.width() - 40)
        self.setFixedWidth(wide)
        self.adjustSize()
        self.place(QPoint((window.width() - wide) // 2, _TOP))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """The field's arrows move through the list."""
        if watched is self.field and event.type() is QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            pages = {Qt.Key.Key_PageUp: -(SHOWN - 1), Qt.Key.Key_PageDown: SHOWN - 1}
            steps = {int(Qt.Key.Key_Up): -1, int(Qt.Key.Key_Down): 1, **{int(k): v for k, v in pages.items()}}
            if event.key() in steps:
                self._move(steps[event.key()], around=event.key() in {Qt.Key.Key_Up, Qt.Key.Key_Down})
                return True
            if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
                self._choose()
                return True
        return super().eventFilter(watched, event)

    def _search(self, words: str) -> None:
        self._model.show_found(find(words, self._facts(), self._recent))
        if self._model.found:
            self.list.setCurrentIndex(self._model.index(0))
        room = self.window().height() - _TOP - self.field.sizeHint().height() - 4 * _AROUND
        rows = min(max(len(self._model.found), 1), SHOWN, max(room // ROW, 1))
        self.list.setFixedHeight(rows * ROW + 2 * self.list.frameWidth())
        if self.isVisible():
            self.adjustSize()

    def _move(self, by: int, around: bool) -> None:
        count = len(self._model.found)
        if count:
            at = self.list.currentIndex().row() + by
            self.list.setCurrentIndex(self._model.index(at % count if around else min(max(at, 0), count - 1)))

    def _choose(self) -> None:
        """One that is not possible stays where it is: its reason is beside it."""
        current = self.current
        if current is not None and not current.reason:
            self.hide()
            self.chosen.emit(current.action.id)


class _Commands(QAbstractListModel):
    """The lines; what a screen reader says is the display text."""

    def __init__(self, made: Mapping[str, QAction], parent: QObject) -> None:
        super().__init__(parent)
        self._made = made
        self.found: list[Found] = []

    def show_found(self, found: list[Found]) -> None:
        """List these."""
        self.beginResetModel()
        self.found = found
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: N802, B008
        """One line at least: that nothing fits."""
        return 0 if parent.isValid() else max(len(self.found), 1)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Text and the found command."""
        if not self.found:
            return "Nothing fits these letters" if role == Qt.ItemDataRole.DisplayRole else None
        found = self.found[index.row()]
        made = self._made[found.action.id]
        if role == _FOUND:
            return found
        if role == Qt.ItemDataRole.ToolTipRole:
            return found.reason or found.action.tip
        if role == Qt.ItemDataRole.CheckStateRole and made.isCheckable():
            return made.isChecked()
        if role == Qt.ItemDataRole.DisplayRole:
            return f"{found.action.plain}, {found.reason}" if found.reason else found.action.plain
        return None


class _Line(QStyledItemDelegate):
    """Draws icon, name with the fitting letters bold, the reason against it, and the keys at the right."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:  # noqa: N802
        """All lines are of one height."""
        return QSize(200, ROW)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Draw a line."""
        rect: QRect = option.rect
        colours: QPalette = option.palette
        found = index.data(_FOUND)
        marked = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        usable = isinstance(found, Found) and not found.reason
        if marked and isinstance(found, Found):
            back = colours.color(QPalette.ColorRole.Highlight)
            if not usable:
                back = colours.color(QPalette.ColorRole.Mid)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(back)
            painter.drawRoundedRect(QRectF(rect).adjusted(1, 1, -1, -1), 5, 5)
        strong = marked and usable
        role = QPalette.ColorRole.HighlightedText if strong else QPalette.ColorRole.Text
        ink, quiet = colours.color(role), colours.color(role)
        quiet.setAlphaF(1.0 if strong else 0.62)
        inner = rect.adjusted(12, 0, -12, 0)
        if not isinstance(found, Found):
            painter.setPen(quiet)
            painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter, str(index.data()))
            painter.restore()
            return
        self._icon(painter, inner, found, strong, usable)
        ticked = index.data(Qt.ItemDataRole.CheckStateRole)
        right = self._right(painter, inner, found, "\N{CHECK MARK}" if ticked else "", quiet)
        painter.setPen(ink if usable else quiet)
        self._name(painter, inner.adjusted(30, 0, right - inner.right(), 0), found, usable)
        painter.restore()

    def _icon(self, painter: QPainter, room: QRect, found: Found, strong: bool, usable: bool) -> None:
        if found.action.icon:
            mode = QIcon.Mode.Normal if usable else QIcon.Mode.Disabled
            mode = QIcon.Mode.Selected if strong else mode
            place = QRect(room.left(), room.center().y() - 8, 18, 18)
            theme.icon(found.action.icon).paint(painter, place, Qt.AlignmentFlag.AlignCenter, mode)

    def _right(self, painter: QPainter, room: QRect, found: Found, tick: str, quiet: QColor) -> int:
        """The keys, or why it is not possible; gives where they begin."""
        words = found.reason or "   ".join(filter(None, (tick, keys_text(found.action.keys[:1]))))
        painter.setPen(quiet)
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, words)
        return room.right() - painter.fontMetrics().horizontalAdvance(words) - 14

    def _name(self, painter: QPainter, room: QRect, found: Found, usable: bool) -> None:
        name, normal = found.action.plain, painter.font()
        bold = QFont(normal)
        bold.setBold(True)
        if QFontMetrics(bold).horizontalAdvance(name) > room.width():
            name = QFontMetrics(bold).elidedText(name, Qt.TextElideMode.ElideRight, room.width())
        x = float(room.left())
        base = room.center().y() + painter.fontMetrics().ascent() / 2 - 1
        for at, letter in enumerate(name):
            painter.setFont(bold if usable and at in found.hits else normal)
            painter.drawText(round(x), round(base), letter)
            x += painter.fontMetrics().horizontalAdvance(letter)
        painter.setFont(normal)
