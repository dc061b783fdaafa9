"""How good is the face detector, from the command line? `hflic faces FOLDER --evaluate BOXES.json`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app import text
from app.cli_console import UsageError, hint, print_json, progress, say, show_table
from models.face_recall import OVERLAP, Found, Recall, read_boxes, recall


def show_recall(
    folder: Path, boxes: Path, score: float | None, detector: str, weights: Path | None, as_json: bool
) -> None:
    """Print how many marked faces are found, by size, and what was found that nobody marked.

    Raises UsageError where `folder` is none, and what models.face_recall raises.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: give the one with the pictures that {boxes.name} names")
    marked = read_boxes(boxes)
    with progress(folder.name or str(folder)) as watch:
        found = recall(folder, marked, score, detector, weights, watch)
    if as_json:
        print_json(_as_json(found, len(marked)))
        return
    rows = [(_name(low, high), faces) for low, high, faces in found.classes()]
    rows += [(what, faces) for what, faces in _kinds(found) if faces]
    pictures, elsewhere = (text.counted(len(each), "picture") for each in (marked, found.others))
    show_table(
        ("longer side", "marked", "found", "recall %"),
        [(what, str(len(faces)), str(_hits(faces)), f"{_share(faces):.1f}") for what, faces in rows],
        title=f"{detector}, {pictures}, a face is found from an overlap (IoU) of {OVERLAP:g}",
    )
    say(f"boxes found that are no marked face: {found.false}, on {elsewhere}")
    for image in sorted({face.image for face in found.faces if not face.found}):
        missed = [f"{face.side:.0f}" for face in found.faces if face.image == image and not face.found]
        hint(f"{image}: not found, of {', '.join(missed)} pixels")


def _kinds(found: Recall) -> list[tuple[str, list[Found]]]:
    """Small and larger faces, and all."""
    small = [face for face in found.faces if face.small]
    large = [face for face in found.faces if not face.small]
    return [("small, as HFLIC means it", small), ("larger", large), ("all", list(found.faces))]


def _name(low: float, high: float | None) -> str:
    return f"{low:g} and more" if high is None else f"{low:g} to {high:g} px"


def _hits(faces: Sequence[Found]) -> int:
    return sum(face.found for face in faces)


def _share(faces: Sequence[Found]) -> float:
    return 100 * _hits(faces) / len(faces)


def _as_json(found: Recall, pictures: int) -> dict[str, object]:
    return {
        "pictures": pictures,
        "overlap": OVERLAP,
        "sizes": [
            {"from": low, "to": high, "marked": len(faces), "found": _hits(faces)}
            for low, high, faces in found.classes()
        ],
        "kinds": {
            name: {"marked": len(faces), "found": _hits(faces)}
            for name, (_, faces) in zip(("small", "larger", "all"), _kinds(found), strict=True)
        },
        "missed": [{"image": f.image, "side": f.side} for f in found.faces if not f.found],
        "others": {image: list(scores) for image, scores in found.others.items()},
    }
