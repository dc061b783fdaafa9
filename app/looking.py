"""How do boxes, the strip of crops, the magnifier and the grid belong to the window? They are bound here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from PySide6.QtCore import QObject, QPoint, QPointF, Signal
from PySide6.QtGui import QAction

from app.canvas import Canvas
from app.crop_tool import CropTool
from app.crops import Crop
from app.differences import count_of
from app.kinds import Kind
from app.legend import Legend
from app.loupe import Loupe
from app.panels.crops import CropStrip
from app.pixel_grid import PixelGrid, values_text
from app.session import Session
from app.state import Level, Notice
from app.viewport import Mode

SEARCHING = "Looking for faces and for the places where the sides differ most\N{HORIZONTAL ELLIPSIS}"
SHARE = 0.6  # of the canvas that a box takes at most when it is jumped to
HIGHEST = 8.0  # and the scale that is jumped to at most


class Looking(QObject):
    """Close looking: its tools on the canvas, and what the actions about it do."""

    changed = Signal()  # what is switched on

    def __init__(self, session: Session, canvas: Canvas, actions: Mapping[str, QAction]) -> None:
        super().__init__(canvas)
        self._session, self._canvas, self._actions = session, canvas, actions
        self.grid = PixelGrid(canvas)
        canvas.layers.append(self.grid)
        self.tool = CropTool(canvas, session.crops)
        canvas.layers.append(Legend(canvas))
        self.loupe = Loupe(canvas)
        self.strip = CropStrip(session, actions)
        self.strip.hide()
        self._opened, self._closed = False, False
        self._chrome = True
        self._count = 0
        self._jumped_to = 0.0  # the scale the last jump chose
        self.tool.drawing_changed.connect(self.changed)
        self.tool.naming_wanted.connect(self._rename)
        self.strip.looked.connect(self.look_at)
        session.crops.changed.connect(self._boxes_changed)
        session.crops.selection_changed.connect(self.changed)
        session.places.changed.connect(self.changed)
        session.places.proposed.connect(self._proposed)

    def commands(self) -> dict[str, Callable[[], object]]:
        """What the actions do, by id."""
        view, crops = self._canvas.viewport, self._session.crops
        made: dict[str, Callable[[], object]] = {
            "draw_box": lambda: self.tool.set_drawing(not self.tool.drawing),
            "box_here": self._box_here,
            "places": self._find_places,
            "next_box": partial(self._step, 1),
            "previous_box": partial(self._step, -1),
            "rename_box": lambda: self._rename(crops.selected.name) if crops.selected else None,
            "remove_box": lambda: crops.remove(crops.selected.name) if crops.selected else None,
            "strip": self._toggle_strip,
            "loupe": lambda: self.loupe.set_shown(not self.loupe.shown),
            "grid": self._toggle_grid,
            "next_kind": lambda: view.set_kind(view.kind.next if view.mode is Mode.DIFFERENCE else view.kind),
        }
        for kind in Kind:
            made[f"difference_{kind.value}"] = partial(view.set_kind, kind)
        return made

    @property
    def strip_wanted(self) -> bool:
        """Whether a person opened the strip, boxes or not."""
        return self._opened

    def refresh(self) -> None:
        """Tell the actions what is on."""
        actions, view = self._actions, self._canvas.viewport
        actions["draw_box"].setChecked(self.tool.drawing)
        actions["strip"].setChecked(not self.strip.isHidden())
        actions["loupe"].setChecked(self.loupe.shown)
        actions["grid"].setChecked(self.grid.shown)
        actions[f"difference_{view.kind.value}"].setChecked(True)

    def set_chrome(self, shown: bool) -> None:
        """With the panels the strip goes and comes back."""
        self._chrome = shown
        self.tool.set_drawing(False)
        self._show_strip()

    def difference_at(self, point: QPoint | None) -> str:
        """What the difference says at a picture point, "" while none is shown."""
        view, raster = self._canvas.viewport, self._canvas.raster("difference")
        if point is None or raster is None or view.mode is not Mode.DIFFERENCE:
            return ""
        return values_text(raster, point.x(), point.y(), view.kind)

    def look_at(self, crop: Crop) -> None:
        """Bring a box to the middle, at the scale a person chose unless the box would not fit."""
        view, canvas = self._canvas.viewport, self._canvas
        frame = canvas.frame_at(QPointF())
        room = frame.size() * view.ratio * SHARE
        most = min(room.width() / crop.width, room.height() / crop.height)
        if view.fitted or view.scale == self._jumped_to or view.scale * SHARE > most:
            view.zoom_to(float(int(min(most, HIGHEST))) if most >= 1 else most)
            self._jumped_to = view.scale
        view.look_at(QPointF(*crop.centre))

    def _step(self, by: int) -> None:
        crop = self._session.crops.step(by)
        if crop is not None:
            self.look_at(crop)

    def _box_here(self) -> None:
        """A box in the middle of what is seen, a third of it wide: boxes without a mouse."""
        seen = self._canvas.seen()
        side = max(round(min(seen.width(), seen.height()) / 3), 1)
        middle = seen.center()
        self._session.crops.add(round(middle.x() - side / 2), round(middle.y() - side / 2), side, side)
        self._canvas.setFocus()

    def _find_places(self) -> None:
        both = self._session.both
        if both is not None:
            self._session.noticed.emit(Notice(Level.INFO, SEARCHING))
            self._session.places.find(self._session.picture, both)

    def _proposed(self, crops: tuple[Crop, ...]) -> None:
        self._session.noticed.emit(Notice(Level.INFO, count_of(crops)))
        if crops:
            self.look_at(crops[0])

    def _rename(self, name: str) -> None:
        self._closed = False
        self._show_strip()
        self.strip.tabs.rename(name)

    def _toggle_strip(self) -> None:
        shown = self.strip.isHidden()
        self._opened, self._closed = shown, not shown
        self._show_strip()

    def _toggle_grid(self) -> None:
        self.grid.shown = not self.grid.shown
        self._canvas.update()

    def _boxes_changed(self) -> None:
        """A new box opens the strip; a picture without boxes closes what no person opened."""
        count = len(self._session.crops.all())
        if count > self._count:
            self._closed = False
        self._count = count
        self._show_strip()

    def _show_strip(self) -> None:
        boxes = bool(self._session.crops.all()) and not self._closed
        self.strip.setVisible(self._chrome and (self._opened or boxes))
        self.changed.emit()
