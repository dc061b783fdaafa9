"""Which boxes are there, and what are they called? A row of tabs, one a box."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QApplication, QLineEdit, QTabBar, QToolButton, QWidget
from shiboken6 import isValid

from app import theme
from app.crops import Crops


class BoxTabs(QTabBar):
    """The boxes of the picture: a click selects, a double click names, the cross deletes."""

    chosen = Signal(str)

    def __init__(self, crops: Crops, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._crops = crops
        self._naming = ""
        self._before: QWidget | None = None  # what had the keyboard before naming
        self.setAccessibleName("Crop boxes")
        self.setExpanding(False)
        self.setDrawBase(False)
        self.setUsesScrollButtons(True)
        self.setElideMode(Qt.TextElideMode.ElideRight)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.editor = QLineEdit(self)
        self.editor.setAccessibleName("Name of the box")
        self.editor.setMaxLength(60)
        self.editor.hide()
        self.editor.installEventFilter(self)
        self.editor.editingFinished.connect(self._named)
        self.currentChanged.connect(self._select)
        self.tabCloseRequested.connect(lambda at: crops.remove(self._name(at)))
        crops.picture_changed.connect(self._stop_naming)
        crops.changed.connect(self.fill)
        crops.selection_changed.connect(self._show_selected)
        self.fill()

    def fill(self) -> None:
        """Show the boxes there are."""
        crops = self._crops.all()
        with QSignalBlocker(self):
            while self.count() > len(crops):
                self.removeTab(self.count() - 1)
            for at, crop in enumerate(crops):
                if at >= self.count():
                    self.setTabButton(self.addTab(""), QTabBar.ButtonPosition.RightSide, self._cross())
                words = crop.name.replace("&", "&&")
                if self.tabText(at) != words:
                    self.setTabText(at, words)
                self.setTabData(at, crop.name)
                origin = "Proposed" if self._crops.proposed(crop.name) else "Box"
                size = f"{crop.width} \N{MULTIPLICATION SIGN} {crop.height} at {crop.x}, {crop.y}"
                self.setTabToolTip(at, f"{origin}: {size}\nDouble click or F2 to name it")
        self._show_selected()

    def _cross(self) -> QToolButton:
        """The button that deletes a tab's box."""
        button = QToolButton()
        button.setObjectName("flat")
        button.setIcon(theme.icon("close"))
        button.setIconSize(QSize(12, 12))
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # Del does it by key
        button.setToolTip("Delete the box")
        button.setAccessibleName("Delete the box")
        button.setStyleSheet("QToolButton { padding: 1px; }")
        button.clicked.connect(lambda: self.tabCloseRequested.emit(self.tabAt(button.geometry().center())))
        return button

    def rename(self, name: str) -> None:
        """Let a person type a new name for a box."""
        at = next((at for at in range(self.count()) if self._name(at) == name), None)
        if at is None:
            return
        self._naming = name
        self._before = QApplication.focusWidget()
        self.setCurrentIndex(at)
        rect = self.tabRect(at)
        self.editor.setText(name)
        self.editor.setGeometry(rect.left(), rect.top(), max(rect.width(), 130), rect.height())
        self.editor.show()
        self.editor.raise_()
        self.editor.selectAll()
        self.editor.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Name the box."""
        at = self.tabAt(event.position().toPoint())
        if at >= 0:
            self.rename(self._name(at))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Escape leaves the name as it was."""
        if watched is self.editor and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            if event.type() is QEvent.Type.ShortcutOverride:
                event.accept()
                return True
            if event.type() is QEvent.Type.KeyPress:
                self._stop_naming()
                return True
        return super().eventFilter(watched, event)

    def _stop_naming(self) -> None:
        """The box keeps its name."""
        if self._naming:
            self._naming = ""
            self._leave()

    def _named(self) -> None:
        name, self._naming = self._naming, ""
        self._leave()
        if name:
            self._crops.rename(name, self.editor.text())

    def _leave(self) -> None:
        """The keyboard goes back to where it was, unless it went elsewhere already."""
        if self.editor.hasFocus() and self._before is not None and isValid(self._before):
            self._before.setFocus()
        self._before = None
        self.editor.hide()

    def _name(self, at: int) -> str:
        return str(self.tabData(at) or "")

    def _select(self, at: int) -> None:
        if at >= 0:
            self._crops.select(self._name(at))
            self.chosen.emit(self._name(at))

    def _show_selected(self) -> None:
        selected = self._crops.selected
        at = self._crops.all().index(selected) if selected is not None else -1
        with QSignalBlocker(self):
            self.setCurrentIndex(at)
