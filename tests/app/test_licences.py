"""What About says: every part with its version and the licence it names itself."""

from __future__ import annotations

from importlib import metadata

import pytest
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from app.licences import LONGEST, PARTS, licence_of, parts
from app.panels.dialogs import NOTHING_SENT, about_dialog


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_there_and_has_a_licence_that_fits(name: str) -> None:
    version, licence = parts()[name]
    assert version == metadata.version(name)
    assert 2 < len(licence) <= LONGEST


def test_known_licences_are_told_as_they_are() -> None:
    assert "LGPL-3.0" in licence_of("pyside6-essentials")
    assert licence_of("pillow-jxl-plugin") == "GPL-3.0-or-later"
    assert "BSD" in licence_of("compressai")
    assert licence_of("torch").endswith("and others")


def test_what_is_not_installed_has_none() -> None:
    assert licence_of("no-such-part") == ""


def test_about_tells_versions_licences_and_that_nothing_is_sent(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    words = " ".join(label.text() for label in about_dialog(window).findChildren(QLabel))
    assert NOTHING_SENT in words
    for name in ("torch", "pyside6-essentials", "pillow-jxl-plugin"):
        assert name in words
        assert metadata.version(name) in words
    assert "GPL-3.0-or-later" in words
    assert "Apache-2.0" in words
