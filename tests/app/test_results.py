"""The table of all results: codecs as rows, marks that need no colour, sorting, copying, showing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.kinds import Kind
from app.panels import results
from app.panels.metrics import ROWS
from app.panels.results import BETTER, WORSE, ResultsDialog
from app.results import Line, lines_of
from app.session import Session
from app.state import Measured, Side
from app.text import DASH
from app.viewport import Mode
from app.window import Window
from models.codec import Rate
from tests.app.conftest import shown
from tests.app.engines import InlineEngine
from tests.app.hands import open_photo, settle

SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine, photo: Callable[..., Path]) -> Iterator[Window]:
    session = Session(inline, "webp", "jpeg", Rate(bpp=2.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        open_photo(qtbot, made, photo(width=300, height=200))
        yield made


def table(qtbot: QtBot, window: Window) -> ResultsDialog:
    qtbot.keyClick(window.canvas, Qt.Key.Key_R, SHIFT)
    found = window.findChild(ResultsDialog)
    assert isinstance(found, ResultsDialog)
    assert found.isVisible()
    return found


def column(dialog: ResultsDialog, name: str) -> list[str]:
    view = dialog.table
    names = [view.horizontalHeaderItem(at).text() for at in range(view.columnCount())]
    return [view.item(row, names.index(name)).text() for row in range(view.rowCount())]


def test_every_result_is_a_row_and_new_ones_appear(qtbot: QtBot, window: Window) -> None:
    dialog = table(qtbot, window)
    assert column(dialog, "Codec") == ["WebP", "JPEG"]
    assert column(dialog, "Side") == ["A", "B"]
    window.session.set_rate(Side.LEFT, Rate(bpp=1.0))
    settle(qtbot, window)
    qtbot.waitUntil(lambda: dialog.table.rowCount() == 4)
    assert column(dialog, "Side") == ["A", "B", "", ""]


def test_all_columns_are_seen_at_once(qtbot: QtBot, window: Window) -> None:
    dialog = table(qtbot, window)
    dialog.close()
    dialog.resize(500, 420)
    table(qtbot, window)
    qtbot.waitUntil(lambda: dialog.width() > 900)
    qtbot.waitUntil(lambda: not dialog.table.horizontalScrollBar().isVisible())
    assert dialog.width() < window.width()


def test_better_and_worse_are_marked_by_more_than_colour(qtbot: QtBot, window: Window) -> None:
    dialog = table(qtbot, window)
    one, two = column(dialog, "PSNR")
    values = [float(words.lstrip(f"{BETTER}{WORSE} ").removesuffix(" dB")) for words in (one, two)]
    assert {one[0], two[0]} == {BETTER, WORSE}
    assert (one[0] == BETTER) == (values[0] > values[1])
    assert all(words[0] not in {BETTER, WORSE} for words in column(dialog, "kMAC/px"))
    assert "not in this test" in dialog.table.item(0, 6).toolTip()  # LPIPS says why it is missing


@pytest.mark.parametrize("order", [Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder])
def test_what_is_not_known_comes_last_either_way(
    qtbot: QtBot, window: Window, order: Qt.SortOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bpp in (1.0, 0.7, 1.5):
        window.session.set_rate(Side.LEFT, Rate(bpp=bpp))
        settle(qtbot, window)
    real = lines_of

    def with_gaps(session: Session) -> list[Line]:
        gaps = {0: Measured(float("nan")), 2: Measured(None)}
        return [
            replace(line, values=dict(line.values) | {"encode": gaps[at]}) if at in gaps else line
            for at, line in enumerate(real(session))
        ]

    monkeypatch.setattr(results, "lines_of", with_gaps)
    dialog = table(qtbot, window)
    dialog.table.sortItems(2 + [row.id for row in ROWS].index("encode"), order)
    words = column(dialog, "Encode")
    assert len(words) == 8 and words[6:] == [DASH, DASH] and DASH not in words[:6]


def test_a_heading_sorts_by_value_and_the_copy_follows(qtbot: QtBot, window: Window) -> None:
    window.session.set_rate(Side.LEFT, Rate(bpp=0.9))
    settle(qtbot, window)
    dialog = table(qtbot, window)
    dialog.table.sortItems(3, Qt.SortOrder.AscendingOrder)
    rates = [float(words.lstrip(f"{BETTER}{WORSE} ")) for words in column(dialog, "Bits per pixel")]
    assert rates == sorted(rates)
    qtbot.mouseClick(dialog.copy, Qt.MouseButton.LeftButton)
    lines = QApplication.clipboard().text().splitlines()
    assert lines[0].startswith("Side\tCodec\tFile size [bytes]\tBits per pixel\tPSNR [dB]")
    assert [round(float(line.split("\t")[3]), 3) for line in lines[1:]] == rates
    assert BETTER not in "".join(lines)


def test_a_copy_for_spreadsheets_holds_plain_numbers_and_nothing_where_there_is_none(
    qtbot: QtBot, window: Window
) -> None:
    dialog = table(qtbot, window)
    for text, first in ((dialog.tsv(), 2), (window.inspector.metrics.tsv(), 1)):
        rows = [line.split("\t") for line in text.splitlines()]
        for row in rows[1:]:
            for cell in row[first:]:
                assert cell == "" or float(cell) >= 0, cell
    rows = [line.split("\t") for line in dialog.tsv().splitlines()]
    made = window.session.view(Side.LEFT).coded
    assert made is not None
    left = dict(zip(rows[0], rows[1], strict=True))
    assert left["File size [bytes]"] == str(made.encoding.bytes)
    assert float(left["Encode [s]"]) == pytest.approx(made.encoding.encode_s)
    assert left["LPIPS"] == left["kMAC/px"] == ""


def test_a_row_is_put_on_a_side(qtbot: QtBot, window: Window) -> None:
    session = window.session
    session.set_rate(Side.LEFT, Rate(bpp=1.0))
    settle(qtbot, window)
    dialog = table(qtbot, window)
    row = next(at for at, side in enumerate(column(dialog, "Side")) if not side)
    assert not dialog.show_it.isEnabled()
    dialog.table.selectRow(row)
    qtbot.mouseClick(dialog.show_it, Qt.MouseButton.LeftButton)
    assert session.rate == Rate(bpp=2.0)


def test_the_card_of_the_difference_chooses_kind_and_gain(qtbot: QtBot, window: Window) -> None:
    card, view = window.difference, window.viewport
    assert card.isHidden()
    qtbot.keyClick(window.canvas, Qt.Key.Key_D)
    assert card.isVisible()
    qtbot.mouseClick(card.buttons[Kind.SIGNED], Qt.MouseButton.LeftButton)
    assert (view.mode, view.kind) == (Mode.DIFFERENCE, Kind.SIGNED)
    card.slider.setFocus()
    qtbot.keyClick(card.slider, Qt.Key.Key_End)
    assert view.gain == 16
    assert "16" in card.value.text()
    qtbot.keyClick(window.canvas, Qt.Key.Key_G, SHIFT)
    assert card.slider.value() == 3
    view.set_kind(Kind.ABSOLUTE)
    assert card.slider.value() == 2  # each kind has its own
    settle(qtbot, window)


def test_a_label_steps_aside_under_the_cursor(qtbot: QtBot, window: Window) -> None:
    canvas = window.canvas
    canvas.repaint()
    corner = QPointF(30, 30)
    before = canvas.render_view(labels=True).pixelColor(corner.toPoint())
    qtbot.mouseMove(canvas, corner.toPoint())
    assert canvas.render_view(labels=True).pixelColor(corner.toPoint()) != before
    qtbot.mouseMove(canvas, canvas.rect().center())
    assert canvas.render_view(labels=True).pixelColor(corner.toPoint()) == before
