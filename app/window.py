"""How do the parts make one window? Panels, actions and keys are bound to a session here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QPoint, QSize, Qt, QTimer, Slot
from PySide6.QtGui import QCloseEvent, QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QMainWindow,
    QMenu,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app import bars, facts, keeping, labels, text, theme
from app.canvas import Canvas
from app.commands import Commands, sample_photo
from app.dropping import DropTarget
from app.faces import count_of
from app.fields import FieldKeys
from app.history import History
from app.hold import HoldOriginal
from app.looking import Looking
from app.marks import Box
from app.panels.difference import DifferenceCard
from app.panels.inspector import Inspector
from app.panels.messages import MessageBar
from app.panels.overlays import DropOverlay, EmptyState, OpeningStrip
from app.panels.status import StatusLine
from app.possible import allow
from app.restore import Remembered, remember
from app.session import Session
from app.settings import Settings, packed, unpacked
from app.sharing import Sharing
from app.state import Level, Notice, Side
from app.viewport import Mode, Viewport
from app.working import Working

_SIZE = QSize(1280, 800)


class Window(QMainWindow):
    """The viewer's window. `settings` is what it would keep if it closed now."""

    def __init__(self, session: Session, settings: Settings) -> None:
        super().__init__()
        self.session = session
        self._settings = settings
        self._closing = False
        self.faces_shown = False
        self.last_state: Remembered | None = None  # what to begin with next time, once this is closed
        self.viewport = Viewport(self)
        self.canvas = Canvas(self.viewport)
        self.history = History(session, self.viewport, self)
        self.messages = MessageBar()
        self.empty = EmptyState()
        self.actions_by_id = bars.make_actions(self, self.canvas, self._trigger)
        self.looking = Looking(session, self.canvas, self.actions_by_id)
        self.working = Working(self)
        self.sharing = Sharing(self)
        self.sharing.filmstrip.set_wanted(settings.filmstrip)
        self.commands = Commands(self)
        self.inspector = Inspector(session, self.actions_by_id["lock"])
        self.difference = DifferenceCard(self.viewport)
        self.inspector.add_card(self.difference)
        self._stack = QStackedWidget()
        self.drop = DropOverlay(self._stack)
        self.opening = OpeningStrip(self._stack)
        self._arrange()
        self.status = StatusLine()
        self.setStatusBar(self.status)
        self.status.addPermanentWidget(self.working.button)
        self._hold = HoldOriginal(self, self.viewport, self.working.tell_if_no_original)
        self._recent_menu = QMenu("Open &recent", self)
        self._recent_menu.setToolTipsVisible(True)
        bars.fill_menu_bar(self.menuBar(), self.actions_by_id, {"sample": self._recent_menu})
        self.inspector.set_save_menus(bars.save_menus(self, self.actions_by_id))
        self.tools = bars.make_toolbar(self.actions_by_id)
        self.addToolBar(self.tools)
        self._fill_recent()
        self._connect()
        FieldKeys(self)
        DropTarget(self, self._stack, self.drop, session, self.commands.take)
        self.setWindowIcon(theme.app_icon())
        self.resize(_SIZE)
        if settings.geometry:
            self.restoreGeometry(unpacked(settings.geometry))
        self._restyle()
        self._refresh()
        keeping.open_again(self, settings)
        self.empty.setFocus()  # with a picture the stack hands the keyboard on to it
        self._refresh()

    @property
    def settings(self) -> Settings:
        """What to keep for the next start."""
        geometry = packed(bytes(self.saveGeometry().data()))
        settings = replace(self._settings, filmstrip=self.sharing.filmstrip.wanted)
        settings = keeping.with_panels(settings, self)
        return facts.kept(settings, self.session, self.viewport, geometry)

    def set_theme(self, name: str) -> None:
        """Dress the whole program, now and at the next start."""
        self._settings = replace(self._settings, theme=name)
        app = QApplication.instance()
        if isinstance(app, QApplication):
            theme.apply(app, name)
        self._refresh()

    @property
    def willing(self) -> bool:
        """Whether it opens what later starts are given: not while it only waits for a file to be written."""
        return self._settings.single and not self._closing

    def remember(self, path: Path) -> None:
        """Put a file in front of the recent ones."""
        self._settings = self._settings.with_recent(path)
        self._fill_recent()

    def remember_command(self, id: str) -> None:
        """Put a command in front of those the palette offers first."""
        self._settings = self._settings.with_command(id)

    def set_restore(self, wanted: bool) -> None:
        """Whether the next start begins where this session ends."""
        self._settings = replace(self._settings, restore=wanted)

    def set_single(self, wanted: bool) -> None:
        """Whether later starts of the program open their files in this window."""
        self._settings = replace(self._settings, single=wanted)

    def folder(self) -> str:
        """Where file dialogs begin."""
        return self._settings.folder

    # Building

    def _arrange(self) -> None:
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.canvas)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        for widget, share in ((self._stack, 1), (self.looking.strip, 0)):
            self.splitter.addWidget(widget)
            self.splitter.setStretchFactor(self.splitter.indexOf(widget), share)
        self.splitter.setChildrenCollapsible(False)
        left = QVBoxLayout()
        left.setContentsMargins(0, 0, 0, 0)
        left.setSpacing(0)
        left.addWidget(self.messages)
        left.addWidget(self.splitter, 1)
        left.addWidget(self.sharing.filmstrip)
        whole = QWidget()
        row = QHBoxLayout(whole)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addLayout(left, 1)
        row.addWidget(self.inspector)
        self.setCentralWidget(whole)

    def _fill_recent(self) -> None:
        self._recent_menu.clear()
        for path in self._settings.recent_paths():
            action = self._recent_menu.addAction(text.caption(path.name))
            action.setToolTip(text.tip(str(path)))
            action.triggered.connect(partial(self.commands.open_paths, [path]))
        none = "No picture was opened yet" if self._recent_menu.isEmpty() else ""
        allow(self._recent_menu.menuAction(), "", none)
        self.empty.show_recent(self._settings.recent_paths())

    def _connect(self) -> None:
        session = self.session
        session.picture_changed.connect(self._picture_changed)
        session.picture_changed.connect(self.messages.forget)
        session.side_changed.connect(self._side_changed)
        session.measured.connect(self._refresh)
        session.rate_changed.connect(self._refresh)
        session.settled.connect(self._refresh)
        session.opener.changed.connect(self._opening_changed)
        self.history.changed.connect(self._refresh)
        self.looking.changed.connect(self._refresh)
        session.difference_changed.connect(self._difference_changed)
        session.faces.changed.connect(self._faces_changed)
        self.inspector.faces.looked.connect(self.looking.look_at)
        session.faces.found.connect(lambda faces: self.tell(count_of(faces)))
        session.noticed.connect(self.show_notice)
        session.forecaster.withdrawn.connect(self.messages.withdraw)
        session.saved.connect(self._saving_ended)
        session.save_failed.connect(self._saving_stays)
        self.viewport.changed.connect(self._view_changed)
        self.viewport.mode_changed.connect(self._mode_changed)
        self.canvas.hovered.connect(self._hovered)
        self.opening.cancelled.connect(session.opener.stop)
        self.empty.open_wanted.connect(self.commands.open)
        self.empty.sample_wanted.connect(self.commands.sample)
        self.empty.path_wanted.connect(lambda path: self.commands.open_paths([path]))
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.styleHints().colorSchemeChanged.connect(self._scheme_changed)

    # Showing

    @Slot()
    def _refresh(self) -> None:
        now = facts.facts_of(self.session, self.viewport, self.history)
        bars.show_possible(self.actions_by_id, now)
        self._show_lock()
        self.actions_by_id["faces"].setChecked(self.faces_shown)
        self.actions_by_id["chrome"].setChecked(not self.canvas.chrome)
        self.actions_by_id["filmstrip"].setChecked(self.sharing.filmstrip.wanted)
        self.looking.refresh()
        self.actions_by_id["restore"].setChecked(self._settings.restore)
        self.actions_by_id["single"].setChecked(self._settings.single)
        self.actions_by_id["plot"].setChecked(not self.inspector.plot.isHidden())
        self.actions_by_id[self._mode_action()].setChecked(True)
        self.actions_by_id[f"theme_{self._settings.theme}"].setChecked(True)
        self.actions_by_id[f"label_{self.session.columns.metric}"].setChecked(True)
        for side in Side:
            self.canvas.show_label(side.value, labels.side_label(self.session, side))
        labels.show_columns(self.session, self.canvas)
        self.inspector.columns.setVisible(self.viewport.mode is Mode.SIDE)
        self.canvas.show_label("difference", labels.difference_label(self.session, self.viewport))
        self.status.show_zoom(self.viewport.scale if now.picture else None)

    def _show_lock(self) -> None:
        locked = self.session.locked
        lock = self.actions_by_id["lock"]
        if lock.isChecked() != locked or lock.data() != locked:
            lock.setChecked(locked)
            lock.setIcon(theme.icon("lock" if locked else "unlock"))
            lock.setData(locked)

    def _mode_action(self) -> str:
        if self.viewport.mode is Mode.FLICKER:
            return "right" if self.viewport.flicker_right else "left"
        return str(self.viewport.mode.value)

    @Slot()
    def _picture_changed(self) -> None:
        session = self.session
        raster = session.anything
        self.viewport.hold_original(self.viewport.original_held and session.picture is not None)
        self._stack.setCurrentWidget(self.canvas if raster is not None else self.empty)
        self.canvas.show_raster("original", session.picture)
        for side in Side:
            self.canvas.show_raster(side.value, session.view(side).raster)
        if raster is not None:
            self.viewport.set_picture(raster.width, raster.height)
            if raster.path is not None and raster.path != sample_photo():
                self.remember(raster.path)
        session.faces.want(session.picture if self.faces_shown else None)
        name = labels.picture_name(session)
        self.setWindowFilePath(str(raster.path) if raster is not None and raster.path else "")
        self.setWindowTitle(f"{name} \N{EM DASH} HFLIC" if name else "HFLIC")
        self.status.show_picture(labels.picture_details(session))
        self._refresh()

    @Slot(object)
    def _side_changed(self, side: Side) -> None:
        self.canvas.show_raster(side.value, self.session.view(side).raster)

    @Slot()
    def _difference_changed(self) -> None:
        self.canvas.show_raster("difference", self.session.difference)
        self._refresh()

    @Slot()
    def _opening_changed(self) -> None:
        opener = self.session.opener
        self.opening.show_opening(opener.name, opener.stage, opener.done)
        self._refresh()

    @Slot()
    def _view_changed(self) -> None:
        self.status.show_zoom(self.viewport.scale)
        self.actions_by_id[self._mode_action()].setChecked(True)

    @Slot()
    def _mode_changed(self) -> None:
        self.session.want_difference(self.viewport.kind if self.viewport.mode is Mode.DIFFERENCE else None)
        self._difference_changed()
        self._refresh()

    @Slot(object)
    def _hovered(self, point: QPoint | None) -> None:
        original = self.canvas.raster("original") if self.viewport.original_held else None
        if original is not None:
            self.status.show_pixel(point, {"Original": original})
            return
        sides = {side.letter: self.canvas.raster(side.value) for side in Side}
        self.status.show_pixel(point, sides, self.looking.difference_at(point))

    @Slot(object)
    def _saving_ended(self, _: Path) -> None:
        if self._closing and not self.session.saving:
            self.close()

    @Slot()
    def _saving_stays(self) -> None:
        self._closing = False  # the message says what went wrong: the person decides

    def show_faces(self, shown: bool) -> None:
        """Mark the faces of every picture from now on, or of none."""
        self.faces_shown = shown
        self.session.faces.want(self.session.picture if shown else None)

    @Slot()
    def _faces_changed(self) -> None:
        found = self.session.faces.faces
        self.canvas.show_boxes(tuple(Box(*face.box, strong=face.small) for face in found))
        self._refresh()

    def set_chrome(self, shown: bool) -> None:
        """Show or hide everything but the picture."""
        for widget in (self.inspector, self.tools, self.status, self.menuBar()):
            widget.setVisible(shown)
        self.canvas.set_chrome(shown)
        if not shown:
            self.canvas.setFocus()  # whose key brings them back
        self.looking.set_chrome(shown)
        self.sharing.set_chrome(shown)

    @Slot()
    def _scheme_changed(self) -> None:
        if self._settings.theme == theme.SYSTEM:
            self.set_theme(theme.SYSTEM)

    def _restyle(self) -> None:
        self.canvas.surround = theme.surround(self.palette())
        self.canvas.update()
        self.empty.restyle()

    # Doing

    def _trigger(self, id: str) -> None:
        self.history.end_turn()
        command: Callable[[], object] = self.commands.command(id)
        command()
        self._refresh()

    def tell(self, words: str, level: Level = Level.INFO) -> None:
        """Say something."""
        self.show_notice(Notice(level, words))

    @Slot(object)
    def show_notice(self, notice: Notice) -> None:
        """News go to the status line and leave by themselves; what needs a person goes to the message bar."""
        if notice.level is Level.INFO:
            self.status.show_news(notice.text)
        else:
            self.messages.show_notice(notice)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """A new palette changes the surround and the icons; who comes back may have fetched weights."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "tools"):
            self._restyle()
        elif event.type() is QEvent.Type.WindowStateChange and hasattr(self, "tools"):
            self.actions_by_id["full_screen"].setChecked(self.isFullScreen())
        elif event.type() is QEvent.Type.ActivationChange and self.isActiveWindow():
            self.session.catalogue.weights.look()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Overlays keep their places."""
        super().resizeEvent(event)
        if self.opening.isVisible():
            self.opening.place()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        """Let go of everything that runs, but finish what is being written."""
        if self.session.saving:
            self.tell("Closing when the file is written\N{HORIZONTAL ELLIPSIS}")
            self._closing = True
            event.ignore()
            return
        if self.last_state is None:
            self.last_state = remember(self.session, self.viewport, sample_photo())
        self._hold.release()
        for timer in self.findChildren(QTimer):
            timer.stop()
        self.session.close()
        super().closeEvent(event)
