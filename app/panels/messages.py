"""How are people told what happened and what to do? A bar over the picture, with details on demand."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from app import theme
from app.panels.announcing import announce
from app.state import Level, Notice

_KEPT = 4  # notices that can come back


class MessageBar(QFrame):
    """Shows one warning or error until it is closed, withdrawn or another one comes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.notice: Notice | None = None
        self._before: list[Notice] = []  # what it stands in place of, the latest last
        self.setObjectName("message")
        self._icon = QLabel()
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._more = QPushButton("Details")
        self._more.clicked.connect(self._details)
        self._close = QToolButton()
        self._close.setObjectName("flat")
        self._close.setIcon(theme.icon("close"))
        self._close.setIconSize(QSize(16, 16))
        self._close.setAccessibleName("Close the message")
        self._close.setToolTip("Close the message")
        self._close.clicked.connect(self.clear)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 6, 10, 6)
        layout.setSpacing(10)
        layout.addWidget(self._icon)
        layout.addWidget(self._text, 1)
        layout.addWidget(self._more)
        layout.addWidget(self._close)
        self.hide()

    @property
    def text(self) -> str:
        """What is shown, "" for nothing."""
        return self.notice.text if self.notice is not None else ""

    def show_notice(self, notice: Notice) -> None:
        """Show a notice in place of the one before."""
        if self.notice is not None:
            self._before = [*self._before, self.notice][-_KEPT:]
        self._show(notice)

    def forget(self) -> None:
        """What a notice stood in place of is about another picture: it does not come back."""
        self._before = []

    def withdraw(self, notice: Notice) -> None:
        """Take away a notice that is over; what it stood in place of is shown again."""
        self._before = [other for other in self._before if other is not notice]
        if self.notice is not notice:
            return
        if self._before:
            self._show(self._before.pop())
        else:
            self.clear()

    def _show(self, notice: Notice) -> None:
        self.notice = notice
        self._draw_icon()
        self._text.setText(notice.text)
        self._more.setVisible(bool(notice.details))
        self.setProperty("level", notice.level.value)
        self.style().unpolish(self)
        self.style().polish(self)
        self.setAccessibleName(f"{notice.level.value}: {notice.text}")
        self.show()
        announce(self, self.accessibleName(), at_once=notice.level is Level.ERROR)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Another theme draws the icon in another colour."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange and self.notice is not None:
            self._draw_icon()

    def _draw_icon(self) -> None:
        if self.notice is not None:
            icon = theme.icon(self.notice.level.value)
            self._icon.setPixmap(icon.pixmap(QSize(18, 18), self.devicePixelRatioF()))

    def clear(self) -> None:
        """Show nothing."""
        self.notice = None
        self._before = []
        self.hide()

    def _details(self) -> None:
        if self.notice is not None:
            from app.panels.dialogs import show_details

            show_details(self.window(), self.notice.text, self.notice.details)
