"""The window: codecs, rates and numbers of the sides, and work that is stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app import text
from app.panels.metrics import BETTER
from app.panels.rate import RateControl
from app.session import Session
from app.state import FILE, ORIGINAL, Phase, Side
from app.tasks import Compress, Measured
from app.window import Window
from app.wishes import deviation
from models.codec import Rate
from models.picture import Picture
from tests.app.conftest import scene, shown
from tests.app.engines import NOT_HERE, InlineEngine
from tests.app.hands import open_photo, settle


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine) -> Iterator[Window]:
    session = Session(inline, "webp", "jpeg", Rate(bpp=1.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        yield made


def test_choosing_a_codec_in_the_list_runs_that_side_only(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo())
    assert sorted(inline.codecs_run()) == ["jpeg", "webp"]
    box = window.inspector.sides[Side.RIGHT].codec
    box.setCurrentIndex(box.findData("jxl"))
    box.activated.emit(box.currentIndex())
    settle(qtbot, window)
    assert inline.codecs_run()[2:] == ["jxl"]
    assert window.canvas._labels["right"].title == "B  JPEG XL"


def test_unusable_codecs_are_listed_greyed_with_the_reason(window: Window, qtbot: QtBot) -> None:
    settle(qtbot, window)
    box = window.inspector.sides[Side.LEFT].codec
    model = box.model()
    hflic = model.index(box.findData("hflic"), 0)
    assert not model.flags(hflic) & Qt.ItemFlag.ItemIsEnabled
    assert NOT_HERE in hflic.data(Qt.ItemDataRole.ToolTipRole)
    assert "2305.07519" in hflic.data(Qt.ItemDataRole.ToolTipRole)
    jpeg = model.index(box.findData("jpeg"), 0)
    assert model.flags(jpeg) & Qt.ItemFlag.ItemIsEnabled


def test_presets_slider_and_lock_set_the_rate(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo())
    inspector = window.inspector
    qtbot.mouseClick(inspector.presets[2], Qt.MouseButton.LeftButton)
    assert {window.session.choice(side).rate for side in Side} == {Rate(bpp=0.3)}
    assert inspector.presets[2].isChecked()
    assert inspector.rate._spin.value() == pytest.approx(0.3)
    inspector.rate._slider.setFocus()
    qtbot.keyClick(inspector.rate._slider, Qt.Key.Key_PageUp)
    assert window.session.rate.bpp is not None
    assert window.session.rate.bpp > 0.3
    assert not inspector.presets[2].isChecked()
    assert inspector.sides[Side.LEFT].rate.isHidden()
    qtbot.keyClick(window.canvas, Qt.Key.Key_L)
    assert not window.session.locked
    right = inspector.sides[Side.RIGHT].rate
    assert right.isVisible()
    choose_kind(right, "quality")
    right._spin.setValue(70)
    assert window.session.choice(Side.RIGHT).rate == Rate(quality=70)
    assert window.session.choice(Side.LEFT).rate.bpp is not None
    settle(qtbot, window)


def choose_kind(control: RateControl, kind: str) -> None:
    control._kind.setCurrentIndex(control._kind.findData(kind))
    control._kind.activated.emit(control._kind.currentIndex())


def test_a_size_in_bytes_is_chosen_once_for_both_sides(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo(width=200, height=80))
    session, inspector = window.session, window.inspector
    inspector.preset(0.3)
    assert inspector.hint.text() == "\u2248 600 B" and inspector.rate._kind.findData("quality") < 0
    choose_kind(inspector.rate, "bytes")
    assert session.rate == Rate(bytes=600) and session.locked  # the same size in the other unit
    assert inspector.hint.text() == "\u2248 0.300 bpp"
    inspector.rate._spin.setValue(0.8)
    assert {session.choice(side).rate for side in Side} == {Rate(bytes=800)}
    settle(qtbot, window)
    made = [session.view(side).coded for side in Side]
    assert all(coded is not None and coded.encoding.bytes > 0 for coded in made)
    for action in ("lock", "lock"):
        window.actions_by_id[action].trigger()
    assert session.locked and session.rate == Rate(bytes=800)
    inspector.rate._slider.setValue(inspector.rate._slider.maximum())
    assert session.rate == Rate(bytes=8000)  # 4 bits a pixel
    choose_kind(inspector.rate, "bpp")
    assert session.rate == Rate(bpp=4.0)
    settle(qtbot, window)


def test_progress_leaves_alone_what_a_person_types(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo())
    session = window.session
    session.set_locked(False)
    inline.held = (Compress,)
    session.set_rate(Side.LEFT, Rate(bpp=0.5))
    qtbot.waitUntil(lambda: session.view(Side.LEFT).stage == "working")
    control = window.inspector.sides[Side.LEFT].rate
    number = control._spin.lineEdit()
    number.setFocus()
    number.selectAll()
    qtbot.keyClicks(number, "0.7")
    inline.progressed.emit(inline.tasks(Compress)[-1].id, "analysing", 0.6)
    assert session.view(Side.LEFT).done == 0.6
    qtbot.keyClicks(number, "5")
    assert number.text() == "0.75 bpp"
    qtbot.keyClick(number, Qt.Key.Key_Return)
    assert session.choice(Side.LEFT).rate == Rate(bpp=0.75)
    assert number.text() == "0.750 bpp"
    number.selectAll()
    qtbot.keyClicks(number, "9")
    session.set_rate(Side.LEFT, Rate(quality=40))  # another rate is shown at once
    assert (number.text(), control.kind) == ("40.0", "quality")
    session.cancel()


def test_the_label_says_how_far_off_its_size_a_side_is(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo())
    session = window.session
    for side in Side:
        coded = session.view(side).coded
        assert coded is not None
        off = deviation(session.choice(side).rate, coded.encoding)
        assert off is not None
        parts = window.canvas._labels[side.value].line.split(text.DOT)
        words = text.residual(off)
        assert parts[0] == f"{text.bpp(coded.encoding.bpp)} bpp" and (parts[-1] == words) == bool(words)
    assert (text.residual(0.0123), text.residual(-0.004)) == ("size +1.2%", "size \u22120.4%")
    assert text.residual(0.0004) == text.residual(None) == ""


def test_cancel_stops_and_offers_to_try_again(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    inline.held = (Compress,)
    window.session.open([photo()])
    qtbot.waitUntil(lambda: window.session.compressor.working)
    assert window.actions_by_id["cancel"].isEnabled()
    qtbot.keyClick(window.canvas, Qt.Key.Key_Escape)
    assert {window.session.view(side).phase for side in Side} == {Phase.STOPPED}
    panel = window.inspector.sides[Side.LEFT]
    assert panel.status.text() == "Stopped."
    assert panel.again.isVisible()
    inline.held = ()
    qtbot.mouseClick(panel.again, Qt.MouseButton.LeftButton)
    settle(qtbot, window)
    assert window.session.view(Side.LEFT).phase is Phase.DONE
    assert not panel.again.isVisible()


def test_work_shows_its_stage_and_a_bar_only_after_half_a_second(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    inline.held = (Compress,)
    window.session.open([photo()])
    panel = window.inspector.sides[Side.LEFT]
    qtbot.waitUntil(lambda: window.session.view(Side.LEFT).stage == "working")
    assert window.canvas._labels["left"].line.startswith("compressing")
    assert panel.bar.isHidden()
    qtbot.waitUntil(panel.bar.isVisible, timeout=2000)
    assert panel.status.text().startswith("Working")
    assert (panel.bar.value(), panel.bar.maximum()) == (400, 1000)
    qtbot.mouseClick(panel.cancel, Qt.MouseButton.LeftButton)
    assert panel.bar.isHidden()


def test_cancel_on_a_card_is_for_its_side(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    inline.held = (Compress,)
    window.session.open([photo()])
    panel = window.inspector.sides[Side.RIGHT]
    qtbot.waitUntil(panel.cancel.isVisible, timeout=5000)
    qtbot.mouseClick(panel.cancel, Qt.MouseButton.LeftButton)
    phases = [window.session.view(side).phase for side in Side]
    assert phases == [Phase.RUNNING, Phase.STOPPED]
    assert window.inspector.sides[Side.LEFT].cancel.isVisible()
    assert panel.again.isVisible()
    window.session.cancel()


def test_original_on_a_side_shows_it(qtbot: QtBot, window: Window, photo: Callable[..., Path]) -> None:
    open_photo(qtbot, window, photo())
    window.session.choose(Side.LEFT, ORIGINAL)
    assert window.canvas.raster("left") is window.session.picture
    assert window.canvas._labels["left"].title == "A  Original"
    assert not window.actions_by_id["save_left"].isEnabled()
    assert window.inspector.metrics.item(2, 1).toolTip() == "This is the original."


def test_the_column_never_outgrows_its_width(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    name = "a-name-without-a-single-space-that-is-far-too-long-for-the-column-of-the-sides.jpg"
    photo_path = tmp_path / name
    Picture(scene(96, 64)).save(photo_path)
    open_photo(qtbot, window, photo_path)
    window.session.open([photo_path], Side.LEFT)
    settle(qtbot, window)
    assert window.session.choice(Side.LEFT).codec == FILE
    body = window.inspector.widget()
    assert body.minimumSizeHint().width() <= window.inspector.viewport().width()
    status = window.inspector.sides[Side.LEFT].status.text()
    assert status.startswith("a-name")
    assert "sides.jpg" in status


def test_sizes_driven_to_the_same_target_have_no_winner(qtbot: QtBot, window: Window) -> None:
    def marked(left: float, right: float) -> bool:
        values = {Side.LEFT: {"size": Measured(left)}, Side.RIGHT: {"size": Measured(right)}}
        window.inspector.metrics.show_values(values)
        return any(window.inspector.metrics.item(0, column).text().startswith(BETTER) for column in (1, 2))

    assert not marked(9600, 9700)
    assert marked(9600, 9900)
