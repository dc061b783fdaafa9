"""Can the documentation be read offline, and does it tell the truth about keys, commands and files?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PySide6.QtCore import QSize, QUrl
from PySide6.QtGui import QDesktopServices, QTextDocument
from pytestqt.qtbot import QtBot

from app import docs
from app.actions import ACTIONS, GESTURES
from app.cli import app
from app.docs import PAGES, page
from app.panels.docs import DocsWindow, docs_missing
from models.assets import docs_folder
from models.errors import HflicError
from tests.command_line import run, run_json

_TEXTS = {line.id: line.path.read_text(encoding="utf-8") for line in PAGES}
_LINK = re.compile(r"!?\[[^]]*\]\(([^)]+)\)")
_KEY = re.compile(r"\b(?:Ctrl|Shift|Alt)\+(?:Shift\+|Alt\+)*\w+|`([^`\s])`|\bF\d+\b|`(Shift\+\w+|Space|Tab)`")


@pytest.mark.parametrize("id", list(_TEXTS))
def test_links_and_pictures_lead_somewhere(id: str) -> None:
    for target in _LINK.findall(_TEXTS[id]):
        if not target.startswith("https://"):
            assert (docs_folder() / target).is_file(), target


def test_every_key_in_the_guide_is_one_of_the_viewers() -> None:
    known = {key for action in ACTIONS for key in action.keys} | {key for key, _ in GESTURES}
    named = {next(filter(None, (*found.groups(), found[0]))) for found in _KEY.finditer(_TEXTS["guide"])}
    assert len(named) > 25
    assert named <= known, named - known


def test_every_command_in_the_pages_exists() -> None:
    import typer

    group = typer.main.get_command(app)
    known = set(group.commands)  # type: ignore[attr-defined]
    for text in _TEXTS.values():
        named = set(re.findall(r"(?:`|^    )hflic ([a-z]+)", text, re.MULTILINE))
        assert named <= known, named - known


def test_every_recipe_is_in_the_training_guide() -> None:
    from models.training.perceptual_recipes import PERCEPTUAL
    from models.training.recipes import RECIPES

    rows = set(re.findall(r"^\| `([a-z0-9-]+)` \|", _TEXTS["training"], re.MULTILINE))
    assert rows == {*RECIPES, *PERCEPTUAL}


def test_every_module_the_architecture_names_is_there() -> None:
    root = Path(__file__).parents[2]
    for path in re.findall(r"`((?:app|models|tests|assets)/[\w/.]+)`", _TEXTS["architecture"]):
        assert (root / path).exists(), path


def test_the_window_shows_every_page_with_its_pictures(qtbot: QtBot) -> None:
    window = DocsWindow()
    qtbot.addWidget(window)
    window.show()
    image = QTextDocument.ResourceType.ImageResource.value
    for row, line in enumerate(PAGES):
        window.list.setCurrentRow(row)
        assert window.reader.page is line
        text = window.reader.toPlainText()
        assert text.startswith(_TEXTS[line.id].splitlines()[0].lstrip("# ").replace("`", ""))
        assert text.count(text.splitlines()[0]) == 1  # read once
        for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", _TEXTS[line.id]):
            shown = window.reader.loadResource(image, QUrl(target))
            assert 100 < shown.width() / window.devicePixelRatioF() <= window.reader.viewport().width()  # type: ignore[attr-defined]


def test_pictures_follow_the_width_of_the_window(qtbot: QtBot) -> None:
    window = DocsWindow()
    qtbot.addWidget(window)
    window.show()
    image = QTextDocument.ResourceType.ImageResource.value

    def width() -> int:
        picture = window.reader.loadResource(image, QUrl("screenshots/split.png"))
        return int(picture.width())  # type: ignore[attr-defined]

    before = width()
    window.resize(QSize(700, 700))
    qtbot.waitUntil(lambda: width() < before)
    assert window.reader.toPlainText().count("User guide\n") == 1


def test_a_link_turns_the_page_and_one_to_the_net_goes_to_the_browser(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    window = DocsWindow(page("training"))
    qtbot.addWidget(window)
    window.show()
    for link in ("format.md", "https://example.org/", "file:///etc/passwd", "../README.md"):
        window.reader.anchorClicked.emit(QUrl(link))
    assert window.reader.page is page("format")
    assert window.list.currentItem().text() == "The .hflic file"
    assert opened == ["https://example.org/"]


def test_pictures_from_elsewhere_are_not_fetched(qtbot: QtBot) -> None:
    window = DocsWindow()
    qtbot.addWidget(window)
    image = QTextDocument.ResourceType.ImageResource.value
    assert window.reader.loadResource(image, QUrl("https://example.org/a.png")) is None


def test_the_command_prints_pages_and_places() -> None:
    code, text, _ = run("docs", "format", "--text")
    assert (code, text.strip()) == (0, _TEXTS["format"].strip())
    assert run_json("docs", "--where")["documentation"] == str(docs_folder())
    code, _, errors = run("docs", "recipes")
    assert code == 2 and "choose one of guide" in errors


def test_missing_pages_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs, "docs_folder", lambda: tmp_path)
    with pytest.raises(HflicError, match="documentation is missing"):
        page("guide")
    assert "missing" in docs_missing()
