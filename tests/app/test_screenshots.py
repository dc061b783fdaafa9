"""The pictures of the README: really taken, and small."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtWidgets import QApplication

from app import theme
from app.scenes import STATES
from app.screenshots import EMPTY, LIMIT, SCENES, Scene, in_both_themes, main, small_png, take_all
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


def test_states_of_the_window_are_entered_and_left(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("app.wishes.METRICS", ("psnr",))
    monkeypatch.setattr("app.report.METRICS", ("psnr",))
    monkeypatch.setattr("app.catalogue.WarmUp", Examine)
    states = ("", "export_menu", "palette", "export", "error", "keys", "")
    scenes = [Scene(EMPTY, theme.LIGHT, "jpeg", 0.5, state=EMPTY)]
    scenes += [Scene(f"{at}", theme.LIGHT, "jpeg", 0.5, state=state) for at, state in enumerate(states)]
    pictures = [np.asarray(Image.open(path).convert("L"), int) for path in take_all(tmp_path, scenes, "webp")]
    plain, others, last = pictures[1], [pictures[0], *pictures[2:-1]], pictures[-1]
    for other in others:
        assert (abs(other - plain) > 20).mean() > 0.02
    assert (abs(last - plain) > 20).mean() < 0.01  # nothing stayed behind


def test_every_scene_is_known_and_comes_in_both_themes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {scene.state for scene in SCENES} <= {*STATES, EMPTY}
    assert len({scene.name for scene in SCENES}) == len(SCENES)
    both = in_both_themes(SCENES[:1])
    assert [(scene.name, scene.theme) for scene in both] == [("split-light", "light"), ("split-dark", "dark")]
    with pytest.raises(SystemExit):
        main([str(tmp_path), "nonsense"])
    assert "there is no picture nonsense" in capsys.readouterr().err
