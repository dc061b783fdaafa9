"""Places that cannot be looked at or are not known: the rest works on, or one line says what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from models import bench, fetch, weights
from models.codec import Rate
from models.errors import FetchError, WeightsError
from models.evaluation import evaluate, plan
from models.given import given
from models.paths import absolute, own_folder, stand_somewhere
from tests.command_line import one_line, run

KINDS = ("config", "data", "log", "cache")


@pytest.fixture(params=["raises", "relative"])
def homeless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person of whom the system knows no home, told in either of the ways of platformdirs."""

    def told(*_: object, **__: object) -> str:
        if request.param == "raises":
            raise RuntimeError("Could not determine home directory.")
        return "~/.local/share/hflic"

    monkeypatch.delenv("HFLIC_WEIGHTS", raising=False)
    for kind in KINDS:
        monkeypatch.setattr(f"platformdirs.user_{kind}_dir", told)


def test_a_home_that_cannot_be_looked_at_hides_no_shipped_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dark = tmp_path / ("x" * 300)  # longer than a name may be: whoever looks at it gets an error
    with pytest.raises(OSError):
        (dark / "weights").is_dir()
    monkeypatch.delenv("HFLIC_WEIGHTS", raising=False)
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(dark))
    assert weights.folders()[0] == dark / "weights"
    assert weights.available()
    assert given("nowhere.pth") is None
    assert weights.contents(dark) == ()
    assert not fetch.fetchable("pieapp")[0].here()


@pytest.mark.usefixtures("homeless")
def test_without_a_home_shipped_weights_work_and_nothing_is_fetched() -> None:
    assert [own_folder(kind) for kind in KINDS] == [None] * 4
    assert weights.folders() == (weights.asset_folder() / "weights",)
    assert weights.available()
    with pytest.raises(WeightsError, match="set HOME or HFLIC_WEIGHTS"):
        weights.own()
    with pytest.raises(FetchError, match="set HOME"):
        fetch.waiting_room()
    for name in ("pieapp", "mbt2018:1"):
        code, _, errors = run("models", "fetch", name)
        assert code in (1, 2) and one_line(errors) and "set HOME" in errors
    assert "HFLIC_WEIGHTS names" in weights.missing("mbt2018:nothing") + weights.where_to_put()


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This program stands in a folder that was deleted."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()


needs_deleting = pytest.mark.skipif(os.name == "nt", reason="Windows keeps a folder that a program stands in")


@needs_deleting
@pytest.mark.usefixtures("gone")
def test_a_deleted_folder_is_left_and_any_other_is_not(tmp_path: Path) -> None:
    assert absolute(Path("a.png")) == Path("a.png")
    stand_somewhere()
    assert Path.cwd() == Path("/")
    os.chdir(tmp_path)
    stand_somewhere()
    assert Path.cwd() == tmp_path and absolute(Path("a.png")) == tmp_path / "a.png"


@needs_deleting
@pytest.mark.usefixtures("gone")
def test_a_process_that_measures_begins_though_the_folder_was_deleted() -> None:
    assert bench.bench("jpeg", (64, 48), repeats=1).bytes > 0


@needs_deleting
@pytest.mark.usefixtures("gone")
def test_workers_begin_though_the_folder_was_deleted(photo: Path, tmp_path: Path) -> None:
    tasks = plan(photo.parent, ["jpeg"], (Rate(quality=40), Rate(quality=60)), ("psnr",))
    rows = evaluate(tasks, tmp_path / "rows.json", jobs=2)
    assert [row.error for row in rows] == ["", ""]
