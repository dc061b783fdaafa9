"""How does the program become a Debian package? `python assets/installer/linux/make_deb.py dist/hflic dist`.

`--quick` after it compresses with zstd in seconds, not with xz in minutes, to a tenth more: for trying.
`--name` alone prints the package's file name.

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
# What Qt needs and a machine that builds without a screen may lack; dpkg names the package of what is there.
KNOWN = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libwayland-egl.so.1": "libwayland-egl1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
}
# The graphics card's driver brings these; without one the program does without them.
DRIVERS = ("libcuda.", "libnvidia-")
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


def file_name() -> str:
    """The package's."""
    return f"hflic_{version()}_{_said('dpkg', '--print-architecture').strip()}.deb"


def check_version(package: Path) -> None:
    """Raises SystemExit where the packaged program is not of this checkout's version; hflic.spec notes it."""
    note = package / "lib" / "version.txt"
    inside = note.read_text(encoding="utf-8").strip() if note.is_file() else "an unknown version"
    if inside != version():
        raise SystemExit(f"{package} holds {inside}, this is {version()}: run make package first")


def needed(package: Path) -> list[str]:
    """Debian's packages with the libraries that the program needs and does not carry, libc6 with a version.

    Raises SystemExit for a library that belongs to no package that is known or installed.
    """
    files = [path for path in package.rglob("*") if path.is_file() and _begins(path, b"\x7fELF")]
    own = {path.name for path in files}
    wanted: dict[str, list[Path]] = {}
    libc = (0, 0)
    for path in files:
        told = _said("objdump", "-p", str(path))
        for name in re.findall(r"NEEDED\s+(\S+)", told):
            wanted.setdefault(name, []).append(path)
        libc = max(libc, _libc(told))
    places = _places(files)
    found = set()
    for name in sorted(wanted.keys() - own):
        if name not in places:
            if name in KNOWN:
                found.add(KNOWN[name])
            elif name.startswith(DRIVERS) or all("nvidia" in path.parts for path in wanted[name]):
                print(f"note: {name} is neither in the package nor on this machine")  # noqa: T201
            else:
                raise SystemExit(f"{name}, which {wanted[name][0]} needs, is not on this machine: install it")
            continue
        for path in (places[name], str(Path(places[name]).resolve()), f"/usr{places[name]}"):
            told = subprocess.run(["dpkg", "-S", path], capture_output=True, text=True, check=False).stdout
            if told:
                found.add(told.split(":")[0])
                break
        else:
            raise SystemExit(f"{name} belongs to no package of this system")
    return sorted(f"{name} (>= {libc[0]}.{libc[1]})" if name == "libc6" else name for name in found)


def _libc(told: str) -> tuple[int, int]:
    """The oldest glibc that has what a library asks of it, as objdump tells."""
    numbers = [(int(major), int(minor)) for major, minor in re.findall(r"GLIBC_(\d+)\.(\d+)", told)]
    return max([*numbers, (2, 36) if "GLIBC_ABI_DT_RELR" in told else (0, 0)])


def _places(files: list[Path]) -> dict[str, str]:
    """Library to path on this machine, of the libraries for the kind of processor that the files are for."""
    kinds = {_kind(path) for path in files}
    lines = re.findall(r"^\s+(\S+) \([^)]*\) => (\S+)", _said("ldconfig", "-p"), re.MULTILINE)
    found: dict[str, str] = {}
    for name, path in lines:
        if name not in found and Path(path).is_file() and _kind(Path(path)) in kinds:
            found[name] = path
    return found


def _kind(path: Path) -> bytes:
    """Of an ELF file: its word length, byte order and processor."""
    with path.open("rb") as file:
        head = file.read(20)
    return head[4:6] + head[18:20]


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
    if sys.argv[1:] == ["--name"]:
        print(file_name())  # noqa: T201
        return
    package, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    check_version(package)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        tree = Path(folder)
        tree.chmod(0o755)
        lay_out(package, tree)
        control(tree, sorted({*needed(package), *ALWAYS}))
        target = out / file_name()
        how = QUICK if "--quick" in sys.argv[3:] else SMALL
        with tempfile.TemporaryDirectory(dir=out) as aside:  # minutes pass: what was there stays meanwhile
            made = Path(aside) / target.name
            _said("dpkg-deb", "--root-owner-group", *how, "--build", str(tree), str(made))
            made.replace(target)
    print(f"{target}: {target.stat().st_size / 1e6:.0f} MB")  # noqa: T201


if __name__ == "__main__":
    main()
