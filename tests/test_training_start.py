"""A recipe's name is enough: the right kind of trainer, begun from the right weights."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.networks.builders import build
from models.networks.elic import ElicConfig
from models.training import queue, start
from models.training.perceptual_recipes import PERCEPTUAL, LossWeights, PerceptualRecipe
from models.training.perceptual_trainer import PerceptualTrainer
from models.training.recipes import RECIPES, Recipe, Round
from models.training.trainer import CHECKPOINT, Progress, TrainingError, load_checkpoint
from models.weights import Card
from tests.test_training import TINY
from tests.training_photos import make_photos

EYE = PerceptualRecipe(
    "tiny-eye",
    "hflic:lite",
    TINY.network,
    (Round(4, batch=1, side=64),),
    base="tiny",
    weights=LossWeights(charbonnier=10.0, gan=0.1, face=1.0),
    gan_from=0.5,
    discriminator_width=4,
)


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(RECIPES, "tiny", replace(TINY, rounds=(Round(3, batch=1, side=64),)))
    monkeypatch.setitem(PERCEPTUAL, "tiny-eye", EYE)
    monkeypatch.setattr("models.training.small_faces.SmallFaces.boxes", lambda *_: [(0.0, 0.0, 150.0, 150.0)])
    return make_photos(tmp_path / "photos")


def test_an_unknown_recipe_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TrainingError, match=r"'nonsense': choose one of .*hflic-lite.*po-elic-lite"):
        start.recipe_named("nonsense")


def test_a_perceptual_recipe_waits_for_its_base(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="train those first"):
        start.trainer_for(
            "tiny-eye", photos, tmp_path / "runs" / "tiny-eye", runs=tmp_path / "runs", threads=1
        )


def test_the_queue_trains_the_base_and_then_what_begins_from_it(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    monkeypatch.setattr(queue, "QUEUE", (("tiny", 1), ("tiny-eye", 1)))
    begun: list[str] = []

    def report(recipe: Recipe) -> Callable[[Progress], None]:
        begun.append(recipe.name)
        return lambda _: None

    queue.run_queue(photos, runs, None, report)
    assert begun == ["tiny", "tiny-eye"]
    base, eye = (load_checkpoint(runs / name / CHECKPOINT) for name in begun)
    assert (base["step"], eye["step"]) == (3, 4)
    averages = {**base["network"], **base["ema"]}
    assert all(torch.equal(eye["base"][k], v) for k, v in averages.items() if k in eye["base"])
    assert not (runs / "train.pid").exists()
    queue.run_queue(photos, runs, None, report)
    assert len(begun) == 2  # nothing left to do

    def another(recipe: Recipe) -> Callable[[Progress], None]:
        (runs / "train.pid").write_text("1")  # a second queue has begun
        return lambda _: None

    (runs / "tiny-eye" / CHECKPOINT).unlink()
    queue.run_queue(photos, runs, None, another)
    assert (runs / "train.pid").read_text() == "1"


def test_the_queue_leaves_out_what_is_published(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "QUEUE", (("tiny", 1), ("tiny-eye", 1)))
    monkeypatch.setattr(queue, "published_steps", lambda recipe: recipe.steps)
    queue.run_queue(photos, tmp_path, None, lambda _: pytest.fail("nothing is left to do"))
    (tmp_path / "tiny").mkdir()
    torch.save({"step": 1}, tmp_path / "tiny" / CHECKPOINT)
    asked: list[str] = []

    def trainer_for(name: str, *_: object, **__: object) -> None:
        asked.append(name)
        raise TrainingError("enough")

    monkeypatch.setattr(queue, "trainer_for", trainer_for)
    with pytest.raises(TrainingError, match="enough"):
        queue.run_queue(photos, tmp_path, None, lambda _: lambda _: None)
    assert asked == ["tiny"], "a run that is there goes on"


def test_a_recipe_may_begin_like_another_wherever_shapes_agree(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    config = TINY.network()
    assert isinstance(config, ElicConfig)
    first, last = config.context.groups
    other = replace(config, context=replace(config.context, groups=(first, last - 2, 2)))
    recipe = replace(TINY, name="tiny-like", network=lambda: other, begins_like="tiny")
    monkeypatch.setitem(RECIPES, "tiny-like", recipe)
    with pytest.raises(TrainingError, match="begins like tiny: train that first"):
        start.trainer_for("tiny-like", photos, runs / "tiny-like", runs=runs, threads=1)
    base = start.trainer_for("tiny", photos, runs / "tiny", runs=runs, threads=1)
    base.train_step()
    base.save()
    base.close()
    reached = start.weights_reached("tiny", runs)
    assert reached is not None
    run = start.trainer_for("tiny-like", photos, runs / "tiny-like", runs=runs, threads=1)
    run.close()
    own = run.network.state_dict()
    transforms = [k for k in own if k.startswith(("g_a.", "g_s.", "h_a.", "h_s."))]
    assert len(transforms) > 8
    assert all(torch.equal(own[k], reached[k]) for k in transforms)
    assert all(torch.equal(run.ema.shadow[k], reached[k]) for k in transforms if k in run.ema.shadow)
    assert own.keys() - reached.keys(), "the further group has networks of its own"
    assert (run.step, run.seconds) == (0, 0.0)


def test_a_face_term_brings_its_masks(photos: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    base = start.trainer_for("tiny", photos, runs / "tiny", runs=runs, threads=1)
    base.save()
    base.close()
    run = start.trainer_for("tiny-eye", photos, runs / "tiny-eye", runs=runs, threads=1)
    assert isinstance(run, PerceptualTrainer)
    run.train_step()
    run.close()
    assert run.scalars["face"] > 0


def test_a_decoder_alone_begins_from_what_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are made with the published weights, whatever their recipe has reached since."""
    decoder = replace(EYE, decoder_only=True)
    monkeypatch.setitem(RECIPES, "tiny", TINY)
    reached, published = {"w": torch.ones(1)}, {"w": torch.zeros(1)}
    monkeypatch.setattr(start, "weights_reached", lambda *_: reached)
    monkeypatch.setattr(start, "published_start", lambda _: (published, 7, 1.0))
    assert start.base_of(decoder, tmp_path) is published
    assert start.base_of(EYE, tmp_path) is reached
    monkeypatch.setattr(start, "published_start", lambda _: None)
    assert start.base_of(decoder, tmp_path) is reached


def test_without_its_run_a_perceptual_recipe_goes_on_from_what_is_published(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless its base has been trained further meanwhile."""
    runs = tmp_path / "runs"
    torch.manual_seed(3)
    ours, bases = (
        {k: v + 0.01 for k, v in build(TINY.network()).state_dict().items() if v.is_floating_point()}
        for _ in range(2)
    )
    known = {"tiny": (bases, 2, 1.0), "tiny-eye": (ours, 3, 5.0)}
    monkeypatch.setattr(start, "published_start", lambda recipe: known[recipe.name])

    def begun() -> PerceptualTrainer:
        run = start.trainer_for("tiny-eye", photos, runs / "tiny-eye", runs=runs, threads=1)
        run.close()
        assert isinstance(run, PerceptualTrainer) and run.base is not None
        return run

    base = start.trainer_for("tiny", photos, runs / "tiny", runs=runs, threads=1)
    for made in (False, True):
        if made:
            base.save()
        run = begun()
        assert (run.step, run.seconds, run.begun) == (3, 5.0, (3, 5.0))
        assert run.base_steps == 2, "of the base that is published"
        assert all(torch.equal(v, ours[k]) for k, v in run.network.named_parameters())
        assert all(torch.equal(run.ema.shadow[k], ours[k]) for k in run.ema.shadow)
        assert all(torch.equal(v, bases[k]) for k, v in run.base.named_parameters())
    base.train_step()
    base.save()
    base.close()
    assert base.step == 3
    reached = start.weights_reached("tiny", runs)
    assert reached is not None
    run = begun()
    assert run.step == 3, "the middle of a round: later"
    assert all(torch.equal(v, ours[k]) for k, v in run.network.named_parameters())
    monkeypatch.setitem(PERCEPTUAL, "tiny-eye", replace(EYE, rounds=(Round(3, batch=1, side=64),) * 2))
    run = begun()
    assert run.step == 3
    for name, value in run.network.named_parameters():
        torch.testing.assert_close(value, ours[name] + reached[name] - bases[name])
    assert run.base is not None and run.base_steps == 3
    assert all(torch.equal(v, reached[k]) for k, v in run.base.named_parameters())
    run.save()
    again = begun()
    assert (again.base_steps, again.begun) == (3, (3, 5.0))
    (runs / "tiny-eye" / CHECKPOINT).unlink()
    known["tiny"] = (bases, 4, 1.0)
    run = begun()
    assert run.step == 0, "a base that has not come so far is another one"
    assert all(torch.equal(v, reached[k]) for k, v in run.network.named_parameters())


def test_weights_that_have_not_followed_their_published_base_are_told(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ours = {k: v for k, v in build(TINY.network()).state_dict().items() if v.is_floating_point()}
    monkeypatch.setattr(start, "published_start", lambda recipe: (ours, 3, 5.0))
    for told, lost in ((None, False), (3, False), (2, True)):
        monkeypatch.setattr(start, "base_steps_told", lambda recipe, told=told: told)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert start.continued(EYE, tmp_path) is not None
        assert ("what that learned between is not taken over" in caplog.text) == lost


def test_a_decoder_alone_goes_on_from_the_published_one(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PERCEPTUAL, "tiny-eye", replace(EYE, decoder_only=True))
    base = {k: v + 0.01 for k, v in build(TINY.network()).state_dict().items() if v.is_floating_point()}
    ours = {k: v + 0.1 if k.startswith("g_s.") else v for k, v in base.items()}
    monkeypatch.setattr(
        start, "published_start", lambda recipe: (base, 9, 1.0) if recipe.name == "tiny" else None
    )
    monkeypatch.setattr(start, "published_decoder", lambda _: (ours, 2, 5.0))
    run = start.trainer_for("tiny-eye", photos, tmp_path / "tiny-eye", runs=tmp_path, threads=1)
    run.close()
    assert isinstance(run, PerceptualTrainer) and run.base is not None
    assert (run.step, run.seconds) == (2, 5.0)
    assert all(torch.equal(v, ours[k]) for k, v in run.network.named_parameters())
    assert all(torch.equal(v, base[k]) for k, v in run.base.named_parameters())


def test_a_recipe_may_begin_with_the_decoder_of_another(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(PERCEPTUAL, "tiny-decoder", replace(EYE, name="tiny-decoder", decoder_only=True))
    monkeypatch.setitem(PERCEPTUAL, "tiny-eye", replace(EYE, begins_with="tiny-decoder"))
    base = {k: v + 0.01 for k, v in build(TINY.network()).state_dict().items() if v.is_floating_point()}
    drawn = {k: v + 0.1 if k.startswith("g_s.") else v for k, v in base.items()}
    known = {"tiny": (base, 9, 1.0)}
    monkeypatch.setattr(start, "published_start", lambda recipe: known.get(recipe.name))
    published = {"tiny-decoder": (drawn, 2, 5.0)}
    monkeypatch.setattr(start, "published_decoder", lambda recipe: published.get(recipe.name))

    def begun() -> PerceptualTrainer:
        run = start.trainer_for("tiny-eye", photos, tmp_path / "tiny-eye", runs=tmp_path, threads=1)
        run.close()
        assert isinstance(run, PerceptualTrainer) and run.base is not None
        assert all(torch.equal(v, base[k]) for k, v in run.base.named_parameters())
        return run

    run = begun()
    assert (run.step, run.seconds, run.base_steps) == (0, 0.0, 9)
    assert run.begun_with == {"recipe": "tiny-decoder", "steps": 2}
    assert all(torch.equal(v, drawn[k]) for k, v in run.network.named_parameters())
    assert all(torch.equal(run.ema.shadow[k], drawn[k]) for k in run.ema.shadow)

    decoder = start.trainer_for("tiny-decoder", photos, tmp_path / "tiny-decoder", runs=tmp_path, threads=1)
    published.clear()
    with pytest.raises(TrainingError, match="begins with the decoder of tiny-decoder: train that first"):
        begun()
    decoder.train_step()
    decoder.save()
    decoder.close()
    run = begun()  # a run's averages need not be published
    assert (run.step, run.seconds, run.base_steps) == (0, 0.0, 9)
    averages = decoder.ema.shadow
    assert all(torch.equal(v, averages.get(k, base[k])) for k, v in run.network.named_parameters())
    assert any(not torch.equal(v, drawn[k]) for k, v in averages.items())
    assert run.begun_with == {"recipe": "tiny-decoder", "steps": 3}
    run.save()
    assert begun().begun_with == run.begun_with
    assert queue.steps_done(PERCEPTUAL["tiny-eye"], tmp_path / "tiny-eye") == 0
    old = load_checkpoint(tmp_path / "tiny-eye" / CHECKPOINT) | {"begun_with": {}}
    torch.save(old, tmp_path / "tiny-eye" / CHECKPOINT)
    with pytest.raises(TrainingError, match="did not begin with the decoder of tiny-decoder"):
        begun()
    with pytest.raises(TrainingError, match="did not begin with the decoder of tiny-decoder"):
        queue.steps_done(PERCEPTUAL["tiny-eye"], tmp_path / "tiny-eye")
    (tmp_path / "tiny-eye" / CHECKPOINT).unlink()

    whole = start.trainer_for("tiny", photos, tmp_path / "other" / "tiny", runs=tmp_path, threads=1)
    whole.close()
    whole.step = 8  # not so far as the decoder's base
    whole.out = tmp_path / "tiny"
    whole.out.mkdir()
    whole.save()
    with pytest.raises(TrainingError, match="for another tiny than the one in"):
        begun()
    (whole.out / CHECKPOINT).unlink()

    card = Card("hflic:lite", "", "tiny-eye", 7, 0.0, "", "", "", "")
    monkeypatch.setattr(start, "published_card", lambda _: card)
    caplog.clear()
    begun()
    assert "what is published for it, of 7 steps" in caplog.text

    known["tiny-eye"] = ({k: v + 1 for k, v in base.items()}, 3, 5.0)
    run = begun()
    assert run.step == 3, "then it goes on by itself"
    assert all(torch.equal(v, base[k] + 1) for k, v in run.network.named_parameters())
    whole.save()
    with pytest.raises(TrainingError, match="for another tiny than the one in"):
        begun()


def test_without_any_base_published_weights_are_their_own(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HiFiC's base is not published: its weights go on, and never over to a base made afresh."""
    rounds = (Round(1, batch=1, side=64),) * 3
    monkeypatch.setitem(PERCEPTUAL, "tiny-eye", replace(EYE, rounds=rounds))
    ours = {k: v + 0.01 for k, v in build(TINY.network()).state_dict().items() if v.is_floating_point()}
    monkeypatch.setattr(
        start, "published_start", lambda recipe: (ours, 1, 5.0) if recipe.name == "tiny-eye" else None
    )

    def begun() -> PerceptualTrainer:
        run = start.trainer_for("tiny-eye", photos, tmp_path / "tiny-eye", runs=tmp_path, threads=1)
        assert isinstance(run, PerceptualTrainer) and run.base is not None
        assert all(torch.equal(v, ours[k]) for k, v in run.base.named_parameters())
        return run

    run = begun()
    assert run.step == 1
    run.train_step()
    run.save()
    run.close()
    other = start.trainer_for("tiny", photos, tmp_path / "tiny", runs=tmp_path, threads=1)
    other.save()
    other.close()
    after = dict(run.network.named_parameters())
    again = begun()
    again.close()
    assert again.step == 2, "the beginning of a round"
    assert all(torch.equal(v, after[k]) for k, v in again.network.named_parameters())
    (tmp_path / "tiny-eye" / CHECKPOINT).unlink()
    run = start.trainer_for("tiny-eye", photos, tmp_path / "tiny-eye", runs=tmp_path, threads=1)
    run.close()
    assert run.step == 0, "with a base there that is not the published weights' it begins anew"


def test_measuring_a_run_does_not_move_it(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the beginning of a round, with a base that has learned more since."""
    runs = tmp_path / "runs"
    monkeypatch.setitem(PERCEPTUAL, "tiny-eye", replace(EYE, rounds=(Round(1, batch=1, side=64),) * 2))
    base = start.trainer_for("tiny", photos, runs / "tiny", runs=runs, threads=1)
    base.save()
    run = start.trainer_for("tiny-eye", photos, runs / "tiny-eye", runs=runs, threads=1)
    run.run(until=1)
    run.close()
    before = start.losses_of(EYE, runs / "tiny-eye", photos, photos)
    for _ in range(3):
        base.train_step()
    base.save()
    base.close()
    assert start.losses_of(EYE, runs / "tiny-eye", photos, photos) == before
    moved = start.trainer_for("tiny-eye", photos, runs / "tiny-eye", runs=runs, threads=1, validation=photos)
    assert moved.losses() != before
    moved.close()


def test_losses_of_a_run_leave_the_threads_as_they_were(photos: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    run = start.trainer_for("tiny", photos, runs / "tiny", runs=runs, threads=1)
    run.train_step()
    run.save()
    run.close()
    torch.set_num_threads(2)
    losses = start.losses_of(RECIPES["tiny"], runs / "tiny", photos, photos)
    assert torch.get_num_threads() == 2
    assert losses["step"] == 1
    assert losses["train"]["loss"] > 0
    torch.set_num_threads(1)
    start.losses_of(RECIPES["tiny"], runs / "tiny", photos, photos)
    assert torch.get_num_threads() == 1
