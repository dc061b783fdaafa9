"""Codecs whose weights are published elsewhere are offered in the window once their weights are here."""

from __future__ import annotations

from pytestqt.qtbot import QtBot

from app.columns import Column
from app.panels.columns import ColumnsCard
from app.panels.side import SidePanel
from app.state import Side
from models.codec import CATALOGUE

FETCHED = [line.id for line in CATALOGUE if line.fetched]
REASONS = {line.id: "no weights here" if line.fetched or line.id == "po-elic" else "" for line in CATALOGUE}


def test_a_sides_list_has_them_once_they_are_here(qtbot: QtBot) -> None:
    panel = SidePanel(next(iter(Side)))
    qtbot.addWidget(panel)
    panel.fill(REASONS, has_file=False)
    assert "mbt2018" in FETCHED and all(panel.codec.findData(id) < 0 for id in FETCHED)
    assert panel.codec.findData("po-elic") >= 0  # ours to train: listed, and it says what is missing
    panel.fill(REASONS | {"mbt2018": ""}, has_file=False)
    at = panel.codec.findData("mbt2018")
    assert panel.codec.itemText(at) == "Joint autoregressive prior"
    assert panel.codec.findData("mbt2018-mean") < 0


def test_so_have_the_columns(qtbot: QtBot, inline: object) -> None:
    from app.session import Session

    card = ColumnsCard(Session(inline).columns)  # type: ignore[arg-type]
    qtbot.addWidget(card)
    box = card.boxes[next(iter(Column))]
    card.fill(REASONS)
    assert all(box.findData(id) < 0 for id in FETCHED) and box.findData("po-elic") >= 0
    card.fill(REASONS | {"cheng2020-attn": ""})
    assert box.findData("cheng2020-attn") >= 0 and box.findData("cheng2020-anchor") < 0
