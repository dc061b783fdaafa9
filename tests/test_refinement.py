"""A refined file costs less for the picture at hand, is an ordinary file, and can be asked for by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from app.commands import sample_photo
from models import codec as codecs
from models import face_metrics, faces, learned, refinement, trunks
from models.aims import Aim, Eye, SquaredError, aim_of
from models.bitstream.container import parse
from models.codec import Rate
from models.errors import Cancelled, CodecError
from models.learned import LearnedCodec
from models.metrics import MetricAbsent, compute
from models.networks.rounding import annealed, round_around
from models.picture import Picture
from models.refined import Refined
from models.refinement import temperature, window_bytes, window_side, windows
from models.sizing import reach_slowly
from models.training.perceptual_recipes import PERCEPTUAL
from models.watch import QUIET, Watch
from tests.command_line import one_line, run, run_json
from tests.realistic import codec_with_both
from tests.untrained import photo

STEPS = 20


def face(side: int) -> Picture:
    """Of the sample photograph: 128 pixels wide."""
    path = sample_photo()
    assert path is not None
    return Picture(np.ascontiguousarray(Picture.open(path).pixels[100 : 100 + side, 180:308]))


FACE = face(112)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trained() -> LearnedCodec:
    """HFLIC (MSE) as it is shipped."""
    coder = learned.create("hflic-mse")
    assert isinstance(coder, LearnedCodec)
    return coder


def cost(coder: LearnedCodec, picture: Picture, quality: float, refine: int = 0) -> float:
    """What training minimises, of the finished file: bits a pixel and weighted squared error."""
    made = coder.encode(picture, Rate(quality=quality), refine=refine)
    decoded = coder.decode(made.data)
    error = np.mean((decoded.pixels.astype(float) - picture.pixels) ** 2)
    ladder = coder.network.config.ladder
    assert ladder is not None
    return made.bpp + ladder.weight(ladder.position(quality)) * float(error)


# --- rounding by chance ---


def test_annealing_ends_as_rounding_to_the_nearest() -> None:
    y, mean = torch.tensor([0.2, 1.4, -0.7, 3.0]), torch.tensor([0.1, 0.0, 0.25, 0.4])
    with annealed(0.01, torch.Generator().manual_seed(0)):
        cold = round_around(y, mean)
    assert torch.allclose(cold, round_around(y, mean), atol=1e-3)


def test_while_it_is_warm_the_nearer_neighbour_is_the_likelier() -> None:
    y, mean = torch.full((20_000,), 0.3), torch.zeros(20_000)
    with annealed(0.5, torch.Generator().manual_seed(0)):
        warm = round_around(y, mean)
    # P(up) = sigmoid((atanh(0.3) - atanh(0.7)) / 0.5), computed by hand
    logit = (math.atanh(0.3) - math.atanh(0.7)) / 0.5
    expected = 1 / (1 + math.exp(-logit))
    assert 0 <= float(warm.min()) < 0.2 and 0.8 < float(warm.max()) <= 1
    assert float((warm > 0.5).float().mean()) == pytest.approx(expected, abs=0.01)


def test_rounding_by_chance_has_a_gradient_even_on_a_whole_number() -> None:
    y = torch.tensor([0.0, 0.5, -2.0, 0.999999], requires_grad=True)
    with annealed(0.3, torch.Generator().manual_seed(0)):
        (slope,) = torch.autograd.grad(round_around(y, torch.zeros(4)).sum(), [y])
    assert bool(slope.isfinite().all()) and float(slope[1]) > 0


def test_outside_rounding_is_straight_through_again() -> None:
    y = torch.tensor([0.3], requires_grad=True)
    with pytest.raises(ZeroDivisionError), annealed(0.5, torch.Generator()):
        raise ZeroDivisionError
    (slope,) = torch.autograd.grad(round_around(y, torch.zeros(1)), [y])
    assert float(slope) == 1.0


def test_the_temperature_falls_after_a_while() -> None:
    falling = [temperature(share) for share in (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)]
    assert falling[0] == falling[2] and falling[2:] == sorted(falling[2:], reverse=True)
    assert falling[-1] < 0.05


# --- windows ---


@given(st.integers(1, 130), st.integers(1, 130), st.integers(4, 24).map(lambda half: 2 * half))
def test_windows_keep_every_latent_once_and_their_checkerboard(height: int, width: int, side: int) -> None:
    kept = np.zeros((height, width), dtype=int)
    for window in windows(height, width, side):
        assert window.rows.start % 2 == window.columns.start % 2 == 0
        here = kept[window.rows, window.columns]
        assert max(here.shape) <= side + 2 * 4 + 1
        here[window.kept] += 1
    assert kept.min() == kept.max() == 1


# --- files ---


@pytest.mark.parametrize(("quality", "steps"), [(27.0, 100), (70.0, 40)])
def test_a_refined_file_costs_less_at_the_same_quality(
    trained: LearnedCodec, quality: float, steps: int
) -> None:
    plain, refined = cost(trained, FACE, quality), cost(trained, FACE, quality, refine=steps)
    assert refined < 0.99 * plain


def test_a_search_that_found_nothing_better_changes_nothing(
    trained: LearnedCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refinement, "RATE", 3.0)  # straight into the wilderness
    assert cost(trained, FACE, 20, refine=3) == cost(trained, FACE, 20)


def test_more_steps_gain_more(trained: LearnedCodec) -> None:
    few, many = cost(trained, FACE, 60, refine=5), cost(trained, FACE, 60, refine=60)
    assert many < few


def test_parts_of_a_large_picture_are_refined_one_after_the_other(
    trained: LearnedCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refinement, "_HALO", 2)
    monkeypatch.setattr(refinement, "window_side", lambda *_: 4)
    picture = face(144)  # 9 x 8 latents
    assert len(windows(9, 8, 4)) == 3
    shares: list[float] = []

    def report(stage: str, share: float) -> None:
        if stage == "refining":
            shares.append(share)

    plain = trained.encode(picture, Rate(quality=60))
    made = trained.encode(picture, Rate(quality=60), Watch(report), refine=STEPS)
    assert len(shares) == 3 * STEPS and shares == sorted(shares) and shares[-1] < 1
    assert made.bytes < plain.bytes
    assert cost(trained, picture, 60, refine=STEPS) < cost(trained, picture, 60)


def test_refining_twice_gives_the_same_file(trained: LearnedCodec) -> None:
    one, two = (trained.encode(FACE, Rate(quality=50), refine=5) for _ in range(2))
    assert one.data == two.data != trained.encode(FACE, Rate(quality=50)).data


def test_a_wanted_size_is_met_with_refined_files(trained: LearnedCodec) -> None:
    made = trained.encode(FACE, Rate(bpp=0.8), refine=STEPS)
    assert made.bpp == pytest.approx(0.8, rel=0.02) and made.note == ""
    assert made.latents_crc == parse(made.data).latents_crc
    decoded = trained.decode(made.data)  # compares the checksum
    assert (decoded.width, decoded.height) == (FACE.width, FACE.height)


def test_a_size_above_the_highest_quality_says_so_of_the_refined_file(trained: LearnedCodec) -> None:
    small = face(32)
    made = trained.encode(small, Rate(bpp=20), refine=2)
    assert made.quality == 100 and "highest quality is smaller" in made.note
    assert made.latents_crc == parse(made.data).latents_crc
    assert made.data == trained.encode(small, Rate(quality=100), refine=2).data


def test_parts_take_no_more_memory_than_is_planned(
    trained: LearnedCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = trained.network
    for aim in (SquaredError(), aim_of("hflic")):
        side, each = window_side(network, aim), window_bytes(network, aim)
        assert side == 48  # of the small network: the most
        assert kept_by_a_step(trained, aim) < each < 3 * kept_by_a_step(trained, aim)
    monkeypatch.setattr(refinement, "WINDOW_BYTES", 2e8)
    assert window_side(network, aim) < window_side(network, SquaredError()) < 48


def kept_by_a_step(coder: LearnedCodec, aim: Aim) -> float:
    """Bytes a latent that torch keeps of one step for its way back, without the networks' parameters."""
    known = {p.untyped_storage().data_ptr() for p in coder.network.parameters()}
    seen: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    side = 12
    picture = Picture(np.random.default_rng(1).integers(0, 255, (16 * side, 16 * side, 3), dtype=np.uint8))
    y, position = coder.analyse(picture).clone(), torch.tensor([3.0])
    with torch.inference_mode(mode=False), torch.no_grad():
        z = coder.network.h_a(y)
        parts = windows(side, side, 48)
        search = refinement._Search(coder.network, aim, picture, None, y, z, position, parts)
        problem = search.problem(parts[0], 1.0)
        known |= {told.untyped_storage().data_ptr() for told in search.told}
        y.requires_grad_(True)
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            problem.cost(y, seeded())
    return sum(seen.values()) / side**2


def test_memory_is_foretold_and_a_budget_kept(trained: LearnedCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    refined = Refined(trained, 10)
    small, large = refined.memory(512, 512), refined.memory(6000, 4000)
    assert trained.memory(512, 512) + 5e8 < small < large <= 4.2e9
    assert refined.memory(5000, 4000) <= large  # never less for a larger picture
    monkeypatch.setenv("HFLIC_MEMORY", "1.5G")
    trained.encode(face(32), Rate(quality=50))
    with pytest.raises(CodecError, match="GB of memory"):
        trained.encode(face(32), Rate(quality=50), refine=2)


def test_refining_can_be_stopped(trained: LearnedCodec) -> None:
    def stop(stage: str, _share: float) -> None:
        if stage == "refining":
            raise Cancelled

    with pytest.raises(Cancelled):
        trained.encode(FACE, Rate(quality=50), Watch(stop), refine=STEPS)
    assert trained.encode(FACE, Rate(quality=50)).bytes > 0


# --- for the eye ---


class Blurring:
    """A trunk of one map: means of 2x2 pixels; and how large the pictures were."""

    heads = (torch.tensor([1.0, 0.0, 0.0]),)

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def features(self, x: Tensor, *, count: int) -> list[Tensor]:
        assert count == 1
        self.sizes.append(tuple(x.shape[2:]))
        return [torch.nn.functional.avg_pool2d(x, 2)]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_squared_errors_count_in_grey_levels() -> None:
    x, x_hat = torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 2 / 255)
    assert float(SquaredError().distortion(x, x_hat, None, seeded())) == pytest.approx(4)


def test_the_eye_weighs_its_terms() -> None:
    # Red against green: unit features differ by 1 in the only channel that counts, wherever the grid lies.
    x, x_hat = torch.zeros(1, 3, 48, 48), torch.zeros(1, 3, 48, 48)
    x[:, 0], x_hat[:, 1] = 0.5, 0.5
    eye = Eye(Blurring(), 0.0, 0.0, charbonnier=3.0, squared=0.01)
    error = math.sqrt(0.25 + 1e-6) * 2 / 3 + math.sqrt(1e-6) / 3
    expected = 1 + 3 * error + 0.01 * 255**2 * 0.25 * 2 / 3
    assert float(eye.distortion(x, x_hat, None, seeded())) == pytest.approx(expected, rel=1e-4)


def test_small_faces_are_left_to_their_squared_error() -> None:
    x, x_hat = torch.rand(1, 3, 48, 48, generator=seeded()), torch.zeros(1, 3, 48, 48)
    x_hat[:, :, :, 12:] = x[:, :, :, 12:]
    mask = torch.zeros(1, 1, 48, 48)
    mask[:, :, :, :12] = 1
    eye = Eye(Blurring(), 0.0, 0.0, face=150.0).with_faces(0.25)
    expected = 150 * float(x[:, :, :, :12].square().mean())  # 150 of the mean over the faces
    assert float(eye.distortion(x, x_hat, mask, seeded())) == pytest.approx(expected, rel=1e-5)
    assert eye.faces and not Eye(Blurring(), 0.0, 0.0).faces


def test_a_pixel_of_a_face_weighs_the_same_in_any_window_and_not_without_bounds() -> None:
    eye = Eye(Blurring(), 0.0, 0.0, face=150.0)
    assert eye.with_faces(1e-6).face == eye.with_faces(0.01).face == pytest.approx(15_000)
    x, mask = torch.zeros(1, 3, 96, 48), torch.zeros(1, 1, 96, 48)
    x_hat = x.clone()
    x_hat[:, :, 8:12], mask[:, :, 8:12] = 0.5, 1
    whole, half = (
        float(eye.distortion(*(part[:, :, :rows] for part in (x, x_hat, mask)), seeded())) * rows
        for rows in (96, 48)
    )
    assert whole == pytest.approx(half)


def test_plain_error_weighs_eight_times_what_the_recipes_give_it() -> None:
    for name, base in (("hflic-perceptual-lite", "hflic"), ("po-elic-lite", "po-elic"), ("enh-po-elic-lite",
        "enh-po-elic"), ("hific-perceptual-lite", "hific")):  # fmt: skip
        eye, weights = aim_of(base), PERCEPTUAL[name].weights
        assert isinstance(eye, Eye) and weights.lpips == 1 and weights.lpips_trunk == "alex"
        assert eye.charbonnier == pytest.approx(8 * weights.charbonnier)
        assert eye.squared == pytest.approx(8 * weights.mse)
        assert eye.face == weights.face


def test_the_grid_of_the_trunk_moves_and_small_pictures_are_seen_too() -> None:
    trunk, generator = Blurring(), seeded()
    eye = Eye(trunk, 0.0, 0.0)
    for _ in range(20):
        eye.distortion(torch.rand(1, 3, 64, 5), torch.rand(1, 3, 64, 5), None, generator)
    heights = {size[0] for size in trunk.sizes}
    assert len(heights) > 4 and heights <= set(range(57, 65))
    assert min(size[1] for size in trunk.sizes) >= 31  # what AlexNet needs


@pytest.fixture(scope="module")
def for_the_eye() -> LearnedCodec:
    """HFLIC as it is shipped."""
    coder = learned.create("hflic")
    assert isinstance(coder, LearnedCodec)
    return coder


def seen(coder: LearnedCodec, quality: float, refine: int = 0) -> tuple[int, float, float]:
    """Bytes, LPIPS and PSNR of a file of FACE."""
    made = coder.encode(FACE, Rate(quality=quality), refine=refine)
    decoded = coder.decode(made.data)
    return made.bytes, compute("lpips", FACE, decoded), compute("psnr", FACE, decoded)


@pytest.mark.parametrize(("quality", "share"), [(25.0, 0.97), (60.0, 0.8)])
def test_a_codec_for_the_eye_is_refined_for_the_eye(
    for_the_eye: LearnedCodec, quality: float, share: float
) -> None:
    size, lpips, psnr = seen(for_the_eye, quality)
    refined = seen(for_the_eye, quality, refine=60)
    assert refined[1] < share * lpips
    assert 0.85 * size < refined[0] < 1.02 * size  # at low rates most of the gain is in the bits
    assert refined[2] > psnr - 1.5


def test_hific_is_refined_too() -> None:
    coder = learned.create("hific")
    assert isinstance(coder, LearnedCodec)
    size, lpips, _ = seen(coder, 40)
    refined = seen(coder, 40, refine=60)
    assert refined[1] < 0.98 * lpips and refined[0] < 1.02 * size


def test_refining_spares_the_small_faces(for_the_eye: LearnedCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    part = (slice(40, 64), slice(56, 80))
    covered = np.zeros(FACE.pixels.shape[:2], dtype=bool)
    covered[part] = True

    def error() -> float:
        made = for_the_eye.encode(FACE, Rate(quality=60), refine=40)
        difference = for_the_eye.decode(made.data).pixels[part].astype(float) - FACE.pixels[part]
        return float(np.mean(difference**2))

    monkeypatch.setattr(refinement, "_small_faces", lambda *_: None)
    without = error()
    monkeypatch.setattr(refinement, "_small_faces", lambda *_: covered)
    assert error() < 0.9 * without


def test_small_faces_are_looked_for_where_there_is_a_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def found(pixels: np.ndarray, _: Watch) -> np.ndarray:
        asked.append(pixels.shape[0])
        if len(asked) > 1:
            raise MetricAbsent("there is no small face in the original")
        return np.ones(pixels.shape[:2], dtype=np.float32)

    monkeypatch.setattr(face_metrics, "small_mask", found)
    covered = refinement._small_faces(FACE, QUIET)
    assert covered is not None and covered.all()
    assert refinement._small_faces(FACE, QUIET) is None
    monkeypatch.setattr(faces, "missing", lambda: "no detector")
    assert refinement._small_faces(FACE, QUIET) is None and asked == [112, 112]


def test_parts_see_their_own_faces(for_the_eye: LearnedCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refinement, "_HALO", 2)
    monkeypatch.setattr(refinement, "window_side", lambda *_: 4)
    picture = face(144)  # 9 x 8 latents
    covered = np.zeros((144, 128), dtype=bool)
    covered[100:110, 30:40] = True
    monkeypatch.setattr(refinement, "_small_faces", lambda *_: covered)
    masks: list[Tensor | None] = []
    known = Eye.distortion

    def judged(self: Eye, x: Tensor, x_hat: Tensor, mask: Tensor | None, chance: torch.Generator) -> Tensor:
        masks.append(mask)
        if mask is not None:
            assert mask.shape[2:] == x.shape[2:]
            assert self.face == pytest.approx(250 / 0.01)  # 100 of 18,432 pixels
        return known(self, x, x_hat, mask, chance)

    monkeypatch.setattr(Eye, "distortion", judged)
    for_the_eye.encode(picture, Rate(quality=60), refine=2)
    areas = {0 if mask is None else int(mask.sum()) for mask in masks}
    assert areas == {0, 100}  # the whole face is in one part and its overlap, none is in the others


def test_looking_at_the_price_can_be_stopped(for_the_eye: LearnedCodec) -> None:
    class Stopping(Watch):
        def step(self, stage: str, share: float) -> None:
            if stage == "refining":
                raise Cancelled

    def never(*_: object) -> None:
        raise AssertionError("the search began")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Cancelled):
        patch.setattr(torch.optim, "Adam", never)
        for_the_eye.encode(FACE, Rate(quality=50), Stopping(), refine=5)


def test_where_bits_buy_nothing_nothing_changes(
    for_the_eye: LearnedCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def same(_: refinement._Search, there: float, watch: Watch) -> tuple[float, float]:
        asked.append(there)
        return 100.0, 1.0

    monkeypatch.setattr(refinement._Search, "totals", same)
    quality = 30.0
    made = for_the_eye.encode(FACE, Rate(quality=quality), refine=3)
    ladder = for_the_eye.network.config.ladder
    assert ladder is not None
    at = ladder.position(quality)
    assert asked == pytest.approx(
        [at - 0.5, at + 0.5, at - 1.5, at + 1.5, 0.0, at + 5]
    )  # farther and farther apart
    assert made.data == for_the_eye.encode(FACE, Rate(quality=quality)).data


@pytest.mark.parametrize("quality", [0.0, 60.0])
def test_a_picture_of_one_colour_stays_one(for_the_eye: LearnedCodec, quality: float) -> None:
    flat = Picture(np.full((50, 70, 3), 127, dtype=np.uint8))
    plain, refined = (for_the_eye.encode(flat, Rate(quality=quality), refine=n) for n in (0, 3))
    assert refined.bytes <= plain.bytes + 8
    errors = [np.abs(for_the_eye.decode(e.data).pixels.astype(int) - 127).max() for e in (plain, refined)]
    assert errors[1] <= errors[0] + 4


def test_the_price_is_that_of_the_pictures_own_files(for_the_eye: LearnedCodec) -> None:
    found: list[float] = []
    network = for_the_eye.network
    assert network.config.ladder is not None

    def looked(self: refinement._Search, watch: Watch) -> float:
        found.append(known(self, watch))
        totals = []
        for apart in (-0.5, 0.5):
            position = self.position + apart
            x = torch.from_numpy(FACE.pixels).permute(2, 0, 1)[None].float() / 255
            y = network.analyse(x, position)
            z = network.h_a(torch.nn.functional.pad(y, (0, 0, 0, 1), mode="replicate"))  # 7 rows to 8
            problem = replace(self, y=y, z=z, position=position).problem(self.windows[0], 0.0)
            bits, x_hat = problem.coded(y)
            seeds = torch.Generator().manual_seed(refinement._SEED)
            totals.append((float(bits), float(self.aim.distortion(problem.x, x_hat, problem.mask, seeds))))
        paid = (totals[1][0] - totals[0][0]) / (totals[0][1] - totals[1][1])
        assert found[0] == pytest.approx(paid, rel=0.01)
        return 0.0

    known = refinement._Search.price
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refinement._Search, "price", looked)
        quality = 100 * 3 / network.config.ladder.top
        made = for_the_eye.encode(FACE, Rate(quality=quality), refine=5)
    assert len(found) == 1
    assert made.data == for_the_eye.encode(FACE, Rate(quality=quality)).data  # at a price of 0


# --- names ---


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LearnedCodec:
    """ELIC (5 groups), untrained, with a realistic decoder, and HFLIC, as found in the first folder."""
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(codecs, "_instances", {})
    monkeypatch.setattr(learned, "_loaded", {})
    return codec_with_both(tmp_path / "weights")


def test_an_id_with_steps_is_a_codec_of_its_own(both: LearnedCodec) -> None:
    refined = codecs.get("elic-5~3")
    assert (refined.id, refined.weights) == ("elic-5:lite~3", both.weights)
    assert codecs.entry("elic-5~3").id == "elic-5" and codecs.missing("elic-5:lite~3") == ""
    made = refined.encode(photo(96, 64), Rate(quality=60))
    assert made.codec == "elic-5:lite~3"
    assert made.data != both.encode(photo(96, 64), Rate(quality=60)).data
    assert made.data == both.encode(photo(96, 64), Rate(quality=60), refine=3).data
    codecs.read_back(refined, made.data)
    decoded = refined.decode(made.data).pixels
    assert np.array_equal(decoded, both.decode(made.data).pixels)
    assert codecs.identify(made.data) == "elic-5:lite"
    realistic = codecs.get("elic-5~3+1")
    assert realistic.id == "elic-5:lite~3+1"
    assert np.array_equal(realistic.decode(made.data).pixels, both.decode(made.data, realism=1.0).pixels)
    assert "3 steps" in refined.info()["refinement"]


def test_the_search_is_for_the_faithful_decoder(both: LearnedCodec) -> None:
    made = both.encode(photo(96, 64), Rate(quality=60), refine=3)
    assert made.data != both.encode(photo(96, 64), Rate(quality=60)).data
    both.decode(made.data, realism=1.0)
    assert both.encode(photo(96, 64), Rate(quality=60), refine=3).data == made.data


@pytest.mark.parametrize(
    ("id", "told"),
    [
        ("elic-5~", "as a number from 1"),
        ("elic-5~0", "as a number from 1"),
        ("elic-5~-3", "as a number from 1"),
        ("elic-5~20000", "to 10000"),
        ("elic-5~many", "as a number"),
        ("jpeg~100", "no latents"),
    ],
)
def test_an_id_with_impossible_steps_is_refused(both: LearnedCodec, id: str, told: str) -> None:
    with pytest.raises(CodecError, match=told):
        codecs.get(id)
    code, _, errors = run("encode", "x.png", "--codec", id, "--bpp", "0.2")
    assert code == 2 and one_line(errors) and told in errors


def test_refined_and_plain_stand_side_by_side(both: LearnedCodec, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "r.json"
    folder.mkdir()
    photo(64, 64).save(folder / "a.png")
    ids = ["elic-5:lite", "elic-5:lite~2"]
    told = run_json(
        "evaluate", folder, "--codecs", ",".join(ids), "-o", out, "--qualities", "50", "--metrics", "psnr"
    )
    assert [row["codec"] for row in told["averages"]] == ids
    made = run_json(
        "encode", folder / "a.png", "--codec", ids[1], "--quality", "50", "-o", tmp_path / "a.hflic"
    )
    assert made["codec"] == ids[1] and made["bytes"] == told["averages"][1]["bytes"]
    assert run_json("info", made["file"])["codec"] == "elic-5:lite"


def test_weights_of_one_rate_cannot_be_refined(both: LearnedCodec) -> None:
    assert refinement.why_not(both.network, both.file.card) == ""
    both.network.config = type("Config", (), {"ladder": None})()
    assert "have a single rate" in refinement.why_not(both.network, both.file.card)


def test_a_codec_of_unknown_training_is_not_refined(both: LearnedCodec) -> None:
    card = replace(both.file.card, codec="mbt2018:mine")
    assert "what mbt2018 was trained on" in refinement.why_not(both.network, card)


def test_without_the_trunk_the_eye_has_no_aim(both: LearnedCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trunks, "data_file", lambda *_: None)
    card = both.file.card
    assert refinement.why_not(both.network, card) == ""  # squared error needs none
    reason = refinement.why_not(both.network, replace(card, codec="hflic:lite"))
    assert "alexnet.ckpt" in reason and "run make setup" in reason and "\n" not in reason


# --- sizes ---


def slow(share: Callable[[float], float]) -> tuple[list[float], Callable[..., tuple[float, bytes, str]]]:
    """A codec of 10 bytes a quality whose slow files have a share of that: its slow tries, and a search."""
    made: list[float] = []

    def slow_at(quality: float) -> bytes:
        made.append(quality)
        return bytes(round(10 * quality * share(quality)))

    def find(size: float) -> tuple[float, bytes]:
        quality = min(max(size / 10, 0.0), 100.0)
        return quality, bytes(round(10 * quality))

    return made, lambda target: reach_slowly(find, slow_at, target, usual=0.97)


def test_a_size_is_met_at_once_where_the_usual_share_holds() -> None:
    made, search = slow(lambda _: 0.97)
    _, data, note = search(500)
    assert (len(data), note, len(made)) == (500, "", 1)


def test_what_was_seen_corrects_the_next_try() -> None:
    made, search = slow(lambda _: 0.8)
    _, data, note = search(500)
    assert (len(data), note, len(made)) == (500, "", 2)


def test_a_size_out_of_reach_says_why() -> None:
    made, search = slow(lambda _: 0.8)
    quality, data, note = search(5000)
    assert (quality, len(data), len(made)) == (100.0, 800, 1) and "highest quality is smaller" in note


def test_the_nearest_of_all_tries_is_kept() -> None:
    shares = iter((0.8, 1.2, 0.7))
    made, search = slow(lambda _: next(shares))
    _, data, note = search(500)
    assert len(made) == 3 and "after 3 tries" in note
    assert abs(len(data) - 500) == min(
        abs(round(10 * q * s) - 500) for q, s in zip(made, (0.8, 1.2, 0.7), strict=True)
    )
