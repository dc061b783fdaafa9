"""What a run tells of itself: losses by part, validation, crops, one loss on both kinds of photographs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from models.networks.base import CompressionNetwork
from models.networks.builders import build
from models.training import trainer as module
from models.training import validation
from models.training.board import Means
from models.training.cards import last_losses
from models.training.perceptual_recipes import PerceptualRecipe
from models.training.perceptual_trainer import PerceptualTrainer
from models.training.recipes import Recipe
from models.training.trainer import Trainer, averaged
from tests.test_perceptual_training import RECIPE, TinyTrunk
from tests.test_training import TINY
from tests.training_photos import make_photos


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(validation, "FIXED_CROPS", 4)
    monkeypatch.setattr(validation, "FIXED_BATCH", 2)
    return make_photos(tmp_path / "photos")


def plain(photos: Path, out: Path, recipe: Recipe = TINY, **more: object) -> Trainer:
    return Trainer(recipe, photos, out, threads=1, validation=photos, **more)  # type: ignore[arg-type]


def eye(photos: Path, out: Path, recipe: PerceptualRecipe = RECIPE) -> PerceptualTrainer:
    torch.manual_seed(5)
    base: CompressionNetwork = build(recipe.network())
    return PerceptualTrainer(
        recipe, photos, out, base=base.state_dict, trunk=TinyTrunk, threads=1, validation=photos
    )


def test_means_are_of_the_steps_that_had_a_number() -> None:
    means = Means()
    means.add({"a": 1.0, "b": 4.0})
    means.add({"a": 3.0})
    assert means.take() == {"a": 2.0, "b": 4.0}
    assert means.take() == {}


def test_tensorboard_gets_parts_rates_validation_and_crops(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REPORT_EVERY", 2)
    run = plain(photos, tmp_path / "run", validate_every=4)
    parts: list[dict[str, float]] = []
    step = run.train_step

    def noted() -> tuple[float, float, float]:
        numbers = step()
        parts.append({"loss": numbers[0], **run.scalars})
        return numbers

    run.train_step = noted  # type: ignore[method-assign]
    run.run(until=4)
    run.close()
    for part in parts:
        assert part["rate"] + part["distortion"] == pytest.approx(part["loss"], rel=1e-5)
    events = EventAccumulator(str(tmp_path / "run"))
    events.Reload()
    for name in ("loss", "rate", "distortion", "quantiles"):
        told = {e.step: e.value for e in events.Scalars(f"train/{name}")}
        means = {2: parts[:2], 4: parts[2:]}
        assert told == {at: pytest.approx(np.mean([p[name] for p in ps])) for at, ps in means.items()}
    assert events.Scalars("train/learning_rate")[-1].value == pytest.approx(TINY.rounds[0].learning_rate(3))
    names = set(events.Tags()["scalars"])
    assert {"train/bpp", "train/psnr", "validation/psnr@0", "validation/bpp@1"} <= names
    assert {"fixed crops (train)/loss", "fixed crops (validation)/loss"} <= names
    strips = sorted(events.Tags()["images"])
    assert strips == ["samples/0", "samples/1", "samples/2"]
    image = events.Images("samples/0")[0]
    assert (image.step, image.width, image.height) == (4, 4 * 128, 128)


@pytest.mark.parametrize("make", [plain, eye], ids=["plain", "eye"])
def test_the_same_photographs_have_the_same_loss_on_either_side(
    photos: Path, tmp_path: Path, make: type
) -> None:
    run = make(photos, tmp_path / "run")
    sides = run.losses()
    again = run.losses()
    run.close()
    assert sides == again, "always the same crops"
    assert sides["step"] == 0
    assert sides["train"] == sides["validation"]
    parts = dict(sides["train"])
    total = parts.pop("loss")
    assert sum(parts.values()) == pytest.approx(total, rel=1e-5)


def test_learning_photographs_by_heart_shows(photos: Path, tmp_path: Path) -> None:
    """A network trained on smooth pictures alone meets grain in the others."""
    others = tmp_path / "others"
    others.mkdir()
    grain = np.random.default_rng(1).integers(0, 256, (160, 192, 3), dtype=np.uint8)
    Image.fromarray(grain).save(others / "grain.png")
    run = Trainer(TINY, photos, tmp_path / "run", threads=1, validation=others)
    before = run.losses()
    for _ in range(30):
        run.train_step()
    after = run.losses()
    run.close()
    gap = [sides["validation"]["loss"] / sides["train"]["loss"] for sides in (before, after)]
    assert after["train"]["loss"] < before["train"]["loss"]
    assert gap[1] > 1.5 * gap[0]


def test_the_losses_are_those_of_the_averaged_weights_over_all_rates(photos: Path, tmp_path: Path) -> None:
    run = plain(photos, tmp_path / "run")
    run.train_step()
    positions: list[float] = []
    network = averaged(run.network, run.ema)
    judged = validation.fixed_losses(
        network,
        run.crops.photographs,
        replace(TINY.plan, side=64),
        1.0,
        lambda n, x, output, position: (
            positions.extend(position.tolist()) or run.judge(n, x, output, position)
        ),
    )
    assert run.losses()["train"] == judged
    run.close()
    assert sorted(positions) == [0.125, 0.375, 0.625, 0.875]


def test_validation_keeps_the_losses_and_goes_on_where_crops_do_not_fit(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = plain(photos, tmp_path / "run", validate_every=2)
    run.run(until=2)
    run.close()
    told = last_losses(tmp_path / "run")
    assert told["step"] == 2 and told["train"].keys() == told["validation"].keys()
    small = tmp_path / "small"
    small.mkdir()
    Image.new("RGB", (130, 60)).resize((130, 64)).save(small / "a.png")
    recipe = replace(TINY, rounds=(replace(TINY.rounds[0], side=128),))
    run = Trainer(recipe, photos, tmp_path / "other", threads=1, validation=small, validate_every=1)
    with caplog.at_level(logging.WARNING):
        run.run(until=1)
    run.close()
    assert "no losses on fixed crops" in caplog.text
    line = json.loads((tmp_path / "other" / "validation.jsonl").read_text())
    assert line["step"] == 1 and "losses" not in line


def test_a_corrupt_picture_is_reported_once_by_all_that_look_at_the_folder(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (photos / "broken.png").write_bytes((photos / "0.png").read_bytes()[:500])
    run = Trainer(TINY, photos, tmp_path / "run", threads=1, validation=make_photos(tmp_path / "fine"))
    with caplog.at_level(logging.WARNING):
        for _ in range(6):
            run.train_step()
        run.losses()
        run.losses()
    run.close()
    assert [r.getMessage().split(":")[0] for r in caplog.records] == ["skipping broken.png"]
