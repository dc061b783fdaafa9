"""Training crops: the same for the same seed and step, whatever else happens in the folder."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.errors import HflicError
from models.training.data import CropPlan, DataError, PhotoCrops, photo_paths
from tests.training_photos import make_photos


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos")


def test_a_corrupt_picture_is_reported_once_and_skipped(
    photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (photos / "0broken.png").write_bytes((photos / "0.png").read_bytes()[:400])
    (photos / "1text.jpg").write_text("not a picture")
    with Image.open(photos / "0.png") as fine:
        fine.save(photos / "2damaged.avif")
    whole = (photos / "2damaged.avif").read_bytes()
    (photos / "2damaged.avif").write_bytes(whole[:-40] + bytes(40))  # its header can be read
    crops = PhotoCrops(photos)
    with caplog.at_level(logging.WARNING):
        for step in range(12):
            pictures = crops.batch(step, 4, CropPlan(side=64)).x
            assert pictures.isfinite().all()
    crops.close()
    reported = sorted(r.getMessage().split(":")[0] for r in caplog.records)
    assert reported == ["skipping 0broken.png", "skipping 1text.jpg", "skipping 2damaged.avif"]


def test_a_folder_without_a_usable_picture_is_an_error_for_people(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a folder"):
        photo_paths(tmp_path / "missing")
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(DataError, match="holds no picture"):
        photo_paths(folder)
    (folder / "bad.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="can be read"):
        PhotoCrops(folder).batch(0, 1, CropPlan(side=32))
    Image.new("RGB", (40, 20)).save(folder / "small.png")
    with pytest.raises(DataError, match="at least 32 pixels"):
        PhotoCrops(folder).batch(0, 1, CropPlan(side=32))
    assert issubclass(DataError, HflicError)


def test_crops_are_a_function_of_seed_and_step(photos: Path) -> None:
    plan = CropPlan(side=64)
    one, two = PhotoCrops(photos, seed=1), PhotoCrops(photos, seed=1)
    forwards = [one.batch(step, 3, plan) for step in range(4)]
    backwards = [two.batch(step, 3, plan) for step in (3, 2, 1, 0)][::-1]
    for once, again in zip(forwards, backwards, strict=True):
        assert torch.equal(once.x, again.x)
        assert torch.equal(once.uniform, again.uniform)
        assert once.places == again.places
    assert not torch.equal(forwards[0].x, forwards[1].x)
    other = PhotoCrops(photos, seed=2)
    assert not torch.equal(other.batch(0, 3, plan).x, forwards[0].x)
    x, u = forwards[0].x, forwards[0].uniform
    assert x.shape == (3, 3, 64, 64)
    assert x.dtype == torch.float32
    assert 0 <= x.min() < x.max() <= 1
    assert u.shape == (3,)
    for crops in (one, two, other):
        crops.close()


def test_every_batch_sees_low_middle_and_high_rates(photos: Path) -> None:
    crops = PhotoCrops(photos)
    batches = [crops.cut(step, 4, CropPlan(side=32)).uniform for step in range(20)]
    crops.close()
    for drawn in batches:
        assert (drawn.sort().values * 4).int().tolist() == [0, 1, 2, 3]
    orders = {tuple(drawn.argsort().tolist()) for drawn in batches}
    assert len(orders) > 5


def test_crops_do_not_depend_on_what_is_kept_in_memory(photos: Path) -> None:
    plan = CropPlan(side=64)
    kept, read_again = PhotoCrops(photos), PhotoCrops(photos, cache_bytes=0)
    for step in range(3):
        assert torch.equal(kept.batch(step, 2, plan).x, read_again.batch(step, 2, plan).x)
    kept.close()
    read_again.close()


def test_crops_come_mirrored_about_half_of_the_time(tmp_path: Path) -> None:
    folder = tmp_path / "ramp"
    folder.mkdir()
    ramp = np.tile(np.linspace(0, 255, 160).astype(np.uint8), (160, 1))
    Image.fromarray(np.stack([ramp] * 3, axis=2)).save(folder / "ramp.png")
    crops = PhotoCrops(folder)
    batch = crops.batch(0, 40, CropPlan(side=32))
    pictures = batch.x
    crops.close()
    rising = (pictures[..., -1] > pictures[..., 0]).flatten(1).all(1).sum().item()
    falling = (pictures[..., -1] < pictures[..., 0]).flatten(1).all(1).sum().item()
    assert rising + falling == 40
    assert sum(place.mirrored for place in batch.places) == falling
    assert 10 <= rising <= 30
