"""Exports of several files: does each result keep its own, and is nothing half written left behind?"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app import exports
from app.exporting import Form, boxes_words
from app.exports import ExportCrops, ExportFiles
from app.report import Box, Report
from models.errors import Cancelled, OutputError
from models.picture import Picture
from models.watch import Watch
from tests.reports import BOXES, made

Pictures = dict[str, Picture]
FILES = (("a.jpg", b"first"), ("b.jpg", b"second"))


class Bench:
    """What a task has in the process that writes."""

    def __init__(self, known: Pictures, stop_after: int = 10_000) -> None:
        steps = iter(range(10_000))
        self.picture: Callable[[str], Picture] = known.__getitem__
        self.watch = Watch(cancelled=lambda: next(steps) >= stop_after)


@pytest.fixture(scope="module")
def result() -> tuple[Report, Pictures]:
    return made()


def run(task: Any, known: Pictures, stop_after: int = 10_000) -> Path:
    return Path(task.run(Bench(known, stop_after)))


def test_results_of_one_size_and_one_file_with_two_realisms_keep_their_own_crops(
    result: tuple[Report, Pictures], tmp_path: Path
) -> None:
    report, known = result
    first, second = report.items
    twin = replace(first, digest=second.digest)
    realistic = replace(first, digest=report.digest, realism=0.5)
    folder = run(ExportCrops(tmp_path / "c", replace(report, items=(first, twin, realistic))), known)
    box = BOXES[0]
    for name, digest in (("", first.digest), ("-2", second.digest), ("-realism0.5", report.digest)):
        crop = Picture.open(folder / f"{box.name}-{first.stem}{name}.png").pixels
        whole = known[digest].pixels
        assert np.array_equal(crop, whole[box.y : box.y + box.height, box.x : box.x + box.width])


@pytest.mark.parametrize("at", [0, 1, 2, 6, 8])
def test_a_stopped_export_leaves_no_new_folder_and_an_old_one_as_it_was(
    result: tuple[Report, Pictures], tmp_path: Path, at: int
) -> None:
    report, known = result
    old = tmp_path / "old"
    old.mkdir()
    (old / "boxes.png").write_bytes(b"mine")
    (old / "a.jpg").write_bytes(b"mine")
    for place in (old, tmp_path / "new"):
        tasks = [ExportCrops(place, report)] + ([ExportFiles(place, FILES)] if at < len(FILES) else [])
        for task in tasks:
            with pytest.raises(Cancelled):
                run(task, known, at)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert {path.name: path.read_bytes() for path in old.iterdir()} == {
        "boxes.png": b"mine",
        "a.jpg": b"mine",
    }


def test_a_full_disk_leaves_nothing_and_the_place_is_named(
    result: tuple[Report, Pictures], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        if data == b"second":
            raise OutputError(f"cannot write {path}: No space left on device")
        path.write_bytes(data)

    monkeypatch.setattr(exports, "write_file", full)
    with pytest.raises(OutputError, match=r"new/b\.jpg: No space"):
        run(ExportFiles(tmp_path / "new", FILES), result[1])
    assert not list(tmp_path.iterdir())


def test_files_that_were_added_to_a_folder_go_again_when_one_cannot_be_put_there(
    result: tuple[Report, Pictures], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if target == tmp_path / "b.jpg":
            raise OSError(errno.EACCES, "Permission denied")
        return real(path, target)

    (tmp_path / "mine.txt").write_text("mine")
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        run(ExportFiles(tmp_path, FILES), result[1])
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_files_that_were_replaced_come_back_when_another_cannot_be_put_there(
    result: tuple[Report, Pictures], tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"before")
    (tmp_path / "b.jpg").mkdir()
    with pytest.raises(OutputError, match=r"b\.jpg is a folder"):
        run(ExportFiles(tmp_path, FILES), result[1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "b.jpg"]
    assert (tmp_path / "a.jpg").read_bytes() == b"before"


def test_a_folder_with_too_long_a_name_is_an_output_error(
    result: tuple[Report, Pictures], tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="name too long"):
        run(ExportFiles(tmp_path / ("n" * 300), FILES), result[1])


def test_files_of_the_same_names_are_replaced_and_others_stay(
    result: tuple[Report, Pictures], tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"before")
    (tmp_path / "mine.txt").write_text("mine")
    run(ExportFiles(tmp_path, FILES), result[1])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        **dict(FILES), "mine.txt": b"mine"
    }  # fmt: skip


def test_evidence_without_a_box_is_said_to_take_the_place_of_most_difference() -> None:
    detail = Box("", 0, 0, 9, 9)
    assert "the detail in view" in boxes_words(Form.FIGURE, (), detail)
    assert "differ most" in boxes_words(Form.EVIDENCE, (), detail)
