"""Taking the blind test: nothing tells who is who, keys choose, the result is told and exported."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog, QLabel, QPushButton
from pytestqt.qtbot import QtBot

from app.blind import Verdict
from app.panels.blind import BlindDialog
from app.session import Session
from app.state import ORIGINAL, Side
from app.window import Window
from models.codec import Rate
from tests.app.conftest import shown
from tests.app.engines import InlineEngine


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine) -> Iterator[Window]:
    with shown(qtbot, Session(inline, "webp", "jpeg", Rate(bpp=0.6))) as made:  # type: ignore[arg-type]
        yield made


def settle(qtbot: QtBot, window: Window) -> None:
    qtbot.waitUntil(lambda: window.session.picture is not None and window.session.idle, timeout=20000)


def begin(qtbot: QtBot, window: Window, path: Path) -> BlindDialog:
    window.commands.open_paths([path])
    settle(qtbot, window)
    qtbot.keyClick(window.canvas, Qt.Key.Key_B)
    dialogs = [each for each in window.findChildren(BlindDialog) if each.isVisible()]
    assert len(dialogs) == 1
    return dialogs[0]


def words_of(dialog: BlindDialog) -> str:
    kinds = (QLabel, QPushButton)
    shown = [each for kind in kinds for each in dialog.findChildren(kind) if each.isVisible()]
    return " ".join(f"{each.text()} {each.toolTip()} {each.accessibleName()}" for each in shown)


def pixels(image: QImage) -> np.ndarray:
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def prefer(qtbot: QtBot, dialog: BlindDialog, side: Side | None) -> None:
    trial = dialog.test.current
    assert trial is not None
    if side is None:
        qtbot.keyClick(dialog, Qt.Key.Key_Down)
    else:
        qtbot.keyClick(dialog, Qt.Key.Key_Left if trial.on_left is side else Qt.Key.Key_Right)


def test_a_test_hides_the_names_until_its_end(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    dialog = begin(qtbot, window, photo("cat.png", 400, 300))
    seen = words_of(dialog)
    qtbot.mouseClick(dialog.starts[0], Qt.MouseButton.LeftButton)
    while not dialog.test.done:
        seen += words_of(dialog)
        prefer(qtbot, dialog, Side.LEFT)
    assert "WebP" not in seen
    assert "JPEG" not in seen
    assert "WebP" in words_of(dialog)
    assert "JPEG" in words_of(dialog)
    dialog.close()


def test_each_trial_shows_the_sides_as_shuffled_and_the_original_between(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    dialog = begin(qtbot, window, photo("cat.png", 400, 300))
    dialog.start(2)
    session = window.session
    sides = {side: session.view(side).raster.picture().pixels for side in Side}  # type: ignore[union-attr]
    original = session.picture.picture().pixels  # type: ignore[union-attr]
    while (trial := dialog.test.current) is not None:
        crop = trial.crop
        box = np.s_[crop.y : crop.bottom, crop.x : crop.right]
        left, middle, right = map(pixels, dialog.view.images)
        np.testing.assert_array_equal(left, sides[trial.on_left][box])
        np.testing.assert_array_equal(middle, original[box])
        np.testing.assert_array_equal(right, sides[trial.on_left.other][box])
        prefer(qtbot, dialog, None)
    assert dialog.test.outcome().none == len(dialog.test.trials)
    dialog.view.grab()
    dialog.close()


def test_boxes_of_the_session_are_the_places(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    window.commands.open_paths([photo("cat.png", 400, 300)])
    settle(qtbot, window)
    window.session.crops.add(10, 20, 60, 40, "eye")
    window.session.crops.add(200, 100, 64, 64, "hand")
    dialog = window.working.blind_test()
    assert dialog is not None
    assert {crop.name for crop in dialog.test.crops} == {"eye", "hand"}
    dialog.close()


def test_an_answer_is_taken_back_and_a_held_key_answers_once(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QKeyEvent
    from PySide6.QtWidgets import QApplication

    dialog = begin(qtbot, window, photo("cat.png", 400, 300))
    qtbot.keyClick(dialog, Qt.Key.Key_Left)  # before the start: no answer
    dialog.start(1)
    first = dialog.test.current
    qtbot.keyClick(dialog, Qt.Key.Key_1)
    held = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_1, Qt.KeyboardModifier.NoModifier, "1", True)
    QApplication.sendEvent(dialog, held)
    assert len(dialog.test.answers) == 1
    assert dialog._count.text().startswith("2 of")
    qtbot.keyClick(dialog, Qt.Key.Key_Backspace)
    assert dialog.test.current is first
    qtbot.mouseClick(dialog.choices[Verdict.RIGHT], Qt.MouseButton.LeftButton)
    assert dialog.test.answers[0].verdict is Verdict.RIGHT
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_the_result_is_exported_as_csv_and_json(
    qtbot: QtBot,
    window: Window,
    photo: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dialog = begin(qtbot, window, photo("cat.png", 600, 600))
    dialog.start(2)
    count = 0
    while not dialog.test.done:
        prefer(qtbot, dialog, Side.RIGHT)
        count += 1
    assert dialog.ending.title.text().startswith("JPEG was preferred")
    assert f"0% of {count} decided trials" in dialog.ending.numbers.text()
    assert f"0 of {count // 2} decided places" in dialog.ending.numbers.text()
    assert "count together" in dialog.ending.numbers.text()
    starts: list[Path] = []

    def choose(parent: object, title: str, start: str, pattern: str) -> tuple[str, str]:
        starts.append(Path(start))
        return str(tmp_path / "mine"), pattern

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    with qtbot.waitSignal(window.session.saved):
        qtbot.mouseClick(dialog.ending.csv, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(window.session.saved):
        qtbot.mouseClick(dialog.ending.json, Qt.MouseButton.LeftButton)
    assert starts == [tmp_path / "cat-blind-test.csv", tmp_path / "cat-blind-test.json"]
    rows = list(csv.DictReader((tmp_path / "mine.csv").read_text().splitlines()))
    assert len(rows) == count
    assert {row["preferred"] for row in rows} == {"B"}
    assert {(row["a"][:6], row["b"][:6], row["image"]) for row in rows} == {("WebP, ", "JPEG, ", "cat.png")}
    whole = json.loads((tmp_path / "mine.json").read_text())
    assert whole["image"] == "cat.png"
    assert (whole["a"]["codec"], whole["b"]["codec"]) == ("webp", "jpeg")
    assert whole["b"]["bytes"] == window.session.view(Side.RIGHT).coded.encoding.bytes  # type: ignore[union-attr]
    assert (whole["outcome"]["a"], whole["outcome"]["b"]) == (0, count)
    assert "torch" in whole["versions"]
    qtbot.mouseClick(dialog.ending.again, Qt.MouseButton.LeftButton)
    assert dialog.pages.currentWidget() is dialog._first
    dialog.close()


def test_a_test_taken_once_more_is_another_one(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    dialog = begin(qtbot, window, photo("cat.png", 600, 600))
    tests = []
    for _ in range(3):
        dialog.start(1)
        tests.append(dialog.test)
    assert len({test.seed for test in tests}) == 3
    assert len({test.trials for test in tests}) > 1
    dialog.close()


def test_a_test_that_can_decide_nothing_says_so_before_it_begins(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    warning = "fewer than 6 cannot be told from chance"
    window.commands.open_paths([photo("cat.png", 400, 300)])
    settle(qtbot, window)
    for count in range(1, 7):
        window.session.crops.add(10 * count, 20, 60, 40, f"box {count}")
        dialog = window.working.blind_test()
        assert dialog is not None
        assert (warning in words_of(dialog)) is (count < 6)
        assert "both ways" not in words_of(dialog)  # nothing tells how later rounds stand
        dialog.close()


def test_there_is_no_test_before_both_sides_are_done(qtbot: QtBot, window: Window) -> None:
    assert not window.actions_by_id["blind"].isEnabled()
    assert window.working.blind_test() is None
    assert "both sides done" in window.messages.text


def test_the_original_may_be_one_of_the_two(qtbot: QtBot, window: Window, photo: Callable[..., Path]) -> None:
    window.commands.open_paths([photo("cat.png", 200, 200)])
    settle(qtbot, window)
    window.session.choose(Side.LEFT, ORIGINAL)
    settle(qtbot, window)
    dialog = window.working.blind_test()
    assert dialog is not None
    dialog.start(1)
    while not dialog.test.done:
        prefer(qtbot, dialog, Side.LEFT)
    assert "Original" in words_of(dialog)
    dialog.close()
