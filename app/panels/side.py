"""What does a side show, how far is it, and what can be done with it? The card of one side."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app import text, theme
from app.panels.announcing import announce
from app.panels.rate import RateControl
from app.panels.realism import RealismControl
from app.panels.refine import RefineControl
from app.possible import allow
from app.state import FILE, ORIGINAL, Phase, Side, SideView, codec_name
from app.wishes import deviation
from models.codec import CATALOGUE, Encoding, plain

BUSY_AFTER_MS = 500


class SidePanel(QFrame):
    """Tells what a person chose; shows a `SideView`."""

    codec_chosen = Signal(str)
    rate_chosen = Signal(object, bool)
    cancelled = Signal()
    retried = Signal()

    def __init__(self, side: Side, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.side = side
        self.setObjectName("card")
        self.setAccessibleName(f"Side {side.letter}")
        self._badge = QLabel(side.letter)
        self._badge.setObjectName("badge")
        self._badge.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._badge.setFixedWidth(30)
        self._badge.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._badge.setToolTip(f"The {side.value} side")
        self.codec = QComboBox()
        self.codec.setAccessibleName(f"Codec of side {side.letter}")
        self.codec.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.codec.setMaxVisibleItems(20)
        # The list may be wider than its column, the box never.
        self.codec.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.codec.setMinimumContentsLength(8)
        self.save = QToolButton()
        self.save.setObjectName("flat")
        self.save.setIcon(theme.icon("save"))
        self.save.setIconSize(QSize(18, 18))
        self.save.setAccessibleName(f"Save side {side.letter}")
        self.save.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.save.setStyleSheet("QToolButton::menu-indicator { image: none; width: 0; }")
        self.rate = RateControl(with_quality=True)
        self.refine = RefineControl(side.letter)
        self.realism = RealismControl(side.letter)
        self.status = QLabel()
        self.status.setTextFormat(Qt.TextFormat.PlainText)  # it shows names of files
        self.status.setWordWrap(True)
        self.status.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(f"Progress of side {side.letter}")
        self.cancel = _small_button("Cancel", f"Cancel the work of side {side.letter}")
        self.again = _small_button("Try again", f"Try side {side.letter} again")
        self._arrange()
        self._patience = QTimer(self, singleShot=True, interval=BUSY_AFTER_MS)
        self._patience.timeout.connect(self._show_busy)
        self._view: SideView | None = None
        self._filled: tuple[dict[str, str], bool] | None = None
        self.codec.activated.connect(lambda at: self.codec_chosen.emit(self.codec.itemData(at)))
        self.rate.changed.connect(self.rate_chosen)
        self.refine.chosen.connect(self.codec_chosen)
        self.cancel.clicked.connect(self.cancelled)
        self.again.clicked.connect(self.retried)
        self.fill({}, has_file=False)

    def _arrange(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self._badge)
        head.addWidget(self.codec, 1)
        head.addWidget(self.save)
        line = QHBoxLayout()
        line.setSpacing(8)
        line.addWidget(self.status, 1)
        line.addWidget(self.cancel)
        line.addWidget(self.again)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 10)
        layout.setSpacing(7)
        layout.addLayout(head)
        layout.addWidget(self.rate)
        layout.addWidget(self.refine)
        layout.addWidget(self.realism)
        layout.addLayout(line)
        layout.addWidget(self.bar)
        # Room for the bar and the buttons is always there, so nothing jumps when work begins.
        policy = self.bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(policy)
        self.status.setMinimumHeight(self.cancel.sizeHint().height())
        for widget in (self.bar, self.cancel, self.again):
            widget.hide()

    def set_save_menu(self, menu: QMenu) -> None:
        """What the save button offers."""
        self.save.setMenu(menu)

    def fill(self, reasons: Mapping[str, str], has_file: bool) -> None:
        """List the codecs; those with a reason cannot be chosen and tell it."""
        if self._filled == (reasons, has_file):
            return
        self._filled = dict(reasons), has_file
        current = self.codec.currentData()
        model = QStandardItemModel(self.codec)
        model.appendRow(_item("Original", ORIGINAL, "The picture as it was opened"))
        if has_file:
            model.appendRow(_item("Opened file", FILE, "The compressed file that was opened"))
        for learned, heading in ((True, "Neural"), (False, "Classical")):
            model.appendRow(_heading(heading))
            for line in CATALOGUE:
                if line.learned is learned and not (line.fetched and reasons.get(line.id, "unknown")):
                    reason = reasons.get(line.id)
                    tip = f"{line.sentence}\n{line.source}"
                    item = _item(line.name, line.id, tip)
                    if reason:
                        item.setText(f"{line.name} \N{EN DASH} not usable here")
                        item.setToolTip(f"{tip}\n\nNot usable here: {reason}")
                    item.setEnabled(not reason)
                    model.appendRow(item)
        self.codec.setModel(model)
        view = self.codec.view()
        view.setMinimumWidth(view.sizeHintForColumn(0) + view.verticalScrollBar().sizeHint().width())
        self._select(current)

    def show_view(self, view: SideView, locked: bool) -> None:
        """Show how a side stands; that its work is done is read out."""
        worked, self._view = self._view is not None and self._view.working, view
        self._select(plain(view.choice.codec))
        self.codec.setToolTip(_tip(view))
        self.rate.setVisible(not locked and view.choice.codec not in {ORIGINAL, FILE})
        self.rate.show_rate(view.choice.rate)
        self.refine.show_view(view)
        self.realism.show_view(view)
        done = view.raster is not None and not view.stale
        allow(
            self.save,
            self.save.accessibleName(),
            "" if done else f"Side {self.side.letter} shows no finished picture",
        )
        if view.working:
            if not self._patience.isActive() and self.bar.isHidden():
                self._patience.start()
            elif not self.bar.isHidden():
                self._show_busy()
        else:
            self._patience.stop()
            self.bar.hide()
            self.cancel.hide()
        if view.working and self.bar.isHidden() and view.coded is None:
            self._say("", bad=False)
        self.again.setVisible(view.phase in {Phase.FAILED, Phase.STOPPED})
        if not view.working:
            self._say(describe(view), view.phase is Phase.FAILED)
        if worked and view.phase is Phase.DONE:
            announce(self, f"{self.accessibleName()}: {view.name}. {describe(view)}")

    def _show_busy(self) -> None:
        view = self._view
        if view is None or not view.working:
            return
        self.bar.show()
        self.cancel.show()
        # A stage that has no measure of its own moves instead of standing still.
        known = view.phase is Phase.RUNNING and view.done > 0
        self.bar.setRange(0, 1000 if known else 0)
        if known:
            self.bar.setValue(round(view.done * 1000))
        self._say(f"{view.stage[:1].upper()}{view.stage[1:]}\N{HORIZONTAL ELLIPSIS}", bad=False)

    def _say(self, words: str, bad: bool) -> None:
        self.status.setText(words)
        name = "bad" if bad else "quiet"
        if self.status.objectName() != name:
            self.status.setObjectName(name)
            self.status.style().unpolish(self.status)
            self.status.style().polish(self.status)

    def _select(self, codec: str | None) -> None:
        at = self.codec.findData(codec)
        if at < 0 and codec is not None and ":" in codec:
            item = _item(codec_name(codec), codec, "Chosen on the command line")
            model = self.codec.model()
            assert isinstance(model, QStandardItemModel)
            model.appendRow(item)
            at = self.codec.findData(codec)
        if at >= 0:
            self.codec.setCurrentIndex(at)


def describe(view: SideView) -> str:
    """A line or two about a side that is not working."""
    if view.phase is Phase.EMPTY:
        return "No picture is open."
    if view.phase in {Phase.FAILED, Phase.STOPPED}:
        return view.error
    if view.coded is None:
        return "As it was opened, nothing is lost."
    return _describe_file(view, view.coded.encoding)


def _describe_file(view: SideView, encoding: Encoding) -> str:
    words = f"{text.size(encoding.bytes)}{text.DOT}{text.bpp(encoding.bpp)} bpp"
    if view.choice.codec == FILE:
        name = view.raster.path.name if view.raster is not None and view.raster.path is not None else ""
        return f"{text.shortened(name)}\n{words}{_origin(encoding)}".strip()
    if encoding.note:
        note = encoding.note.replace("(-", "(\N{MINUS SIGN}")
        return f"{words}\n{note[:1].upper()}{note[1:]}."
    off = deviation(view.choice.rate, encoding)
    if off is not None:
        return f"{words}{text.DOT}{_aim(off)}\nQuality {encoding.quality:.3g}{_origin(encoding)}"
    ratio = encoding.width * encoding.height * 3 / max(encoding.bytes, 1)
    return f"{words}\n{text.smaller(ratio).capitalize()}{_origin(encoding)}"


def _origin(encoding: Encoding) -> str:
    return f"{text.DOT}weights {encoding.weights}" if encoding.weights else ""


def _aim(off: float) -> str:
    """How near the wanted size is, in words."""
    share = text.percent(abs(off)).lstrip("+")
    return "on target" if share == "0.0%" else f"{share} {'above' if off > 0 else 'below'} target"


def _tip(view: SideView) -> str:
    for line in CATALOGUE:
        if line.id == plain(view.choice.codec).split(":")[0]:
            return f"{line.sentence}\n{line.source}"
    return ""


def _small_button(words: str, name: str) -> QPushButton:
    button = QPushButton(words)
    button.setAccessibleName(name)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button


def _item(words: str, id: str, tip: str) -> QStandardItem:
    item = QStandardItem(words)
    item.setData(id, Qt.ItemDataRole.UserRole)
    item.setToolTip(tip)
    return item


def _heading(words: str) -> QStandardItem:
    item = QStandardItem(words)
    item.setFlags(Qt.ItemFlag.NoItemFlags)
    font = item.font()
    font.setBold(True)
    item.setFont(font)
    return item
