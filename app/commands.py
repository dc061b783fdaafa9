"""What does each action do? One method an id; dialogs are opened here and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QApplication, QFileDialog

from app import drops, theme
from app.export import Crop, ExportCrop
from app.facts import unfinished
from app.kinds import Kind
from app.labels import suggested_name
from app.log import log_path
from app.opener import NEURAL_SUFFIXES
from app.panels.dialogs import about_dialog, shortcuts_dialog
from app.panels.saving import ask_path
from app.raster import Raster
from app.state import METRICS, Level, Side
from app.viewport import GAINS, ZOOM_STEP, Mode
from models.codec import entry
from models.paths import fitting, there
from models.picture import SAVED_SUFFIXES

if TYPE_CHECKING:
    from app.window import Window

_CROP = "-crop.png"
_ALIKE = {".jpg": (".jpeg",), ".heic": (".heif",)}  # other suffixes of the same format


@cache
def sample_photo() -> Path | None:
    """The public-domain photo of Grace Hopper that comes with matplotlib, found without importing it."""
    frozen = getattr(sys, "_MEIPASS", None)
    if frozen:
        root = Path(frozen) / "matplotlib"
    else:
        found = find_spec("matplotlib")
        if found is None or found.origin is None:
            return None
        root = Path(found.origin).parent
    path = root / "mpl-data" / "sample_data" / "grace_hopper.jpg"
    return path if path.is_file() else None


class Commands:
    """The window's actions. Each can be called without a dialog where it takes a path."""

    def __init__(self, window: Window) -> None:
        self._window = window
        modes = {"split": Mode.SPLIT, "side": Mode.SIDE, "difference": Mode.DIFFERENCE}
        self._commands: dict[str, Callable[[], object]] = {
            "open": self.open,
            "paste": self.paste,
            "sample": self.sample,
            "save_left": lambda: self._ask_save_file(Side.LEFT),
            "save_right": lambda: self._ask_save_file(Side.RIGHT),
            "png_left": lambda: self._ask_save_picture(Side.LEFT),
            "png_right": lambda: self._ask_save_picture(Side.RIGHT),
            "export_crop": self._ask_export_crop,
            "copy_view": self.copy_view,
            "copy_numbers": self._copy_numbers,
            "previous": lambda: window.session.step(-1),
            "next": lambda: window.session.step(1),
            "quit": window.close,
            "left": lambda: window.viewport.show_side(right=False),
            "right": lambda: window.viewport.show_side(right=True),
            "fit": self._fit,
            "actual": self._actual,
            "zoom_in": lambda: window.viewport.zoom_by(ZOOM_STEP**2),
            "zoom_out": lambda: window.viewport.zoom_by(ZOOM_STEP**-2),
            "more_gain": lambda: self._gain(1),
            "less_gain": lambda: self._gain(-1),
            "hold": lambda: None,
            "swap": window.session.swap,
            "turn_split": window.viewport.turn_split,
            "lock": lambda: window.session.set_locked(not window.session.locked),
            "faces": lambda: window.show_faces(not window.faces_shown),
            "plot": lambda: window.inspector.show_plot(window.inspector.plot.isHidden()),
            "cancel": window.session.cancel,
            "retry": window.session.retry,
            "chrome": lambda: window.set_chrome(not window.canvas.chrome),
            "full_screen": self._full_screen,
            "shortcuts": lambda: shortcuts_dialog(window).open(),
            "about": lambda: about_dialog(window).open(),
            "log": self._show_log,
        }
        for id, mode in modes.items():
            self._commands[id] = partial(self._set_mode, mode)
        self._commands |= window.looking.commands()
        self._commands |= window.working.commands()
        self._commands |= window.sharing.commands()
        for bpp in (0.075, 0.15, 0.3):
            self._commands[f"preset_{bpp:g}"] = partial(self._preset, bpp)
        for metric in METRICS:
            self._commands[f"label_{metric}"] = partial(window.session.columns.set_metric, metric)
        for name in theme.THEMES:
            self._commands[f"theme_{name}"] = partial(window.set_theme, name)

    def command(self, id: str) -> Callable[[], object]:
        """What an action's id does. Raises KeyError."""
        return self._commands[id]

    # Opening

    def open(self) -> None:
        """Ask for a file and open it."""
        patterns = " ".join(f"*{suffix}" for suffix in (*drops.PICTURE_SUFFIXES, *NEURAL_SUFFIXES))
        names, _ = QFileDialog.getOpenFileNames(
            self._window,
            "Open",
            self._window.folder(),
            f"Pictures and compressed files ({patterns});;All files (*)",
        )
        self.open_paths([Path(name) for name in names])

    def open_paths(self, paths: Sequence[Path], *_: object) -> None:
        """Open paths; folders become the pictures in them."""
        if paths:
            self.take(drops.expand(tuple(paths)), None)

    def take(self, dropped: drops.Dropped, side: Side | None) -> None:
        """Open what was dropped or pasted."""
        window = self._window
        if dropped.refusal:
            window.tell(dropped.refusal, Level.WARNING)
            return
        window.messages.clear()
        if dropped.pixels is not None:
            window.session.opener.open_pixels(dropped.pixels)
        else:
            window.session.open(dropped.paths, side)

    def paste(self) -> None:
        """Open what is on the clipboard."""
        self.take(drops.read(QApplication.clipboard().mimeData()), None)

    def sample(self) -> None:
        """Open the sample photo."""
        path = sample_photo()
        if path is None:
            self._window.tell(
                "The sample photo is missing: install matplotlib or open a photo.", Level.WARNING
            )
        else:
            self.open_paths([path])

    # Saving

    def _ask_save_file(self, side: Side) -> None:
        view = self._window.session.view(side)
        if view.coded is None:
            return
        suffix = entry(view.coded.encoding.codec).suffix
        name = suggested_name(self._window.session, side)
        path = self._ask_path(f"Save side {side.letter}", name, (suffix, *_ALIKE.get(suffix, ())))
        if path is not None:  # what was asked for, whatever was opened meanwhile
            self._window.session.save_file(view, path)

    def _ask_save_picture(self, side: Side) -> None:
        view, name = self._window.session.view(side), suggested_name(self._window.session, side, ".png")
        path = self._ask_path(f"Save side {side.letter} decoded", name, SAVED_SUFFIXES)
        if path is not None:
            self._window.session.save_picture(view, path)

    def _ask_export_crop(self) -> None:
        if self._tell_if_unfinished():
            return
        source = self._window.session.picture
        stem = source.path.stem if source is not None and source.path else "picture"
        seen = self._crop_in_view()
        path = self._ask_path("Export the crop in view", f"{fitting(stem, _CROP)}{_CROP}", SAVED_SUFFIXES)
        if path is not None and seen is not None:
            self._export(seen, path)

    def _ask_path(self, title: str, name: str, suffixes: tuple[str, ...]) -> Path | None:
        return ask_path(self._window, title, Path(self._window.folder()) / name, suffixes)

    def export_crop(self, path: Path) -> None:
        """Write what is in view, in the picture's own pixels; that some of it is not finished is told."""
        seen = None if self._tell_if_unfinished() else self._crop_in_view()
        if seen is not None:
            self._export(seen, path)

    def _export(self, seen: tuple[ExportCrop, list[Raster]], path: Path) -> None:
        task, rasters = seen
        self._window.session.save(replace(task, path=path), rasters)

    def _crop_in_view(self) -> tuple[ExportCrop, list[Raster]] | None:
        """What would be exported now, for a path that is not known yet; None where nothing is shown."""
        view, canvas = self._window.viewport, self._window.canvas
        panes, names = canvas.panes(), self._in_view()
        shown = [raster for name in names if (raster := canvas.raster(name)) is not None]
        seen = canvas.seen()
        crop = Crop(int(seen.left()), int(seen.top()), -int(-seen.right() // 1), -int(-seen.bottom() // 1))
        at = None
        if view.mode is Mode.SPLIT and len(shown) == 2:
            corner = view.to_picture(panes[1].rect.topLeft(), canvas.frame_at(QPointF()))
            at = round(corner.y() if view.across else corner.x())
        gain, kind = (view.gain, view.kind) if names == ["difference"] else (1, Kind.ABSOLUTE)
        digests = tuple(raster.digest for raster in shown)
        return (ExportCrop(Path(), crop, digests, at, gain, kind, view.across), shown) if shown else None

    def _in_view(self) -> list[str]:
        """What is drawn, each picture once."""
        canvas = self._window.canvas
        return list(dict.fromkeys(canvas.drawn(pane) for pane in canvas.panes()))

    def _tell_if_unfinished(self) -> bool:
        why = unfinished(self._window.session, self._in_view())
        if why:
            self._window.tell(f"The crop was not exported: {why}.", Level.WARNING)
        return bool(why)

    def copy_view(self) -> None:
        """Put what is seen on the clipboard."""
        QApplication.clipboard().setImage(self._window.canvas.render_view())
        self._window.tell("The view was copied.")

    def _copy_numbers(self) -> None:
        QApplication.clipboard().setText(self._window.inspector.metrics.tsv())
        self._window.tell("The numbers were copied.")

    # Looking

    def _set_mode(self, mode: Mode) -> None:
        self._window.viewport.set_mode(mode)

    def _preset(self, bpp: float) -> None:
        self._window.inspector.preset(bpp)

    def _fit(self) -> None:
        self._window.viewport.fit()

    def _actual(self) -> None:
        self._window.viewport.zoom_to(1.0)

    def _gain(self, by: int) -> None:
        at = GAINS.index(self._window.viewport.gain) + by
        self._window.viewport.set_gain(GAINS[min(max(at, 0), len(GAINS) - 1)])

    def _full_screen(self) -> None:
        """In, and out to what the window was: a maximised one stays so beneath."""
        window = self._window
        window.setWindowState(window.windowState() ^ Qt.WindowState.WindowFullScreen)

    def _show_log(self) -> None:
        path = log_path()
        if path is None:
            self._window.tell("There is no log file, as no home folder is known: set HOME.")
        elif there(path.exists):
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
        else:
            self._window.tell(f"There is no log file yet; it will be {path}.")
