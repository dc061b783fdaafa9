"""Large pictures in tiles: the same latents and pixels, within the memory allowed, or refused first."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models import memory
from models.bitstream.container import parse
from models.codec import Rate
from models.errors import BitstreamError, CodecError
from models.footprint import Plan
from models.learned import LearnedCodec
from models.networks import builders
from models.networks.hific import Generator, HiFiC
from models.networks.layers import AttentionBlock, conv, deconv
from models.tiling import halo
from models.watch import Watch
from tests.untrained import photo, untrained

NAMES = ("elic-5-lite", "hific-lite")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def codecs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LearnedCodec]:
    folder = tmp_path_factory.mktemp("tiled")
    return {name: untrained(name, folder / f"{name}.safetensors") for name in NAMES}


@pytest.fixture(params=NAMES)
def codec(request: pytest.FixtureRequest, codecs: dict[str, LearnedCodec]) -> LearnedCodec:
    return codecs[request.param]


def in_tiles(
    monkeypatch: pytest.MonkeyPatch, codec: LearnedCodec, tile: int | None, lean: bool = True
) -> None:
    monkeypatch.setattr(codec._planner, "plan", lambda *_: Plan(tile, lean, 0.0))


def reach_of(transform: nn.Module, x: torch.Tensor, stride: float) -> int:
    """How far, in input samples, the output at the middle really looks, by its gradient."""
    x.requires_grad_(True)
    out = transform(x)
    # outputs are `stride` inputs apart (below one where the transform enlarges)
    middle = out.shape[2] // 2
    first = int(middle * stride)
    last = max(int((middle + 1) * stride) - 1, first) if stride >= 1 else first
    (gradient,) = torch.autograd.grad(out[:, :, middle].sum(), x)
    rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
    return max(first - int(rows.min()), int(rows.max()) - last)


@pytest.mark.parametrize("name", ["elic-5-lite", "elic-lite", "hflic-lite", "hific-lite"])
def test_the_halo_covers_what_the_transforms_look_at(name: str) -> None:
    network = builders.build(builders.config(name)).double()
    analysis = reach_of(network.g_a, torch.rand(1, 3, 16 * 13, 16 * 3).double(), 16)
    assert 0 < analysis <= halo(network.g_a)
    count = 49 if isinstance(network, HiFiC) else 13
    synthesis = reach_of(network.g_s, torch.rand(1, network.config.latent, count, 3).double(), 1 / 16)
    assert 0 < synthesis <= halo(network.g_s)


def test_the_halo_of_single_layers_is_known() -> None:
    assert halo(conv(3, 3, 5, 1)) == 2
    assert halo(nn.Sequential(conv(3, 3, 5, 2), conv(3, 3, 5, 2))) == 6
    assert halo(deconv(3, 3)) == 1
    assert halo(nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(48, 8, 3, padding=1))) == 4
    assert halo(AttentionBlock(8)) == 6  # three, counted for both branches
    assert halo(Generator(builders.config("hific-lite"))) > 18  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="whole picture"):
        halo(nn.BatchNorm2d(3))


@pytest.mark.parametrize("size", [(1, 1), (150, 100), (97, 260), (33, 400)])
@pytest.mark.parametrize("tile", [2, 5])
def test_tiles_give_the_whole_pictures_latents_and_pixels(
    codec: LearnedCodec, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], tile: int
) -> None:
    picture = photo(*size)
    latents, whole = codec.analyse(picture), codec.encode(picture, Rate(quality=70))
    pixels = codec.decode(whole.data).pixels.astype(int)
    in_tiles(monkeypatch, codec, tile)
    tiled = codec.analyse(picture)
    assert tiled.shape == latents.shape
    assert (tiled - latents).abs().max() <= 1e-4 * latents.abs().max()
    assert np.abs(codec.decode(whole.data).pixels - pixels).max() <= 1
    made = codec.encode(picture, Rate(quality=70))
    assert abs(made.bytes - whole.bytes) <= 2 + 0.002 * whole.bytes
    codec.read_back(made.data)  # whatever a rounding did, the file is valid
    monkeypatch.undo()
    assert np.abs(codec.decode(made.data).pixels - pixels).mean() < 0.5


def test_the_lean_way_gives_the_same_file(codec: LearnedCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit: the sums are exact in any order."""
    picture = photo(150, 100)
    usual = codec.encode(picture, Rate(quality=60))
    in_tiles(monkeypatch, codec, None, lean=True)
    lean = codec.encode(picture, Rate(quality=60))
    assert lean.data == usual.data
    assert np.array_equal(codec.decode(lean.data).pixels, codec.decode(usual.data).pixels)


@pytest.mark.parametrize("direction", ["encode", "decode"])
def test_work_in_tiles_reports_and_stops(
    codec: LearnedCodec, monkeypatch: pytest.MonkeyPatch, direction: str
) -> None:
    from models.errors import Cancelled

    in_tiles(monkeypatch, codec, 2)
    picture = photo(100, 100)
    data = codec.encode(picture, Rate(quality=50)).data
    wanted = "analysing" if direction == "encode" else "synthesising"
    seen: list[float] = []
    watch = Watch(lambda stage, done: seen.append(done) if stage == wanted else None, lambda: len(seen) == 7)
    with pytest.raises(Cancelled):
        codec.encode(picture, Rate(quality=50), watch) if direction == "encode" else codec.decode(data, watch)
    assert len(seen) == 7 and seen == sorted(seen) and seen[-1] < 1


def test_small_pictures_are_not_cut(codec: LearnedCodec) -> None:
    for width, height in ((1, 1), (512, 512), (4000, 3000)):
        assert codec._planner.plan(width, height) == replace(
            codec._planner.plan(width, height), tile=None, lean=False
        )


def test_the_more_memory_the_fewer_measures(codec: LearnedCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = []
    assert not codec._planner.refusal(6000, 4000)
    for allowed in ("100G", "4G", "3 GB", "2.2g", "1GB"):
        monkeypatch.setenv("HFLIC_MEMORY", allowed)
        plans.append(codec._planner.plan(6000, 4000))
    assert plans[0].tile is None and plans[-1].tile is not None and plans[-1].lean
    assert [plan.bytes for plan in plans] == sorted((plan.bytes for plan in plans), reverse=True)
    assert codec._planner.refusal(6000, 4000)


@pytest.mark.parametrize(
    ("text", "size"),
    [("", 4e9), (" ", 4e9), ("8G", 8e9), ("500 MB", 5e8), ("1.5gb", 1.5e9), ("900000K", 9e8), ("123", 123.0)],
)
def test_memory_is_written_as_people_write_it(
    monkeypatch: pytest.MonkeyPatch, text: str, size: float
) -> None:
    monkeypatch.setenv("HFLIC_MEMORY", text)
    assert memory.budget() == size


@pytest.mark.parametrize("text", ["much", "-1", "4X", "G", "1e9"])
def test_other_amounts_are_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("HFLIC_MEMORY", text)
    with pytest.raises(CodecError, match="HFLIC_MEMORY=6G"):
        memory.budget()


def test_over_the_budget_is_said_before_any_work(
    codec: LearnedCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = photo(900, 600)
    data = codec.encode(picture, Rate(quality=50)).data
    begun = Watch(report=lambda stage, done: pytest.fail(stage))
    needed = codec.memory(900, 600)
    monkeypatch.setenv("HFLIC_MEMORY", str(int(0.97 * needed)))
    with pytest.raises(CodecError, match=r"900 x 600 pixels need about .* GB .*scale .* HFLIC_MEMORY=\d+G"):
        codec.encode(picture, Rate(quality=50), begun)
    with pytest.raises(BitstreamError, match=r"900 x 600 pixels need .* HFLIC_MEMORY="):
        codec.decode(data, begun)
    monkeypatch.setenv("HFLIC_MEMORY", "100M")  # less than the program itself: no size would do
    with pytest.raises(CodecError, match=r"900 x 600 pixels need .* are allowed: allow more with HFLIC"):
        codec.encode(picture, Rate(quality=50), begun)


@pytest.mark.parametrize("size", [(20_000, 10_000), (3, 60_000_000), (14_142, 14_142)])
@pytest.mark.parametrize("allowed", ["4G", "2G", "1.5G"])
def test_the_size_that_is_offered_fits_and_a_larger_one_does_not(
    codec: LearnedCodec, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], allowed: str
) -> None:
    monkeypatch.setenv("HFLIC_MEMORY", allowed)
    told = codec._planner.refusal(*size)
    found = re.search(r"scale the picture to (\d+) x (\d+), or", told)
    assert found is not None, told
    width, height = int(found[1]), int(found[2])
    assert codec._planner.refusal(width, height) == ""
    assert codec._planner.refusal(math.ceil(1.02 * (width + 16)), math.ceil(1.02 * (height + 16))) != ""
    if min(size) > 100:
        assert width / height == pytest.approx(size[0] / size[1], rel=0.01)
    enough = re.search(r"HFLIC_MEMORY=(\d+G)", told)
    assert enough is not None
    monkeypatch.setenv("HFLIC_MEMORY", enough[1])
    assert codec._planner.refusal(*size) == ""


def test_a_forged_size_is_refused_before_anything_is_made(
    codec: LearnedCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = parse(codec.encode(photo(64, 48), Rate(quality=50)).data)
    monkeypatch.setattr(codec.entropy, "_walk", lambda *_, **__: pytest.fail("work began"))
    for width, height in ((14_000, 14_000), (200_000_000 // 16, 16), (6000, 4000)):
        with pytest.raises(BitstreamError, match=r"more than its .* bytes of data can hold"):
            codec.decode(replace(file, width=width, height=height).to_bytes())
    # data that is long enough, but not for its symbols: found after the hyper-latents
    junk = bytes(codec.entropy.least_bytes(20, 20) + 40)
    with pytest.raises(BitstreamError, match="too short"):
        codec.decode(replace(file, width=320, height=320, payload=junk).to_bytes())


def test_no_valid_file_is_below_the_bound(codec: LearnedCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cheapest latents there are: every z its table's likeliest symbol, every y skipped or likeliest."""
    entropy = codec.entropy
    tables = entropy.data.z_tables
    best = [int(np.argmin(tables.bits(i))) + int(tables.first[i]) for i in range(len(tables.lengths))]
    z = torch.tensor(best).double()[:, None, None] + entropy.medians / 1024
    for side in (1, 3, 12):
        y = torch.zeros(codec.network.config.latent, 4 * side, 4 * side)
        coded = entropy.encode(y, z.expand(-1, side, side))
        assert len(coded.payload) >= entropy.least_bytes(4 * side, 4 * side)
        _, crc = entropy.decode(coded.payload, 4 * side, 4 * side)
        assert crc == coded.crc


_PEAK = """
import sys
from models import learned, weights
from models.codec import Rate
from tests.untrained import photo
from pathlib import Path
import torch
torch.set_num_threads(1)
codec = learned.LearnedCodec(weights.read_header(Path(sys.argv[1])))
width, height = 1100, 900
plan = codec._planner.plan(width, height)
codec.decode(codec.encode(photo(width, height), Rate(quality=50)).data)
status = Path("/proc/self/status").read_text()
peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
print(plan.tile is None, plan.bytes, peak)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's memory figures")
def test_the_memory_foretold_is_kept(codecs: dict[str, LearnedCodec]) -> None:
    """In a process of its own, whole; `make large` measures tiles and 100 megapixels, which take minutes."""
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(codecs["elic-5-lite"].file.path)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    whole, foretold, peak = done.stdout.split()
    assert whole == "True"
    assert float(peak) <= 1.1 * float(foretold)
