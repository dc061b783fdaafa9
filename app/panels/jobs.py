"""What runs and what waits? A button in the status line, and the queue it opens."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from app import text, theme
from app.jobs import Jobs, JobView
from app.panels.floating import Floating
from app.panels.scrolling import Scrolling
from app.panels.side import BUSY_AFTER_MS

WIDTH = 400
SHOWN = 9  # further jobs are counted
_REFRESH_MS = 100
_CLOCK_MS = 1000


class JobsButton(QToolButton):
    """Says how many jobs there are, once that lasts; hidden without any."""

    def __init__(self, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self.setObjectName("flat")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.setToolTip("What runs and waits (J)")
        self._patience = QTimer(self, singleShot=True, interval=BUSY_AFTER_MS)
        self._patience.timeout.connect(self._appear)
        jobs.changed.connect(self._changed)
        self.hide()

    def _changed(self) -> None:
        if not len(self._jobs):
            self._patience.stop()
            self.hide()
        elif self.isHidden() and not self._patience.isActive():
            self._patience.start()
        else:
            self._say()

    def _appear(self) -> None:
        self._say()
        self.show()

    def _say(self) -> None:
        count = len(self._jobs)
        words = text.counted(count, "job")
        if words != self.text():
            self.setText(words)
            self.setAccessibleName(f"{words} {'runs or waits' if count == 1 else 'run or wait'}")


class JobsPanel(Floating):
    """The queue, over the window until one clicks elsewhere."""

    def __init__(self, jobs: Jobs, parent: QWidget) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self.setAccessibleName("What runs and waits")
        self.setFixedWidth(WIDTH)
        self.rows: dict[int, JobRow] = {}
        title = QLabel("What runs and waits")
        title.setObjectName("heading")
        self._empty = QLabel("Nothing runs.")
        self._empty.setObjectName("quiet")
        self._more = QLabel()
        self._more.setObjectName("quiet")
        content = QWidget()
        self._list = QVBoxLayout(content)
        self._list.setContentsMargins(0, 0, 0, 0)
        self._list.setSpacing(10)
        self._area = Scrolling(content)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._foot = 0  # of the parent's height
        layout = self._column = QVBoxLayout(self)
        layout.setContentsMargins(14, 12, 14, 12)
        layout.setSpacing(10)
        layout.addWidget(title)
        layout.addWidget(self._area)
        layout.addWidget(self._empty)
        layout.addWidget(self._more)
        self._refresh = QTimer(self, singleShot=True, interval=_REFRESH_MS)
        self._refresh.timeout.connect(self.show_jobs)
        self._clock = QTimer(self, interval=_CLOCK_MS)  # the remaining time goes on by itself
        self._clock.timeout.connect(self.show_jobs)
        jobs.changed.connect(self._changed)
        self.hidden.connect(self._rest)

    def show_over(self, window: QWidget, bottom: int) -> None:
        """Open at the right, above what is `bottom` pixels high at the foot of a window."""
        self._foot = window.height() - bottom - 8
        self.show_jobs()
        self._fit()
        self.place(QPoint(window.width() - WIDTH - 12, self._foot - self.height()))

    def show_jobs(self) -> None:
        """Show the jobs as they are now; rows keep their widgets."""
        views = self._jobs.all()
        shown = views[:SHOWN]
        for id in [id for id in self.rows if id not in {view.id for view in shown}]:
            row = self.rows.pop(id)
            self._list.removeWidget(row)
            row.hide()
            row.deleteLater()
        for at, view in enumerate(shown):
            if view.id not in self.rows:
                self.rows[view.id] = JobRow(view.id)
                self.rows[view.id].stopped.connect(self._jobs.stop)
            row = self.rows[view.id]
            if self._list.indexOf(row) != at:
                self._list.insertWidget(at, row)
            row.show_view(view)
        self._empty.setVisible(not views)
        self._area.setVisible(bool(views))
        self._more.setVisible(len(views) > SHOWN)
        self._more.setText(f"and {len(views) - SHOWN} more")
        if self.isVisible():
            self._fit()

    def _fit(self) -> None:
        """Grow upwards from the foot, in a low window no further than it reaches."""
        self._area.updateGeometry()
        high = min(self._column.totalSizeHint().height(), self._foot - 8)
        self.setGeometry(self.x(), self._foot - high, WIDTH, high)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """The clock runs while someone looks."""
        super().showEvent(event)
        self._clock.start()

    def _rest(self) -> None:
        """Nobody looks any more."""
        self._clock.stop()
        self._refresh.stop()

    def _changed(self) -> None:
        if self.isVisible() and not self._refresh.isActive():
            self._refresh.start()


class JobRow(QWidget):
    """One job: what it is, how far, and a button that stops it."""

    stopped = Signal(int)

    def __init__(self, id: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = QElidingLabel("")
        self.line = QLabel()
        for label in (self._words, self.line):
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.line.setObjectName("quiet")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        policy = self._bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self._bar.setSizePolicy(policy)
        self.cancel = QToolButton()
        self.cancel.setObjectName("flat")
        self.cancel.setIcon(theme.icon("cancel"))
        self.cancel.setIconSize(QSize(16, 16))
        policy = self.cancel.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.cancel.setSizePolicy(policy)
        self.cancel.clicked.connect(lambda: self.stopped.emit(id))
        column = QVBoxLayout()
        column.setSpacing(3)
        for widget in (self._words, self.line, self._bar):
            column.addWidget(widget)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addLayout(column, 1)
        layout.addWidget(self.cancel)

    def show_view(self, view: JobView) -> None:
        """Show how a job stands."""
        self._words.setText(view.words)
        self.line.setText(view.line[:1].upper() + view.line[1:])
        self._bar.setVisible(view.running)
        self._bar.setRange(0, 1000 if view.done > 0 else 0)
        if view.done > 0:
            self._bar.setValue(round(view.done * 1000))
        self._bar.setAccessibleName(f"Progress: {view.words}")
        self.cancel.setVisible(view.stoppable)
        self.cancel.setToolTip("Stop this")
        self.cancel.setAccessibleName(f"Stop: {view.words}")
