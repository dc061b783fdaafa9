"""The faces overlay: asked for when wanted, marked where they are, and never those of another picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from app.commands import sample_photo
from app.faces import count_of
from app.marks import STRONG
from app.session import Session
from app.state import Side
from app.tasks import FindFaces
from app.window import Window
from app.worker import Failure
from models.codec import Rate
from models.faces import Face
from tests.app.conftest import shown
from tests.app.engines import InlineEngine

SMALL = Face((20, 10, 40, 40), 0.9, (), small=True)
LARGE = Face((50, 5, 90, 60), 0.8, (), small=False)


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine) -> Iterator[Window]:
    inline.held = (FindFaces,)
    session = Session(inline, "webp", "jpeg", Rate(bpp=1.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        yield made


def open_photo(qtbot: QtBot, window: Window, path: Path) -> None:
    window.commands.open_paths([path])
    qtbot.waitUntil(
        lambda: (
            window.session.picture is not None
            and window.session.picture.path == path
            and not window.session.compressor.working
            and not window.session.judge.working
        ),
        timeout=20000,
    )


def strong_pixels(image: QImage) -> int:
    colours = (image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height()))
    return sum(colour == STRONG for colour in colours)


def seen(window: Window) -> QImage:
    return window.canvas.grab().toImage()


def test_f_marks_the_faces_and_takes_them_away(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo())
    assert not inline.tasks(FindFaces)  # nobody asked
    qtbot.keyClick(window.canvas, Qt.Key.Key_F)
    assert window.actions_by_id["faces"].isChecked()
    assert window.session.working  # it can be cancelled
    inline.answer(FindFaces, (SMALL, LARGE))
    assert not window.session.faces.working
    assert window.status.currentMessage() == "2 faces were found, 1 of them small (solid boxes)."
    marked = strong_pixels(seen(window))
    around = 2 * (20 + 30) * window.viewport.scale / window.viewport.ratio
    assert marked >= around
    assert strong_pixels(window.canvas.render_view()) == 0  # what is copied is the picture alone
    qtbot.keyClick(window.canvas, Qt.Key.Key_F)
    assert strong_pixels(seen(window)) == 0
    qtbot.keyClick(window.canvas, Qt.Key.Key_F)
    assert strong_pixels(seen(window)) == marked
    assert len(inline.tasks(FindFaces)) == 1  # known by now


def test_faces_of_a_picture_that_is_not_shown_any_more_never_show(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo("one.png"))
    window.show_faces(True)
    first = inline.tasks(FindFaces)[-1]
    open_photo(qtbot, window, photo("two.png", seed=5))
    assert first.id in inline.stopped
    inline.finished.emit(first.id, (SMALL,))
    assert window.session.faces.faces == ()
    inline.answer(FindFaces, (LARGE,))
    assert window.session.faces.faces == (LARGE,)


def test_cancel_stops_the_search_and_asking_again_starts_anew(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo())
    window.show_faces(True)
    window.session.cancel()
    assert not window.session.faces.working
    window.show_faces(True)
    assert len(inline.tasks(FindFaces)) == 1
    assert window.session.faces.working


def test_f5_looks_again_after_a_search_was_stopped_or_failed(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    retry = window.actions_by_id["retry"]
    open_photo(qtbot, window, photo())
    window.show_faces(True)
    window.session.faces.stop()
    assert retry.isEnabled()
    retry.trigger()
    assert window.session.faces.working
    assert not retry.isEnabled()
    inline.failed.emit(inline.tasks(FindFaces)[-1].id, Failure("no detector here"))
    assert "no detector here" in window.messages.text
    assert retry.isEnabled()
    retry.trigger()
    inline.answer(FindFaces, (SMALL,))
    assert window.session.faces.faces == (SMALL,)
    assert not retry.isEnabled()


def test_what_nobody_wants_any_more_is_not_tried_again(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo())
    window.show_faces(True)
    window.session.faces.stop()
    window.show_faces(False)
    assert not window.actions_by_id["retry"].isEnabled()
    window.session.retry()
    assert not window.session.faces.working


def test_the_face_of_the_sample_photo_is_found(qtbot: QtBot, window: Window, inline: InlineEngine) -> None:
    inline.held = ()
    path = sample_photo()
    assert path is not None
    window.session.choose(Side.LEFT, "original")
    open_photo(qtbot, window, path)
    window.show_faces(True)
    qtbot.waitUntil(lambda: not window.session.faces.working, timeout=60000)
    (face,) = window.session.faces.faces
    left, top, right, bottom = face.box
    assert left < 256 < right  # her nose, about (256, 225)
    assert top < 225 < bottom
    assert not face.small


@pytest.mark.parametrize(
    ("faces", "words"),
    [
        ((), "No faces were found."),
        ((LARGE,), "1 face was found, a large one."),
        ((SMALL,), "1 face was found, a small one (solid box)."),
        ((SMALL, SMALL), "2 faces were found, 2 of them small (solid boxes)."),
    ],
)
def test_the_count_is_told_in_words(faces: tuple[Face, ...], words: str) -> None:
    assert count_of(faces) == words
