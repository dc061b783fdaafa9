"""`hflic models fetch` from a server on this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.cli import app
from models import codec as codecs
from models import fetch
from models.codec import Rate
from models.fetch import Fetchable
from tests.foreign import saved
from tests.test_download import Shelf, shelf
from tests.test_importing_zoo import zoo
from tests.untrained import photo

__all__ = ["shelf"]


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(fetch, "waiting_room", lambda: tmp_path / "waiting")
    monkeypatch.setattr(codecs, "_instances", {})
    monkeypatch.setattr("models.learned._loaded", {})
    yield


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        app(args=[*arguments])
    return int(ended.value.code or 0)


def on_the_shelf(shelf: Shelf, content: bytes, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """The catalogue's entries with the checksum and address of what the server gives."""
    shelf.content = content
    digest = hashlib.sha256(content).hexdigest()
    real = fetch.fetchable

    def fetchable(name: str, metric: str = "mse") -> tuple[Fetchable, ...]:
        found = real(name, metric)
        return tuple(replace(one, digest=digest) for one in found) if name in names else found

    monkeypatch.setattr(fetch, "fetchable", fetchable)
    monkeypatch.setenv("HFLIC_MIRROR", shelf.url.rpartition("/")[0])


def test_a_network_comes_is_converted_and_codes(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = saved(zoo("mbt2018-mean").state_dict(), tmp_path / "c.pth.tar")
    on_the_shelf(shelf, checkpoint.read_bytes(), monkeypatch, "mbt2018-mean:3")
    assert "fetch CompressAI's with 'hflic models fetch mbt2018-mean:4'" in codecs.missing("mbt2018-mean")
    assert run("models", "fetch", "mbt2018-mean:3", "--json") == 0
    said = capsys.readouterr()
    (row,) = json.loads(said.out)["fetched"]
    assert row["name"] == "mbt2018-mean:3" and row["fetched"] and row["rates"] == 1
    assert "CompressAI mbt2018-mean: N 12, M 18" in row["found"] and "exact bitstream" in row["loss"]
    assert not list((tmp_path / "waiting").iterdir())
    assert codecs.missing("mbt2018-mean") == ""
    encoding = codecs.get("mbt2018-mean").encode(photo(64, 48), Rate(quality=50))
    assert codecs.identify(encoding.data) == "mbt2018-mean:paper"
    # Once more: nothing is asked of the network.
    asked = len(shelf.asked)
    assert run("models", "fetch", "mbt2018-mean:3") == 0
    assert "is here already" in capsys.readouterr().err and len(shelf.asked) == asked
    assert run("models", "fetch") == 0
    assert "qualities 3 are here" in capsys.readouterr().out


def test_plain_files_go_beside_the_weights(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_the_shelf(shelf, b"onnx" * 1000, monkeypatch, "yunet")
    assert run("models", "fetch", "yunet") == 0
    assert (tmp_path / "weights" / "face_detection_yunet_2023mar.onnx").read_bytes() == b"onnx" * 1000
    assert "licence MIT" in capsys.readouterr().err


def test_what_is_no_checkpoint_installs_nothing(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_the_shelf(shelf, b"no checkpoint", monkeypatch, "mbt2018:1")
    assert run("models", "fetch", "mbt2018:1") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "weights").exists() or not list((tmp_path / "weights").iterdir())


def test_failures_have_exit_codes_and_one_line(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HFLIC_MIRROR", shelf.url.rpartition("/")[0])
    assert run("models", "fetch", "mbt2018:1") == 1  # the server has another file
    assert "is not the published file" in capsys.readouterr().err
    assert run("models", "fetch", "mbt2018:77") == 1
    assert "qualities 1 to 8" in capsys.readouterr().err
    assert run("models", "fetch", "--metric", "vmaf") == 2
    assert run("models", "fetch", "--json", "--metric", "ms-ssim") == 0
    listed = json.loads(capsys.readouterr().out)
    assert len(listed["fetchable"]) == 9 and {o["name"] for o in listed["by_hand"]} >= {"hific", "yolo5face"}
