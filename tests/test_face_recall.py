"""Are marked and found faces compared box by box, and does `hflic faces --evaluate` say what was missed?"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.cbook
import pytest
from PIL import Image

from models import face_recall
from models.errors import PictureError
from models.face_recall import matched, overlap, read_boxes, recall
from models.faces import Face
from tests.command_line import one_line, run

HOPPER = [183.0, 131.0, 353.0, 334.0]


def face(*box: float, score: float = 0.9) -> Face:
    return Face((box[0], box[1], box[2], box[3]), score, (), small=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two real faces, one of 51 pixels, and a picture without any; one of the marks is where nothing is."""
    with Image.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        image.convert("RGB").save(tmp_path / "large.png")
        image.convert("RGB").resize((128, 150)).save(tmp_path / "small.png")
    Image.new("RGB", (200, 150), (90, 120, 90)).save(tmp_path / "none.png")
    return tmp_path


def marks(folder: Path, boxes: object) -> Path:
    path = folder / "boxes.json"
    path.write_text(json.dumps(boxes))
    return path


def test_overlap_is_the_share_of_the_union() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (10, 10, 20, 20)) == 0


def test_each_box_is_one_face_and_the_nearest_pair_goes_first() -> None:
    marked = [(0.0, 0.0, 10.0, 10.0), (0.0, 3.0, 10.0, 13.0)]
    assert matched(marked, [face(0, 3, 10, 13)]) == {1: 0}  # not the first that overlaps enough
    assert matched(marked, [face(0, 0, 10, 10), face(0, 2.5, 10, 12.5)]) == {0: 0, 1: 1}
    assert matched(marked, [face(0, 0, 10, 10), face(0, 0, 10, 10.1)]) == {0: 0, 1: 1}
    assert matched(marked, [face(30, 30, 40, 40)]) == {}
    assert matched([], [face(0, 0, 1, 1)]) == matched(marked, []) == {}


def test_faces_are_counted_by_their_size(folder: Path) -> None:
    quarter = [value / 4 for value in HOPPER]
    boxes = {"large.png": [HOPPER], "small.png": [quarter, [100.0, 120.0, 120.0, 145.0]], "none.png": []}
    found = recall(folder, read_boxes(marks(folder, {"boxes": boxes})))
    assert [(f.image, f.found) for f in found.faces] == [
        ("large.png", True), ("small.png", True), ("small.png", False)
    ]  # fmt: skip
    assert [(low, high, len(faces)) for low, high, faces in found.classes()] == [
        (24.0, 32.0, 1), (48.0, 64.0, 1), (128.0, 256.0, 1)
    ]  # fmt: skip
    assert found.others == {} and found.false == 0


def test_a_face_that_nobody_marked_is_counted_apart(folder: Path) -> None:
    found = recall(folder, {"large.png": []})
    assert found.faces == () and found.false == 1 and found.others["large.png"][0] > 0.5


def test_the_command_says_what_was_missed(folder: Path) -> None:
    boxes = marks(folder, {"boxes": {"large.png": [HOPPER, [0, 0, 40, 40]]}})
    code, out, errors = run("faces", folder, "--evaluate", boxes)
    assert code == 0 and "128 to 256 px" in out and "50.0" in out
    assert "boxes found that are no marked face: 0, on 0 pictures" in out
    assert "large.png: not found, of 40 pixels" in errors
    code, out, _ = run("faces", folder, "--evaluate", boxes, "--json")
    told = json.loads(out)
    assert told["kinds"]["all"] == {"marked": 2, "found": 1}
    assert told["missed"] == [{"image": "large.png", "side": 40.0}]
    assert told["overlap"] == face_recall.OVERLAP and told["pictures"] == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no", "names no boxes"),
        ({"boxes": {}}, "names no boxes"),
        ({"boxes": {"a.png": [[1, 2, 3]]}}, "not four numbers"),
        ({"boxes": {"a.png": [5]}}, "not four numbers"),
        ({"boxes": {"a.png": [[5, 5, 5, 9]]}}, "without pixels"),
        ({"boxes": {"a.png": 7}}, "no list of boxes"),
    ],
)
def test_a_file_that_marks_nothing_is_refused_in_one_line(folder: Path, content: object, said: str) -> None:
    path = marks(folder, content)
    with pytest.raises(PictureError, match=said):
        read_boxes(path)
    code, _, errors = run("faces", folder, "--evaluate", path)
    assert code == 2 and one_line(errors)


def test_what_is_not_there_is_named(folder: Path) -> None:
    code, _, errors = run("faces", folder, "--evaluate", folder / "gone.json")
    assert code == 2 and one_line(errors) and "gone.json" in errors
    (folder / "boxes.json").write_text("{")
    code, _, errors = run("faces", folder, "--evaluate", folder / "boxes.json")
    assert code == 2 and one_line(errors) and "no JSON" in errors
    path = marks(folder, {"boxes": {"gone.png": [HOPPER]}})
    code, _, errors = run("faces", folder, "--evaluate", path)
    assert code == 2 and one_line(errors) and "gone.png" in errors
    code, _, errors = run("faces", folder / "large.png", "--evaluate", path)
    assert code == 2 and one_line(errors) and "no folder" in errors
    code, _, errors = run("faces", folder, "--evaluate", path, "--mask", folder / "m.png")
    assert code == 2 and one_line(errors)
    code, _, errors = run("faces", folder)
    assert code == 2 and one_line(errors)
