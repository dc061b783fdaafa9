"""A decoder trained alone is published beside its base, where it beats what decodes the same files now."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models import realism, weights
from models.codec import Rate
from models.learned import LearnedCodec
from models.networks import builders
from models.networks.elic import EARLIER_LADDERS, ElicConfig
from models.networks.rate import fitted
from models.picture import Picture
from models.training import judging, publish, standing
from models.training.perceptual_recipes import PERCEPTUAL, PerceptualRecipe
from models.training.publish_decoder import publish_decoder, published_decoder
from models.training.recipes import RECIPES, Round
from models.training.trainer import CHECKPOINT, atomic_save
from tests.realistic import NAME
from tests.training_photos import make_photos
from tests.untrained import varied

RECIPE = PerceptualRecipe(
    "tiny-realistic",
    "elic-5:lite",
    RECIPES[NAME].network,
    (Round(24, batch=2, side=64),),
    base=NAME,
    decoder_only=True,
)


pytestmark = pytest.mark.usefixtures("one_thread")


def noisy(state: dict[str, Tensor], much: float, seed: int = 1) -> dict[str, Tensor]:
    """Parameters whose decoder is worse the more it was moved."""
    torch.manual_seed(seed)
    return {
        k: v + much * v.abs().mean() * torch.randn_like(v) if k.startswith(realism.DECODER_PARTS) else v
        for k, v in state.items()
    }


@pytest.fixture(scope="module")
def clean() -> dict[str, Tensor]:
    return {k: v.clone() for k, v in varied(NAME).state_dict().items()}


@pytest.fixture(scope="module")
def published(clean: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> weights.WeightsFile:
    """A base whose own decoder is not the best there could be."""
    network = builders.build(builders.config(NAME))
    network.load_state_dict(noisy(clean, 0.3))
    card = weights.Card(RECIPE.codec, NAME, NAME, 7, 0.1, "none", "none", "0", "2026-01-01")
    return weights.save(network, card, tmp_path_factory.mktemp("base") / f"{NAME}.safetensors")


@pytest.fixture
def out(published: weights.WeightsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(judging, "_PICTURES", 1)
    monkeypatch.setattr(judging, "_METRICS", ("lpips",))
    monkeypatch.setattr(judging, "_QUALITIES", (30.0, 80.0))
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path / "out"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / published.path.name).write_bytes(published.path.read_bytes())
    return tmp_path / "out"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos", count=1)


def run_of(folder: Path, state: dict[str, Tensor]) -> Path:
    """A run that begins from the published weights has their precision in all that is frozen."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {k: weights.as_stored(k, v).float() for k, v in state.items()}
    checkpoint = {"recipe": RECIPE.name, "network": kept, "ema": {}, "step": 24, "seconds": 36.0}
    atomic_save(checkpoint, folder / CHECKPOINT)
    return folder


def test_only_a_better_decoder_is_written_and_it_is_bound_to_its_base(
    out: Path, photos: Path, clean: dict[str, Tensor], published: weights.WeightsFile, tmp_path: Path
) -> None:
    worse = publish_decoder(RECIPE, run_of(tmp_path / "worse", noisy(clean, 0.6)), photos, out)
    assert worse.written is None and "the faithful decoder's" in worse.words
    assert not list(out.glob(f"*{realism.SUFFIX}"))

    good = publish_decoder(RECIPE, run_of(tmp_path / "good", noisy(clean, 0.1)), photos, out)
    assert good.written == out / "elic-5-lite.realistic.safetensors" and "the same files" in good.words
    file = realism.read_header(good.written)
    assert (file.base, file.card.steps, file.card.recipe) == (published.fingerprint, 24, RECIPE.name)
    assert [row["quality"] for row in file.card.validation] == [30.0, 80.0]
    told = json.loads((out / "elic-5-lite.realistic.json").read_text())
    assert told["extra"]["base"] == published.fingerprint and told["steps"] == 24

    codec = LearnedCodec(weights.read_header(out / published.path.name))
    data = codec.encode(Picture.open(next(photos.iterdir())), Rate(quality=30)).data
    assert codec.realistic == file
    assert (codec.decode(data).pixels != codec.decode(data, realism=1.0).pixels).any()

    before = good.written.read_bytes()
    between = publish_decoder(RECIPE, run_of(tmp_path / "between", noisy(clean, 0.2)), photos, out)
    assert between.written is None and "published realistic decoder's" in between.words
    assert good.written.read_bytes() == before
    best = publish_decoder(RECIPE, run_of(tmp_path / "best", clean), photos, out)
    assert best.written == good.written and best.written.read_bytes() != before


def test_a_published_decoder_is_what_the_next_run_begins_with(
    out: Path, photos: Path, clean: dict[str, Tensor], published: weights.WeightsFile, tmp_path: Path
) -> None:
    assert published_decoder(RECIPE, out) is None
    assert standing.published_steps(RECIPE, out) == 0
    publish_decoder(RECIPE, run_of(tmp_path / "run", clean), photos, out)
    found = published_decoder(RECIPE, out)
    assert found is not None and found[1:] == (24, 36.0)
    assert standing.published_steps(RECIPE, out) == 24
    base, _ = weights.load(published)
    for name, value in base.named_parameters():
        alone = name.startswith(realism.DECODER_PARTS)
        expected = weights.as_stored(name, clean[name]).float() if alone else value
        assert torch.equal(found[0][name], expected), name
    newer = builders.build(builders.config(NAME))
    newer.load_state_dict(noisy(clean, 0.2))
    weights.save(newer, published.card, out / f"{NAME}.safetensors")
    assert published_decoder(RECIPE, out) is None, "it belongs to the weights before"
    assert standing.published_steps(RECIPE, out) == 0


def test_a_decoder_for_weights_from_before_the_ladder_grew(
    out: Path, photos: Path, clean: dict[str, Tensor], tmp_path: Path
) -> None:
    config = builders.config(NAME)
    assert isinstance(config, ElicConfig) and config.ladder is not None
    shorter = EARLIER_LADDERS[-1]
    network = builders.build(replace(config, ladder=shorter))
    network.load_state_dict(fitted(noisy(clean, 0.3), config.ladder, shorter))
    target = out / f"{NAME}.safetensors"
    weights.save(network, weights.read_header(target).card, target)
    # The run has the recipe's ladder, begun from what is published.
    begun = standing.published_start(replace(RECIPE, name=NAME), out)
    assert begun is not None and len(begun[0]["gain.log_inverse"]) == len(config.ladder.lambdas)
    better = {k: clean[k] if k.startswith(realism.DECODER_PARTS) else v for k, v in begun[0].items()}
    result = publish_decoder(RECIPE, run_of(tmp_path / "run", better), photos, out)
    assert result.written is not None, result.words
    found = published_decoder(RECIPE, out)
    assert found is not None and found[0].keys() == begun[0].keys()
    assert all(found[0][k].shape == v.shape for k, v in begun[0].items())


def test_a_decoder_for_other_files_is_not_published(
    out: Path, photos: Path, clean: dict[str, Tensor], tmp_path: Path
) -> None:
    other = {k: v + 0.01 if k.startswith("h_a.") else v for k, v in clean.items()}
    result = publish_decoder(RECIPE, run_of(tmp_path / "run", other), photos, out)
    assert result.written is None and "not those of the published elic-5:lite" in result.words
    assert "--resume" in result.words
    (out / f"{NAME}.safetensors").unlink()
    result = publish_decoder(RECIPE, run_of(tmp_path / "run", clean), photos, out)
    assert result.written is None and f"publish {NAME} first" in result.words


def test_publishing_all_runs_knows_which_is_a_decoder_alone(
    out: Path,
    photos: Path,
    clean: dict[str, Tensor],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PERCEPTUAL, RECIPE.name, RECIPE)
    run_of(tmp_path / "runs" / RECIPE.name, clean)
    (only,) = publish.publish_all(tmp_path / "runs", photos, out)
    assert only.written == out / "elic-5-lite.realistic.safetensors"
    before = weights.read_header(out / f"{NAME}.safetensors")
    assert publish._left_behind(before) == ""
    network = builders.build(builders.config(NAME))
    network.load_state_dict(noisy(clean, 0.2))
    newer = weights.save(network, before.card, before.path)
    assert "belongs to the weights before" in publish._left_behind(newer)
