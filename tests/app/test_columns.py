"""The third and fourth column of side by side: chosen, compressed at A's size, labelled, drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.columns import Column, written
from app.session import Session
from app.state import ORIGINAL, Side
from app.tasks import Compress
from app.viewport import Mode
from app.window import Window
from models.codec import Rate
from tests.app.conftest import shown
from tests.app.engines import InlineEngine
from tests.app.test_faces import open_photo


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine) -> Iterator[Window]:
    session = Session(inline, "webp", "jpeg", Rate(bpp=1.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        yield made


def settle(qtbot: QtBot, window: Window) -> None:
    qtbot.waitUntil(lambda: window.session.idle, timeout=20000)


def pick(window: Window, column: Column, codec: str) -> None:
    """As a person does: in the column's list."""
    box = window.inspector.columns.boxes[column]
    box.setCurrentIndex(box.findData(codec))
    box.activated.emit(box.currentIndex())


def side_by_side(qtbot: QtBot, window: Window, photo: Callable) -> None:
    open_photo(qtbot, window, photo(width=96, height=64))
    qtbot.keyClick(window.canvas, Qt.Key.Key_4)
    settle(qtbot, window)


def test_the_choice_is_offered_in_side_by_side(qtbot: QtBot, window: Window, photo: Callable) -> None:
    open_photo(qtbot, window, photo())
    assert window.inspector.columns.isHidden()
    qtbot.keyClick(window.canvas, Qt.Key.Key_4)
    assert not window.inspector.columns.isHidden()
    assert len(window.canvas.panes()) == 2
    qtbot.keyClick(window.canvas, Qt.Key.Key_2)
    assert window.inspector.columns.isHidden()


def test_a_third_and_a_fourth_codec_stand_beside_both_sides(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable
) -> None:
    side_by_side(qtbot, window, photo)
    begun = len(inline.tasks(Compress))
    pick(window, Column.THIRD, "jpeg2000")
    settle(qtbot, window)
    assert len(inline.tasks(Compress)) == begun + 1  # nothing of the sides is made again
    pick(window, Column.FOURTH, ORIGINAL)
    settle(qtbot, window)
    assert [pane.which for pane in window.canvas.panes()] == ["left", "right", "third", "fourth"]
    columns = window.session.columns
    assert columns.title(Column.THIRD) == "C  JPEG 2000"
    assert "bpp" in columns.line(Column.THIRD) and " dB" in columns.line(Column.THIRD)
    assert columns.title(Column.FOURTH) == "D  Original"
    assert window.canvas.raster("fourth") is window.session.picture
    window.session.columns.choose(Column.FOURTH, "webp")
    assert window.inspector.columns.boxes[Column.FOURTH].currentData() == "webp"
    window.session.columns.choose(Column.FOURTH, ORIGINAL)
    settle(qtbot, window)
    assert window.canvas.raster("third") not in {window.session.view(side).raster for side in Side}
    image = window.canvas.grab().toImage()
    quarter = window.canvas.width() // 4
    for edge in (1, 2, 3):
        assert image.pixelColor(edge * quarter, 5).lightness() > 200  # the lines between


def test_columns_follow_the_rate_of_side_a(qtbot: QtBot, window: Window, photo: Callable) -> None:
    side_by_side(qtbot, window, photo)
    pick(window, Column.THIRD, "jpeg2000")
    settle(qtbot, window)
    before = window.canvas.raster("third")
    window.session.set_rate(Side.LEFT, Rate(bpp=3.0))
    settle(qtbot, window)
    after = window.canvas.raster("third")
    assert before is not None and after is not None
    assert not np.array_equal(before.levels[0], after.levels[0])


def test_the_picture_keeps_its_middle_and_fits_when_columns_come_and_go(
    qtbot: QtBot, window: Window, photo: Callable
) -> None:
    open_photo(qtbot, window, photo(width=900, height=300))
    window.viewport.set_mode(Mode.SIDE)
    settle(qtbot, window)
    two = window.viewport.scale
    pick(window, Column.THIRD, ORIGINAL)
    settle(qtbot, window)
    assert window.viewport.scale == pytest.approx(two * 2 / 3)
    pick(window, Column.THIRD, "")
    settle(qtbot, window)
    assert window.viewport.scale == pytest.approx(two)
    window.viewport.set_mode(Mode.SPLIT)
    assert window.viewport.scale == pytest.approx(min(2 * two, 1.0), rel=0.01)


def test_a_cancelled_column_says_so_and_can_be_tried_again(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable
) -> None:
    side_by_side(qtbot, window, photo)
    inline.held = (Compress,)
    pick(window, Column.THIRD, "jpeg2000")
    assert window.session.working
    window.session.cancel()
    assert window.session.columns.line(Column.THIRD) == "stopped"
    assert window.actions_by_id["retry"].isEnabled()
    inline.held = ()
    window.session.retry()
    settle(qtbot, window)
    assert "bpp" in window.session.columns.line(Column.THIRD)
    assert not window.actions_by_id["retry"].isEnabled()


def test_labels_show_the_chosen_metric(qtbot: QtBot, window: Window, photo: Callable) -> None:
    side_by_side(qtbot, window, photo)
    pick(window, Column.THIRD, "jpeg2000")
    settle(qtbot, window)
    assert window.actions_by_id["label_psnr"].isChecked()
    assert " dB" in window.session.columns.line(Column.THIRD)
    window.actions_by_id["label_lpips"].trigger()
    settle(qtbot, window)
    line = window.session.columns.line(Column.THIRD)
    found = window.session.measure(Side.LEFT, "lpips")
    assert found is not None
    if found.value is None:  # 64 pixels are too few for LPIPS: then there is no number, not a wrong one
        assert "dB" not in line and "LPIPS" not in line
    else:
        assert "LPIPS 0." in line
    assert window.settings.label == "lpips"


@pytest.mark.parametrize(
    ("metric", "value", "words"),
    [
        ("psnr", 31.256, "31.26 dB"),
        ("psnr", float("inf"), "lossless"),
        ("lpips", 0.12345, "LPIPS 0.1235"),
        ("ms_ssim", 0.98, "MS-SSIM 0.9800"),
    ],
)
def test_values_are_written_for_labels(metric: str, value: float, words: str) -> None:
    assert written(metric, value) == words
