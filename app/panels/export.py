"""What shall be exported, of which codecs, and where to? The export dialog, which tells how far it is too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.exporter import ANOTHER, Exporter, Order
from app.exporting import FORMS, Form, Offer, boxes_words, objection, placed, suggested, warning
from app.panels.announcing import announce
from app.panels.wheel import WheelGuard
from app.possible import allow
from app.report import Box
from models.paths import expanded

_WIDE = 560
_CHECKED = {True: Qt.CheckState.Checked, False: Qt.CheckState.Unchecked}


class ExportDialog(QDialog):
    """Offers results, forms and a name; carries out one order and closes when it is done.

    boxes: those of the picture; detail: what a figure shows without any, None for the whole; one: the box, or
    what is in view, of a single labelled crop. `stem` and `folder`: what suggested names begin with.
    """

    def __init__(
        self,
        parent: QWidget,
        exporter: Exporter,
        offers: Sequence[Offer],
        form: Form,
        places: tuple[tuple[Box, ...], Box | None, Box | None],
        names: tuple[Path, str, Path | None],
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export")
        self._exporter, self._offers, self._picture = exporter, list(offers), exporter.picture
        self._boxes, self._detail, self._one = places
        self._folder, self._stem, self._source = names
        self._suggested = ""
        self.form = QComboBox()
        for each in Form:
            self.form.addItem(FORMS[each].title, each)
        self.about = QLabel()
        self.results = QTreeWidget()
        self.places = QLabel()
        self.kind = QComboBox()
        self.path = QLineEdit()
        self.browse = QPushButton("Browse\N{HORIZONTAL ELLIPSIS}")
        self.hint = QLabel()
        self.bar = QProgressBar()
        self.stage = QLabel()
        self.export, self.cancel = QPushButton("Export"), QPushButton("Cancel")
        self._arrange()
        WheelGuard(self)
        self._fill(every=form is Form.EVIDENCE)
        self._connect()
        self.form.setCurrentIndex(list(Form).index(form))
        self._form_changed()
        self.resize(self.sizeHint())  # Qt by itself takes two thirds of a small screen at most

    @property
    def chosen(self) -> tuple[Offer, ...]:
        """The results to take along, in the order offered."""
        items = [self.results.topLevelItem(at) for at in range(self.results.topLevelItemCount())]
        ticked = [item is not None and item.checkState(0) is Qt.CheckState.Checked for item in items]
        return tuple(offer for offer, is_ in zip(self._offers, ticked, strict=True) if is_)

    # Building

    def _arrange(self) -> None:
        self.setMinimumWidth(_WIDE)
        for label in (self.about, self.places, self.hint, self.stage):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.about.setObjectName("quiet")
        self.about.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.places.setObjectName("quiet")
        self.stage.setObjectName("quiet")
        self.bar.setTextVisible(False)
        self.bar.setRange(0, 1000)
        self.bar.setAccessibleName("Progress of the export")
        for widget, name in ((self.form, "What to export"), (self.kind, "Format"), (self.path, "Where to"),
                             (self.results, "Results to export")):  # fmt: skip
            widget.setAccessibleName(name)
        grid = QGridLayout()
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(10)
        grid.setColumnStretch(1, 1)
        rows: tuple[tuple[str, QWidget | QHBoxLayout], ...] = (
            ("&What", self.form), ("", self.about), ("&Results", self.results), ("", self.places),
            ("&Format", self.kind), ("&Name", _beside(self.path, self.browse)), ("", self.hint),
        )  # fmt: skip
        for row, (words, content) in enumerate(rows):
            if words:
                label = QLabel(words)
                label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
                label.setContentsMargins(0, 5, 0, 0)
                label.setBuddy(self.path if isinstance(content, QHBoxLayout) else content)
                grid.addWidget(label, row, 0)
            if isinstance(content, QHBoxLayout):
                grid.addLayout(content, row, 1)
            else:
                grid.addWidget(content, row, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(12)
        layout.addLayout(grid, 1)
        layout.addWidget(self.bar)
        buttons = QHBoxLayout()
        buttons.addWidget(self.stage, 1)
        buttons.addWidget(self.cancel)
        buttons.addWidget(self.export)
        layout.addLayout(buttons)
        self.export.setDefault(True)
        self._show_working(False)

    def _fill(self, every: bool) -> None:
        results = self.results
        results.setRootIsDecorated(False)
        results.setUniformRowHeights(True)
        results.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        results.setHeaderLabels(["Codec", "Size"])
        results.header().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        results.header().setStretchLastSection(True)
        for offer in self._offers:
            item = QTreeWidgetItem([offer.title, offer.size])
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(0, _CHECKED[offer.chosen or (every and offer.result is not None)])
            results.addTopLevelItem(item)
        line = results.sizeHintForRow(0) if self._offers else 20
        results.setMinimumHeight(line * min(len(self._offers), 4) + results.header().sizeHint().height() + 6)

    def _connect(self) -> None:
        self.form.currentIndexChanged.connect(self._form_changed)
        self.kind.currentIndexChanged.connect(self._kind_changed)
        self.path.textChanged.connect(self._check)
        self.results.itemChanged.connect(self._check)
        self.browse.clicked.connect(self._browse)
        self.export.clicked.connect(self._export)
        self.cancel.clicked.connect(self.reject)
        self._exporter.progressed.connect(self._progress)
        self._exporter.ended.connect(self._ended)
        self._exporter.picture_changed.connect(self._check)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Room for six results."""
        return super().sizeHint().expandedTo(QSize(_WIDE, 520))

    # Choosing

    def _form(self) -> Form:
        return Form(self.form.currentData())

    def _suffix(self) -> str:
        return str(self.kind.currentData() or "")

    def _form_changed(self) -> None:
        form = self._form()
        self.about.setText(FORMS[form].about)
        detail = self._one if form is Form.LABELLED else self._detail
        self.places.setText(boxes_words(form, self._boxes, detail))
        self.places.setVisible(bool(self.places.text()))
        self.kind.blockSignals(True)
        self.kind.clear()
        for suffix, words in FORMS[form].kinds:
            self.kind.addItem(f"{words} ({suffix})" if suffix else words, suffix)
        self.kind.blockSignals(False)
        self.kind.setEnabled(self.kind.count() > 1)
        self._kind_changed()

    def _kind_changed(self) -> None:
        """A name somebody gave keeps its stem, a suggested one is suggested anew."""
        if self.path.text() in {"", self._suggested}:
            found = suggested(self._folder, self._stem, self._form(), self._suffix(), self._one)
            self._suggested = str(found)
            self.path.setText(self._suggested)
        elif Path(self.path.text()).name:
            given = Path(self.path.text())
            known = {suffix for line in FORMS.values() for suffix, _ in line.kinds}
            bare = given.with_suffix("") if given.suffix.lower() in known else given
            self.path.setText(f"{bare}{self._suffix()}")
        self._check()

    def _browse(self) -> None:
        if self._suffix():
            kinds = ";;".join(f"{words} (*{suffix})" for suffix, words in FORMS[self._form()].kinds if suffix)
            found, _ = QFileDialog.getSaveFileName(
                self, "Export", self.path.text(), kinds, options=QFileDialog.Option.DontConfirmOverwrite
            )  # what is there already is told in this dialog
        else:
            found = QFileDialog.getExistingDirectory(self, "Export into a folder", str(self._folder))
            found = str(Path(found) / Path(self.path.text()).name) if found else ""
        if found:
            self.path.setText(found)

    def _place(self) -> Path:
        """What is written; a name without the format's suffix gets it."""
        path = expanded(Path(self.path.text().strip()))
        path = path if path.is_absolute() else self._folder / path
        return placed(self._form(), path, self._suffix())

    def _check(self, *_: object) -> None:
        if self._exporter.working:
            return
        given, place = self.path.text().strip(), self._place()
        at = self.kind.findData(place.suffix.lower())
        if at >= 0 and at != self.kind.currentIndex():  # the name says another format
            self.kind.blockSignals(True)
            self.kind.setCurrentIndex(at)
            self.kind.blockSignals(False)
        why = objection(self._form(), place, self._source) if given else "Give a name."
        if not self.chosen:
            why = "Choose a result." if self._offers else "There is no result yet."
        if self._exporter.picture != self._picture:
            why = ANOTHER
        self._say(why or warning(place), bad=bool(why))
        allow(self.export, "Write what is chosen", why.rstrip("."))

    def _say(self, words: str, bad: bool) -> None:
        self.hint.setObjectName("bad" if bad else "quiet")
        self.hint.style().polish(self.hint)
        self.hint.setText(words)

    # Working

    def _export(self) -> None:
        form = self._form()
        boxes = self._boxes or ((self._detail,) if self._detail is not None else ())
        if form is Form.LABELLED:
            boxes = (self._one,) if self._one is not None else ()
        if form is Form.PAGE or form is Form.EVIDENCE:
            boxes = self._boxes
        self._say("", bad=False)
        self._show_working(True)
        self._exporter.start(Order(form, self._place(), self.chosen, self._picture, boxes))

    def _show_working(self, working: bool) -> None:
        for widget in (self.form, self.results, self.path, self.browse, self.export):
            widget.setEnabled(not working)
        self.kind.setEnabled(not working and self.kind.count() > 1)
        self.bar.setVisible(working)
        self.stage.setText("")
        self.bar.setValue(0)

    def _progress(self, stage: str, done: float) -> None:
        self.stage.setText(stage[:1].upper() + stage[1:])
        self.bar.setValue(round(1000 * done))

    def _ended(self, path: Path | None, why: str) -> None:
        self._show_working(False)
        if path is not None:
            self.accept()
            return
        self._check()
        self._say(why or "The export was stopped.", bad=bool(why))
        if why != self._exporter.noticed or not why:
            announce(self, self.hint.text(), at_once=True)

    def reject(self) -> None:
        """Cancel: first what runs, then the dialog."""
        if self._exporter.working:
            self.stage.setText("Stopping\N{HORIZONTAL ELLIPSIS}")
            self._exporter.stop()
        else:
            super().reject()

    def done(self, result: int) -> None:
        """However it closes, nothing is heard of the exporter any more."""
        self._exporter.progressed.disconnect(self._progress)
        self._exporter.ended.disconnect(self._ended)
        self._exporter.picture_changed.disconnect(self._check)
        super().done(result)


def _beside(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(6)
    for widget in widgets:
        row.addWidget(widget)
    return row
