"""Fetching over the network: checked, going on where it stopped, and told in one line where it cannot be."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import fetch
from models.download import download, mirrored
from models.errors import Cancelled, FetchError, OutputError
from models.watch import Watch

CONTENT = np.random.default_rng(1).bytes(700_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Shelf:
    """What a local server gives. cut: bytes after which it breaks off; ranges: whether it knows them."""

    content: bytes = CONTENT
    cut: int | None = None
    ranges: bool = True
    status: int = 200
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            shelf.asked.append(wanted)
            if shelf.status != 200:
                self.send_error(shelf.status)
                return
            start = 0
            if wanted and shelf.ranges:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(shelf.content):
                    self.send_error(416)
                    return
                self.send_response(206)
                last = len(shelf.content) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(shelf.content)}")
            else:
                self.send_response(200)
            body = shelf.content[start:]
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if shelf.cut is None else body[: shelf.cut])

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    shelf.url = f"http://127.0.0.1:{server.server_address[1]}/weights-{DIGEST[:8]}.pth"
    yield shelf
    server.shutdown()
    server.server_close()
    thread.join()


def get(shelf: Shelf, folder: Path, watch: Watch | None = None) -> Path:
    return download(shelf.url, folder / "weights.pth", DIGEST[:8], watch or Watch())


def test_a_file_comes_whole_and_tells_how_far_it_is(shelf: Shelf, tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    path = get(shelf, tmp_path / "new" / "folder", Watch(report=lambda *step: told.append(step)))
    assert path.read_bytes() == CONTENT and [p.name for p in path.parent.iterdir()] == ["weights.pth"]
    assert told[0][0].endswith("of 0.7 MB") and [share for _, share in told] == sorted(s for _, s in told)


def test_it_goes_on_where_it_stopped(shelf: Shelf, tmp_path: Path) -> None:
    shelf.cut = 300_000
    with pytest.raises(FetchError, match=r"after 0\.3 of 0\.7 MB.*goes on from there"):
        get(shelf, tmp_path)
    assert (tmp_path / "weights.pth.part").stat().st_size == 300_000
    assert not (tmp_path / "weights.pth").exists()
    shelf.cut = None
    assert get(shelf, tmp_path).read_bytes() == CONTENT
    assert shelf.asked == [None, "bytes=300000-"]


def test_stopping_keeps_what_has_come(shelf: Shelf, tmp_path: Path) -> None:
    steps = 0

    def cancelled() -> bool:
        nonlocal steps
        steps += 1
        return steps > 1

    with pytest.raises(Cancelled):
        get(shelf, tmp_path, Watch(cancelled=cancelled))
    assert 0 < (tmp_path / "weights.pth.part").stat().st_size < len(CONTENT)
    assert get(shelf, tmp_path).read_bytes() == CONTENT
    assert shelf.asked[1] is not None


def test_a_server_without_ranges_begins_again(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "weights.pth.part").write_bytes(CONTENT[:1000])
    shelf.ranges = False
    assert get(shelf, tmp_path).read_bytes() == CONTENT


def test_a_beginning_from_elsewhere_is_thrown_away(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "weights.pth.part").write_bytes(b"x" * 1000)
    assert get(shelf, tmp_path).read_bytes() == CONTENT
    assert shelf.asked == ["bytes=1000-", None]


def test_all_of_it_was_here_already(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "weights.pth.part").write_bytes(CONTENT)
    assert get(shelf, tmp_path).read_bytes() == CONTENT
    (tmp_path / "weights.pth").unlink()
    (tmp_path / "weights.pth.part").write_bytes(CONTENT + b"more")
    assert get(shelf, tmp_path).read_bytes() == CONTENT


def test_two_programs_never_write_one_file(shelf: Shelf, tmp_path: Path) -> None:
    refusals: list[str] = []

    def second(*_: object) -> None:
        if not refusals:
            with pytest.raises(FetchError) as caught:
                get(shelf, tmp_path)
            refusals.append(str(caught.value))

    assert get(shelf, tmp_path, Watch(report=second)).read_bytes() == CONTENT
    assert "weights.pth is being fetched by another program" in refusals[0] and len(shelf.asked) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pth"]


def test_another_file_is_refused_and_deleted(shelf: Shelf, tmp_path: Path) -> None:
    shelf.content = b"a page that says no"
    with pytest.raises(FetchError, match="is not the published file") as caught:
        get(shelf, tmp_path)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


def test_refusals_and_dead_ends_are_one_line(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.status = 404
    with pytest.raises(FetchError, match=r"was refused by its server \(404"):
        get(shelf, tmp_path)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        shelf.url = f"http://127.0.0.1:{closed.getsockname()[1]}/file.pth"
    with pytest.raises(FetchError, match=r"cannot reach 127\.0\.0\.1.*is there a network\?") as caught:
        get(shelf, tmp_path)
    assert "\n" not in str(caught.value)
    shelf.url = "file:///etc/passwd"
    with pytest.raises(FetchError, match="no address on the web"):
        get(shelf, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        get(shelf, tmp_path / "file")
    monkeypatch.setenv("HFLIC_MIRROR", "https://example.org/mirror/")
    assert mirrored("https://a.example/b/c-12.pth") == "https://example.org/mirror/c-12.pth"


def test_the_zoo_is_compressais() -> None:
    """Every address that CompressAI knows, with the checksum's beginning that is in its name."""
    from compressai.zoo.image import model_urls

    for model, metrics in model_urls.items():
        for metric, urls in metrics.items():
            ours = fetch.fetchable(model, metric)
            assert [one.url for one in ours] == [urls[quality] for quality in sorted(urls)]
            for one in ours:
                assert one.url.endswith(f"-{one.digest}.pth.tar") and len(one.digest) == 8
                assert one.codec == f"{model}:{'paper' if metric == 'mse' else metric}"
    assert set(fetch.ZOO) == set(model_urls)


@pytest.mark.parametrize(
    ("name", "metric", "said"),
    [
        ("resnet", "mse", "no published weights 'resnet' known here: choose one of bmshj2018-factorized"),
        ("mbt2018:9", "mse", "mbt2018 has the qualities 1 to 8, not '9'"),
        ("cheng2020-attn:7", "mse", "qualities 1 to 6"),
        ("mbt2018:", "mse", "not ''"),
        ("mbt2018:3", "lpips", "trained for 'lpips': choose mse or ms-ssim"),
        ("yolo5face", "mse", "cannot be fetched: its authors publish no ONNX file"),
        ("hific", "mse", "no SHA-256 is published"),
    ],
)
def test_unknown_names_say_what_there_is(name: str, metric: str, said: str) -> None:
    with pytest.raises(FetchError) as caught:
        fetch.fetchable(name, metric)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_names_of_files_that_are_used_as_they_are() -> None:
    from models.detectors import YuNet
    from models.given import how_to_give
    from models.inception import FILE, SOURCE
    from models.metric_packages import PIEAPP_FILE, PIEAPP_SOURCE

    plain = {one.name: one for one in fetch.PLAIN}
    assert (plain["inception"].file, plain["inception"].url) == (FILE, SOURCE)
    assert (plain["pieapp"].file, plain["pieapp"].url) == (PIEAPP_FILE, PIEAPP_SOURCE)
    assert plain["yunet"].file == YuNet.files[0]
    assert "run 'hflic models fetch pieapp', or put PieAPP" in how_to_give("x", [PIEAPP_FILE], PIEAPP_SOURCE)
    assert "fetch" not in how_to_give("x", ["other.onnx"], "there")
