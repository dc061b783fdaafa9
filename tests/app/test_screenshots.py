"""The pictures of the README: really taken, and small."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtWidgets import QApplication

from app import theme
from app.screenshots import LIMIT, Scene, small_png, take_all
from app.tasks import Examine
from models.errors import OutputError
from tests.app.conftest import scene


def test_scenes_are_taken_of_the_running_viewer(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("app.wishes.METRICS", ("psnr",))
    monkeypatch.setattr("app.catalogue.WarmUp", Examine)
    scenes = (
        Scene("light", theme.LIGHT, "jpeg", 0.5),
        Scene("dark", theme.DARK, "jpeg", 0.5, look=(3.0, 255, 225)),
    )
    paths = take_all(tmp_path / "new", scenes, left="webp")
    assert [path.name for path in paths] == ["light.png", "dark.png"]
    light, dark = (np.asarray(Image.open(path).convert("L")) for path in paths)
    assert light.shape == (800, 1280)
    assert light[300:, 1000:].mean() > 200  # the column beside the picture
    assert dark[300:, 1000:].mean() < 80
    assert all(path.stat().st_size <= LIMIT for path in paths)


def test_a_picture_gets_only_as_few_colours_as_the_limit_asks_for() -> None:
    pixels = scene(200, 160)
    whole = small_png(pixels)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(whole))), pixels)
    less = small_png(pixels, len(whole) // 2)
    assert len(less) <= len(whole) // 2
    assert Image.open(io.BytesIO(less)).size == (200, 160)
    with pytest.raises(OutputError, match="does not fit"):
        small_png(pixels, 100)
