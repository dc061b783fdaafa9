"""Does the page about measuring tell the truth about metrics, options and the other codecs' settings?"""

from __future__ import annotations

import re

import pytest
import typer

from app.cli import app
from models.assets import docs_folder
from models.classical import FORMATS, create
from models.codec import CATALOGUE
from models.metrics import TABLE
from models.vvc import PRESET, VvcCodec

PAGE = (docs_folder() / "measuring.md").read_text(encoding="utf-8")
INFO = {id: create(id).info() for id in FORMATS} | {"vvc": VvcCodec().info()}


def rows(heading: str) -> list[list[str]]:
    part = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| `")]


def test_every_metric_is_on_the_page() -> None:
    named = [name for row in rows("Metrics") for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(named) == sorted(TABLE)


def test_every_other_codec_has_its_settings_on_the_page() -> None:
    named = [row[0].strip("`") for row in rows("What the other codecs are set to")]
    assert named == [entry.id for entry in CATALOGUE if not entry.learned]
    assert set(named) == INFO.keys()


@pytest.mark.parametrize("id", INFO)
def test_settings_are_those_the_codec_tells(id: str) -> None:
    (row,) = (row for row in rows("What the other codecs are set to") if row[0] == f"`{id}`")
    told = " ".join(INFO[id].values())
    assert row[1].lower() in told.lower(), row[1]
    chroma, own = (re.findall(r"4:\d:\d", text) for text in (row[3], INFO[id]["chroma"]))
    assert chroma == own[: len(chroma)] and chroma, (
        chroma,
        own,
    )  # AVIF's goes on about what it is better than
    assert id not in {"jpeg", "heic"} or len(chroma) == 2
    numbered = re.findall(r"(?:method|speed|effort|preset) \w+", row[2])
    assert all(setting in told for setting in numbered), numbered
    assert bool(numbered) == (id in {"webp", "avif", "jxl", "heic", "vvc"})
    assert id != "vvc" or f"preset {PRESET}" in row[2]


def test_every_option_the_page_names_is_one_of_its_command() -> None:
    group = typer.main.get_command(app)
    known = {
        option
        for command in group.commands.values()  # type: ignore[attr-defined]
        for parameter in command.params
        for option in parameter.opts
    }
    named = set(re.findall(r"(--[a-z][a-z-]*)", PAGE))
    assert len(named) > 15 and named <= known, named - known
    for line in re.findall(r"^    (hflic .+(?:\\\n.+)?)$", PAGE, re.MULTILINE):
        command = group.commands[line.split()[1]]  # type: ignore[attr-defined]
        own = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"(--[a-z][a-z-]*)", line)) <= own, line
