"""Can the documentation be read offline, and does it tell the truth about keys, commands and files?"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from dataclasses import fields
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
from models.peers import PeerResult
from tests.command_line import run, run_json

_TEXTS = {line.id: line.text for line in PAGES}
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


def test_every_menu_entry_that_the_pages_name_is_in_its_menu() -> None:
    menus = {action.menu.replace("&", "") for action in ACTIONS}
    there = [(a.menu.replace("&", ""), a.text.replace("&", "").removesuffix("\u2026")) for a in ACTIONS]
    pages = [*_TEXTS.values(), (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")]
    named = [found for text in pages for found in re.findall(r"(?:\*|\b)(\w+), \*?([^*\n]+)\*", text)]
    named = [(menu, entry) for menu, entry in named if menu in menus]
    assert len(named) >= 8
    for menu, entry in named:
        assert any(menu == other and text.startswith(entry) for other, text in there), (menu, entry)


def test_every_command_in_the_pages_exists() -> None:
    import typer

    group = typer.main.get_command(app)
    known = set(group.commands)  # type: ignore[attr-defined]
    for text in _TEXTS.values():
        named = set(re.findall(r"(?:`|^    )hflic ([a-z]+)", text, re.MULTILINE))
        assert named <= known, named - known


def test_the_changelog_shows_what_towncrier_will_write() -> None:
    root = Path(__file__).parents[2]
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
    assert {kind["directory"]: kind["name"] for kind in settings["type"]} == docs.KINDS
    found = [path for path in (root / "docs" / "changelog").iterdir() if path.name != ".gitkeep"]
    for path in found:
        assert re.fullmatch(rf"\+[a-z0-9-]+\.({'|'.join(docs.KINDS)})\.md", path.name), path
        assert path.read_text(encoding="utf-8").strip()
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9", "--date", "today"]
    draft = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    bullets = [line for line in draft.splitlines() if line.startswith(("- ", "### "))]
    assert len(bullets) >= len(found)
    shown = _TEXTS["changelog"].splitlines()
    assert set(bullets) <= set(shown) and shown.index("## Unreleased") < shown.index("## 0.1.0")


def test_a_changelog_without_news_has_its_versions_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert docs.unreleased().startswith("## Unreleased\n\n### Viewer\n\n- ")
    monkeypatch.setattr(docs, "docs_folder", lambda: tmp_path)
    (tmp_path / "changelog.md").write_text(
        "# Changelog\n\n<!-- towncrier release notes start -->\n\n## 0.1.0\n"
    )
    assert docs.page("changelog").text == "# Changelog\n\n\n\n## 0.1.0\n"


def test_every_recipe_is_in_the_training_guide() -> None:
    from models.training.paper_recipes import PAPER
    from models.training.perceptual_recipes import PERCEPTUAL
    from models.training.recipes import RECIPES

    rows = set(re.findall(r"^\| `([a-z0-9-]+)` \|", _TEXTS["training"], re.MULTILINE))
    assert rows - PAPER.keys() == {*RECIPES, *PERCEPTUAL}
    assert [name for name in PAPER if f"`{name}`" not in _TEXTS["training"]] == []
    for recipe in PAPER.values():
        line = next(line for line in _TEXTS["training"].splitlines() if f"`{recipe.name}`" in line)
        assert line.endswith(f"| {recipe.steps:,} of {recipe.rounds[0].batch} |")


def test_the_training_guide_names_the_rounds() -> None:
    from models.training.perceptual_recipes import PERCEPTUAL
    from models.training.recipes import RECIPES

    for recipe in (*RECIPES.values(), *PERCEPTUAL.values()):
        for part in recipe.rounds:
            assert re.search(rf"(?<![\d,]){part.steps:,}(?!,?\d)", _TEXTS["training"]), (recipe.name, part)


def _names_of_peers() -> set[str]:
    """What `hflic bench --peers` tells of its measurement; importing it takes no CompressAI."""
    return {field.name for field in fields(PeerResult)}


def test_the_json_keys_of_the_architecture_are_those_that_are_printed(tmp_path: Path) -> None:
    from matplotlib.cbook import get_sample_data

    with get_sample_data("grace_hopper.jpg") as stream:
        photo = Path(stream.name)
    _, _, section = _TEXTS["architecture"].partition("## What scripts may rely on")
    head, _, table = section.partition("\n## ")[0].partition("| command | keys |")
    common = set(re.findall(r"`(\w+)`", head))
    rows = {row[0]: row[1] for row in re.findall(r"^\| `([^|]+)` \| ([^|]+) \|$", table, re.MULTILINE)}

    def named(command: str) -> set[str]:
        return set(re.findall(r"`(\w+)`", rows[command]))

    file = tmp_path / "a.jpg"
    made = run_json("encode", photo, "--codec", "jpeg", "--quality", "30", "-o", file)
    assert set(made) == common | named("encode")
    decoded = run_json("decode", file, "-o", tmp_path / "a.png", "--against", photo)
    assert set(decoded) == common | named("decode")
    assert set(run_json("info", file)) == common | named("info")
    compared = run_json("compare", photo, "--codecs", "jpeg", "--quality", "30", "--metrics", "psnr")
    assert set(compared) <= named("compare`, `figure")
    assert set(compared["results"][0]) == common | {"note", "psnr"}
    assert {"note", "psnr", "codec"} <= named("compare`, `figure")
    listed = run_json("models", "list")
    assert named("models list") <= {*listed, *listed["codecs"][0]}
    fetchable = run_json("models", "fetch")
    assert set(fetchable) <= named("models fetch")
    assert set(run_json("models", "info", "jpeg")) == named("models info")
    measured = run_json("bench", "--codecs", "jpeg", "--size", "64x64", "--repeats", "1")
    assert {*measured, *measured["results"][0]} <= common | named("bench")
    told = common | {*measured, *measured["results"][0]}
    others = {"metrics", "jpeg_quality", "viewer", "ratios", "bytes_ratio", *_names_of_peers()}
    assert named("bench") - told == others - told
    plan = run_json("train", "queue", "--plan", "--runs", tmp_path)
    assert {*plan, *plan["queue"][0]} == named("train --plan")
    boxes = tmp_path / "boxes.json"
    boxes.write_text(f'{{"boxes": {{"{file.name}": [[0, 0, 9, 9]]}}}}', encoding="utf-8")
    faces = run_json("faces", tmp_path, "--evaluate", boxes)
    inner = {key for kind in (faces["sizes"], faces["missed"]) for key in kind[0]} | set(faces["kinds"])
    assert {*faces, *inner} == named("faces --evaluate")
    known = set(typer_names())
    assert {name.split()[0] for line in rows for name in line.split("`, `")} <= known


def typer_names() -> list[str]:
    """The commands there are."""
    import typer

    return list(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


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


def test_every_command_is_in_the_architectures_table() -> None:
    import typer

    table = _TEXTS["architecture"].partition("## Commands")[2].partition("\n## ")[0]
    group = typer.main.get_command(app)
    rows = re.findall(r"^\| (.+?) \| .+? \| `(app/\w+\.py)` \|$", table, re.MULTILINE)
    named = {name: module for names, module in rows for name in re.findall(r"`hflic (\w+)`", names)}
    assert set(named) == set(group.commands)  # type: ignore[attr-defined]
    for name, module in named.items():
        text = (Path(__file__).parents[2] / module).read_text(encoding="utf-8")
        assert f"def {name}(" in text or "typer.Typer(" in text, (name, module)
