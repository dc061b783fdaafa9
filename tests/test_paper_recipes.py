"""The papers' own sizes: their constants, one rate out of a network of all rates, and an absolute target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models import weights
from models.codec import Rate
from models.importing.ladder import rungs
from models.learned import LearnedCodec
from models.networks import builders
from models.networks.elic import GROUPS_5, GROUPS_10, ElicConfig, paper_config
from models.networks.hflic import hflic_paper
from models.networks.hific import HificConfig, hific_paper
from models.networks.rate import GainUnit, RateLadder
from models.picture import Picture
from models.training import judging, publish, standing, start
from models.training.paper_recipes import (
    ALL_RATES,
    BELOW,
    HIFIC_TARGETS,
    KODAK_BPP,
    LAMBDAS,
    PAPER,
    PO_ELIC_TARGETS,
    Target,
    at_target,
    lambda_of,
)
from models.training.perceptual_recipes import PERCEPTUAL, Easing, PerceptualRecipe
from models.training.perceptual_trainer import PerceptualTrainer
from models.training.recipes import RECIPES, Recipe, Round
from models.training.trainer import CHECKPOINT, atomic_save, load_checkpoint
from tests.command_line import one_line, run
from tests.test_perceptual_training import WEIGHTS, TinyTrunk, differing, whole_state
from tests.test_training import TINY, tiny_elic
from tests.training_photos import make_photos
from tests.untrained import varied


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def paper(name: str) -> PerceptualRecipe:
    recipe = PAPER[name]
    assert isinstance(recipe, PerceptualRecipe)
    return recipe


# --- the constants, as codecs.md section 2 has them ---


def test_every_codec_of_the_papers_has_its_recipes() -> None:
    assert {recipe.codec for recipe in PAPER.values()} == {
        "elic:paper", "elic-5:paper", "hflic-mse:paper", "po-elic:paper", "enh-po-elic:paper", "hflic:paper",
        "hific:paper",
    }  # fmt: skip
    assert not PAPER.keys() & {*RECIPES, *PERCEPTUAL}
    for name, recipe in PAPER.items():
        assert recipe.name == name and start.recipe_named(name) is recipe
        assert recipe.clip == 1.0 and {part.side for part in recipe.rounds} == {256}


def test_networks_are_the_published_ones_with_gains() -> None:
    published = {
        "elic-paper": paper_config(GROUPS_10),
        "elic-5-paper": paper_config(GROUPS_5),
        "hflic-paper": hflic_paper(),
        "po-elic-paper-0.15": paper_config(GROUPS_5),
        "enh-po-elic-paper-0.15": hflic_paper(),
        "hflic-perceptual-paper-0.15": hflic_paper(),
        "hific-paper-mi": hific_paper(),
    }
    for name, config in published.items():
        network = PAPER[name].network()
        assert isinstance(network, ElicConfig | HificConfig) and network.ladder is not None
        assert replace(network, ladder=None) == config
        one_rate = isinstance(PAPER[name], PerceptualRecipe)
        assert len(network.ladder.lambdas) == (1 if one_rate else 8)
    for recipe in PAPER.values():
        if isinstance(recipe, PerceptualRecipe) and recipe.base:
            network, base = recipe.network(), PAPER[recipe.base].network()
            assert isinstance(network, ElicConfig) and isinstance(base, ElicConfig)
            assert replace(network, ladder=None) == replace(base, ladder=None)


def test_squared_error_follows_elic_and_hflic() -> None:
    assert pytest.approx([4e-4, 8e-4, 16e-4, 32e-4, 75e-4, 150e-4, 300e-4, 450e-4]) == LAMBDAS
    elic = PAPER["elic-paper"]
    assert elic.rounds == PAPER["elic-5-paper"].rounds
    assert elic.steps == 4_000 * 500  # 8,000 pictures in batches of 16
    last = elic.at(1_900_000)[0]
    assert [elic.at(s)[0].learning_rate(elic.at(s)[1]) for s in (0, 1_899_999, 1_900_000)] == [
        1e-4, 1e-4, 1e-5
    ]  # fmt: skip
    assert (elic.rounds[0].hard, last.hard, last.batch) == (0.0, 1.0, 16)
    epoch = 7_695  # 61,564 pictures in batches of 8
    assert [part.steps / epoch for part in PAPER["hflic-paper"].rounds] == [500, 100, 30, 30, 30, 30]
    rates = [part.rate for part in PAPER["hflic-paper"].rounds]
    assert rates == [1e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6]


def test_po_elic_follows_its_paper() -> None:
    recipe = paper("po-elic-paper-0.075")
    (only,) = recipe.rounds
    assert (recipe.steps, only.batch) == (31_250, 128)
    assert only.learning_rate(0) == pytest.approx(8e-4)
    assert only.learning_rate(15_625) == pytest.approx(4e-4)
    assert only.learning_rate(31_249) < 1e-8
    assert [t.bpp for t in PO_ELIC_TARGETS] == [0.075, 0.15, 0.30]
    for target in PO_ELIC_TARGETS:
        for name in ("po-elic-paper", "enh-po-elic-paper", "hflic-perceptual-paper"):
            each = paper(f"{name}-{target.name}")
            assert (each.target, each.rate_above, each.rate_below) == (target.bpp, target.above, 2**-4)
            assert each.weights.lpips_trunk == each.weights.style_trunk == "vgg"
            assert each.weights.style_layers == (0, 1, 2, 3, 4) and each.weights.style_side == 0
            assert each.weights.adversarial == "hinge" and each.gan_from == 0.0
            assert each.discriminator_width == 64
            assert (each.weights.face > 0) == (name == "hflic-perceptual-paper")
    assert paper("po-elic-paper-0.30").base == "elic-5-paper"
    assert paper("enh-po-elic-paper-0.30").base == paper("hflic-perceptual-paper-0.30").base == "hflic-paper"


def test_hific_follows_its_paper() -> None:
    assert [(t.name, t.bpp, t.above) for t in HIFIC_TARGETS] == [
        ("lo", 0.14, 2.0), ("mi", 0.30, 1.0), ("hi", 0.45, 0.5)
    ]  # fmt: skip
    assert BELOW == 2.0**-4
    for target in HIFIC_TARGETS:
        recipe = paper(f"hific-paper-{target.name}")
        assert (recipe.target, recipe.rate_above, recipe.rate_below) == (target.bpp, target.above, BELOW)
        assert recipe.base == ""
        assert recipe.steps == 2_000_000 and round(recipe.gan_from * recipe.steps) == 1_000_000
        rates = [part.learning_rate(i) for part, i in map(recipe.at, (0, 499_999, 500_000, 10**6, 1_999_999))]
        assert rates == [1e-4, 1e-4, 1e-5, 1e-4, 1e-5]
        assert {part.batch for part in recipe.rounds} == {8}
        assert (recipe.plan.scale_low, recipe.plan.scale_high) == (0.75, 0.95)
        w = recipe.weights
        assert (w.mse, w.lpips, w.gan, w.lpips_trunk) == (0.075 * 2**-5, 1.0, 0.15, "alex")
        assert (w.charbonnier, w.style, w.face, w.shift) == (0.0, 0.0, 0.0, 0)
        assert w.adversarial == "nonsaturating"
        assert recipe.easing == Easing(50_000, 1.43, 0.5)


def test_a_rate_has_the_lambda_of_the_published_models() -> None:
    for bpp, weight in zip(KODAK_BPP, LAMBDAS, strict=True):
        assert lambda_of(bpp) == pytest.approx(weight)
    assert 16e-4 < lambda_of(0.15) < 32e-4 < lambda_of(0.30) < 75e-4
    assert (lambda_of(0.01), lambda_of(3.0)) == (pytest.approx(LAMBDAS[0]), LAMBDAS[-1])


# --- one rate out of all ---


def test_the_position_of_a_lambda_is_the_inverse_of_weight() -> None:
    for position in (0.0, 0.3, 2.0, 5.75, 7.0):
        assert ALL_RATES.position_of(ALL_RATES.weight(position)) == pytest.approx(position, abs=1e-9)
    assert (ALL_RATES.position_of(1e-9), ALL_RATES.position_of(1.0)) == (0.0, 7.0)


def test_a_ladder_of_one_lambda_has_one_rate() -> None:
    ladder = RateLadder((0.01,))
    assert (ladder.top, ladder.weight(0.0), ladder.position(80.0)) == (0.0, 0.01, 0.0)
    unit = GainUnit(ladder, 5)
    unit.log_gain.data.normal_()
    gain = unit.gain(torch.zeros(3))
    assert gain.shape == (3, 5, 1, 1)
    assert torch.equal(gain[2, :, 0, 0], unit.log_gain[0].exp())


THREE = RateLadder((1e-3, 4e-3, 16e-3))


def all_rates() -> ElicConfig:
    return replace(tiny_elic(), ladder=THREE)


EYE = at_target(
    PerceptualRecipe(
        "tiny-eye",
        "hflic:lite",
        tiny_elic,
        (Round(8, rate=1e-3, warmup=0, batch=2, side=64),),
        base="tiny-base",
        weights=WEIGHTS,
        gan_from=0.5,
        discriminator_width=4,
        easing=Easing(steps=2, target=1.43, above=0.5),
    ),
    Target("x", 0.15, 2.0),
)


def base_weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    network = builders.build(all_rates())
    assert network.gain is not None
    for table in (network.gain.log_gain, network.gain.log_inverse):
        table.data.normal_()
    return dict(network.state_dict())


def test_it_begins_with_the_bases_gains_at_its_rate() -> None:
    given = base_weights()
    base = Recipe("tiny-base", "elic:lite", all_rates, TINY.rounds)
    cut = start.at_one_rate(given, base, EYE)
    one, many = builders.build(EYE.network()), builders.build(all_rates())
    assert not one.load_state_dict(cut).missing_keys
    many.load_state_dict(given)
    position = THREE.position_of(lambda_of(0.15))
    assert 0 < position < 2
    assert one.gain is not None and many.gain is not None
    zero, there = torch.zeros(1), torch.tensor([position])
    torch.testing.assert_close(one.gain.gain(zero), many.gain.gain(there))
    torch.testing.assert_close(one.gain.inverse(zero), many.gain.inverse(there))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos")


def trainer(photos: Path, out: Path, recipe: PerceptualRecipe = EYE) -> PerceptualTrainer:
    base = Recipe("tiny-base", "elic:lite", all_rates, TINY.rounds)
    return PerceptualTrainer(
        recipe,
        photos,
        out,
        base=lambda: start.at_one_rate(base_weights(), base, recipe) if recipe.base else None,
        trunk=TinyTrunk,
        threads=1,
    )


def test_the_target_is_absolute_and_easier_at_first(photos: Path, tmp_path: Path) -> None:
    run = trainer(photos, tmp_path / "run")
    run.close()
    x, position = torch.rand(2, 3, 64, 64), torch.zeros(2)
    with torch.no_grad():
        output = run.network(x, position, hard=True)

    def term(bpp: float) -> float:
        bits = torch.full((2,), bpp * 64 * 64)
        made = replace(output, y_bits=0.75 * bits, z_bits=0.25 * bits)
        return run._rate_term(x, made, position, hard=True).item()

    for step, above, turn in ((0, 1.0, 0.15 * 1.43), (2, 2.0, 0.15)):
        run.step = step
        assert term(turn * 1.01) == pytest.approx(above * turn * 1.01, rel=1e-4)
        assert term(turn * 0.99) == pytest.approx(turn * 0.99 / 16, rel=1e-4)
    # Nothing but its own target: a base that spends more or less changes nothing, and none is kept.
    assert run.base is None


def test_a_step_moves_everything_and_a_resumed_run_equals_an_uninterrupted_one(
    photos: Path, tmp_path: Path
) -> None:
    whole = trainer(photos, tmp_path / "whole")
    before = {k: v.clone() for k, v in whole.network.named_parameters()}
    whole.run(until=1)
    moved = {k.split(".")[0] for k, v in whole.network.named_parameters() if not torch.equal(v, before[k])}
    assert {"g_a", "g_s", "h_a", "h_s", "context", "gain"} <= moved
    whole.run(until=6)  # the discriminator has joined
    assert whole.scalars["discriminator"] > 0
    first = trainer(photos, tmp_path / "parts")
    first.run(until=3)
    first.close()
    assert load_checkpoint(tmp_path / "parts" / CHECKPOINT)["base"] == {}
    second = trainer(photos, tmp_path / "parts")
    second.run(until=6)
    assert differing(whole_state(whole), whole_state(second)) == []
    whole.close()
    second.close()


def test_hific_begins_afresh(photos: Path, tmp_path: Path) -> None:
    run = trainer(photos, tmp_path / "run", replace(EYE, base=""))
    assert run.run(until=1) and run.step == 1
    run.close()


# --- what becomes of it ---


def _small(target: float) -> PerceptualRecipe:
    """A recipe of a paper id with a network that fits a test."""
    lite = RECIPES["elic-5-lite"].network()
    assert isinstance(lite, ElicConfig)
    recipe = replace(EYE, name="small", codec="po-elic:paper", network=lambda: replace(lite, ladder=None))
    return at_target(recipe, Target(f"{target}", target, 1.0))


def _ran(recipe: PerceptualRecipe, folder: Path, gain: float) -> Path:
    state = varied("elic-5-lite").state_dict()
    state = {k: v[4:5] + (gain if k.endswith("log_gain") else -gain) if k.startswith("gain.") else v
             for k, v in state.items()}  # fmt: skip
    folder.mkdir(parents=True)
    checkpoint = {"recipe": recipe.name, "network": state, "ema": {}, "step": 3, "seconds": 9.0}
    atomic_save(checkpoint, folder / CHECKPOINT)
    return folder


def test_networks_of_one_rate_are_published_beside_each_other_and_become_one_codec(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "_PICTURES", 1)
    monkeypatch.setattr(judging, "_METRICS", ("lpips",))
    monkeypatch.setattr(publish, "FOR_THE_EYE", (judging.OFF_GRID,))
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path / "own"))
    low, high = _small(0.075), _small(0.3)
    assert standing.folder_of(low) == tmp_path / "own" / "po-elic-paper-0.075bpp.safetensors"
    assert standing.folder_of(RECIPES["elic-lite"]).parent.name == "weights"
    monkeypatch.setattr(publish, "_LARGEST_FILE", 1000)  # is for what the project itself takes
    first = publish.publish(low, _ran(low, tmp_path / "low", 0.0), photos)
    second = publish.publish(high, _ran(high, tmp_path / "high", 1.0), photos)
    assert first.written and second.written and first.written != second.written
    files = [weights.read_header(path) for path in (first.written, second.written)]
    assert [len(file.card.validation) for file in files] == [1, 1]
    assert rungs(files[0]) == files
    codec = LearnedCodec(files[0])
    assert codec.one_rate
    picture = Picture.open(next(photos.iterdir()))
    made = codec.encode(picture, Rate(quality=20))
    assert made.note == "these weights have a single rate"
    assert codec.decode(made.data).width == picture.width
    again = publish.publish(low, tmp_path / "low", photos)
    assert again.written is None  # no better than what is there


def test_a_point_is_better_only_at_no_more_bits() -> None:
    card = weights.Card("po-elic:paper", "n", "r", 1, 1.0, "", "", "", "", ({"bpp": 0.15, "lpips": 0.2},))

    def better(bpp: float, lpips: float) -> bool:
        new = replace(card, validation=({"bpp": bpp, "lpips": lpips},))
        return judging._better_at_one_rate(card, new, "lpips")

    assert better(0.15, 0.19) and better(0.152, 0.19)
    assert not better(0.15, 0.2) and not better(0.17, 0.1)


def test_the_command_line_knows_them() -> None:
    code, _, errors = run("train", "po-elic-paper-0.15")
    assert code == 2 and one_line(errors) and "--data" in errors
    code, _, errors = run("train", "po-elic-paper")
    assert code == 2 and "hific-paper-lo" in errors
