"""Is what is shown, offered and kept what was asked for? Numbers as typed, rows as selected, names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QLocale, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

import app.panels.blind
from app.columns import Column
from app.exporting import offers_of
from app.exports import named
from app.facts import kept
from app.figure import MARGIN, Page, Shown, Words, lay_out, text_width
from app.forecast import Effort
from app.panels.rate import RateControl
from app.panels.results import ResultsDialog
from app.raster import Raster
from app.report import Box, Item, Report
from app.restore import Remembered, SessionFile, begin_again, remember
from app.session import Session
from app.settings import Settings
from app.state import Choice, Key, Level, Notice, Side
from app.tasks import Compress, OpenFile
from app.viewport import Mode
from app.window import Window
from models.codec import CATALOGUE, Encoding, Rate
from models.footprint import Footprint
from models.picture import Picture
from tests.app.conftest import shown
from tests.app.engines import HandEngine
from tests.app.hands import on_a_screen
from tests.app.test_crossings import compressed
from tests.app.test_session import raster

LEARNED = {line.id for line in CATALOGUE if line.learned}


def made(hand: HandEngine, left: str = "webp", lacking: frozenset[str] = frozenset()) -> Session:
    session = Session(hand, left, "jpeg", Rate(bpp=0.5))  # type: ignore[arg-type]
    session.start()
    hand.all_usable(lacking)
    return session


@pytest.fixture
def window(qtbot: QtBot, hand: HandEngine) -> Iterator[Window]:
    with shown(qtbot, made(hand)) as found:
        yield found


def open_picture(session: Session, hand: HandEngine, path: Path = Path("/nowhere/one.png")) -> Raster:
    session.open([path])
    picture = replace(raster(480, 320, 1), path=path)
    hand.answer(OpenFile, picture)
    QApplication.processEvents()
    return picture


@pytest.mark.parametrize("locale", ["C", "de_DE", "en_US", "fr_FR"])
@pytest.mark.parametrize(("typed", "bpp"), [("0.3", 0.3), ("0,3", 0.3), ("1.25", 1.25), ("0,075", 0.075)])
def test_both_decimal_marks_mean_the_same_in_every_locale(
    qtbot: QtBot, locale: str, typed: str, bpp: float
) -> None:
    before = QLocale()
    QLocale.setDefault(QLocale(locale))
    try:
        control = RateControl(with_quality=True)
        qtbot.addWidget(control)
        control.show()
        control._spin.selectAll()
        qtbot.keyClicks(control._spin, typed)
        qtbot.keyClick(control._spin, Qt.Key.Key_Return)
        assert control.rate == Rate(bpp=bpp)
        assert control._spin.text() == f"{bpp:.3f} bpp"  # as the presets and labels write it
    finally:
        QLocale.setDefault(before)


def test_the_selected_result_stays_selected_while_others_come(
    qtbot: QtBot, window: Window, hand: HandEngine
) -> None:
    session = window.session
    open_picture(session, hand)
    compressed(hand, 100, 110)
    for bpp, sizes in ((0.3, (60, 70)), (0.2, (40, 45))):
        session.set_rate(Side.LEFT, Rate(bpp=bpp))
        compressed(hand, *sizes)
    window.commands.command("table")()
    dialog = window.findChild(ResultsDialog)
    assert isinstance(dialog, ResultsDialog)
    for row in range(dialog.table.rowCount()):
        dialog.table.selectRow(row)
        chosen = dialog.line()
        assert chosen is not None
        session.set_rate(Side.LEFT, Rate(bpp=0.05 + row / 100))
        compressed(hand, 20 - row, 30 - row)
        qtbot.waitUntil(lambda: not dialog._later.isActive())
        now = dialog.line()
        assert now is not None and now.key == chosen.key


def test_what_stood_in_for_a_codec_leaves_when_the_codec_is_back(
    qtbot: QtBot, hand: HandEngine, tmp_path: Path
) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(b"x")
    first = made(hand, "hflic", frozenset(LEARNED))
    with shown(qtbot, first) as window:
        open_picture(first, hand, path)
        assert first.choice(Side.LEFT).codec not in LEARNED
        first.set_rate(Side.LEFT, Rate(bpp=0.7))
        file = SessionFile(tmp_path / "session.json")
        file.save(remember(first, window.viewport))
        settings = kept(Settings(left="hflic"), first, window.viewport, "")
    assert settings.left == "hflic"
    last = file.load()
    hand.given.clear()
    second = made(hand, settings.left)
    with shown(qtbot, second) as window:
        begin_again(second, window.viewport, last, keep_codecs=False)
        hand.answer(OpenFile, replace(raster(480, 320, 1), path=path))
        assert second.choice(Side.LEFT) == Choice("hflic", Rate(bpp=0.7))
    assert Remembered().insisted == (True, True)  # as files of earlier versions are read


def test_a_column_that_cannot_be_made_says_so(window: Window, hand: HandEngine) -> None:
    open_picture(window.session, hand)
    compressed(hand, 11, 12)
    window.viewport.set_mode(Mode.SIDE)
    window.session.catalogue._reasons["hflic"] = "the file of its weights is damaged: import it again " * 3
    window.session.columns.choose(Column.THIRD, "hflic")
    assert window.session.columns.line(Column.THIRD).startswith(
        "not usable \N{MIDDLE DOT} the original is shown"
    )


def page_of(*boxes: Box) -> Page:
    rng = np.random.default_rng(0)
    pictures = {name: Picture(rng.integers(0, 255, (900, 1200, 3), dtype=np.uint8)) for name in "or"}
    item = Item(Encoding(b"x" * 100, "jpeg", 50, 1200, 900, 0.1, None), "r", 0.1, (("psnr", 30.0),))
    report = Report("a photo\nof two lines.png", "o", (1200, 900), (item,), boxes)
    return lay_out(report, pictures.__getitem__)


def test_a_flat_box_leaves_the_original_large_enough() -> None:
    whole = next(
        shape for shape in page_of(Box("line", 100, 100, 400, 20)).shapes if isinstance(shape, Shown)
    )
    assert whole.height >= 200


@pytest.mark.parametrize("count", [1, 9, 10, 20, 40])
def test_the_legend_names_every_box_inside_its_column(count: int) -> None:
    page = page_of(*(Box(f"Crop {at}", at * 10, 10, 64, 64) for at in range(1, count + 1)))
    whole = next(shape for shape in page.shapes if isinstance(shape, Shown))
    names = [shape for shape in page.shapes if isinstance(shape, Words) and not shape.centred]
    assert [name.text for name in names] == [f"Crop {at}" for at in range(1, count + 1)]
    column = max(whole.width, 244)
    for name in names:
        assert name.x - 20 >= MARGIN - 1
        assert name.x + text_width(name.text, name.size) <= MARGIN + column + 1
        assert whole.y + whole.height < name.y < page.height


def test_crops_whose_names_differ_in_capitals_have_files_of_their_own() -> None:
    found = named((Box("Eye", 0, 0, 9, 9), Box("eye", 1, 0, 9, 9), Box("EYE-2", 2, 0, 9, 9)))
    assert len({name.casefold() for name in found}) == 3


def test_the_export_gives_letters_and_rates_as_the_sides_have_them(window: Window, hand: HandEngine) -> None:
    session = window.session
    open_picture(session, hand)
    compressed(hand, 11, 12)
    assert [offer.title[:2] for offer in offers_of(session)][:2] == ["A ", "B "]
    session.set_locked(False)
    session.choose(Side.LEFT, "avif")  # still on its way
    assert not any(offer.title.startswith("A ") for offer in offers_of(session))
    session.set_rate(Side.LEFT, Rate(bpp=0.5))
    session.set_rate(Side.RIGHT, Rate(bpp=0.1))
    rates = {offer.key.rate for offer in offers_of(session) if offer.key is not None}
    assert rates == {Rate(bpp=0.5)}


def test_a_file_that_is_back_takes_only_its_own_message_away(
    window: Window, hand: HandEngine, tmp_path: Path
) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(b"x")
    open_picture(window.session, hand, path)
    reloader = window.session.reloader
    reloader._lost(path)
    assert "not there any more" in window.messages.text
    window.session.noticed.emit(Notice(Level.ERROR, "JPEG: it failed"))
    reloader._changed(path)
    shown_then = [window.messages.text, *(notice.text for notice in window.messages._before)]
    assert "JPEG: it failed" in shown_then
    assert not any("not there any more" in text for text in shown_then)


def test_the_forecast_of_a_quality_counts_no_search(window: Window, hand: HandEngine) -> None:
    picture = open_picture(window.session, hand)
    forecaster, told = window.session.forecaster, []
    forecaster.noticed.connect(lambda notice: told.append(notice.text))
    effort = Effort(1e5, 1e7, 1e9, 1e9, Footprint(1.0, 1.0, 1.0, 320, 1.0, 16))
    forecaster._efforts["hflic"] = effort
    key = Key(picture.digest, "hflic", Rate(quality=50))
    forecaster._starting(key, picture)
    seconds = forecaster.expect(Compress(picture.digest, "hflic", key.rate))
    assert seconds is not None and told
    assert f"about {round(seconds / 60)} min" in told[0]


def test_a_long_name_leaves_room_for_what_is_added(
    window: Window, hand: HandEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_picture(window.session, hand, Path("/nowhere") / ("ä" * 125 + ".png"))
    compressed(hand, 11, 12)
    asked: list[Path] = []
    monkeypatch.setattr(
        app.panels.blind, "ask_path", lambda _parent, _title, start, _kinds: asked.append(start)
    )
    dialog = window.working.blind_test()
    assert dialog is not None
    dialog._ask_save(".csv")
    dialog.reject()
    assert len(os.fsencode(asked[0].name)) <= 255 and asked[0].name.endswith("-blind-test.csv")


def test_a_files_name_is_no_rich_text(window: Window) -> None:
    for panel in window.inspector.sides.values():
        assert panel.status.textFormat() is Qt.TextFormat.PlainText


_CUT = """
import numpy as np
from PySide6.QtWidgets import QApplication
qapp = QApplication([])
from app.panels.face_card import FaceRow
from app.raster import from_picture
from models.faces import Face
from models.picture import Picture
pixels = np.random.default_rng(0).integers(0, 255, (400, 400, 3), dtype=np.uint8)
row = FaceRow(Face((100, 100, 220, 220), 0.9, (), small=False), "Face 1")
raster = from_picture(Picture(pixels))
row.show_cuts([raster] * 3, [None, None])
print(row.devicePixelRatioF(), row._cuts[0].width())
"""


def test_faces_are_cut_from_as_many_pixels_as_the_screen_has() -> None:
    widths = {}
    for ratio in ("1", "2"):
        widths[ratio] = int(on_a_screen(ratio, _CUT).split()[-1])
    assert widths["2"] == 2 * widths["1"] >= 168
