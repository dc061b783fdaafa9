"""Thumbnails of JPEGs are read small, but the whole file counts for the limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from app.thumbs import small
from models import claims, reading
from models.errors import PictureError
from tests.app.conftest import scene


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.jpg"
    Image.fromarray(scene(1600, 1200)).save(path, quality=50, progressive=True)
    return path


def test_a_jpeg_above_the_limit_has_no_thumbnail(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert small(large, 96).size == (96, 72)
    monkeypatch.setattr(reading, "MAX_PIXELS", 1600 * 1200 - 1)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(PictureError, match="is the limit"):
        small(large, 96)


def test_a_jpeg_over_the_budget_has_no_thumbnail(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def refuse(*claim: object) -> None:
        asked.append(claim)
        raise PictureError("too much memory")

    monkeypatch.setattr(claims, "check", refuse)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(PictureError, match="too much memory"):
        small(large, 96)
    assert asked[0] == (1600, 1200, "JPEG", large.stat().st_size, "large.jpg")
