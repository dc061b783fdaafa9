"""Publishing: averaged weights become a checked file, and only a better one takes its place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from compressai.entropy_models import EntropyBottleneck as Reference

from models import weights
from models.about import about
from models.codec import Rate
from models.errors import WeightsError
from models.learned import LearnedCodec
from models.networks import builders
from models.networks.elic import ElicConfig, narrower
from models.networks.factorized import EntropyBottleneck
from models.networks.rate import RateLadder
from models.picture import Picture
from models.training import cards, judging, publish, standing
from models.training.paper_recipes import PAPER
from models.training.perceptual_recipes import PERCEPTUAL, PerceptualRecipe
from models.training.recipes import RECIPES, Recipe
from models.training.trainer import CHECKPOINT, VALIDATION, atomic_save, load_checkpoint
from tests.training_photos import make_photos

RECIPE = RECIPES["elic-5-lite"]


def _checkpoint(run: Path, noise: float, step: int = 7, recipe: str = RECIPE.name) -> None:
    torch.manual_seed(3)
    network = builders.build(RECIPE.network())
    state = {k: v.clone() for k, v in network.state_dict().items()}
    ema = {k: v + noise * torch.randn_like(v) for k, v in state.items() if k.startswith("g_s")}
    run.mkdir(parents=True, exist_ok=True)
    atomic_save(
        {"recipe": recipe, "network": state, "ema": ema, "step": step, "seconds": 36.0}, run / CHECKPOINT
    )


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(judging, "_PICTURES", 2)
    monkeypatch.setattr(judging, "_METRICS", ("psnr",))
    return make_photos(tmp_path / "photos", count=2)


def test_published_file_carries_its_card_and_continues_training(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _checkpoint(tmp_path / "run", noise=0.0)
    result = publish.publish(RECIPE, tmp_path / "run", photos, tmp_path / "out")
    assert result.written == tmp_path / "out" / "elic-5-lite.safetensors"
    file = weights.read_header(result.written)
    assert (file.card.steps, file.card.hours, file.card.network) == (7, 0.01, "elic-5-lite")
    assert [row["quality"] for row in file.card.validation] == list(judging._QUALITIES)
    assert json.loads((tmp_path / "out" / "elic-5-lite.json").read_text())["codec"] == "elic-5:lite"
    start = standing.published_start(RECIPE, tmp_path / "out")
    assert start is not None
    state, steps, seconds = start
    assert (steps, seconds) == (7, 36.0)
    assert standing.published_steps(RECIPE, tmp_path / "out") == 7
    assert standing.published_steps(RECIPE, tmp_path / "elsewhere") == 0
    assert standing.published_steps(replace(RECIPE, name="another"), tmp_path / "out") == 0
    later = replace(PERCEPTUAL["po-elic-lite"], name=RECIPE.name, base="another")
    monkeypatch.setitem(PERCEPTUAL, RECIPE.name, later)
    begun_like = replace(RECIPE, name="another")
    assert standing.published_steps(begun_like, tmp_path / "out") == begun_like.steps
    network = builders.build(RECIPE.network())
    assert not network.load_state_dict(state).missing_keys


def test_weights_that_are_replaced_while_they_are_read_are_read_again(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    _checkpoint(tmp_path / "one", noise=0.0)
    publish.publish(RECIPE, tmp_path / "one", photos, out)
    path = standing.folder_of(RECIPE, out)
    real, stale = weights.read_header, [replace(weights.read_header(path), fingerprint="00" * 32)]
    monkeypatch.setattr(weights, "read_header", lambda p: stale.pop() if stale else real(p))
    start = standing.published_start(RECIPE, out)
    assert start is not None and start[1] == 7
    damaged = replace(real(path), fingerprint="00" * 32)
    monkeypatch.setattr(weights, "read_header", lambda _: damaged)
    with pytest.raises(WeightsError, match="damaged"):
        standing.published_start(RECIPE, out)


def test_what_others_have_begun_from_does_not_replace_them(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HiFiC's squared-error stage has the id of the codec it leads to."""
    out = tmp_path / "out"
    _checkpoint(tmp_path / "one", noise=0.001)
    written = publish.publish(RECIPE, tmp_path / "one", photos, out).written
    assert written is not None
    before = written.read_bytes()
    later = replace(PERCEPTUAL["po-elic-lite"], name=RECIPE.name, base="stage")
    monkeypatch.setitem(PERCEPTUAL, RECIPE.name, later)
    stage = replace(RECIPE, name="stage")
    _checkpoint(tmp_path / "better", noise=0.0, recipe="stage")
    result = publish.publish(stage, tmp_path / "better", photos, out)
    assert result.written is None and "has begun from it" in result.words and written.read_bytes() == before


def test_a_run_that_cannot_be_published_leaves_the_others(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, out, told = tmp_path / "runs", tmp_path / "out", []
    bad = replace(RECIPE, name="bad")
    monkeypatch.setattr(publish, "RECIPES", {"bad": bad, RECIPE.name: RECIPE})
    _checkpoint(runs / "bad", noise=0.0)  # a run of another recipe
    _checkpoint(runs / RECIPE.name, noise=0.0)
    found = publish.publish_all(runs, photos, out, report=told.append)
    assert told == found and [result.failed for result in found] == [True, False]
    assert "holds a run of elic-5-lite" in found[0].words and found[1].written is not None


@pytest.mark.parametrize("levels", [10, 11])
def test_weights_from_before_the_ladder_grew_are_read_and_trained_on(
    photos: Path, tmp_path: Path, levels: int
) -> None:
    config = RECIPE.network()
    assert isinstance(config, ElicConfig) and config.ladder is not None
    shorter = RateLadder(config.ladder.lambdas[1 : 1 + levels])
    before = replace(RECIPE, network=lambda: replace(config, ladder=shorter))
    network = builders.build(before.network())
    assert network.gain is not None
    with torch.no_grad():
        network.gain.log_gain.add_(torch.linspace(0, 1, levels)[:, None] ** 2)
    card = weights.Card(RECIPE.codec, "elic-5-lite", RECIPE.name, 7, 0.01, "", "", "", "")
    file = weights.save(network, card, tmp_path / "out" / "elic-5-lite.safetensors")
    codec = LearnedCodec(file)
    assert codec.network.config.ladder == shorter
    picture = Picture.open(sorted(photos.iterdir())[0])
    assert codec.decode(codec.encode(picture, Rate(quality=100)).data).pixels.shape == picture.pixels.shape
    start = standing.published_start(RECIPE, tmp_path / "out")
    assert start is not None
    table = start[0]["gain.log_gain"]
    kept = codec.network.get_parameter("gain.log_gain")
    assert table.shape == (12, 320) and torch.equal(table[1 : 1 + levels], kept)
    # Lambdas half a level below the lowest and, where that was the top, half a level above the highest.
    torch.testing.assert_close(table[0], kept[0] - 0.5 * (kept[1] - kept[0]))
    if levels == 10:
        torch.testing.assert_close(table[11], kept[9] + (kept[9] - kept[8]))
    assert not builders.build(config).load_state_dict(start[0]).missing_keys


def test_weights_from_before_the_latents_grew_are_read_and_trained_on(photos: Path, tmp_path: Path) -> None:
    config = RECIPE.network()
    assert isinstance(config, ElicConfig)
    network = builders.build(narrower(config))
    card = weights.Card(RECIPE.codec, "elic-5-lite", RECIPE.name, 7, 0.01, "", "", "", "")
    codec = LearnedCodec(weights.save(network, card, tmp_path / "out" / "elic-5-lite.safetensors"))
    assert codec.network.config.latent == 192
    picture = Picture.open(sorted(photos.iterdir())[0])
    assert codec.decode(codec.encode(picture, Rate(quality=50)).data).pixels.shape == picture.pixels.shape
    start = standing.published_start(RECIPE, tmp_path / "out")
    assert start is not None
    larger = builders.build(config)
    assert not larger.load_state_dict(start[0]).missing_keys
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before, now = codec.network(x, torch.tensor([6.0])), larger(x, torch.tensor([6.0]))
    torch.testing.assert_close(now.y_hat[:, :192], before.y_hat)


@pytest.mark.parametrize("levels", [1, 8, 13])
def test_gains_of_no_ladder_there_ever_was_are_refused(tmp_path: Path, levels: int) -> None:
    config = RECIPE.network()
    assert isinstance(config, ElicConfig)
    network = builders.build(replace(config, ladder=RateLadder(tuple(1e-3 * 2.0**n for n in range(levels)))))
    card = weights.Card(RECIPE.codec, "elic-5-lite", RECIPE.name, 7, 0.01, "", "", "", "")
    file = weights.save(network, card, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="gain"):
        weights.load(file)


def test_tables_are_counted_on_training_photographs(photos: Path, tmp_path: Path) -> None:
    _checkpoint(tmp_path / "run", noise=0.0)
    others = make_photos(tmp_path / "others", count=2)
    (others / "broken.png").write_bytes(b"no picture")
    codecs = []
    for name, data in (("gaussian", None), ("counted", others)):
        written = publish.publish(RECIPE, tmp_path / "run", photos, tmp_path / name, data=data).written
        assert written is not None
        codecs.append(LearnedCodec(weights.read_header(written)))
    gaussian, counted = codecs
    assert gaussian.weights != counted.weights, "files of the one are not the other's"
    for picture in (Picture.open(path) for path in sorted(photos.iterdir())):
        files = [codec.encode(picture, Rate(quality=60)) for codec in codecs]
        assert files[1].bytes < files[0].bytes
        decoded = [codec.decode(file.data) for codec, file in zip(codecs, files, strict=True)]
        assert (decoded[0].pixels == decoded[1].pixels).all()


def test_the_card_carries_training_and_validation_losses_side_by_side(photos: Path, tmp_path: Path) -> None:
    _checkpoint(tmp_path / "run", noise=0.0)
    sides = {"step": 7, "crops": 2, "train": {"loss": 1.0}, "validation": {"loss": 1.2}}
    asked: list[tuple[str, Path]] = []

    def losses(recipe: Recipe, run: Path) -> dict[str, Any]:
        asked.append((recipe.name, run))
        return sides

    written = publish.publish(RECIPE, tmp_path / "run", photos, tmp_path / "out", losses).written
    assert written is not None and asked == [(RECIPE.name, tmp_path / "run")]
    assert weights.read_header(written).card.losses == sides
    told = LearnedCodec(weights.read_header(written)).info()["losses"]
    assert told == "1.000 on crops of training photographs, 1.200 on those of others"
    assert json.loads((tmp_path / "out" / "elic-5-lite.json").read_text())["losses"] == sides


def test_the_card_says_what_a_perceptual_recipe_looked_at() -> None:
    recipe = replace(PERCEPTUAL["hflic-realistic-lite"], decoder_only=False)
    first = cards._judged_by(recipe, 2200)
    assert first == "Charbonnier 3.1, LPIPS 1 on alex, small faces 250, grid 0.02; crops of 128 pixels"
    quiet = sum(part.steps for part in recipe.rounds[:-1])
    lite = cards._judged_by(recipe, quiet)
    assert "style 1 on 2 maps of vgg of a window of 64 pixels from step 2,200" in lite
    assert "adversary" not in lite  # it joins now, and has looked at nothing yet
    assert f"hinge adversary 0.15 from step {quiet:,}; crops" in cards._judged_by(recipe, quiet + 1)
    anew = PERCEPTUAL["hflic-perceptual-lite"]
    first, quiet = anew.rounds[0].steps, sum(part.steps for part in anew.rounds[:-1])
    assert "pixels, grid 0.02" in cards._judged_by(anew, first), "style from the first step on"
    assert cards._judged_by(anew, first).endswith(
        "; distortions times (lambda / 0.0016)^0.33; crops of 256 pixels"
    )
    assert "adversary" not in cards._judged_by(anew, quiet)
    assert "adversary" in cards._judged_by(anew, quiet + 1)
    wider = PERCEPTUAL["po-elic-lite"]
    narrow = sum(part.steps for part in wider.rounds if part.side == 128)
    assert cards._judged_by(wider, narrow).endswith("; crops of 128 pixels")
    assert cards._judged_by(wider, narrow + 1).endswith("; crops of 128 and 256 pixels")
    hific = PAPER["hific-paper-lo"]
    assert isinstance(hific, PerceptualRecipe)
    told = cards._judged_by(hific, hific.steps)
    assert told.startswith(
        "squared error 0.00234, LPIPS 1 on alex, nonsaturating adversary 0.15 from step 1,0"
    )
    assert "faces" not in told and told.endswith("; crops of 256 pixels")


def test_weights_that_began_otherwise_are_not_gone_on_from(photos: Path, tmp_path: Path) -> None:
    recipe = replace(PERCEPTUAL["po-elic-lite"], network=RECIPE.network)
    later = replace(recipe, begins_with="another")
    state = {"step": 5, "seconds": 0.0}
    begun = {"begun_with": {"recipe": "another", "steps": 12}}
    before = cards.card_of(recipe, tmp_path, state, photos, None)
    earlier = replace(before, steps=2, notes="LPIPS 9")
    anew = cards.card_of(later, tmp_path, state | begun, photos, None, earlier)
    assert before.extra == {} and anew.extra == begun
    path = standing.folder_of(recipe, tmp_path)
    network = builders.build(RECIPE.network())
    for card, own, other in ((before, recipe, later), (anew, later, recipe)):
        weights.save(network, card, path)
        assert standing.published_steps(own, tmp_path) == 5
        assert standing.published_start(own, tmp_path) is not None
        assert standing.own_card(own, tmp_path) is not None
        assert standing.published_steps(other, tmp_path) == 0
        assert standing.published_start(other, tmp_path) is None
        assert standing.own_card(other, tmp_path) is None
        assert standing.published_card(other, tmp_path) is not None
    told = about(weights.read_header(path), None, "a paper")
    assert told["training"].endswith(", 5 steps, 0.0 hours, begun with the decoder of another after 12 steps")


def test_the_card_keeps_what_earlier_steps_looked_at(photos: Path, tmp_path: Path) -> None:
    recipe = PERCEPTUAL["po-elic-lite"]

    def card(steps: int, before: weights.Card | None) -> weights.Card:
        return cards.card_of(recipe, tmp_path, {"step": steps, "seconds": 0.0}, photos, None, before)

    first = replace(card(2200, None), notes="LPIPS 9")
    second = card(2201, first)
    third = card(4400, replace(second, notes="LPIPS 8"))
    assert first.extra == {} and second.extra == {"earlier": [{"steps": 2200, "notes": "LPIPS 9"}]}
    assert [stretch["steps"] for stretch in third.extra["earlier"]] == [2200, 2201]
    assert card(6600, third).extra == third.extra  # judged as before
    told = "LPIPS 1, hinge adversary 0.15; style from step 2,200; adversary from step 8,800; x"
    ahead = card(8900, replace(first, steps=8800, notes=told)).extra["earlier"]
    assert ahead == [{"steps": 8800, "notes": "LPIPS 1; style from step 2,200; x"}]
    based = cards.card_of(
        recipe, tmp_path, {"step": 5, "seconds": 0.0, "base_steps": 48_400}, photos, None, None
    )
    assert based.extra == {"base_steps": 48_400}
    assert card(2200, third).extra == {}  # begun anew
    assert card(6600, replace(first, recipe="hflic-lite")).extra == {}  # not what it went on from
    told = about(weights.WeightsFile(tmp_path / "w", third, "ab" * 32), None, "a paper")
    assert told["earlier"] == "to step 2200: LPIPS 9 | to step 2201: LPIPS 8"


def test_without_a_measurement_the_card_tells_what_the_last_validation_found(tmp_path: Path) -> None:
    assert cards.last_losses(tmp_path) == {}
    sides = {"step": 4000, "crops": 2, "train": {"loss": 1.0}, "validation": {"loss": 1.2}}
    lines = [
        {"step": 2000, "rows": []},
        {"step": 4000, "rows": [], "losses": sides},
        {"step": 6000, "rows": []},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / VALIDATION).write_text(text + '{"step": 8000, "lo')
    assert cards.last_losses(tmp_path) == sides


def test_cards_without_losses_and_cards_of_later_programs_are_read(photos: Path, tmp_path: Path) -> None:
    _checkpoint(tmp_path / "run", noise=0.0)
    written = publish.publish(RECIPE, tmp_path / "run", photos, tmp_path / "out").written
    assert written is not None
    raw = written.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    card = json.loads(header["__metadata__"]["card"])
    del card["losses"]
    header["__metadata__"]["card"] = json.dumps(card | {"colour": "blue"})
    text = json.dumps(header).encode()
    written.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])
    assert weights.read_header(written).card.losses == {}
    assert weights.read_header(written).card.steps == 7


@pytest.mark.parametrize("step", [7, 9])  # the mean is tried where it has had more steps
def test_worse_weights_do_not_replace_better_ones(photos: Path, tmp_path: Path, step: int) -> None:
    out = tmp_path / "out"
    _checkpoint(tmp_path / "good", noise=0.0)
    written = publish.publish(RECIPE, tmp_path / "good", photos, out).written
    assert written is not None
    before = written.read_bytes()
    _checkpoint(tmp_path / "bad", noise=0.001, step=step)
    result = publish.publish(RECIPE, tmp_path / "bad", photos, out)
    assert result.written is None
    assert result.gain is not None
    assert result.gain > 0
    assert written.read_bytes() == before


@pytest.mark.parametrize("noise", [-0.0012, -0.0008])  # worse than what is published, and better than it
def test_the_mean_with_what_is_published_may_be_better_than_either(
    photos: Path, tmp_path: Path, noise: float
) -> None:
    out = tmp_path / "out"
    _checkpoint(tmp_path / "one", noise=0.001)
    written = publish.publish(RECIPE, tmp_path / "one", photos, out).written
    assert written is not None
    kept = weights.load(weights.read_header(written))[0].state_dict()
    _checkpoint(tmp_path / "other", noise=noise, step=9)  # on the other side of the best
    result = publish.publish(RECIPE, tmp_path / "other", photos, out)
    assert result.written == written and result.gain is not None and result.gain < 0
    assert "mean of the weights after 7 and 9 steps" in result.words
    card = weights.read_header(written).card
    assert card.steps == 9 and card.extra["averaged"].startswith("mean of the weights after 7 and 9 steps")
    merged = weights.load(weights.read_header(written))[0].state_dict()
    name = next(name for name in kept if name.startswith("g_s.") and name.endswith("weight"))
    state = load_checkpoint(tmp_path / "other" / CHECKPOINT)
    torch.testing.assert_close(merged[name], (kept[name] + state["ema"][name]) / 2, atol=1e-3, rtol=1e-3)


def test_weights_measured_on_other_pictures_are_measured_again(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _checkpoint(tmp_path / "good", noise=0.0)
    written = publish.publish(RECIPE, tmp_path / "good", photos, out).written
    assert written is not None
    card = weights.read_header(written).card
    network, _ = weights.load(weights.read_header(written))
    flattering = tuple({**row, "psnr": row["psnr"] + 20} for row in card.validation)
    weights.save(network, replace(card, validation=flattering, validation_data="easier ones"), written)
    result = publish.publish(RECIPE, tmp_path / "good", photos, out)
    assert result.gain == pytest.approx(0.0, abs=0.5)


def test_gain_is_the_bd_rate_of_the_cards() -> None:
    rows = tuple({"quality": float(q), "bpp": 0.1 * 2**q, "psnr": 28.0 + 2 * q} for q in range(5))
    fewer = tuple({**row, "bpp": row["bpp"] * 0.8} for row in rows)
    card = weights.Card("elic:lite", "elic-lite", "r", 1, 1.0, "", "", "", "", rows, "the same pictures")
    assert judging.improvement(card, replace(card, validation=fewer), "psnr") == pytest.approx(-20, abs=0.01)
    assert judging.improvement(card, replace(card, validation_data="others"), "psnr") is None


def test_perceptual_weights_are_judged_where_a_pattern_on_the_trunks_grid_shows(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "_METRICS", ("psnr", "lpips"))
    seen: list[tuple[int, int]] = []

    def lpips(name: str, a: Picture, b: Picture) -> float:
        assert (a.width, a.height) == (b.width, b.height)
        if name != "lpips":
            return 30.0
        seen.append((a.width, a.height))
        return 0.1 if len(seen) % 2 else 0.2

    monkeypatch.setattr(judging.metrics, "compute", lpips)
    run = tmp_path / "run"
    _checkpoint(run, noise=0.0)
    written = publish.publish(RECIPE, run, photos, tmp_path / "out").written
    assert written is not None
    card = weights.read_header(written).card
    whole, cut = seen[0], seen[1]
    assert cut == (whole[0] - 2, whole[1] - 2)
    assert [(row["lpips"], row[judging.OFF_GRID]) for row in card.validation] == [(0.1, 0.2)] * 7
    older = replace(card, validation=tuple({"quality": 1.0, "bpp": 0.1, "lpips": 0.1} for _ in range(7)))
    assert judging.comparable(card, card, (judging.OFF_GRID,))
    assert not judging.comparable(older, card, (judging.OFF_GRID,))
    rows = tuple({"bpp": 0.1 * 2**q, judging.OFF_GRID: 0.4 * 0.6**q} for q in range(5))
    fewer = tuple({**row, "bpp": row["bpp"] * 0.8} for row in rows)
    before, after = replace(card, validation=rows), replace(card, validation=fewer)
    assert judging.improvement(before, after, judging.OFF_GRID) == pytest.approx(-20, abs=0.01)
    both = tuple({**row, "dists": row[judging.OFF_GRID]} for row in rows)
    mixed = tuple({**row, "bpp": row["bpp"] * 0.8, "dists": 0.4 * 0.6**q} for q, row in enumerate(rows))
    judged = judging._gain(replace(card, validation=both), replace(card, validation=mixed), ("dists",))
    assert judged == pytest.approx(-20, abs=0.01)
    assert judging._gain(before, after, (judging.OFF_GRID, "dists")) is None, "not measured"


def test_bottleneck_equals_compressai() -> None:
    torch.manual_seed(0)
    reference, ours = Reference(6), EntropyBottleneck(6)
    names = [name for name, _ in ours.named_parameters()]
    assert names == [name for name, _ in reference.named_parameters()]
    for parameter in reference.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.3)
    ours.load_state_dict({k: v for k, v in reference.state_dict().items() if k in ours.state_dict()})
    z = 3 * torch.randn(2, 6, 4, 5)
    for theirs, mine in zip(reference(z, training=False), ours(z, training=False), strict=True):
        torch.testing.assert_close(mine, theirs)
    torch.testing.assert_close(ours.loss(), reference.loss())
    for module in (reference, ours):
        torch.manual_seed(1)  # the same noise
        _, likelihood = module(z, training=True)
        (likelihood.log().sum() + module.loss()).backward()
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, dict(reference.named_parameters())[name].grad)
