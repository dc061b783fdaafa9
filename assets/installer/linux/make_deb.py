"""How does the program become a Debian package? `python assets/installer/linux/make_deb.py dist/hflic dist`.

`--quick` after it compresses with zstd in seconds, not with xz in minutes, to a tenth more: for trying.

The folder is what `make package` made. The files of the desktop need no scripts: dpkg's triggers of
shared-mime-info, desktop-file-utils and hicolor-icon-theme take notice of them, coming and going.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
ID = "org.hflic.HFLIC"
# Of Qt's plug-ins and of what it loads by name, which no list of needed libraries shows.
ALWAYS = (
    *("libegl1", "libgl1", "libxcb-cursor0", "libwayland-client0", "libwayland-cursor0", "libwayland-egl1"),
    "fonts-dejavu-core | fonts-noto-core",
)
SMALL, QUICK = ("-Zxz", "-z6"), ("-Zzstd", "-z6")
DESKTOP = {
    f"{ID}.desktop": "applications",
    f"{ID}.metainfo.xml": "metainfo",
    f"{ID}.thumbnailer": "thumbnailers",
}


def version() -> str:
    """The program's version, read without importing it."""
    text = (ROOT / "app" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'__version__ = "(.+)"', text)
    assert found is not None
    return found[1]


def needed(package: Path) -> list[str]:
    """Debian's packages with the libraries that the program needs and does not carry.

    Raises SystemExit for a library that belongs to no installed package.
    """
    files = [path for path in package.rglob("*") if path.is_file() and _begins(path, b"\x7fELF")]
    own = {path.name for path in files}
    wanted: set[str] = set()
    for path in files:
        told = _said("objdump", "-p", str(path))
        wanted |= set(re.findall(r"NEEDED\s+(\S+)", told))
    places = dict(
        re.findall(r"^\s+(\S+) \(libc6,x86-64[^)]*\) => (\S+)", _said("ldconfig", "-p"), re.MULTILINE)
    )
    found = set()
    for name in sorted(wanted - own):
        if name not in places:
            print(f"note: {name} is neither in the package nor on this machine")  # noqa: T201
            continue
        for path in (places[name], str(Path(places[name]).resolve()), f"/usr{places[name]}"):
            told = subprocess.run(["dpkg", "-S", path], capture_output=True, text=True, check=False).stdout
            if told:
                found.add(told.split(":")[0])
                break
        else:
            raise SystemExit(f"{name} belongs to no package of this system")
    return sorted(found)


def lay_out(package: Path, tree: Path) -> None:
    """Put everything where it belongs below `tree`."""
    share = tree / "usr" / "share"
    shutil.copytree(package, tree / "usr" / "lib" / "hflic", symlinks=True)
    command = tree / "usr" / "bin" / "hflic"
    command.parent.mkdir(parents=True)
    command.symlink_to("../lib/hflic/hflic")
    for name, folder in DESKTOP.items():
        _copy(HERE / name, share / folder / name)
    _copy(HERE / f"{ID}.mime.xml", share / "mime" / "packages" / f"{ID}.xml")
    drawing = ROOT / "assets" / "icons" / "hflic.svg"
    _copy(drawing, share / "icons" / "hicolor" / "scalable" / "apps" / f"{ID}.svg")
    _copy(ROOT / "LICENSE", share / "doc" / "hflic" / "copyright")
    (share / "doc" / "hflic" / "licences").symlink_to("../../../lib/hflic/lib/licences")
    for path in tree.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)


def control(tree: Path, depends: list[str]) -> None:
    """The package's description and check sums."""
    folder = tree / "DEBIAN"
    files = [p for p in sorted((tree / "usr").rglob("*")) if p.is_file() and not p.is_symlink()]
    architecture = _said("dpkg", "--print-architecture").strip()
    folder.mkdir()
    (folder / "control").write_text(
        f"Package: hflic\nVersion: {version()}\nArchitecture: {architecture}\n"
        f"Installed-Size: {sum(p.stat().st_size for p in files) // 1024}\n"
        f"Depends: {', '.join(depends)}\n"
        "Maintainer: The HFLIC developers <hflic@localhost>\nSection: graphics\nPriority: optional\n"
        "Description: compress photos with learned codecs and compare the results\n"
        " A viewer and a command line that compress photos with learned image codecs\n"
        " into real files and compare them with JPEG, WebP and AVIF of the same size.\n",
        encoding="utf-8",
    )
    sums = [f"{hashlib.md5(p.read_bytes()).hexdigest()}  {p.relative_to(tree)}\n" for p in files]
    (folder / "md5sums").write_text("".join(sums), encoding="utf-8")


def _begins(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def _said(*command: str) -> str:
    environment = os.environ | {"LC_ALL": "C", "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def main() -> None:
    """Build the package."""
    package, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory(dir=out) as folder:
        tree = Path(folder)
        tree.chmod(0o755)
        lay_out(package, tree)
        control(tree, sorted({*needed(package), *ALWAYS}))
        target = out / f"hflic_{version()}_{_said('dpkg', '--print-architecture').strip()}.deb"
        how = QUICK if "--quick" in sys.argv[3:] else SMALL
        with tempfile.TemporaryDirectory(dir=out) as aside:  # minutes pass: what was there stays meanwhile
            made = Path(aside) / target.name
            _said("dpkg-deb", "--root-owner-group", *how, "--build", str(tree), str(made))
            made.replace(target)
    print(f"{target}: {target.stat().st_size / 1e6:.0f} MB")  # noqa: T201


if __name__ == "__main__":
    main()
