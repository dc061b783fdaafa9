"""The rate-distortion plot: fed by finished results, and a way to go back to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.panels.metrics import ROWS
from app.points import points_of, show_point
from app.session import Session
from app.state import Side
from app.window import Window
from models.codec import Rate
from tests.app.conftest import shown
from tests.app.engines import InlineEngine


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine, photo: Callable[..., Path]) -> Iterator[Window]:
    session = Session(inline, "webp", "jpeg", Rate(bpp=1.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        made.commands.open_paths([photo()])
        qtbot.waitUntil(lambda: session.picture is not None and session.idle, timeout=20000)
        yield made


def ask(qtbot: QtBot, window: Window, bpp: float) -> None:
    window.session.set_rate(Side.LEFT, Rate(bpp=bpp))
    qtbot.waitUntil(lambda: window.session.idle, timeout=20000)


def test_every_size_that_was_tried_is_a_point_and_the_shown_ones_are_named(
    qtbot: QtBot, window: Window
) -> None:
    ask(qtbot, window, 2.0)
    found = points_of(window.session, "psnr")
    assert list(found) == ["jpeg", "webp"]
    for letter, codec in (("A", "webp"), ("B", "jpeg")):
        first, second = found[codec]
        assert first.bpp < second.bpp
        assert first.value < second.value
        assert (first.sides, second.sides) == ("", letter)


def test_a_point_brings_its_result_back_without_computing(
    qtbot: QtBot, window: Window, inline: InlineEngine
) -> None:
    ask(qtbot, window, 2.0)
    ran = inline.codecs_run()
    assert show_point(window.session, points_of(window.session, "psnr")["jpeg"][0]) is Side.RIGHT
    assert window.session.rate == Rate(bpp=1.0)
    assert points_of(window.session, "psnr")["jpeg"][0].sides == "B"
    assert inline.codecs_run() == ran


def test_points_of_another_picture_are_not_shown(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    before = {point.value for curve in points_of(window.session, "psnr").values() for point in curve}
    other = photo("other.png", seed=7)
    window.commands.open_paths([other])
    qtbot.waitUntil(
        lambda: (
            window.session.picture is not None
            and window.session.picture.path == other
            and window.session.idle
        ),
        timeout=20000,
    )
    after = [point.value for curve in points_of(window.session, "psnr").values() for point in curve]
    assert len(after) == 2
    assert not before & set(after)


def test_r_shows_the_plot_and_a_click_on_a_point_shows_it(qtbot: QtBot, window: Window) -> None:
    ask(qtbot, window, 2.0)
    plot = window.inspector.plot
    assert plot.isHidden()
    qtbot.keyClick(window.canvas, Qt.Key.Key_R)
    assert plot.isVisible()
    assert window.actions_by_id["plot"].isChecked()
    assert len(plot.points) == 4
    assert "JPEG" in plot.hint.text()
    point = next(p for p in plot.points if p.key.codec == "webp" and not p.sides)

    def shown_by_a_click() -> bool:  # the axes take their range while drawing: where the point is may change
        place = plot._plot.getPlotItem().getViewBox().mapViewToScene(QPointF(point.bpp, point.value))
        at = plot._plot.mapFromScene(place)
        qtbot.mouseClick(plot._plot.viewport(), Qt.MouseButton.LeftButton, pos=at)
        return window.session.rate == Rate(bpp=1.0)

    qtbot.waitUntil(shown_by_a_click, timeout=15_000)
    qtbot.keyClick(window.canvas, Qt.Key.Key_R)
    assert plot.isHidden()


def test_hovering_names_a_point(qtbot: QtBot, window: Window) -> None:
    window.inspector.show_plot(True)
    plot = window.inspector.plot
    box = plot._plot.getPlotItem().getViewBox()
    point = next(point for point in plot.points if point.sides == "A")

    ways = cycle((QPoint(30, 30), QPoint(0, 0)))

    def named_by_the_cursor() -> bool:  # one move a look: the plot leaves out what comes within 10 ms
        at = plot._plot.mapFromScene(box.mapViewToScene(QPointF(point.bpp, point.value)))
        qtbot.mouseMove(plot._plot.viewport(), at + next(ways))
        QApplication.processEvents()
        return "WebP (side A)" in box.toolTip()

    qtbot.waitUntil(named_by_the_cursor, timeout=15_000)
    _, rate, value = box.toolTip().splitlines()
    assert rate.endswith(" bpp") and value.startswith("PSNR ")


def test_metrics_are_told_in_a_sentence_with_their_paper(window: Window) -> None:
    table, choice = window.inspector.metrics, window.inspector.plot.choice
    for id, name in (("ms_ssim", "Wang et al. 2003"), ("lpips", "Zhang et al. 2018")):
        tip = choice.itemData(choice.findData(id), Qt.ItemDataRole.ToolTipRole)
        sentence, paper = tip.splitlines()
        assert sentence.count(".") == 2 and "better." in sentence and paper.startswith(name)
        row = next(at for at, row in enumerate(ROWS) if row.id == id)
        assert table.item(row, 0).toolTip() == tip


def test_in_a_low_window_the_plot_takes_the_place_of_the_numbers(qtbot: QtBot, window: Window) -> None:
    inspector = window.inspector
    window.resize(1280, 700)
    inspector.show_plot(True)
    assert inspector.plot.isVisible()
    assert not inspector.metrics.isVisible()
    window.resize(1280, 1200)
    QApplication.processEvents()
    assert inspector.metrics.isVisible()
    window.resize(1280, 700)
    QApplication.processEvents()
    inspector.show_plot(False)
    assert inspector.metrics.isVisible()


def test_the_plot_turns_its_axis_where_less_is_better(qtbot: QtBot, window: Window) -> None:
    window.inspector.show_plot(True)
    plot = window.inspector.plot
    box = plot._plot.getPlotItem().getViewBox()
    assert not box.yInverted()
    plot.choice.setCurrentIndex(plot.choice.findData("lpips"))
    plot.choice.activated.emit(plot.choice.currentIndex())
    assert box.yInverted()
    plot.log.setChecked(True)
    assert plot._plot.getPlotItem().getAxis("bottom").logMode
