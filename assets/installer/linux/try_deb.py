"""Does the .deb come and go cleanly? `python assets/installer/linux/try_deb.py dist/hflic_*.deb`, as root.

It is unpacked, configured and removed in a root of its own; nothing on this system is touched. What it
needs of other packages is compared with what this system has, not installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ID = "org.hflic.HFLIC"
MAGIC = b"\x8bHFL"


def main() -> int:
    """Install, look, remove; 1 where something is not as it should be."""
    deb = Path(sys.argv[1]).resolve()
    failed = 0

    def check(right: bool, what: str, told: str = "") -> None:
        nonlocal failed
        failed += not right
        print(f"{'ok  ' if right else 'FAIL'} {what}{f': {told}' if told else ''}", flush=True)  # noqa: T201

    with tempfile.TemporaryDirectory(prefix="hflic-root-") as folder:
        root = Path(folder)
        for path in (
            "var/lib/dpkg/info",
            "var/lib/dpkg/updates",
            "var/lib/dpkg/triggers",
            "usr/share/mime/packages",
        ):
            (root / path).mkdir(parents=True)
        (root / "var/lib/dpkg/status").touch()
        dpkg = ["dpkg", f"--root={root}", "--force-depends", "--force-not-root", "--log=/dev/null"]
        missing = [name for name in _depends(deb) if not _installed(name)]
        check(not missing, "everything it depends on is in this Debian", str(missing) if missing else "")
        check(_code(*dpkg, "--install", str(deb)) == 0, "it installs")
        share = root / "usr/share"
        told = _out("desktop-file-validate", str(share / "applications" / f"{ID}.desktop"))
        check(not told, "the desktop entry is valid", told)
        shutil.copytree("/usr/share/mime/packages", share / "mime/packages", dirs_exist_ok=True)
        check(_code("update-mime-database", str(share / "mime")) == 0, "the file type is taken in")
        (root / "picture").write_bytes(MAGIC + bytes(range(40)))
        found = _out(
            "gio", "info", "-a", "standard::content-type", str(root / "picture"), XDG_DATA_DIRS=str(share)
        )
        check("image/x-hflic" in found, "a file is known by its first bytes, without a suffix")
        version = _out(str(root / "usr/bin/hflic"), "--version", HOME=folder)
        check(version.startswith("hflic "), "the command runs", version.partition("\n")[0])
        check(*_thumbnail(root, share / "thumbnailers" / f"{ID}.thumbnailer"))
        info = share / "metainfo" / f"{ID}.metainfo.xml"
        told = _out("appstreamcli", "validate", "--no-net", str(info))
        check(
            "successful" in told, "software centres are told about it", "" if "successful" in told else told
        )
        check(_code(*dpkg, "--purge", "hflic") == 0, "it is removed")
        left = [p for p in root.rglob("*hflic*") if "mime/image" not in str(p) and p.name != ".cache"]
        check(not left, "nothing is left", ", ".join(map(str, left[:5])))
    return 1 if failed else 0


def _thumbnail(root: Path, entry: Path) -> tuple[bool, str, str]:
    """Do what a file manager does: the very command of the entry, on a file made by the installed program."""
    what = "a file manager gets its thumbnail"
    found = re.search(r"^Exec=hflic (.+)$", entry.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        return False, what, "the entry names no command"
    program, home = str(root / "usr/bin/hflic"), {"HOME": str(root)}
    photo = root / "usr/lib/hflic/lib/matplotlib/mpl-data/sample_data/grace_hopper.jpg"
    file, small = root / "a file.hflic", root / "small.png"
    _out(program, "encode", str(photo), "--codec", "elic", "--quality", "20", "-o", str(file), **home)
    fields = {"%s": "128", "%i": str(file), "%o": str(small)}
    _out(program, *(fields.get(word, word) for word in found[1].split()), **home)
    head = small.read_bytes()[:24] if small.is_file() else b""
    size = (int.from_bytes(head[16:20]), int.from_bytes(head[20:24]))
    file.unlink(missing_ok=True)
    small.unlink(missing_ok=True)
    return head.startswith(b"\x89PNG") and size == (109, 128), what, f"{size[0]} x {size[1]}"


def _depends(deb: Path) -> list[list[str]]:
    told = _out("dpkg-deb", "-f", str(deb), "Depends")
    return [[re.split(r"[ (:]", name.strip())[0] for name in part.split("|")] for part in told.split(",")]


def _installed(names: list[str]) -> bool:
    return any("install ok installed" in _out("dpkg-query", "-W", "-f=${Status}", name) for name in names)


def _out(*command: str, **environment: str) -> str:
    if shutil.which(command[0]) is None:
        return f"{command[0]} is not here"
    env = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env).stdout


def _code(*command: str) -> int:
    env = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    return subprocess.run(command, check=False, env=env, stdout=subprocess.DEVNULL).returncode


if __name__ == "__main__":
    sys.exit(main())
