"""The perceptual stage begins from the squared-error one, keeps its promises on rate, faces and bitstream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from models.distortion import charbonnier, face_mse, lpips_distance
from models.networks.base import CompressionNetwork, NetworkOutput
from models.networks.builders import build
from models.training.data import Place
from models.training.perceptual_recipes import PERCEPTUAL, LossWeights, PerceptualRecipe
from models.training.perceptual_trainer import VALIDATION_SIDE, PerceptualTrainer
from models.training.recipes import RECIPES, Round
from models.training.trainer import TrainingError
from models.training.validation import read
from tests.test_training import everything, tiny_elic
from tests.training_photos import make_photos


class TinyTrunk:
    """Two fixed convolutions in the place of a classifier."""

    def __init__(self, name: str) -> None:
        generator = torch.Generator().manual_seed(len(name))
        self.kernels = [
            torch.randn(6, 3, 3, 3, generator=generator),
            torch.randn(8, 6, 3, 3, generator=generator),
        ]
        self.heads: Sequence[Tensor] = [
            torch.rand(6, generator=generator),
            torch.rand(8, generator=generator),
        ]

    def features(self, x: Tensor, *, count: int = 2) -> list[Tensor]:
        maps = [x - 0.5]
        for kernel in self.kernels:
            maps.append(nn.functional.conv2d(maps[-1], kernel, stride=2, padding=1).relu())
        return maps[1 : 1 + count]


WEIGHTS = LossWeights(
    charbonnier=10, lpips=1, style=0.1, gan=0.05, grid=0.01, style_layers=(0, 1), lpips_trunk="alex"
)
RECIPE = PerceptualRecipe(
    "tiny-perceptual",
    "hflic:lite",
    tiny_elic,
    (Round(24, rate=1e-3, warmup=2, batch=2, side=64),),
    base="tiny",
    weights=WEIGHTS,
    gan_from=0.25,
    discriminator_width=4,
)


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos")


@pytest.fixture(scope="module")
def base() -> CompressionNetwork:
    torch.manual_seed(5)
    return build(tiny_elic())


def trainer(
    photos: Path, out: Path, base: CompressionNetwork, recipe: PerceptualRecipe = RECIPE, **more: object
) -> PerceptualTrainer:
    return PerceptualTrainer(recipe, photos, out, base=base.state_dict, trunk=TinyTrunk, threads=1, **more)  # type: ignore[arg-type]


def trained_on(base: CompressionNetwork, seed: int) -> CompressionNetwork:
    """What it might become: every parameter moved a little."""
    newer = deepcopy(base)
    torch.manual_seed(seed)
    with torch.no_grad():
        for value in newer.parameters():
            value.add_(0.01 * torch.randn_like(value))
    return newer


def whole_state(run: PerceptualTrainer) -> dict[str, Tensor]:
    return everything(run) | {f"d.{k}": v for k, v in run.discriminator.state_dict().items()}


def differing(one: dict[str, Tensor], two: dict[str, Tensor]) -> list[str]:
    assert one.keys() == two.keys()
    return [k for k in one if not torch.equal(one[k], two[k])]


def test_it_begins_from_the_weights_of_the_base(
    photos: Path, tmp_path: Path, base: CompressionNetwork
) -> None:
    run = trainer(photos, tmp_path / "run", base)
    run.close()
    for network in (run.network, run.base):
        assert differing(dict(base.state_dict()), dict(network.state_dict())) == []
    with pytest.raises(TrainingError, match="hflic train tiny"):
        PerceptualTrainer(RECIPE, photos, tmp_path / "other", base=lambda: None, trunk=TinyTrunk)


def test_the_judged_loss_falls_and_the_base_stays(
    photos: Path, tmp_path: Path, base: CompressionNetwork
) -> None:
    recipe = replace(
        RECIPE, weights=replace(WEIGHTS, gan=0.0, style=0.0), rounds=(replace(RECIPE.rounds[0], steps=40),)
    )
    run = trainer(photos, tmp_path / "run", base, recipe)
    lpips = []
    for _ in range(40):
        run.train_step()
        lpips.append(run.scalars["lpips"] + run.scalars["charbonnier"])
    run.close()
    assert sum(lpips[-10:]) < 0.9 * sum(lpips[:10])
    assert differing(dict(base.state_dict()), dict(run.base.state_dict())) == []


def test_style_and_discriminator_join_after_their_share_of_the_steps(
    photos: Path, tmp_path: Path, base: CompressionNetwork
) -> None:
    run = trainer(photos, tmp_path / "run", base)
    fresh = deepcopy(run.discriminator.state_dict())
    for _ in range(6):
        run.train_step()
        assert (run.scalars["style"], run.scalars["gan"]) == (0, 0)
    assert differing(dict(fresh), dict(run.discriminator.state_dict())) == []
    run.train_step()
    run.close()
    assert run.scalars["style"] > 0
    assert run.scalars["gan"] != 0
    assert run.scalars["discriminator"] > 0
    assert differing(dict(fresh), dict(run.discriminator.state_dict())) != []


def test_style_may_look_at_one_window_of_every_crop(
    photos: Path, tmp_path: Path, base: CompressionNetwork
) -> None:
    seen: list[tuple[int, ...]] = []

    class Watched(TinyTrunk):
        def features(self, x: Tensor, *, count: int = 2) -> list[Tensor]:
            seen.append(tuple(x.shape))
            return super().features(x, count=count)

    recipe = replace(RECIPE, gan_from=0.0, weights=replace(WEIGHTS, style_side=32))
    run = PerceptualTrainer(recipe, photos, tmp_path / "run", base=base.state_dict, trunk=Watched, threads=1)
    run.train_step()
    run.close()
    assert sorted(seen) == [(2, 3, 32, 32)] * 2 + [(2, 3, 64, 64)] * 2  # style and LPIPS, of both pictures
    assert run.scalars["style"] > 0


def test_the_trunks_see_the_pictures_shifted_alike_and_otherwise_each_step(
    photos: Path, tmp_path: Path, base: CompressionNetwork
) -> None:
    seen: list[Tensor] = []

    class Watched(TinyTrunk):
        def features(self, x: Tensor, *, count: int = 2) -> list[Tensor]:
            seen.append(x.detach().clone())
            return super().features(x, count=count)

    recipe = replace(RECIPE, gan_from=1.0, weights=replace(WEIGHTS, shift=8))
    run = PerceptualTrainer(recipe, photos, tmp_path / "run", base=base.state_dict, trunk=Watched, threads=1)
    whole = []
    for _ in range(6):
        part, _ = recipe.at(run.step)
        plan = replace(recipe.plan, side=part.side)
        whole.append(run.crops.batch(run.step, part.batch, plan).x)
        run.train_step()
    run.close()
    real, made = seen[::2], seen[1::2]
    assert [tuple(r.shape) for r in real] == [tuple(m.shape) for m in made]
    for x, cut in zip(whole, real, strict=True):
        height, width = cut.shape[2:]
        assert 64 - 8 < height <= 64
        assert 64 - 8 < width <= 64
        assert torch.equal(cut, x[:, :, 64 - height :, 64 - width :])
    assert len({tuple(r.shape) for r in real}) > 1


def test_a_resumed_run_equals_an_uninterrupted_one_with_its_discriminator(
    photos: Path, tmp_path: Path, base: CompressionNetwork
) -> None:
    whole = trainer(photos, tmp_path / "whole", base)
    whole.run(until=11)
    first = trainer(photos, tmp_path / "parts", base)
    first.run(until=8)
    first.close()
    second = PerceptualTrainer(
        RECIPE, photos, tmp_path / "parts", base=lambda: None, trunk=TinyTrunk, threads=1
    )
    second.run(until=11)
    assert differing(whole_state(whole), whole_state(second)) == []
    whole.close()
    second.close()


def test_a_decoder_only_run_leaves_every_bitstream_as_it_was(
    photos: Path, tmp_path: Path, base: CompressionNetwork
) -> None:
    run = trainer(photos, tmp_path / "run", base, replace(RECIPE, decoder_only=True))
    run.run(until=10)
    run.close()
    changed = differing(dict(base.state_dict()), dict(run.network.state_dict()))
    assert changed
    assert all(name.startswith(("g_s.", "s_shortcut.", "gain.log_inverse")) for name in changed)
    assert {name.split(".")[0] for name in changed} == {"g_s", "s_shortcut", "gain"}
    assert all(torch.equal(run.ema.shadow[k], v) for k, v in base.named_parameters() if k not in changed)
    x, position = torch.rand(1, 3, 64, 64), torch.tensor([0.5])
    with torch.no_grad():
        one, two = run.base(x, position, hard=True), run.network(x, position, hard=True)
    assert torch.equal(one.y_hat, two.y_hat)
    assert torch.equal(one.y_bits, two.y_bits)
    assert not torch.equal(one.x_hat, two.x_hat)


def test_a_decoder_only_run_goes_over_to_new_weights_of_its_base(
    photos: Path, tmp_path: Path, base: CompressionNetwork
) -> None:
    recipe = replace(RECIPE, decoder_only=True)
    first = trainer(photos, tmp_path / "run", base, recipe)
    first.run(until=5)
    first.close()
    newer = trained_on(base, seed=8)
    second = trainer(photos, tmp_path / "run", newer, recipe)
    old, new, was = (dict(m.named_parameters()) for m in (base, newer, first.network))
    for name, value in second.network.named_parameters():
        if name.startswith(("g_s.", "s_shortcut.", "gain.log_inverse")):
            torch.testing.assert_close(value, was[name] + new[name] - old[name])
            moved = first.ema.shadow[name] + new[name] - old[name]
            torch.testing.assert_close(second.ema.shadow[name], moved)
        else:
            assert torch.equal(value, new[name]) and torch.equal(second.ema.shadow[name], new[name])
    assert differing(dict(newer.state_dict()), dict(second.base.state_dict())) == []
    second.run(until=7)
    second.close()
    frozen = [k for k in new if not k.startswith(("g_s.", "s_shortcut.", "gain.log_inverse"))]
    assert all(torch.equal(dict(second.network.named_parameters())[k], new[k]) for k in frozen)


def test_a_later_round_takes_over_what_its_base_has_learned_since(
    photos: Path, tmp_path: Path, base: CompressionNetwork
) -> None:
    part = replace(RECIPE.rounds[0], steps=6)
    recipe = replace(RECIPE, rounds=(part, part))
    newer = trained_on(base, seed=9)
    first = trainer(photos, tmp_path / "run", base, recipe)
    first.run(until=3)
    first.close()
    within = trainer(photos, tmp_path / "run", newer, recipe)
    assert differing(whole_state(within), whole_state(first)) == [], "not in the middle of a round"
    within.run(until=6)
    within.close()
    second = trainer(photos, tmp_path / "run", newer, recipe)
    old, new, was = (dict(m.named_parameters()) for m in (base, newer, within.network))
    for name, value in second.network.named_parameters():
        torch.testing.assert_close(value, was[name] + new[name] - old[name])
        moved = within.ema.shadow[name] + new[name] - old[name]
        torch.testing.assert_close(second.ema.shadow[name], moved)
    assert second.base is not None
    assert differing(dict(newer.state_dict()), dict(second.base.state_dict())) == []
    again = trainer(photos, tmp_path / "run", base, recipe)
    assert differing(whole_state(again), whole_state(within)) == [], "nothing to take over"
    second.run(until=8)
    for run in (again, second):
        run.close()


def test_the_style_term_may_join_before_the_adversary(
    photos: Path, tmp_path: Path, base: CompressionNetwork
) -> None:
    recipe = replace(RECIPE, style_from=2 / 24, gan_from=4 / 24)
    run = trainer(photos, tmp_path / "run", base, recipe)
    seen = []
    for _ in range(6):
        run.train_step()
        seen.append((run.scalars["style"] > 0, run.scalars["gan"] != 0, "discriminator" in run.scalars))
    run.close()
    assert seen == 2 * [(False,) * 3] + 2 * [(True, False, False)] + 2 * [(True,) * 3]


def test_training_and_validation_weigh_alike(
    photos: Path, tmp_path: Path, base: CompressionNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Public code trains with a rate weight of 0.3 and validates with 1, so its best is another's best."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)  # the reference below is float32
    run = trainer(photos, tmp_path / "run", base, validation=photos)
    seen: dict[str, float] = {}

    class Writer(SummaryWriter):
        def __init__(self) -> None:
            pass

        def add_scalar(self, name: str, value: float, *_: object) -> None:  # type: ignore[override]
            seen[name] = value

        def add_image(self, *_: object) -> None:  # type: ignore[override]
            pass

    run._validate(Writer())
    paths = sorted(photos.iterdir())
    fidelity, distance = 0.0, 0.0
    for index, path in enumerate(paths):
        x = read(path, VALIDATION_SIDE)
        with torch.no_grad():
            x_hat = run.network(x, torch.tensor([(index + 0.5) / len(paths)]), hard=True).x_hat
            fidelity += 10 * charbonnier(x_hat, x).item() / len(paths)
            maps = [run._trunks["alex"].features(p) for p in (x, x_hat)]
            distance += lpips_distance(*maps, run._trunks["alex"].heads).item() / len(paths)
    run.close()
    assert seen["validation/charbonnier"] == pytest.approx(fidelity, rel=1e-4)
    assert seen["validation/lpips"] == pytest.approx(distance, rel=1e-4)
    names = [
        f"validation/{n}" for n in ("rate", "mse", "charbonnier", "lpips", "style", "gan", "face", "grid")
    ]
    assert seen["validation/loss"] == pytest.approx(sum(seen[n] for n in names), rel=1e-5)
    # The network is still the base: R = R*, which the multiplexer counts as not above it.
    assert seen["validation/rate"] == pytest.approx(0.3 / 16, rel=0.01)


def test_a_rate_above_the_bases_weighs_sixteen_times_one_below(
    photos: Path, tmp_path: Path, base: CompressionNetwork
) -> None:
    run = trainer(photos, tmp_path / "run", base)
    run.close()
    run.base.transform_precision = torch.float32  # as the spending it is held against
    x, position = torch.rand(2, 3, 64, 64), torch.tensor([0.2, 0.9])
    with torch.no_grad():
        output = base(x, position, hard=True)

    def rate(*factors: float) -> float:
        times = torch.tensor(factors)
        scaled = replace(output, y_bits=times * output.y_bits, z_bits=times * output.z_bits)
        return run._rate_term(x, scaled, position, hard=True).item()

    assert rate(1.5, 1.5) == pytest.approx(0.3 * 1.5, rel=1e-4)
    assert rate(0.5, 0.5) == pytest.approx(0.3 / 16 * 0.5, rel=1e-4)
    # A crop at a low rate is not excused by another at a high one that spends less than it may.
    assert rate(1.5, 0.1) == pytest.approx((0.3 * 1.5 + 0.3 / 16 * 0.1) / 2, rel=1e-4)


def test_the_rates_held_against_each_other_are_rounded_alike(
    photos: Path, tmp_path: Path, base: CompressionNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = (Round(2, warmup=1, batch=2, side=64, hard=0.5),)
    run = trainer(photos, tmp_path / "run", base, replace(RECIPE, rounds=rounds))
    seen: list[tuple[CompressionNetwork, bool]] = []
    code = CompressionNetwork.code

    def recorded(network: CompressionNetwork, *args: Tensor, hard: bool) -> tuple[Tensor, Tensor, Tensor]:
        seen.append((network, hard))
        return code(network, *args, hard=hard)

    monkeypatch.setattr(CompressionNetwork, "code", recorded)
    run.train_step()
    run.train_step()
    run.close()
    assert seen == [(run.network, False), (run.base, False), (run.network, True), (run.base, True)]


def test_small_faces_are_for_the_face_term(photos: Path, tmp_path: Path, base: CompressionNetwork) -> None:
    mask = torch.zeros(2, 1, 64, 64)
    mask[:, :, 8:20, 8:20] = 1
    x, position = torch.rand(2, 3, 64, 64), torch.tensor([0.2, 0.9])
    x_hat = torch.rand(2, 3, 64, 64)

    def gradient(face: float) -> Tensor:
        recipe = replace(RECIPE, weights=replace(WEIGHTS, face=face))
        run = trainer(photos, tmp_path / f"run{face}", base, recipe)
        run.close()
        leaf = x_hat.clone().requires_grad_()
        output = NetworkOutput(leaf, torch.zeros(2, 16, 4, 4), torch.ones(2), torch.ones(2))
        run.terms(x, output, output.y_hat, position, mask).loss.backward()
        assert leaf.grad is not None
        return leaf.grad

    assert not gradient(0.0)[:, :, 8:20, 8:20].any()
    assert gradient(0.0)[:, :, 40:, 40:].any()
    leaf = x_hat.clone().requires_grad_()
    (300 * face_mse(x, leaf, mask)).backward()
    assert leaf.grad is not None
    assert torch.allclose(gradient(300.0)[:, :, 8:20, 8:20], leaf.grad[:, :, 8:20, 8:20], rtol=1e-4)


def test_distortions_of_each_crop_weigh_by_its_place_on_the_ladder(
    photos: Path, tmp_path: Path, base: CompressionNetwork
) -> None:
    ladder = tiny_elic().ladder
    assert ladder is not None
    position = torch.tensor([0.2, 0.9])
    x, x_hat = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    mask = torch.zeros(2, 1, 64, 64)
    mask[:, :, 8:20, 8:20] = 1
    output = NetworkOutput(x_hat, torch.zeros(2, 16, 4, 4), torch.ones(2), torch.ones(2))
    weights = replace(WEIGHTS, mse=0.001, face=300.0, grid=0.0, gan=0.0)

    def gradient(pull: float) -> tuple[Tensor, float]:
        recipe = replace(RECIPE, weights=weights, pull=pull, pull_reference=0.01)
        run = trainer(photos, tmp_path / f"run{pull}", base, recipe)
        run.close()
        leaf = x_hat.clone().requires_grad_()
        terms = run.terms(x, replace(output, x_hat=leaf), output.y_hat, position, mask)
        terms.loss.backward()
        assert leaf.grad is not None
        return leaf.grad, terms.rate.item()

    plain, rate = gradient(0.0)
    pulled, same = gradient(0.4)
    assert same == rate  # what a crop costs weighs in proportion to its base's already
    for crop, place in enumerate(position.tolist()):
        expected = plain[crop] * (ladder.weight(place) / 0.01) ** 0.4
        assert (pulled[crop] - expected).norm() < 0.01 * expected.norm()  # bfloat16 where it is quicker


def test_masks_follow_the_places_of_the_crops(photos: Path, tmp_path: Path, base: CompressionNetwork) -> None:
    asked: list[Place] = []

    def masks(places: Sequence[Place], side: int) -> Tensor:
        asked.extend(places)
        return torch.ones(len(places), 1, side, side)

    recipe = replace(RECIPE, weights=replace(WEIGHTS, face=300.0))
    run = trainer(photos, tmp_path / "run", base, recipe, masks=masks)
    run.train_step()
    expected = run.crops.batch(0, 2, replace(recipe.plan, side=64)).places
    run.close()
    assert tuple(asked) == expected
    assert run.scalars["face"] > 0
    assert run.scalars["charbonnier"] == pytest.approx(10 * 1e-3, rel=1e-3)  # nothing outside the faces


def test_every_recipe_begins_from_one_that_exists_and_has_the_same_network() -> None:
    for recipe in PERCEPTUAL.values():
        assert recipe.base in RECIPES
        assert recipe.network() == RECIPES[recipe.base].network()
