"""How do the parts make one window? Panels, actions and keys are bound to a session here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QPoint, QSize, QTimer, Slot
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QMainWindow,
    QMenu,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app import actions, bars, drops, labels, theme
from app.canvas import Canvas
from app.commands import Commands, sample_photo
from app.faces import count_of
from app.hold import HoldOriginal
from app.marks import Box
from app.panels.inspector import Inspector
from app.panels.messages import MessageBar
from app.panels.overlays import DropOverlay, EmptyState, OpeningStrip
from app.panels.status import StatusLine
from app.session import Session
from app.settings import Settings, packed, unpacked
from app.state import Level, Notice, Phase, Side, SideView
from app.viewport import Mode, Viewport

_SIZE = QSize(1280, 800)


class Window(QMainWindow):
    """The viewer's window. `settings` is what it would keep if it closed now."""

    def __init__(self, session: Session, settings: Settings) -> None:
        super().__init__()
        self.session = session
        self._settings = settings
        self._closing = False
        self.faces_shown = False
        self.viewport = Viewport(self)
        self.canvas = Canvas(self.viewport)
        self.messages = MessageBar()
        self.empty = EmptyState()
        self.commands = Commands(self)
        self.actions_by_id = bars.make_actions(self, self.canvas, self._trigger)
        self.inspector = Inspector(session, self.actions_by_id["lock"])
        self._stack = QStackedWidget()
        self.drop = DropOverlay(self._stack)
        self.opening = OpeningStrip(self._stack)
        self._arrange()
        self.status = StatusLine()
        self.setStatusBar(self.status)
        self._hold = HoldOriginal(self, self.viewport)
        self._recent_menu = QMenu("Open &recent", self)
        bars.fill_menu_bar(self.menuBar(), self.actions_by_id, {"sample": self._recent_menu})
        self.inspector.set_save_menus(bars.save_menus(self, self.actions_by_id))
        self.tools = bars.make_toolbar(self.actions_by_id)
        self.addToolBar(self.tools)
        self._fill_recent()
        self._connect()
        self.setAcceptDrops(True)
        self.setWindowIcon(theme.app_icon())
        self.resize(_SIZE)
        if settings.geometry:
            self.restoreGeometry(unpacked(settings.geometry))
        self._restyle()
        self._refresh()

    @property
    def settings(self) -> Settings:
        """What to keep for the next start."""
        session = self.session
        rate = session.rate
        return replace(
            self._settings,
            left=_kept(session, Side.LEFT, self._settings.left),
            right=_kept(session, Side.RIGHT, self._settings.right),
            bpp=rate.bpp if rate.bpp is not None else self._settings.bpp,
            locked=session.locked,
            mode=self.viewport.mode.value,
            geometry=packed(bytes(self.saveGeometry().data())),
            started=True,
        )

    def set_theme(self, name: str) -> None:
        """Dress the whole program, now and at the next start."""
        self._settings = replace(self._settings, theme=name)
        app = QApplication.instance()
        if isinstance(app, QApplication):
            theme.apply(app, name)
        self._refresh()

    def remember(self, path: Path) -> None:
        """Put a file in front of the recent ones."""
        self._settings = self._settings.with_recent(path)
        self._fill_recent()

    def folder(self) -> str:
        """Where file dialogs begin."""
        return self._settings.folder

    # Building

    def _arrange(self) -> None:
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.canvas)
        left = QVBoxLayout()
        left.setContentsMargins(0, 0, 0, 0)
        left.setSpacing(0)
        left.addWidget(self.messages)
        left.addWidget(self._stack, 1)
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
            action = self._recent_menu.addAction(path.name.replace("&", "&&"))
            action.setToolTip(str(path))
            action.triggered.connect(partial(self.commands.open_paths, [path]))
        self._recent_menu.setEnabled(not self._recent_menu.isEmpty())
        self.empty.show_recent(self._settings.recent_paths())

    def _connect(self) -> None:
        session = self.session
        session.picture_changed.connect(self._picture_changed)
        session.side_changed.connect(self._side_changed)
        session.measured.connect(self._refresh)
        session.rate_changed.connect(self._refresh)
        session.settled.connect(self._refresh)
        session.opener.changed.connect(self._opening_changed)
        session.difference_changed.connect(self._difference_changed)
        session.faces.changed.connect(self._faces_changed)
        session.faces.found.connect(lambda faces: self.tell(count_of(faces)))
        session.noticed.connect(self.show_notice)
        session.saved.connect(self._saving_ended)
        session.save_failed.connect(self._saving_stays)
        self.viewport.changed.connect(self._view_changed)
        self.viewport.mode_changed.connect(self._mode_changed)
        self.canvas.hovered.connect(self._hovered)
        self.opening.cancelled.connect(session.cancel)
        self.empty.open_wanted.connect(self.commands.open)
        self.empty.sample_wanted.connect(self.commands.sample)
        self.empty.path_wanted.connect(lambda path: self.commands.open_paths([path]))
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.styleHints().colorSchemeChanged.connect(self._scheme_changed)

    # Showing

    def facts(self) -> actions.Facts:
        """What decides which actions are possible."""
        session = self.session
        views = {side: session.view(side) for side in Side}
        return actions.Facts(
            picture=any(view.raster is not None for view in views.values()),
            original=session.picture is not None,
            left_file=_saveable(views[Side.LEFT]),
            right_file=_saveable(views[Side.RIGHT]),
            several=len(session.opener.paths) > 1,
            working=session.working,
            failed=session.judge.stopped
            or any(view.phase in {Phase.FAILED, Phase.STOPPED} for view in views.values()),
            difference=self.viewport.mode is Mode.DIFFERENCE,
        )

    @Slot()
    def _refresh(self) -> None:
        facts = self.facts()
        for line in actions.ACTIONS:
            self.actions_by_id[line.id].setEnabled(line.enabled(facts))
        self.actions_by_id["lock"].setChecked(self.session.locked)
        self.actions_by_id["lock"].setIcon(theme.icon("lock" if self.session.locked else "unlock"))
        self.actions_by_id["faces"].setChecked(self.faces_shown)
        self.actions_by_id["plot"].setChecked(not self.inspector.plot.isHidden())
        self.actions_by_id[self._mode_action()].setChecked(True)
        self.actions_by_id[f"theme_{self._settings.theme}"].setChecked(True)
        for side in Side:
            self.canvas.show_label(side.value, labels.side_label(self.session, side))
        self.status.show_zoom(self.viewport.scale if facts.picture else None)

    def _mode_action(self) -> str:
        if self.viewport.mode is Mode.FLICKER:
            return "right" if self.viewport.flicker_right else "left"
        return str(self.viewport.mode.value)

    @Slot()
    def _picture_changed(self) -> None:
        session = self.session
        raster = session.anything
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
        raster = self.session.view(side).raster
        self.canvas.show_raster(side.value, raster)
        self._refresh()

    @Slot()
    def _difference_changed(self) -> None:
        self.canvas.show_raster("difference", self.session.difference)

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
        self.session.want_difference(self.viewport.mode is Mode.DIFFERENCE)
        self._difference_changed()
        self._refresh()

    @Slot(object)
    def _hovered(self, point: QPoint | None) -> None:
        sides = {side.letter: self.canvas.raster(side.value) for side in Side}
        self.status.show_pixel(point, sides)

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
        """A new palette changes the surround and the icons."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "tools"):
            self._restyle()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Overlays keep their places."""
        super().resizeEvent(event)
        if self.opening.isVisible():
            self.opening.place()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        """Show where the drop would go."""
        mime = event.mimeData()
        if not (mime.hasUrls() or mime.hasImage() or mime.hasText()):
            return
        event.acceptProposedAction()
        urls = [url for url in mime.urls() if url.isLocalFile()]
        first = drops.Dropped(paths=tuple(Path(url.toLocalFile()) for url in urls[:1]))
        sides = first.neural or (first.coded and self.session.picture is not None)
        self.drop.offer(first.name, sides, picture=not first.neural)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:  # noqa: N802
        """Mark the field under the cursor."""
        self.drop.move_to(self._stack.mapFrom(self, event.position()))
        event.acceptProposedAction()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802
        """No drop after all."""
        self.drop.hide()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        """Open what was dropped where it was dropped."""
        self.drop.move_to(self._stack.mapFrom(self, event.position()))
        side = self.drop.target()
        self.drop.hide()
        event.acceptProposedAction()
        self.commands.take(drops.read(event.mimeData()), side)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        """Let go of everything that runs, but finish what is being written."""
        if self.session.saving:
            self.tell("Closing when the file is written\N{HORIZONTAL ELLIPSIS}")
            self._closing = True
            event.ignore()
            return
        self._hold.release()
        for timer in self.findChildren(QTimer):
            timer.stop()
        self.session.close()
        super().closeEvent(event)


def _saveable(view: SideView) -> bool:
    return view.coded is not None and not view.stale


def _kept(session: Session, side: Side, before: str) -> str:
    """A side's codec if a person chose it, and unless it is a file of this session.

    What merely stood in for another is not kept: the other may be usable at the next start.
    """
    codec = session.choice(side).codec
    return codec if session.insisted(side) and codec != "file" else before
