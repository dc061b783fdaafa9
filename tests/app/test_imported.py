"""An imported network in the viewer, with real processes: chosen under its id, saved, opened again."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.engine import Engine
from app.session import Session
from app.settings import Settings
from app.state import FILE, Phase, Side
from models.codec import Rate
from models.importing.install import install
from models.picture import Picture
from tests.app.conftest import scene, shown
from tests.foreign import jiang, saved


def test_an_imported_codec_is_one_like_the_others(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr("app.wishes.METRICS", ("psnr",))
    made = install(saved(jiang(), tmp_path / "c.pth"), "elic")
    source = tmp_path / "photo.png"
    Picture(scene(96, 64)).save(source)
    defaults = Settings()
    session = Session(Engine(), defaults.left, defaults.right, Rate(quality=50))
    with shown(qtbot, session) as window:
        session.choose(Side.LEFT, "elic")
        session.open([source])
        qtbot.waitUntil(lambda: session.anything is not None and session.idle, timeout=120000)
        left = session.view(Side.LEFT)
        assert left.phase is Phase.DONE and left.coded is not None and left.raster is not None
        encoding = left.coded.encoding
        assert encoding.codec == "elic:paper" and encoding.weights == made.file.fingerprint[:8]

        coded = tmp_path / "photo.hflic"
        session.save_file(session.view(Side.LEFT), coded)
        qtbot.waitUntil(lambda: not session.saving, timeout=20000)
        session.open([coded], Side.RIGHT)
        qtbot.waitUntil(lambda: session.choice(Side.RIGHT).codec == FILE and session.idle, timeout=60000)
        opened = session.view(Side.RIGHT)
        assert opened.raster is not None and opened.raster.digest == left.raster.digest
        assert not window.messages.text
