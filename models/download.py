"""How does one file come over the network: only when asked, checked, and going on where it stopped?"""

from __future__ import annotations

import hashlib
import http.client
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import IO

from models.errors import FetchError, OutputError
from models.locks import alone
from models.watch import QUIET, Watch

MIRROR = "HFLIC_MIRROR"  # a folder on the web that has the files under their own names
_TIMEOUT = 30  # seconds without a byte
_PIECE = 1 << 18
_LARGEST = 8 << 30
_PARTIAL, _BEYOND = 206, 416
# Where systems keep the certificates they trust: a packaged program's TLS looks where it was built.
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def mirrored(url: str) -> str:
    """Where a file is really fetched from: its own address, or the same name in HFLIC_MIRROR."""
    mirror = os.environ.get(MIRROR, "").strip()
    return f"{mirror.rstrip('/')}/{url.rpartition('/')[2]}" if mirror else url


def download(url: str, path: Path, digest: str, watch: Watch = QUIET) -> Path:
    """Fetch `url` to `path`, whose SHA-256 must begin with `digest` (lower-case hexadecimal).

    What has come is kept beside it as `.part` and the next call goes on from there. Raises FetchError,
    also while another program fetches the same file, OutputError and Cancelled; a file that is not the
    published one is deleted.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    busy = FetchError(f"{path.name} is being fetched by another program: wait until it is there")
    with alone(path.with_name(f".{path.name}.lock"), busy):
        while True:
            went_on = _fetch(mirrored(url), part, watch)
            watch.step("checking", 1.0)
            found = _sha256(part)
            if found.startswith(digest):
                part.replace(path)
                return path
            part.unlink(missing_ok=True)
            if not went_on:  # else the beginning may be an earlier file's: once more
                raise FetchError(
                    f"{mirrored(url)} is not the published file (its SHA-256 begins {found[:16]}, not "
                    f"{digest[:16]}): it was deleted and nothing installed"
                )


def _fetch(url: str, part: Path, watch: Watch) -> bool:
    """Append what is missing of `part`; returns whether something was there before."""
    try:
        had = part.stat().st_size
    except OSError:
        had = 0
    request = urllib.request.Request(url, headers={"User-Agent": "hflic"})
    if urllib.parse.urlsplit(url).scheme not in {"http", "https"}:
        raise FetchError(f"{url} is no address on the web")
    if had:
        request.add_header("Range", f"bytes={had}-")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT, context=_trusted()) as answer:
            if had and not _goes_on(answer, had):
                had = 0
            _receive(answer, part, had, watch)
    except urllib.error.HTTPError as error:
        if error.code == _BEYOND and had:  # all of it is here already
            return True
        raise FetchError(f"{url} was refused by its server ({error.code} {error.reason})") from error
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error
        kept = "; what has come is kept, the same command goes on from there" if part.exists() else ""
        host = urllib.parse.urlsplit(url).netloc
        if isinstance(reason, ssl.SSLCertVerificationError):
            why = f"{host} has a certificate that this computer does not trust ({reason.verify_message})"
            raise FetchError(f"{why}: nothing was fetched{kept}") from error
        raise FetchError(f"cannot reach {host} ({reason}): is there a network?{kept}") from error
    return had > 0


def _trusted() -> ssl.SSLContext:
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    bundle = next((path for path in _BUNDLES if Path(path).is_file()), None)
    if paths.cafile is None and paths.capath is None and bundle is not None:
        context.load_verify_locations(bundle)
    return context


def _goes_on(answer: http.client.HTTPResponse, had: int) -> bool:
    start = (answer.headers.get("Content-Range") or "").removeprefix("bytes ").partition("-")[0]
    return answer.status == _PARTIAL and start == str(had)


def _receive(answer: http.client.HTTPResponse, part: Path, had: int, watch: Watch) -> None:
    told = answer.headers.get("Content-Length") or ""
    total = had + int(told) if told.isdigit() else 0
    if total > _LARGEST:
        raise FetchError(f"{answer.url} has {total / 1e9:.0f} GB, more than any published weights")
    got = had
    with _opened(part, had) as file:
        while piece := answer.read(_PIECE):
            _write(file, piece, part)
            got += len(piece)
            if got > (total or _LARGEST):
                raise FetchError(f"{answer.url} gives more than it said: try again later")
            share = got / total if total else 0.0
            watch.step(f"{got / 1e6:.1f} of {total / 1e6:.1f} MB" if total else f"{got / 1e6:.1f} MB", share)
    if got < total:
        raise FetchError(
            f"the connection ended after {got / 1e6:.1f} of {total / 1e6:.1f} MB: "
            "what has come is kept, the same command goes on from there"
        )


def _opened(part: Path, had: int) -> IO[bytes]:
    try:
        return part.open("ab" if had else "wb")
    except OSError as error:
        raise OutputError(f"cannot write {part}: {error.strerror or error}") from error


def _write(file: IO[bytes], piece: bytes, part: Path) -> None:
    try:
        file.write(piece)
    except OSError as error:
        raise OutputError(f"cannot write {part}: {error.strerror or error}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
