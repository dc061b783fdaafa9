"""Work that test_interruption kills at many moments; prints a line for each and what was left behind.

Arguments: what (encode, decode, publish), a folder, seconds into the work to kill at. Each moment has a
forked process that writes the same names again and again, two versions in turn; importing is done before.
"""

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from app.cli import app
from models import codec as codecs
from models import weights
from models.codec import Rate
from models.networks import builders
from models.picture import Picture
from tests.untrained import photo

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


def main(what: str, folder: Path, *moments: str) -> None:
    """Prints "whole" or "broken" for each moment."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    path, write = publishing(folder) if what == "publish" else coding(what, folder)
    versions = []
    for version in range(2):
        write(version)
        versions.append(content(path))
    assert versions[0] != versions[1]
    verdicts = []
    for moment in moments:
        child = os.fork()
        if not child:
            for number in itertools.count():
                write(number % 2)
        time.sleep(float(moment))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        verdicts.append("whole" if killed and content(path) in versions else "broken")
    sys.stderr.write("".join(f"{verdict}\n" for verdict in verdicts))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
