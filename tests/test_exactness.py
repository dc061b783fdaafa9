"""One file, other processes: the latents are the same bits however the numbers are crunched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.bitstream.container import parse
from models.codec import Rate
from models.learned import LearnedCodec
from tests import golden_files
from tests.untrained import CALIBRATED, photo, untrained

# settings of tests/elsewhere.py, and of the environment
MACHINES: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "one thread": (("threads=1",), {}),
    "two threads, plain memory order": (("threads=2", "contiguous"), {}),
    "no vector units": (("threads=1",), {"ATEN_CPU_CAPABILITY": "default"}),
    "no oneDNN": (("threads=2", "no-mkldnn"), {}),
    "oneDNN and BLAS of an old processor": (
        ("threads=1",),
        {"DNNL_MAX_CPU_ISA": "SSE41", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
    ),
}
WIDTH, HEIGHT = 150, 100
pytestmark = pytest.mark.timeout(900)  # five processes at once, on however busy a machine


@dataclass(frozen=True)
class Elsewhere:
    """What one process answered, the pixels it decoded and the file it made of the same picture."""

    answer: dict[str, Any]
    pixels: np.ndarray[Any, np.dtype[np.uint8]]
    file: bytes


@dataclass(frozen=True)
class Here:
    codec: LearnedCodec
    data: bytes


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Here:
    codec = untrained("elic-5-lite", tmp_path_factory.mktemp("here") / "elic-5-lite.safetensors")
    return Here(codec, codec.encode(photo(WIDTH, HEIGHT), Rate(quality=CALIBRATED)).data)


@pytest.fixture(scope="module")
def answers(here: Here, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Elsewhere]:
    """All processes at once: most of their time is importing."""
    folder = tmp_path_factory.mktemp("elsewhere")
    source = folder / "here.hflic"
    source.write_bytes(here.data)
    running = {}
    for number, (name, (settings, environment)) in enumerate(MACHINES.items()):
        pixels, again = folder / f"{number}.npy", folder / f"{number}.hflic"
        command = [
            sys.executable,
            "-m",
            "tests.elsewhere",
            here.codec.file.path,
            source,
            pixels,
            again,
            *settings,
        ]
        clean = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
        process = subprocess.Popen(
            [str(part) for part in command],
            env=clean | environment,
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            text=True,
        )
        running[name] = (process, pixels, again)
    done = {}
    for name, (process, pixels, again) in running.items():
        text, _ = process.communicate(timeout=800)
        assert process.returncode == 0, name
        done[name] = Elsewhere(json.loads(text), np.load(pixels), again.read_bytes())
    return done


@pytest.mark.parametrize("name", MACHINES)
def test_every_process_decodes_the_same_latents(here: Here, answers: dict[str, Elsewhere], name: str) -> None:
    answer = answers[name].answer
    file = parse(here.data)
    y_hat = here.codec.decode_latents(file)
    assert answer["crc"] == file.latents_crc
    assert answer["y_hat"] == float(y_hat.abs().sum()) > 1000


@pytest.mark.parametrize("name", MACHINES)
def test_every_process_decodes_the_picture_within_one_level(
    here: Here, answers: dict[str, Elsewhere], name: str
) -> None:
    pixels = here.codec.decode(here.data).pixels.astype(int)
    assert np.abs(pixels - answers[name].pixels).max() <= 1
    assert pixels.std() > 10


@pytest.mark.parametrize("name", MACHINES)
def test_files_of_every_process_decode_here(here: Here, answers: dict[str, Elsewhere], name: str) -> None:
    """Their encoders' floats differ, and so may a symbol; the files still say what they mean."""
    theirs = answers[name].file
    assert abs(len(theirs) / len(here.data) - 1) < 0.01
    decoded = here.codec.decode(theirs).pixels.astype(int)  # raises where the latents differ
    assert np.abs(decoded - here.codec.decode(here.data).pixels).mean() < 1


@pytest.mark.parametrize("name", MACHINES)
def test_every_process_decodes_the_golden_files(answers: dict[str, Elsewhere], name: str) -> None:
    """Of every shipped codec, whole and in tiles: the recorded latents, and pixels within one level."""
    golden = answers[name].answer["golden"]
    assert set(golden) == {
        f"{line.name} {plan}" for line in golden_files.read() for plan in ("whole", "tiles")
    }
    wrong = {key: off for key, off in golden.items() if not isinstance(off, int) or off > 1}
    assert golden and not wrong


def test_the_processes_did_differ(answers: dict[str, Elsewhere]) -> None:
    """So the tests above have something to find: floating-point results are not the same bits."""
    assert len({done.answer["floats"] for done in answers.values()}) >= 2
    if torch.backends.mkl.is_available():  # other BLAS libraries cannot be told which instructions to use
        assert len({done.answer["product"] for done in answers.values()}) >= 2
    assert answers["no vector units"].answer["capability"] in {"DEFAULT", "default", "NO AVX"}
    assert {done.answer["threads"] for done in answers.values()} == {1, 2}


def test_the_memory_order_of_the_transforms_does_not_matter(here: Here) -> None:
    before = here.codec.decode(here.data).pixels.astype(int)
    try:
        here.codec.network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        after = here.codec.decode(here.data).pixels.astype(int)
    finally:
        here.codec.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert np.abs(before - after).max() <= 1
