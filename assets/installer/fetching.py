"""Can the packaged program fetch and import weights? A part of the smoke test, with a server of its own.

The server is on this machine and gives one wrong file: a program that says so has trusted its certificate,
read the file and compared it. Nothing leaves the machine.
"""

from __future__ import annotations

import contextlib
import http.server
import importlib.util
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smoke import Smoke

ROOT = Path(__file__).resolve().parents[2]
CONTENT = b"not what was published" * 1000
# Weights as another project saves them, tiny; the tests have the writer.
_CHECKPOINT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.foreign import jiang, saved
saved(jiang(), Path(sys.argv[2]))
"""


class _Handler(http.server.BaseHTTPRequestHandler):
    """Gives the same content under every name."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not trust the certificate hangs up: that is what is tried here."""


@contextlib.contextmanager
def https_server(folder: Path) -> Iterator[tuple[str, Path]]:
    """The address of a server on this machine, and the certificate that vouches for it, made in `folder`."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += [
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
    ]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}", certificate
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def fetching(smoke: Smoke) -> None:
    """Certificates are asked for and looked at, what is wrong is refused, and no network is one line."""
    told, _ = smoke.run("models", "fetch")
    smoke.check("mbt2018-mean" in told, "what can be fetched is listed without a network")
    with socket.socket() as nobody:  # bound, and not listening
        nobody.bind(("127.0.0.1", 0))
        absent = f"https://localhost:{nobody.getsockname()[1]}"
        _refused(smoke, "is there a network?", "a server that is not there", {"HFLIC_MIRROR": absent})
    if shutil.which("openssl") is None:
        smoke.say("skip https: install openssl")
        return
    folder = smoke.here / "certificates"
    folder.mkdir()
    with https_server(folder) as (url, certificate):
        folder.chmod(0o755)
        certificate.chmod(0o644)
        _refused(smoke, "does not trust", "a server that nobody vouches for", {"HFLIC_MIRROR": url})
        trusting = {"HFLIC_MIRROR": url, "SSL_CERT_FILE": str(certificate)}
        _refused(smoke, "is not the published file", "a wrong file from a trusted one", trusting)
    left = list(smoke.home.rglob("face_detection_yunet*"))
    smoke.check(not left, "nothing of it is left", str(left))


def _refused(smoke: Smoke, why: str, what: str, env: dict[str, str]) -> None:
    _, errors = smoke.run("models", "fetch", "yunet", code=1, env=env)
    smoke.check(errors.count("\n") == 1 and why in errors, f"{what} is refused in one line", errors.strip())


def importing(smoke: Smoke, photo: Path) -> None:
    """Others' weights become a codec of the packaged program."""
    if importlib.util.find_spec("torch") is None:
        smoke.say("skip the import: this Python has no torch to make a checkpoint with")
        return
    path = smoke.here / "theirs.pth"
    subprocess.run([sys.executable, "-c", _CHECKPOINT, str(ROOT), str(path)], check=True)
    if os.getuid() == 0:
        path.chmod(0o644)
    made = smoke.json("models", "import", path, "--as", "elic:theirs")
    smoke.check(made.get("codec") == "elic:theirs", "a checkpoint is imported", str(made.get("found")))
    smoke.run("encode", photo, "--codec", "elic:theirs", "--quality", "50", "-o", "theirs.hflic")
    smoke.run("decode", "theirs.hflic")
    smoke.check((smoke.here / "theirs.png").is_file(), "its files are decoded")
