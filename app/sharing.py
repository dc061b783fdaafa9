"""How does the window take part in exporting, copying and having several pictures open?"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QStandardPaths, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QFileDialog

from app.commands import sample_photo
from app.export import GAP
from app.exporter import Exporter
from app.exporting import Form, offers_of
from app.exports import ExportCrops, ExportLabelled, ExportReport
from app.facts import unfinished
from app.gather import boxes_of_session, report_of
from app.panels.export import ExportDialog
from app.panels.filmstrip import FilmStrip
from app.raster import Raster
from app.report import Box
from app.state import Level, Side
from app.worker import Task

if TYPE_CHECKING:
    from app.window import Window

DETAIL = 512  # pixels: a view up to this wide and high is a detail worth a box in a figure
LARGEST_COPY = 16_000_000  # pixels: more would stop the window, here and whenever it is pasted
_FIGURES = (".png", ".pdf", ".svg")
_NO_RESULT = "There is no result to export yet: wait until a side is compressed."


class Sharing:
    """Belongs to a window; gives the commands of its actions by id. What takes a path asks nobody."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self.exporter = Exporter(window.session, window)
        self.filmstrip = FilmStrip(window.session)
        self.filmstrip.path_wanted.connect(window.session.opener.go)
        window.session.reloader.back.connect(window.messages.withdraw)

    def commands(self) -> dict[str, Callable[[], object]]:
        """What the actions do."""
        return {
            **{form.value: partial(self.ask, form) for form in Form},
            "copy_crop": self.copy_crop,
            "open_folder": self._ask_folder,
            "filmstrip": lambda: self.filmstrip.set_wanted(not self.filmstrip.wanted),
        }

    def set_chrome(self, shown: bool) -> None:
        """Show or hide the filmstrip with the other panels."""
        self.filmstrip.set_chrome(shown)

    # Exporting

    def export(self, path: Path) -> None:
        """Write what the suffix asks for: a figure sheet, a web page, or the evidence of all results.

        Boxes are those of the picture; without any, a figure takes the detail in view.
        """
        session = self._window.session
        evidence = path.suffix.lower() in {".zip", ""}
        boxes = boxes_of_session(session)
        if not boxes and path.suffix.lower() in _FIGURES and (seen := self._detail()) is not None:
            boxes = (seen,)
        found = report_of(session, every=evidence, boxes=boxes)
        if found is not None and found[0].items:
            self._write(ExportReport(path, found[0]), path, found[1])
        else:
            self._window.tell(_NO_RESULT, Level.WARNING)

    def export_labelled(self, path: Path) -> None:
        """Write the selected box, or what is in view, of every result, framed and with captions."""
        found, box = report_of(self._window.session), self.box()
        if found is not None and found[0].items and box is not None:
            self._write(ExportLabelled(path, found[0], box), path, found[1])
        else:
            self._window.tell(_NO_RESULT, Level.WARNING)

    def export_crops(self, folder: Path) -> None:
        """Write every box of every result into a folder, plain and framed with captions."""
        session, seen = self._window.session, self._detail()
        boxes = boxes_of_session(session) or ((seen,) if seen is not None else ())
        found = report_of(session, boxes=boxes)
        if found is not None and found[0].items:
            self._write(ExportCrops(folder, found[0]), folder, found[1])
        else:
            self._window.tell(_NO_RESULT, Level.WARNING)

    def copy_crop(self) -> None:
        """Put the selected box, or what is in view, of both sides on the clipboard, in its own pixels.

        That a side is not finished, or that it is too much for a clipboard, is told.
        """
        box, session = self.box(), self._window.session
        rasters = [raster for side in Side if (raster := session.view(side).raster) is not None]
        if box is None or not rasters:
            return
        if why := unfinished(session, [side.value for side in Side]):
            self._window.tell(f"The crop was not copied: {why}.", Level.WARNING)
            return
        name = f"The box {box.name}" if box.name else "The crop in view"
        pixels = len(rasters) * box.width * box.height
        if pixels > LARGEST_COPY:
            size = f"{pixels / 1e6:.0f} megapixels{' on both sides' if len(rasters) > 1 else ''}"
            words = f"{name} is too large to copy, {size}: draw a smaller box, or export it."
            self._window.tell(words, Level.WARNING)
            return
        QApplication.clipboard().setImage(_beside(rasters, box))
        self._window.tell(f"{name} was copied from {'both sides' if len(rasters) > 1 else 'the side'}.")

    def box(self) -> Box | None:
        """The selected box, else what is in view; None without a picture in the window."""
        crop = self._window.session.crops.selected
        if crop is not None:
            return Box(crop.name, crop.x, crop.y, crop.width, crop.height)
        window, raster = self._window, self._window.session.anything
        if raster is None:
            return None
        seen = window.canvas.seen()
        left, top = int(seen.left()), int(seen.top())
        right, bottom = (
            min(int(-(-seen.right() // 1)), raster.width),
            min(int(-(-seen.bottom() // 1)), raster.height),
        )
        return Box("", left, top, right - left, bottom - top) if right > left and bottom > top else None

    def _detail(self) -> Box | None:
        """What is in view where that is a small part of the picture."""
        box = self.box()
        return (
            box if box is not None and max(box.width, box.height) <= DETAIL and self._is_part(box) else None
        )

    def _is_part(self, box: Box) -> bool:
        raster = self._window.session.anything
        return raster is not None and (box.width < raster.width or box.height < raster.height)

    def _write(self, task: Task, path: Path, rasters: list[Raster]) -> None:
        self._window.tell(f"Writing {path.name}\N{HORIZONTAL ELLIPSIS}")
        self._window.session.save(task, rasters)

    # Asking

    def ask(self, form: Form) -> ExportDialog | None:
        """Open the export dialog; None where there is nothing to export."""
        window = self._window
        session = window.session
        picture = session.picture
        if picture is None:
            window.tell(_NO_RESULT, Level.WARNING)
            return None
        found = report_of(session)
        own = picture.path is not None and picture.path != sample_photo()
        folder = picture.path.parent if own and picture.path is not None else _usual(window.folder())
        if not os.access(folder, os.W_OK):
            folder = _usual(window.folder())
        dialog = ExportDialog(
            window,
            self.exporter,
            offers_of(session),
            form,
            (boxes_of_session(session), self._detail(), self.box()),
            (folder, found[0].stem if found is not None else "picture", picture.path),
        )
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()
        return dialog

    def _ask_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(
            self._window, "Open the pictures of a folder", self._window.folder()
        )
        if chosen:
            self._window.commands.open_paths([Path(chosen)])


def _beside(rasters: Sequence[Raster], box: Box) -> QImage:
    """A box of each raster in a row, with gaps between them."""
    step = box.width + GAP
    image = QImage(step * len(rasters) - GAP, box.height, QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.bits(), np.uint8).reshape(box.height, -1, 4)
    for at, raster in enumerate(rasters):
        crop = raster.levels[0][box.y : box.y + box.height, box.x : box.x + box.width]
        pixels[:, at * step : at * step + box.width] = crop
        pixels[:, at * step + box.width : (at + 1) * step] = 255
    return image


def _usual(folder: str) -> Path:
    """Where files were last, else where the system keeps pictures."""
    pictures = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
    places = (Path(place) for place in (folder, pictures) if place)
    return next((place for place in places if os.access(place, os.W_OK)), Path.home())
