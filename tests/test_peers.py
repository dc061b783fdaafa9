"""The benchmark against CompressAI: the same network on both sides, and honest ratios."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from app.cli import app
from models import peers

SMALL = ((8, 20), (2, 2, 4, 4, 8))


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        app(args=[*arguments])
    return int(ended.value.code or 0)


def test_both_sides_code_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = peers._compare((128, 64), 2, 1, *SMALL)  # in this process: a new one costs seconds
    assert len(found.runs) == 2 and found.threads == 1
    ours, theirs = found.bytes
    assert ours == pytest.approx(theirs, abs=160) and theirs > 100  # ten strings of theirs end in states
    assert found.levels <= 1 or found.differing < 0.02  # a latent at one half may round to either side
    assert found.same_levels <= 1 and found.latents < 0.02
    for run_ in found.runs:
        assert all(s > 0 for pair in (run_.encode_s, run_.decode_s, run_.encode_cpu_s) for s in pair)
    monkeypatch.setattr(peers, "compare", lambda *_, **__: found)
    assert run("bench", "--peers", "--size", "128x64", "--json") == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert set(told["ratios"]) == {"encode", "decode", "encode_cpu", "decode_cpu"}
    assert told["bytes_ratio"] == pytest.approx(ours / theirs)
    assert run("bench", "--peers", "--size", "128x64", "--repeats", "2") == 0
    said = capsys.readouterr()
    assert "CompressAI" in said.out and f"bytes {ours} and {theirs}" in said.err


def test_ratios_are_of_pairs() -> None:
    one = peers.PeerRun((1.0, 2.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0))
    runs = (one, replace(one, encode_s=(4.0, 4.0)), replace(one, encode_s=(1.0, 5.0)))
    found = peers.PeerResult(runs, (10, 10), 0, 0.0, 0.0, 0, 1)
    assert found.ratio("encode_s") == 2.0 and found.seconds("encode_s") == (1.0, 4.0)


def test_what_does_not_go_together_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        (("--peers", "--size", "100x64"), "multiples of 64"),
        (("--peers", "--metrics"), "give one of"),
        (("--peers", "--codecs", "jpeg"), "--codecs does nothing here: leave it away with --peers"),
        (("--metrics", "--threads", "1"), "--threads does nothing here"),
        (("--viewer", "--size", "64x64"), "--size does nothing here"),
    ):
        assert run("bench", *arguments) == 2
        assert said in capsys.readouterr().err
