"""How fast is this program beside CompressAI, with the same network and the same weights?

CompressAI's Elic2022Official with five channel groups against its conversion here: the same picture, in turn,
in one process. No such weights are published, so they are random, with the latents' scales fitted to a
photograph, which makes files of a usual size.
"""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.bench import available_cores, begin, bench_picture
from models.bitstream.container import parse
from models.codec import Rate
from models.errors import CodecError
from models.paths import stand_somewhere
from models.picture import Picture

GROUPS = (16, 16, 32, 64, 192)
SIZES = (192, 320)  # N and M as published
_SEED = 11
_CALIBRATED = 256  # pixels a side of the photograph that scales are fitted to


@dataclass(frozen=True)
class PeerRun:
    """One pair of runs. Seconds of wall-clock time and of processor time, of both programs."""

    encode_s: tuple[float, float]
    decode_s: tuple[float, float]
    encode_cpu_s: tuple[float, float]
    decode_cpu_s: tuple[float, float]


@dataclass(frozen=True)
class PeerResult:
    """All pairs, ours first in each.

    bytes: of the files; levels: how far decoded pixels are apart at most; differing: the share that is apart.
    The programs' sums differ in their last bits, so a latent near one half may round to either side: latents
    is the share that did, same_levels how far pixels are apart where both synthesise from the same latents.
    """

    runs: tuple[PeerRun, ...]
    bytes: tuple[int, int]
    levels: int
    differing: float
    latents: float
    same_levels: int
    threads: int

    def ratio(self, name: str) -> float:
        """CompressAI's seconds over ours, the median over the pairs. name: of a part of `PeerRun`."""
        pairs: list[tuple[float, float]] = [getattr(run, name) for run in self.runs]
        return statistics.median(theirs / ours for ours, theirs in pairs)

    def seconds(self, name: str) -> tuple[float, float]:
        """The medians, ours and CompressAI's."""
        ours, theirs = zip(*(getattr(run, name) for run in self.runs), strict=True)
        return statistics.median(ours), statistics.median(theirs)


def compare(
    size: tuple[int, int],
    *,
    repeats: int = 5,
    threads: int | None = None,
    widths: tuple[int, int] = SIZES,
    groups: tuple[int, ...] = GROUPS,
) -> PeerResult:
    """Measure in a process of its own. size: width and height. Raises CodecError where it dies."""
    stand_somewhere()
    context = multiprocessing.get_context("spawn")
    count = threads or available_cores()
    with ProcessPoolExecutor(1, mp_context=context, initializer=begin, initargs=(count,)) as pool:
        try:
            return pool.submit(_compare, size, repeats, count, widths, groups).result()
        except BrokenProcessPool as error:
            raise CodecError("the process measuring died, perhaps for lack of memory") from error


def network(widths: tuple[int, int] = SIZES, groups: tuple[int, ...] = GROUPS) -> Any:
    """CompressAI's network with random weights whose scales fit the latents of a photograph.

    Raises CodecError where CompressAI is not installed.
    """
    try:
        from compressai.models.sensetime import Elic2022Official
    except ImportError as error:
        raise CodecError(f"CompressAI cannot be loaded ({error}): pip install compressai") from error
    import torch

    torch.manual_seed(_SEED)
    n, m = widths
    model = Elic2022Official(N=n, M=m, groups=list(groups)).eval()
    _fill(model)
    photo = bench_picture(_CALIBRATED, _CALIBRATED)
    x = torch.from_numpy(photo.pixels).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        _fit(model, x, groups)
    model.update(force=True)
    return model


def _fill(model: Any) -> None:
    """Normal weights that keep activations near one, and parameter nets that hardly look at their inputs."""
    from torch import nn

    for name, layer in model.named_modules():
        if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            continue
        stride = layer.stride[0] if isinstance(layer, nn.ConvTranspose2d) else 1
        gain = 0.65 if ".conv" in name else 0.13 if name.endswith("entropy_parameters.4") else 1.3
        fan_in = layer.in_channels * layer.kernel_size[0] ** 2 / stride**2
        nn.init.normal_(layer.weight, std=gain / fan_in**0.5)
        assert layer.bias is not None
        nn.init.normal_(layer.bias, std=0.02)


def _fit(model: Any, x: Any, groups: tuple[int, ...]) -> None:
    """A few channels that carry most, as training leaves them; their scales and means as nets' biases."""
    import torch

    last = model.g_a[13]
    wanted = torch.exp(torch.linspace(1.0, -3.5, last.out_channels))
    for _ in range(6):  # the attention behind it changes scales a little
        factor = wanted / model.g_a(x)[0].flatten(1).std(1)
        last.weight.mul_(factor[:, None, None, None])
        last.bias.mul_(factor)
    y = model.g_a(x)[0].flatten(1)
    start = 0
    for number, count in enumerate(groups):
        end = model.latent_codec.y.latent_codec[f"y{number}"].entropy_parameters[-1]
        scales, means = y[start : start + count].std(1), y[start : start + count].mean(1)
        end.weight.mul_(torch.cat([scales, scales])[:, None, None, None].clamp(max=1))
        end.bias.copy_(torch.cat([scales, means]))
        start += count
    spread = 5 * model(x)["x_hat"].std()
    for value in model.g_s[14].parameters():
        value.div_(spread)


def _compare(
    size: tuple[int, int], repeats: int, threads: int, widths: tuple[int, int], groups: tuple[int, ...]
) -> PeerResult:
    import torch

    torch.set_num_threads(threads)
    theirs = network(widths, groups)
    ours = _converted(theirs)
    picture = bench_picture(*size)
    # Ours fills up to 16 and CompressAI's coder to 64: only at multiples of 64 both see the same picture.
    x = torch.from_numpy(picture.pixels).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        _pair(theirs, ours, x, picture)  # warms up
        pairs = [_pair(theirs, ours, x, picture) for _ in range(repeats)]
    _, coded, decoded, data, pixels = pairs[-1]
    apart = _apart(decoded["x_hat"], pixels)
    with torch.inference_mode():
        latents, same_levels = _from_the_same(theirs, ours, coded, data, pixels)
    sizes = (len(data), _size(coded["strings"]))
    return PeerResult(
        tuple(pair[0] for pair in pairs),
        sizes,
        int(apart.max()),
        float((apart > 0).mean()),
        latents,
        same_levels,
        threads,
    )


def _apart(x_hat: Any, pixels: Any) -> Any:
    """By how many levels their picture, (1, 3, H, W) in 0..1, and our pixels (H, W, 3) differ."""
    levels = (x_hat[0].permute(1, 2, 0) * 255).round().clamp(0, 255).numpy()
    return np.abs(levels - pixels.astype(np.float32))


def _from_the_same(theirs: Any, ours: Any, coded: Any, data: bytes, pixels: Any) -> tuple[float, int]:
    """The share of latents that the two round differently, and what their synthesis makes of ours."""
    seen: list[Any] = []
    watching = theirs.g_s.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    theirs.decompress(coded["strings"], coded["shape"])
    watching.remove()
    y_hat = ours.decode_latents(parse(data))[None].float()
    differ = float(((y_hat - seen[0]).abs() > 0.5).float().mean())
    return differ, int(_apart(theirs.g_s(y_hat), pixels).max())


def _pair(theirs: Any, ours: Any, x: Any, picture: Picture) -> tuple[PeerRun, Any, Any, bytes, Any]:
    """One run of each, and what CompressAI and we coded and decoded."""
    coded, *encode_t = _timed(lambda: theirs.compress(x))
    decoded, *decode_t = _timed(lambda: theirs.decompress(coded["strings"], coded["shape"]))
    file, *encode_o = _timed(lambda: ours.encode(picture, Rate(quality=100)))
    again, *decode_o = _timed(lambda: ours.decode(file.data))
    (encode_wall, encode_cpu), (decode_wall, decode_cpu) = (
        tuple(zip(mine, other, strict=True)) for mine, other in ((encode_o, encode_t), (decode_o, decode_t))
    )
    run = PeerRun(encode_wall, decode_wall, encode_cpu, decode_cpu)
    return run, coded, decoded, file.data, again.pixels


def _timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """A result with the seconds of wall-clock and of processor time it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    done = work()
    return done, time.perf_counter() - wall, time.process_time() - cpu


def _size(strings: Any) -> int:
    return len(strings) if isinstance(strings, bytes) else sum(map(_size, strings))


def _converted(model: Any) -> Any:
    """The network as a codec of ours, through a checkpoint and a weights file like any other's."""
    import torch

    from models import weights
    from models.importing.convert import convert
    from models.importing.install import card_for
    from models.learned import LearnedCodec

    with tempfile.TemporaryDirectory(prefix="hflic-") as folder:
        path = Path(folder) / "peer.pth"
        torch.save(model.state_dict(), path)
        found = convert(path)
        card = replace(card_for(found, "elic-5:peer", path.name), notes="random weights of the benchmark")
        return LearnedCodec(weights.save(found.network, card, Path(folder) / "peer.safetensors", half=False))
