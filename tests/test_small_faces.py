"""Small faces are searched once and their masks lie where the crops show them."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.training.data import CropPlan, PhotoCrops, Photographs, Place
from models.training.small_faces import CACHE, Box, SmallFaces, ellipses, in_crop

SPOT = (40.0, 60.0, 56.0, 80.0)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two dark pictures; the second has a bright ellipse in the box SPOT, the first none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rows, columns = np.mgrid[0:120, 0:100] + 0.5
    x0, y0, x1, y1 = SPOT
    inside = ((columns - (x0 + x1) / 2) / 8) ** 2 + ((rows - (y0 + y1) / 2) / 10) ** 2 <= 1
    Image.new("RGB", (100, 120)).save(folder / "a.png")
    Image.fromarray(np.stack([255 * inside] * 3, axis=2).astype(np.uint8)).save(folder / "b.png")
    return folder


class Detector:
    """Finds the bright spot, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, pixels: np.ndarray) -> list[Box]:
        self.asked += 1
        return [SPOT] if pixels.max() else []


def faces(photos: Path, detector: Detector) -> SmallFaces:
    return SmallFaces(Photographs(photos), detect=detector)


def test_masks_cover_exactly_what_the_crops_show(photos: Path) -> None:
    crops = PhotoCrops(photos)
    masks = faces(photos, Detector())
    seen = 0.0
    for step in range(6):
        batch = crops.batch(step, 4, CropPlan(side=48))
        mask = masks.masks(batch.places, 48)
        assert mask.shape == (4, 1, 48, 48)
        bright = (batch.x[:, :1] > 0.5).float()
        assert (mask - bright).abs().sum() <= 0.15 * bright.sum() + 4  # the resampled edge
        seen += bright.sum().item()
    crops.close()
    assert seen > 1000


def test_a_box_moves_scales_and_mirrors_with_its_crop() -> None:
    place = Place(0, left=10, top=20, size=50, mirrored=False)
    assert in_crop((20, 40, 30, 60), place, 100) == (20, 40, 40, 80)
    mirrored = Place(0, left=10, top=20, size=50, mirrored=True)
    assert in_crop((20, 40, 30, 60), mirrored, 100) == (60, 40, 80, 80)


def test_ellipses_fill_their_boxes() -> None:
    mask = ellipses([(4, 2, 12, 14)], 16)
    assert mask.sum() == pytest.approx(np.pi * 4 * 6, rel=0.1)
    assert mask[8, 8] == 1
    assert mask[2, 4] == 0
    assert not ellipses([], 16).any()
    assert ellipses([(-50, -50, -40, -40)], 16).sum() == 0


def test_faces_are_searched_once_and_kept_beside_the_data(photos: Path) -> None:
    detector = Detector()
    first = faces(photos, detector)
    assert [first.boxes(i) for i in (0, 1, 1, 0)] == [[], [SPOT], [SPOT], []]
    assert detector.asked == 2
    again = Detector()
    assert faces(photos, again).boxes(1) == [SPOT]
    assert again.asked == 0
    Image.new("RGB", (90, 90), "white").save(photos / "b.png")
    assert faces(photos, again).boxes(1) == [SPOT]
    assert again.asked == 1  # another picture under the name


def test_data_fetched_anew_costs_no_search_where_the_runs_kept_the_faces(
    photos: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    first = SmallFaces(Photographs(photos), runs=runs, detect=Detector())
    assert [first.boxes(i) for i in (0, 1)] == [[], [SPOT]]
    (photos / CACHE).unlink()
    again = Detector()
    assert SmallFaces(Photographs(photos), runs=runs, detect=again).boxes(1) == [SPOT]
    assert again.asked == 0


def test_what_another_process_finds_meanwhile_stays(photos: Path) -> None:
    first, second = faces(photos, Detector()), faces(photos, Detector())
    first.boxes(0)
    second.boxes(1)
    second.save()
    first.save()
    again = Detector()
    assert [faces(photos, again).boxes(i) for i in (0, 1)] == [[], [SPOT]]
    assert again.asked == 0
    assert sorted(p.name for p in photos.iterdir() if "small-faces" in p.name) == [CACHE]


def test_a_damaged_or_unwritable_cache_only_costs_the_search(
    photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (photos / CACHE).write_text("{not json")
    with caplog.at_level(logging.WARNING):
        store = faces(photos, Detector())
    assert "searched again" in caplog.text
    assert store.boxes(1) == [SPOT]
    (photos / CACHE).unlink()
    (photos / CACHE).mkdir()
    with caplog.at_level(logging.WARNING):
        store.save()
    assert "not kept" in caplog.text
    assert torch.is_tensor(store.masks([Place(1, 0, 0, 100, False)], 32))
