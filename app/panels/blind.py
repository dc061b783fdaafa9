"""How is the blind test taken? Two nameless pictures beside the reference, keys choose, then the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app import text, theme
from app.blind import FEWEST, BlindTest, Contestant, Verdict, report, table
from app.crops import Crop
from app.panels.announcing import announce
from app.panels.blind_result import ResultPage, title_label
from app.panels.saving import ask_path
from app.possible import allow
from app.raster import Raster
from app.report import writable
from app.state import Side
from app.tasks import SaveFile
from models.paths import fitting

_KEYS = {
    Qt.Key.Key_Left: Verdict.LEFT,
    Qt.Key.Key_1: Verdict.LEFT,
    Qt.Key.Key_Right: Verdict.RIGHT,
    Qt.Key.Key_3: Verdict.RIGHT,
    Qt.Key.Key_Down: Verdict.NONE,
    Qt.Key.Key_2: Verdict.NONE,
}
_GAP = 14
_ROUNDS = (1, 2, 4)
ENOUGH = 12  # trials that are offered first: fewer seldom tell anything


class CropView(QWidget):
    """The same crop of up to three pictures beside each other, each pixel a square of screen pixels."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._images: list[QImage] = []
        self._words: tuple[str, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(600, 240)
        self.setAccessibleName("The pictures to compare")

    def show_crop(self, crop: Crop, rasters: list[Raster], words: tuple[str, ...]) -> None:
        """Show a crop of each picture, with words under it."""
        self._images = [_cut(raster, crop) for raster in rasters]
        self._words = words
        self.update()

    @property
    def images(self) -> list[QImage]:
        """What is shown, left to right."""
        return self._images

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Draw as large as fits; above 100% by a whole number, so that all pixels are equal."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.surround(self.palette()))
        if self._images:
            self._draw(painter)
        painter.end()

    def _draw(self, painter: QPainter) -> None:
        ratio = self.devicePixelRatioF()
        foot = painter.fontMetrics().height() + 14
        count, image = len(self._images), self._images[0]
        room = (self.width() - _GAP * (count + 1)) / count * ratio, (self.height() - _GAP - foot) * ratio
        scale = min(room[0] / image.width(), room[1] / image.height())
        scale = float(int(scale)) if scale >= 1 else scale
        wide, high = image.width() * scale / ratio, image.height() * scale / ratio
        left = (self.width() - count * wide - (count - 1) * _GAP) / 2
        top = round((self.height() - high - foot) / 2 * ratio) / ratio
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, scale < 1)
        for at, (picture, words) in enumerate(zip(self._images, self._words, strict=True)):
            x = round((left + at * (wide + _GAP)) * ratio) / ratio
            painter.drawImage(QRectF(x, top, wide, high), picture)
            painter.setPen(self.palette().windowText().color())
            below = QRectF(x, top + high + 6, wide, foot)
            painter.drawText(below, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, words)


class BlindDialog(QDialog):
    """The whole test: a word before, the trials, the result with its exports."""

    save_wanted = Signal(object)  # SaveFile

    def __init__(
        self,
        parent: QWidget,
        make: Callable[[int], BlindTest],
        pictures: Mapping[Side, Raster],
        original: Raster,
        contestants: Mapping[Side, Contestant],
        versions: dict[str, str],
        folder: str,
    ) -> None:
        super().__init__(parent)
        self._make, self._pictures, self._original = make, dict(pictures), original
        self._contestants, self._versions = dict(contestants), versions
        self._folder = folder
        self.test = make(1)
        self._began = 0.0
        self.setWindowTitle("Blind test")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(round(parent.width() * 0.92), round(parent.height() * 0.86))
        self.view = CropView()
        self.pages = QStackedWidget()
        self._first, self._middle, self.ending = self._first_page(), self._trial_page(), ResultPage()
        for page in (self._first, self._middle, self.ending):
            self.pages.addWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pages)
        self.ending.csv.clicked.connect(lambda: self._ask_save(".csv"))
        self.ending.json.clicked.connect(lambda: self._ask_save(".json"))
        self.ending.again.clicked.connect(lambda: self.pages.setCurrentWidget(self._first))
        self.ending.leave.clicked.connect(self.accept)

    # Pages

    def _first_page(self) -> QWidget:
        count = len(self.test.crops)
        title = title_label("Which one is nearer to the original?")
        words = QLabel(
            "You see the original between two compressed versions of the same place.\n"
            "Which codec stands where is shuffled and shown only at the end.\n\n"
            "\N{LEFTWARDS ARROW}  the left one      \N{DOWNWARDS ARROW}  no difference      "
            "\N{RIGHTWARDS ARROW}  the right one      Backspace  one back      Esc  leave" + _too_few(count)
        )
        words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        row = QHBoxLayout()
        row.addStretch()
        self.starts: list[QPushButton] = []
        for rounds in _ROUNDS:
            button = QPushButton(text.counted(count * rounds, "trial"))
            button.setToolTip("Each place once" if rounds == 1 else f"Each place {rounds} times")
            button.clicked.connect(lambda _=False, rounds=rounds: self.start(rounds))
            enough = not any(each.isDefault() for each in self.starts) and count * rounds >= ENOUGH
            button.setDefault(enough or (rounds == _ROUNDS[-1] and count * rounds < ENOUGH))
            self.starts.append(button)
            row.addWidget(button)
        row.addStretch()
        return _page(title, words, row)

    def _trial_page(self) -> QWidget:
        self._count = QLabel()
        self._count.setObjectName("heading")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName("Progress of the test")
        head = QHBoxLayout()
        head.setContentsMargins(16, 12, 16, 0)
        head.setSpacing(14)
        head.addWidget(self._count)
        head.addWidget(self._bar, 1)
        self.choices: dict[Verdict, QPushButton] = {}
        foot = QHBoxLayout()
        foot.setContentsMargins(16, 0, 16, 14)
        foot.setSpacing(10)
        self._back = QPushButton("One back")
        self._back.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._back.clicked.connect(self.back)
        foot.addWidget(self._back)
        foot.addStretch()
        for verdict, words in (
            (Verdict.LEFT, "\N{LEFTWARDS ARROW}  Left is nearer"),
            (Verdict.NONE, "\N{DOWNWARDS ARROW}  No difference"),
            (Verdict.RIGHT, "Right is nearer  \N{RIGHTWARDS ARROW}"),
        ):
            button = QPushButton(words)
            button.setMinimumWidth(150)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the arrows choose, they do not walk
            button.clicked.connect(lambda _=False, verdict=verdict: self.answer(verdict))
            self.choices[verdict] = button
            foot.addWidget(button)
        foot.addStretch()
        balance = QWidget()
        balance.setFixedWidth(self._back.sizeHint().width())
        foot.addWidget(balance)
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(12)
        layout.addLayout(head)
        layout.addWidget(self.view, 1)
        layout.addLayout(foot)
        return page

    # Taking it

    def start(self, rounds: int) -> None:
        """Begin a new test."""
        self.test = self._make(rounds)
        self.pages.setCurrentWidget(self._middle)
        self.setFocus()
        self._show_trial()

    def answer(self, verdict: Verdict) -> None:
        """Judge what is shown."""
        if self.pages.currentWidget() is not self._middle or self.test.done:
            return
        self.test.answer(verdict, time.monotonic() - self._began)
        if self.test.done:
            self._show_result()
        else:
            self._show_trial()

    def back(self) -> None:
        """Judge the last one once more."""
        if self.pages.currentWidget() is self._middle:
            self.test.back()
            self._show_trial()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Keys choose, once a press: a key held down would answer everything."""
        if self.pages.currentWidget() is self._middle:
            if event.isAutoRepeat():
                return
            verdict = _KEYS.get(Qt.Key(event.key()))
            if verdict is not None:
                self.answer(verdict)
                return
            if event.key() == Qt.Key.Key_Backspace:
                self.back()
                return
        super().keyPressEvent(event)

    def _show_trial(self) -> None:
        trial = self.test.current
        if trial is None:
            return
        rasters = [self._pictures[trial.on_left], self._original, self._pictures[trial.on_left.other]]
        self.view.show_crop(trial.crop, rasters, ("Left", "Original", "Right"))
        number, count = len(self.test.answers) + 1, len(self.test.trials)
        self._count.setText(f"{number} of {count}")
        self._bar.setRange(0, count)
        self._bar.setValue(number - 1)
        reason = "" if self.test.answers else "This is the first trial"
        allow(self._back, "Take the last answer back (Backspace)", reason)
        self._began = time.monotonic()

    def _show_result(self) -> None:
        self.ending.show_result(self.test, self._contestants)
        self.pages.setCurrentWidget(self.ending)
        self.ending.leave.setFocus()
        announce(self, f"{self.ending.title.text()} {self.ending.numbers.text()}")

    # The result

    def text_of(self, suffix: str) -> str:
        """The result in the format of a suffix."""
        path = self._original.path
        name = writable(path.name) if path is not None else "pasted picture"
        a, b = (self._contestants[side] for side in Side)
        if suffix == ".csv":
            return table(self.test, name, a, b)
        return report(self.test, name, a, b, self._versions)

    def save(self, path: Path) -> None:
        """Ask for the result to be written; the suffix says how."""
        self.save_wanted.emit(SaveFile(path, self.text_of(path.suffix.lower()).encode()))

    def _ask_save(self, suffix: str) -> None:
        stem = self._original.path.stem if self._original.path is not None else "picture"
        rest = f"-blind-test{suffix}"
        start = Path(self._folder) / f"{fitting(stem, rest)}{rest}"
        path = ask_path(self, "Export the blind test", start, [suffix])
        if path is not None:
            self.save(path)


def _cut(raster: Raster, crop: Crop) -> QImage:
    """A crop's pixels; a copy, so that nothing of the large picture is held."""
    within = crop.within(raster.width, raster.height)
    base = raster.levels[0]
    whole = QImage(
        base.data, raster.width, raster.height, base.strides[0], QImage.Format.Format_RGB32
    )  # a view of the array, alive for this line only
    return whole.copy(within.x, within.y, within.width, within.height)


def _too_few(count: int) -> str:
    """What to know before a test of so many places that cannot decide anything; "" for other tests."""
    if count >= FEWEST:
        return ""
    there = f"There {'is' if count == 1 else 'are'} {text.counted(count, 'place')}"
    return (
        f"\n\n{there}, and fewer than {FEWEST} cannot be told from chance, however often each is shown.\n"
        f"Draw {FEWEST} boxes or more (C) before the test to have enough."
    )


def _page(title: QLabel, words: QLabel, row: QHBoxLayout) -> QWidget:
    page = QWidget()
    layout = QVBoxLayout(page)
    layout.setContentsMargins(40, 30, 40, 30)
    layout.setSpacing(20)
    layout.addStretch()
    layout.addWidget(title)
    layout.addWidget(words)
    layout.addLayout(row)
    layout.addStretch()
    return page
