"""How fast is a codec on this machine, and how much memory does it take? Measured in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models import codec as codecs
from models.codec import Rate
from models.errors import CodecError, PictureError, WorkerError
from models.memory import peak_mib
from models.paths import stand_somewhere
from models.picture import Picture

REPEATS = 5


@dataclass(frozen=True)
class BenchRow:
    """What one codec took. Seconds are medians of wall-clock time after one run to warm up.

    peak_mib: the most memory the process held, Python and libraries included; base_mib: before the
    codec was made. kmac_per_pixel (thousand multiply-accumulates, encoder and decoder) and parameters
    are None for classical codecs.
    """

    codec: str
    weights: str | None
    quality: float
    width: int
    height: int
    bytes: int
    bpp: float
    encode_s: float
    decode_s: float
    first_encode_s: float
    kmac_per_pixel: float | None
    parameters: int | None
    peak_mib: float
    base_mib: float
    threads: int
    latents_crc: int | None


def bench_picture(width: int, height: int) -> Picture:
    """A natural picture of any size: matplotlib's sample photograph, mirrored at its edges."""
    from matplotlib.cbook import get_sample_data

    if min(width, height) < 1:
        raise PictureError(f"a picture of {width}x{height} has no pixels")
    sample = Picture.open(Path(get_sample_data("grace_hopper.jpg", asfileobj=False)))
    right, below = max(width - sample.width, 0), max(height - sample.height, 0)
    pixels = np.pad(sample.pixels, ((0, below), (0, right), (0, 0)), mode="symmetric")
    return Picture(np.ascontiguousarray(pixels[:height, :width]))


def bench(
    codec: str,
    size: tuple[int, int],
    *,
    quality: float = 50,
    repeats: int = REPEATS,
    threads: int | None = None,
) -> BenchRow:
    """Measure a codec in a new process, so that memory and warm-up are its own.

    size: width and height; threads: None for all cores. Raises CodecError for a codec that is not usable
    here, WorkerError where its process dies.
    """
    if reason := codecs.missing(codec):
        raise CodecError(reason)
    context = multiprocessing.get_context("spawn")
    count = threads or available_cores()
    stand_somewhere()
    with ProcessPoolExecutor(1, mp_context=context, initializer=begin, initargs=(count,)) as pool:
        try:
            return pool.submit(_measure, codec, size, quality, repeats, count).result()
        except BrokenProcessPool as error:
            raise WorkerError(f"the process measuring {codec} died, perhaps for lack of memory") from error


def available_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def begin(threads: int) -> None:
    """A measuring process begins: no warnings, and so many threads.

    On Linux it keeps to as many cores, as encoders outside torch ask for threads of their own.
    """
    warnings.simplefilter("ignore")  # libraries' warnings are for programmers
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def _measure(codec: str, size: tuple[int, int], quality: float, repeats: int, threads: int) -> BenchRow:
    picture = bench_picture(*size)
    base = peak_mib()
    coder = codecs.get(codec)
    rate = Rate(quality=quality)
    begin = time.perf_counter()
    encoding = coder.encode(picture, rate)
    first = time.perf_counter() - begin
    coder.decode(encoding.data)
    encode_s, decode_s = [], []
    for _ in range(repeats):
        begin = time.perf_counter()
        encoding = coder.encode(picture, rate)
        middle = time.perf_counter()
        coder.decode(encoding.data)
        encode_s.append(middle - begin)
        decode_s.append(time.perf_counter() - middle)
    peak = peak_mib()  # before anything is counted: counting runs the network too
    kmac, parameters = _complexity(codec)
    return BenchRow(
        codec=encoding.codec,
        weights=encoding.weights,
        quality=encoding.quality,
        width=encoding.width,
        height=encoding.height,
        bytes=encoding.bytes,
        bpp=encoding.bpp,
        encode_s=statistics.median(encode_s),
        decode_s=statistics.median(decode_s),
        first_encode_s=first,
        kmac_per_pixel=kmac,
        parameters=parameters,
        peak_mib=peak,
        base_mib=base,
        threads=threads,
        latents_crc=encoding.latents_crc,
    )


def _complexity(codec: str) -> tuple[float | None, int | None]:
    if not codecs.entry(codec).learned:
        return None, None
    from models.learned import LearnedCodec
    from models.networks.complexity import kmac_per_pixel

    coder = codecs.get(codecs.plain(codec))
    assert isinstance(coder, LearnedCodec)
    network = coder.network
    return kmac_per_pixel(network).total, sum(p.numel() for p in network.parameters())
