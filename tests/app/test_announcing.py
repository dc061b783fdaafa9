"""What happened is read out: errors at once, results and news when nothing else is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from pytestqt.qtbot import QtBot

from app.session import Session
from app.state import Level
from app.window import Window
from models.codec import Rate
from tests.app.conftest import shown
from tests.app.engines import InlineEngine
from tests.app.hands import open_photo, settle

LOUD, QUIET = QAccessible.AnnouncementPoliteness.Assertive, QAccessible.AnnouncementPoliteness.Polite
Said = list[tuple[str, QAccessible.AnnouncementPoliteness]]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    """What a screen reader is told."""
    heard: Said = []

    def hear(event: object) -> None:
        assert isinstance(event, QAccessibleAnnouncementEvent)
        heard.append((event.message(), event.politeness()))

    monkeypatch.setattr(QAccessible, "updateAccessibility", staticmethod(hear))
    return heard


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine) -> Iterator[Window]:
    session = Session(inline, "webp", "jpeg", Rate(bpp=1.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        yield made
        settle(qtbot, made)


def test_errors_are_read_out_at_once_and_news_politely(window: Window, said: Said) -> None:
    window.tell("a.hflic is damaged.", Level.ERROR)
    window.tell("The view was copied.")
    assert said[-2:] == [("error: a.hflic is damaged.", LOUD), ("The view was copied.", QUIET)]


def test_a_finished_result_is_read_out_once(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], said: Said
) -> None:
    open_photo(qtbot, window, photo())
    sides = sorted(words for words, _ in said if words.startswith("Side "))
    assert [words.partition(".")[0] for words in sides] == ["Side A: WebP", "Side B: JPEG"]
    assert all("bpp" in words for words in sides)


def test_a_failed_reading_is_read_out(qtbot: QtBot, window: Window, tmp_path: Path, said: Said) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"no picture")
    open_photo(qtbot, window, path)
    assert [politeness for words, politeness in said if "broken.png" in words] == [LOUD]
