"""What happens while something is dragged over the window, and where does a drop go?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import QWidget

from app import drops
from app.panels.overlays import DropOverlay
from app.session import Session
from app.state import Side


class DropTarget(QObject):
    """Watches a window's drag events; shows the fields over `area` and gives what was dropped to `take`."""

    def __init__(
        self,
        window: QWidget,
        area: QWidget,
        overlay: DropOverlay,
        session: Session,
        take: Callable[[drops.Dropped, Side | None], None],
    ) -> None:
        super().__init__(window)
        self._window, self._area, self._overlay = window, area, overlay
        self._session, self._take = session, take
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Takes the drag events of the window."""
        if isinstance(event, QDragEnterEvent):  # a kind of QDragMoveEvent and QDropEvent for Qt
            self._enter(event)
        elif isinstance(event, QDragMoveEvent):
            self._overlay.move_to(self._area.mapFrom(self._window, event.position()))
            event.acceptProposedAction()
        elif isinstance(event, QDropEvent):
            self._drop(event)
        elif event.type() is QEvent.Type.DragLeave:
            self._overlay.hide()
        else:
            return False
        return True

    def _enter(self, event: QDragEnterEvent) -> None:
        """Show where the drop would go."""
        mime = event.mimeData()
        if not (mime.hasUrls() or mime.hasImage() or mime.hasText()):
            event.ignore()
            return
        event.acceptProposedAction()
        paths = tuple(Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile())
        over = drops.Dropped(paths=paths)
        sides = over.neural or (over.coded and self._session.picture is not None)
        self._overlay.offer(over.name, sides, picture=not over.neural)

    def _drop(self, event: QDropEvent) -> None:
        """Open what was dropped where it was dropped."""
        self._overlay.move_to(self._area.mapFrom(self._window, event.position()))
        side = self._overlay.target()
        self._overlay.hide()
        event.acceptProposedAction()
        self._take(drops.read(event.mimeData()), side)
