"""Work that test_interruption kills at many moments; prints a line for each and what was left behind.

Arguments: what (encode, decode, publish, train), a folder, seconds into the work to kill at. Each moment has
a forked process that writes the same names again and again, two versions in turn, or trains on and writes a
checkpoint after every step; importing is done before.
"""

import contextlib
import ctypes
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from app.cli import app
from models import codec as codecs
from models import weights
from models.codec import Rate
from models.networks import builders
from models.picture import Picture
from models.training.trainer import CHECKPOINT, Trainer, load_checkpoint
from tests.test_training import TINY, everything
from tests.training_photos import make_photos
from tests.untrained import photo

_END_WITH_PARENT = 1  # PR_SET_PDEATHSIG
CODEC = "elic-5:lite"
CARD = weights.Card(CODEC, "elic-5-lite", "test", 0, 0.0, "none", "none", "0", "2026-01-01")


def command(*arguments: str | Path) -> None:
    """Run the command line in this process."""
    try:
        app([*map(str, arguments)])
    except SystemExit as end:
        assert not end.code, end.code


def publishing(folder: Path) -> tuple[Path, Callable[[int], None]]:
    """Write weights and their card."""
    networks = [builders.build(builders.config("elic-5-lite")) for _ in range(2)]
    path = folder / "result.safetensors"

    def write(version: int) -> None:
        weights.write_card(weights.save(networks[version], CARD, path).card, path)

    return path, write


def content(path: Path) -> bytes:
    """What has to be one version or the other: bytes, of weights their checked tensors.

    safetensors writes the entries of its metadata in any order, so equal weights may be different bytes.
    """
    if path.suffix != weights.SUFFIX:
        return path.read_bytes()
    file = weights.read_header(path)
    weights.load(file)  # raises where a tensor is not what the fingerprint says
    return file.fingerprint.encode()


def coding(what: str, folder: Path) -> tuple[Path, Callable[[int], None]]:
    """Encode or decode with the command line."""
    weights.save(builders.build(builders.config("elic-5-lite")), CARD, folder / "weights.safetensors")
    os.environ["HFLIC_WEIGHTS"] = str(folder)
    for version in range(2):
        picture = photo(90, 70, version)
        picture.save(folder / f"in-{version}.png")
        data = codecs.get(CODEC).encode(Picture(picture.pixels), Rate(quality=60)).data
        (folder / f"in-{version}.hflic").write_bytes(data)
    path = folder / ("result.hflic" if what == "encode" else "result.png")

    def write(version: int) -> None:
        if what == "encode":
            source = folder / f"in-{version}.png"
            command("encode", source, "--codec", CODEC, "--quality", "60", "-o", path, "--json")
        else:
            command("decode", folder / f"in-{version}.hflic", "-o", path, "--json")

    return path, write


def killed_after(seconds: float, work: Callable[[], object], ready: int | None = None) -> bool:
    """Does the work in a forked process and kills that; whether it was still at it.

    `ready`: a pipe on which the process tells that it has begun, waited for before the seconds count.
    """
    child = os.fork()
    if not child:
        if sys.platform == "linux":  # should the test give up, this ends too
            ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL)
        work()
        os._exit(0)
    if ready is not None:
        os.read(ready, 1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def training(folder: Path, moments: list[float]) -> Iterator[bool]:
    """Whether each kill left a checkpoint that is whole and no earlier than the one before.

    The last answer is also of a run that goes on from what is left: it must be the one nobody killed.
    """
    recipe = replace(TINY, rounds=(replace(TINY.rounds[0], steps=100_000),))
    photos = make_photos(folder / "photos")
    ready, told = os.pipe()

    def trainer(out: Path) -> Trainer:
        return Trainer(recipe, photos, out, threads=1, minutes_between_checkpoints=0)

    def train() -> None:
        run = trainer(folder / "run")
        step = run.train_step

        def telling() -> tuple[float, float, float]:
            os.write(told, b"." * (run.step == begun + 1))  # the first checkpoint is written
            return step()

        begun, run.train_step = run.step, telling  # type: ignore[method-assign]
        run.run()

    path, reached = folder / "run" / CHECKPOINT, 0
    for number, moment in enumerate(moments):
        begun = number % 4 != 3  # every fourth is killed while it starts, or just after
        killed = killed_after(moment, train, ready if begun else None)
        os.set_blocking(ready, False)
        with contextlib.suppress(BlockingIOError):
            os.read(ready, 100)
        os.set_blocking(ready, True)
        step = load_checkpoint(path)["step"] if path.exists() else 0
        whole, reached = killed and step >= reached, step
        if number == len(moments) - 1:
            whole = whole and reached > 0 and _same(trainer(folder / "run"), trainer(folder / "whole"))
        yield whole


def _same(resumed: Trainer, fresh: Trainer) -> bool:
    """Whether both get to the same state, one step after where the first one begins."""
    goal = resumed.step + 1
    for run in (resumed, fresh):
        run.run(until=goal)
        run.close()
    one, two = everything(resumed), everything(fresh)
    return all(torch.equal(one[key], two[key]) for key in one)


def main(what: str, folder: Path, *moments: str) -> None:
    """Prints "whole" or "broken" for each moment."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    if what == "train":
        kept = list(training(folder, [float(moment) for moment in moments]))
        sys.stderr.write("".join("whole\n" if whole else "broken\n" for whole in kept))
        return
    path, write = publishing(folder) if what == "publish" else coding(what, folder)
    versions = []
    for version in range(2):
        write(version)
        versions.append(content(path))
    assert versions[0] != versions[1]
    verdicts = []
    for moment in moments:
        killed = killed_after(float(moment), lambda: [write(number % 2) for number in itertools.count()])
        verdicts.append("whole" if killed and content(path) in versions else "broken")
    sys.stderr.write("".join(f"{verdict}\n" for verdict in verdicts))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
