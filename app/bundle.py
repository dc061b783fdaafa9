"""What must be handed over so that others can check a comparison? The evidence bundle, a folder or a zip."""

from __future__ import annotations

import hashlib
import io
import json
import math
import shlex
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from app import text
from app.report import SHORT, Item, Pixels, Report, boxes_of, distinct
from app.versions import program_version, versions
from models import codec, realism, weights
from models.codec import REFINED, entry
from models.errors import HflicError, OutputError, SuffixError
from models.files import filled_folder, temporary_name
from models.picture import Picture
from models.watch import QUIET, Watch

ORIGINAL = "original.png"
AGAIN = "again"  # the folder reproduce.sh writes to
_SCRIPT = "reproduce.sh"
CONTENTS: tuple[tuple[str, str], ...] = (
    (ORIGINAL, "the pixels every codec was given"),
    ("files/", "the compressed files; their sizes are the rates that are told"),
    ("decoded/", "the pixels decoded from these files, without loss"),
    ("results.json", "sizes, metrics, times and the command of each result"),
    ("environment.json", "versions, codec settings, fingerprints of the weights"),
    (_SCRIPT, "makes all of it again and says what differs (needs hflic)"),
    ("SHA256SUMS", "check all files with: sha256sum -c SHA256SUMS"),
)
LEVELS = 1  # docs/format.md: decoded pixels differ by one level at most where floating point differs
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of every file in the zip: the same evidence gives the same bytes
Put = Callable[[str, bytes], None]


def write_bundle(
    report: Report, pixels: Pixels, path: Path, watch: Watch = QUIET, *, dots: bool = False
) -> None:
    """Write the bundle: a zip where `path` ends in .zip, a folder where it has no suffix; all or nothing.

    dots: what follows a dot in a folder's name is no suffix, as for a picture called IMG.2024.jpg.
    Raises SuffixError for another suffix, OutputError for an unwritable place, a folder that is not empty and
    a report without results; Cancelled.
    """
    report = distinct(report.checked())
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with _zip(path) as put:
            _fill(report, pixels, put, watch)
    elif suffix and not dots:
        raise SuffixError(f"cannot write {path}: a bundle is a .zip file, or a folder without a suffix")
    else:
        with _folder(path) as put:
            _fill(report, pixels, put, watch)


def commands(item: Item) -> list[str]:
    """The command lines that make a result's file and pixels again, from inside the bundle."""
    file, picture = f"{item.stem}{item.suffix}", f"{item.stem}.png"
    made = []
    if item.rate is not None:
        asked = {name: value for name, value in asdict(item.rate).items() if value is not None}
        rate = [word for name, value in asked.items() for word in (f"--{name}", repr(value))]
        made.append(["hflic", "encode", ORIGINAL, "--codec", item.encoding.codec, *rate, "-o",
                     f"{AGAIN}/{file}"])  # fmt: skip
    how = ["--realism", repr(item.realism)] if item.realism else []
    if entry(item.encoding.codec).learned:
        how += ["--against", f"decoded/{picture}"]
    made.append(["hflic", "decode", f"files/{file}", *how, "-o", f"{AGAIN}/{picture}"])
    return [shlex.join(words) for words in made]


def _fill(report: Report, pixels: Pixels, put: Put, watch: Watch) -> None:
    sums: list[str] = []

    def keep(name: str, data: bytes) -> None:
        put(name, data)
        sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")

    total = len(report.items) + 1
    watch.step("writing the original", 0.0)
    keep(ORIGINAL, _png(pixels(report.digest)))
    results = []
    for at, item in enumerate(report.items, start=1):
        watch.step(f"writing {item.name}", at / total)
        file, picture = f"files/{item.stem}{item.suffix}", f"decoded/{item.stem}.png"
        keep(file, item.encoding.data)
        keep(picture, _png(pixels(item.digest)))
        asked = {k: v for k, v in asdict(item.rate).items() if v is not None} if item.rate else None
        more = {"file": file, "decoded": picture, "asked": asked, "commands": commands(item)}
        results.append({**item.as_json(), **more})
    boxes = [asdict(box) for box in boxes_of(report, pixels)]
    about = {"image": ORIGINAL, "name": report.name, "notices": list(report.notices), "boxes": boxes}
    keep("results.json", _json({**about, "results": results}))
    keep("environment.json", _json(environment(report)))
    keep(_SCRIPT, _script(report).encode())
    keep("README.txt", _readme(report).encode())
    put("SHA256SUMS", "".join(sorted(sums, key=lambda line: line[66:])).encode())


def environment(report: Report) -> dict[str, Any]:
    """The versions at work, the settings of each codec and the weights of the learned ones."""
    ids = sorted({item.encoding.codec for item in report.items})
    used = sorted({item.encoding.weights for item in report.items if item.encoding.weights})
    decoders = sorted({item.decoder for item in report.items if item.decoder})
    return {
        "versions": versions(),
        "codecs": {id: _settings(id) for id in ids},
        "weights": {short: _weights(short) for short in used},
        **({"decoders": {long[:SHORT]: _decoder(long) for long in decoders}} if decoders else {}),
    }


def _settings(id: str) -> dict[str, str]:
    """What a codec was told to do. A learned one's are its weights: no network is loaded for this."""
    line = entry(id)
    about = {"name": line.name, "source": line.source}
    if line.learned:
        return about
    try:
        return about | codec.get(id).info()
    except HflicError as error:
        return about | {"missing": str(error)}


def _weights(short: str) -> dict[str, Any]:
    """The card of the weights whose fingerprint begins so; the validation rows are left out."""
    for file in weights.available():
        if file.fingerprint.startswith(short):
            return {"fingerprint": file.fingerprint, "name": file.name, **_card(file.card)}
    return {"fingerprint": short}


def _decoder(fingerprint: str) -> dict[str, Any]:
    """The card of a realistic decoder, and the fingerprint of the weights whose files it reads."""
    for file in realism.available():
        if file.fingerprint == fingerprint:
            about = {"fingerprint": fingerprint, "name": file.name, "of": file.base}
            return about | _card(file.card)
    return {"fingerprint": fingerprint}


def _card(card: weights.Card) -> dict[str, Any]:
    return {k: v for k, v in asdict(card).items() if k not in {"validation", "extra"}}


def _png(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture.pixels).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def _json(value: Any) -> bytes:
    return (json.dumps(_finite(value), indent=2, ensure_ascii=False) + "\n").encode()


def _finite(value: Any) -> Any:
    """JSON knows no infinite PSNR and no unknown seconds: both become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, list | tuple) else value


def _script(report: Report) -> str:
    """A POSIX shell script that runs all commands, also after a failed one, and compares what they make."""
    lines = [_HEAD]
    for item in report.items:
        file, picture = f"{item.stem}{item.suffix}", f"{item.stem}.png"
        checks = []
        if item.rate is not None:
            check = "anew" if REFINED in item.encoding.codec else "same"
            checks.append([check, f"files/{file}", f"{AGAIN}/{file}"])
        check = "near" if entry(item.encoding.codec).learned else "same"
        checks.append([check, f"decoded/{picture}", f"{AGAIN}/{picture}"])
        lines.append("")
        for command, words in zip(commands(item), checks, strict=True):
            lines += [f"run {command} &&", shlex.join(words)]
    return "\n".join([*lines, "", "exit $bad", ""])


# Refined: whoever refines searches in floating point, and elsewhere may find other latents, as good ones.
# Near: the decoder has compared the latents' checksum by then, so what is left is rounding.
_HEAD = f"""#!/bin/sh
# Makes every result again and compares it with what is here.
set -u
cd "$(dirname "$0")" || exit 1
mkdir -p {AGAIN} || exit 1
bad=0
run() {{
  if said=$("$@"); then return 0; fi
  echo "FAILED: $*"; bad=1; return 1
}}
same() {{ if cmp -s "$1" "$2"; then echo "same: $1"; else echo "DIFFERS: $1"; bad=1; fi; }}
anew() {{ if cmp -s "$1" "$2"; then echo "same: $1"; else echo "refined anew: $1"; fi; }}
near() {{
  if cmp -s "$1" "$2"; then echo "same: $1"; return; fi
  levels=${{said##* by up to }}
  case $levels in
    ""|*[!0-9]*) echo "DIFFERS: $1"; bad=1; return ;;
  esac
  if [ "$levels" -eq 0 ]; then echo "same pixels: $1"
  elif [ "$levels" -le {LEVELS} ]; then echo "same latents, pixels differ by up to $levels: $1"
  else echo "DIFFERS by up to $levels: $1"; bad=1; fi
}}"""


def _readme(report: Report) -> str:
    times = text.counted(len(report.items), "time")
    contents = "\n".join(f"{name:<18} {words}" for name, words in CONTENTS)
    return f"""Evidence of a comparison made by HFLIC {program_version()}.

{report.name}, {report.size[0]} x {report.size[1]} pixels, compressed {times}.

{contents}

Other versions of a classical codec's library may give other bytes. A learned codec gives the same latents on
every machine; its decoded pixels may differ by one level where floating point differs, and {_SCRIPT} counts
more than that as a difference. Refined latents are found by a search in floating point: elsewhere it may end
with others, in a file of about the same size. A picture decoded with realism comes from a second decoder that
results.json names: another one gives other pixels.
"""


@contextmanager
def _zip(path: Path) -> Iterator[Put]:
    """Take files for a zip that appears only once it is complete."""
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder, give a file name")
    _check_parent(path)
    temporary = temporary_name(path)
    root = path.stem

    def put(name: str, data: bytes) -> None:
        info = zipfile.ZipInfo(f"{root}/{name}", _EPOCH)
        info.external_attr = (0o100755 if name == _SCRIPT else 0o100644) << 16
        squeezed = name.startswith(("files/", "decoded/")) or name == ORIGINAL
        info.compress_type = zipfile.ZIP_STORED if squeezed else zipfile.ZIP_DEFLATED
        archive.writestr(info, data)

    try:
        with zipfile.ZipFile(temporary, "x") as archive:
            yield put
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _folder(path: Path) -> Iterator[Put]:
    """Take files for a folder that appears only once it is complete."""
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise OutputError(f"cannot write {path}: there is something already, give a new name")
    _check_parent(path)
    with filled_folder(path) as folder:

        def put(name: str, data: bytes) -> None:
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            if name == _SCRIPT:
                place.chmod(0o755)

        yield put


def _check_parent(path: Path) -> None:
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: the folder {path.parent} does not exist, create it first")
