"""How do faces look and measure on both sides? A card with their numbers and each face cut out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QEnterEvent, QImage, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QAbstractButton, QFrame, QGridLayout, QLabel, QVBoxLayout, QWidget

from app import text
from app.crops import Crop
from app.layers import small_font
from app.panels.metrics import BETTER
from app.raster import Raster
from app.state import Side
from models.face_metrics import FaceMetrics, Part, cut_of
from models.faces import Face

MOST = 6  # faces that are cut out; the others are only counted
CUT = 84  # widget pixels a side of a cut
_GAP = 8
_ROWS = (
    ("PSNR in faces", "inside", "psnr"),
    ("PSNR elsewhere", "outside", "psnr"),
    ("LPIPS in faces", "inside", "lpips"),
    ("LPIPS elsewhere", "outside", "lpips"),
)
_TIPS = {
    "psnr": "Peak signal-to-noise ratio over the ellipses of all faces, and over the rest: more is better",
    "lpips": "LPIPS of AlexNet averaged over the ellipses of all faces, and over the rest: less is better",
}

Numbers = Mapping[Side, "FaceMetrics | str | None"]


class FaceRow(QAbstractButton):
    """One face in the original, A and B; a click brings it to the middle."""

    def __init__(self, face: Face, name: str) -> None:
        super().__init__()
        self.face, self.name = face, name
        self._cuts: list[QImage | None] = []
        self._lines: list[str] = []
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setFixedSize(self.sizeHint())

    def show_cuts(self, rasters: Sequence[Raster | None], parts: Sequence[Part | None]) -> None:
        """rasters: the original, A, B; parts: numbers of A and B."""
        size = round(CUT * self.devicePixelRatioF())
        self._cuts = [_cut(raster, self.face, size) if raster is not None else None for raster in rasters]
        self._lines = [self.name, *("A  " + _line(parts[0]), "B  " + _line(parts[1]))]
        self.setAccessibleName(", ".join(self._lines))
        small = "small, " if self.face.small else ""
        self.setToolTip(
            f"{self.name}: {small}found with {self.face.score:.0%}\nClick to bring it to the middle"
        )
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Three cuts and a line of text below them."""
        return QSize(3 * CUT + 2 * _GAP, CUT + self._high + 4)

    @property
    def _high(self) -> int:
        return self.fontMetrics().height()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Every cut with its line."""
        painter = QPainter(self)
        painter.setFont(small_font(self.font()))
        size = CUT * self.devicePixelRatioF()
        for at, (cut, line) in enumerate(zip(self._cuts, self._lines, strict=True)):
            place = QRect(at * (CUT + _GAP), 0, CUT, CUT)
            if cut is not None:
                painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, cut.width() > size)
                painter.drawImage(place, cut)
            painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
            words = QRect(place.left(), CUT + 2, CUT, self._high)
            painter.drawText(words, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter, line)
        if self.underMouse() or self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 2))
            painter.drawRect(QRect(1, 1, 3 * CUT + 2 * _GAP - 2, CUT - 2))
        painter.end()

    def enterEvent(self, event: QEnterEvent) -> None:  # noqa: N802
        """Framed while the cursor is over it."""
        super().enterEvent(event)
        self.update()


class FaceCard(QFrame):
    """Shown while faces are marked and there are some."""

    looked = Signal(object)  # Crop: bring it to the middle

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self._faces: tuple[Face, ...] = ()
        self.rows: list[FaceRow] = []
        self._title = QLabel("Faces")
        self._title.setObjectName("heading")
        self._more = QLabel()
        self._more.setObjectName("quiet")
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(0, 1)
        self._grid.addWidget(self._title, 0, 0)
        for column, side in enumerate(Side, start=1):
            self._grid.addWidget(QLabel(side.letter), 0, column, Qt.AlignmentFlag.AlignRight)
        self.cells: dict[tuple[int, Side], QLabel] = {}
        for at, (name, _, metric) in enumerate(_ROWS):
            label = QLabel(name)
            label.setToolTip(_TIPS[metric])
            self._grid.addWidget(label, at + 1, 0)
            for column, side in enumerate(Side, start=1):
                cell = QLabel(text.DASH)
                cell.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                cell.setMinimumWidth(84)
                cell.setAccessibleName(f"{name}, side {side.letter}")
                self.cells[at, side] = cell
                self._grid.addWidget(cell, at + 1, column)
        self._list = QVBoxLayout()
        self._list.setSpacing(6)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.setSpacing(6)
        layout.addLayout(self._grid)
        layout.addLayout(self._list)
        layout.addWidget(self._more)
        self.hide()

    def show_faces(
        self,
        faces: tuple[Face, ...],
        picture: Raster | None,
        rasters: Mapping[Side, Raster | None],
        numbers: Numbers,
    ) -> None:
        """Fill in; without faces the card is hidden. Small faces come first."""
        self.setVisible(bool(faces) and picture is not None)
        if not faces or picture is None:
            return
        ordered = tuple(sorted(range(len(faces)), key=lambda at: not faces[at].small))
        if faces != self._faces:
            self._faces = faces
            self._rebuild([faces[at] for at in ordered[:MOST]])
            left = len(faces) - len(self.rows)
            self._more.setText(f"and {left} more" if left else "")
            self._more.setVisible(bool(left))
        for at, (_, part, metric) in enumerate(_ROWS):
            self._show_numbers(
                at, {side: _value(numbers[side], part, metric) for side in Side}, metric, numbers
            )
        for row, at in zip(self.rows, ordered, strict=False):
            found = [numbers[side] for side in Side]
            parts = [f.each[at] if isinstance(f, FaceMetrics) and at < len(f.each) else None for f in found]
            row.show_cuts([picture, *(rasters[side] for side in Side)], parts)

    def _show_numbers(
        self, at: int, values: Mapping[Side, float | None], metric: str, numbers: Numbers
    ) -> None:
        left, right = (values[side] for side in Side)
        written = [_number(value, metric) for value in (left, right)]
        best = None
        if left is not None and right is not None and written[0] != written[1]:
            best = Side.LEFT if (left > right) == (metric == "psnr") else Side.RIGHT
        for side, words in zip(Side, written, strict=True):
            cell, found = self.cells[at, side], numbers[side]
            cell.setText(
                "\N{HORIZONTAL ELLIPSIS}" if found is None else f"{BETTER} {words}" if side is best else words
            )
            font = cell.font()
            font.setBold(side is best)
            cell.setFont(font)
            cell.setToolTip(found if isinstance(found, str) else "Being measured" if found is None else "")

    def _look(self, crop: Crop, _checked: bool = False) -> None:
        self.looked.emit(crop)

    def _rebuild(self, faces: Sequence[Face]) -> None:
        for row in self.rows:
            self._list.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.rows = []
        for number, face in enumerate(faces, start=1):
            row = FaceRow(face, f"Face {number}")
            row.clicked.connect(partial(self._look, _around(face)))
            self._list.addWidget(row)
            self.rows.append(row)


def _around(face: Face) -> Crop:
    left, top, right, bottom = face.box
    return Crop("", round(left), round(top), max(round(right - left), 1), max(round(bottom - top), 1))


def _value(found: FaceMetrics | str | None, part: str, metric: str) -> float | None:
    if not isinstance(found, FaceMetrics):
        return None
    value: float | None = getattr(getattr(found, part), metric)
    return value


def _number(value: float | None, metric: str) -> str:
    if value is None:
        return text.DASH
    return f"{value:.2f} dB" if metric == "psnr" else f"{value:.4f}"


def _line(part: Part | None) -> str:
    if part is None or part.psnr is None:
        return text.DASH
    return f"{part.psnr:.1f} dB"


def _cut(raster: Raster, face: Face, size: int) -> QImage:
    """A square around the face, its own pixels, for so many pixels of the screen a side."""
    rows, columns = cut_of(face, raster.width, raster.height)
    side = min(max(rows.stop - rows.start, columns.stop - columns.start), raster.width, raster.height)
    top = min(max((rows.start + rows.stop - side) // 2, 0), raster.height - side)
    left = min(max((columns.start + columns.stop - side) // 2, 0), raster.width - side)
    level = raster.level_for(min(size / side, 1.0))
    step = 2**level
    span = max(side // step, 1)
    held = raster.levels[level][top // step : top // step + span, left // step : left // step + span]
    held = np.ascontiguousarray(held)
    height, width = held.shape[:2]
    return QImage(held.data, width, height, 4 * width, QImage.Format.Format_RGB32).copy()
