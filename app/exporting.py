"""What can be exported, out of which results, and under which name? The dialog's offers. No widgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from app import text
from app.bundle import CONTENTS
from app.gather import Result, nearest, results_of, wanted_bpp
from app.jobs import rate_words
from app.report import Box
from app.session import Session
from app.state import Key, Side, decoded_name
from models.codec import CATALOGUE
from models.paths import fitting, there


class Form(Enum):
    """What is written; the names are those of the actions."""

    FIGURE = "export_figure"
    PAGE = "export_page"
    EVIDENCE = "export_bundle"
    FILES = "export_files"
    LABELLED = "export_labelled"
    CROPS = "export_crops"


@dataclass(frozen=True)
class FormLine:
    """A form for people. `end`: of the suggested name; `kinds`: suffix ("" for a folder) to its words."""

    title: str
    about: str
    end: str
    kinds: tuple[tuple[str, str], ...]
    boxes: bool = True


_PICTURES = ((".png", "PNG picture"), (".pdf", "PDF document"), (".svg", "SVG drawing"))
_FOLDER = ("", "Folder")
FORMS: dict[Form, FormLine] = {
    Form.FIGURE: FormLine(
        "Figure sheet",
        "As in papers: the original with its boxes, and beside it every box out of each codec, magnified by "
        "whole pixels, with size and quality below.",
        "figure",
        _PICTURES,
    ),
    Form.PAGE: FormLine(
        "Web page",
        "One file that opens in any browser without a network: a slider between any two pictures, the "
        "compressed files themselves, and all numbers.",
        "comparison",
        ((".html", "Web page"),),
    ),
    Form.EVIDENCE: FormLine(
        "Evidence bundle",
        "What others need to check the comparison:\n"
        + "\n".join(f"\N{BULLET} {name}  {words}" for name, words in CONTENTS),
        "evidence",
        ((".zip", "Zip archive"), _FOLDER),
    ),
    Form.FILES: FormLine(
        "Compressed files",
        "The files themselves, as they were measured. Nothing is encoded again.",
        "files",
        (_FOLDER,),
        boxes=False,
    ),
    Form.LABELLED: FormLine(
        "Crop with labels",
        "One box of the original and of each codec beside each other, framed and with captions.",
        "crop",
        _PICTURES,
    ),
    Form.CROPS: FormLine(
        "All boxes as PNG",
        "Each box of each picture in its own pixels, each box once more framed with captions, and the "
        "original with the boxes on it.",
        "crops",
        (_FOLDER,),
    ),
}


@dataclass(frozen=True)
class Offer:
    """A result to take along, or a codec that would be compressed first: then `result` is None.

    chosen: taken unless a person says otherwise.
    """

    title: str
    size: str
    result: Result | None
    key: Key | None
    chosen: bool


def offers_of(session: Session) -> list[Offer]:
    """The sides, the other results, and the usable codecs that have none near the wanted size."""
    picture = session.picture
    if picture is None:
        return []
    found, rest = results_of(session)
    taken = {coded.encoding.codec for _, coded in found}
    near = nearest(rest, wanted_bpp(session), taken)
    views = [view for side in reversed(Side) if (view := session.view(side)).coded and not view.stale]
    letters = {id(view.coded): view.side.letter for view in views}
    made = []
    for result in (*found, *rest):
        coded = result[1]
        encoding = coded.encoding
        letter = letters.get(id(coded), "")
        name = decoded_name(encoding.codec, coded.realism)
        title = f"{letter}  {name}" if letter else name
        chosen = any(coded is shown for _, shown in (*found, *near))
        size = f"{text.bpp(encoding.bpp)} bpp{text.DOT}{text.size(encoding.bytes)}"
        made.append(Offer(title, size, result, None, chosen))
    rate = session.rate if session.locked else session.choice(Side.LEFT).rate
    there = {coded.encoding.codec.partition(":")[0] for _, coded in (*found, *near)}
    for line in CATALOGUE:
        usable = session.catalogue.known(line.id) and not session.catalogue.reason(line.id)
        if usable and line.id not in there:
            size = f"will be compressed to {rate_words(rate)}"
            made.append(Offer(line.name, size, None, Key(picture.digest, line.id, rate), False))
    return made


def boxes_words(form: Form, boxes: Sequence[Box], detail: Box | None) -> str:
    """Which places of the picture an export shows, "" where it shows none."""
    if not FORMS[form].boxes or form is Form.PAGE:
        return ""
    if form is Form.LABELLED:
        return f"Of {detail.name or 'what is in view'}." if detail is not None else ""
    if boxes:
        names = ", ".join(box.name for box in boxes[:4])
        names += f" and {len(boxes) - 4} more" if boxes[4:] else ""
        return f"{'Box' if len(boxes) == 1 else 'Boxes'}: {names}."
    if detail is not None and form is not Form.EVIDENCE:
        return "There is no box: the detail in view is taken."
    return "There is no box: the place where the results differ most from the original is taken."


def suggested(folder: Path, stem: str, form: Form, suffix: str, box: Box | None = None) -> Path:
    """A name that says what it is and that nothing has yet."""
    end = FORMS[form].end
    if form is Form.LABELLED and box is not None and box.name:
        end = f"{end}-{'-'.join(box.name.split())}".replace("/", "-")
    stem = fitting(stem, f"-{end}-999{suffix}")
    first = folder / f"{stem}-{end}{suffix}"
    path, count = first, 2
    while there(path.exists):
        path, count = first.with_name(f"{stem}-{end}-{count}{suffix}"), count + 1
    return path


def placed(form: Form, path: Path, suffix: str) -> Path:
    """Where a name a person gave leads: one without a suffix of the form gets the chosen one."""
    if not suffix or not path.name or path.suffix.lower() in _files(form):
        return path
    return path.with_name(path.name + suffix)


def _files(form: Form) -> set[str]:
    """The suffixes of a form that are no folder."""
    return {kind for kind, _ in FORMS[form].kinds if kind}


def objection(form: Form, path: Path, source: Path | None) -> str:
    """Why nothing can be written there, "" where it can."""
    folder = _FOLDER in FORMS[form].kinds and path.suffix.lower() not in _files(form)
    if not path.name:
        return "Give a name."
    try:
        if not path.parent.is_dir():
            return f"The folder {path.parent} does not exist."
        is_folder, is_file = path.is_dir(), path.is_file()
        filled = is_folder and form is Form.EVIDENCE and any(path.iterdir())
    except OSError as error:  # too long a name, a folder that may not be read, a drive that fell away
        return f"Nothing can be written there: {error.strerror or error}."
    reasons = (
        (path == source, "This is the picture itself: give another name."),
        (is_folder and not folder, "This is a folder: give a file name."),
        (is_file and folder, "This is a file: give a new name for the folder."),
        (filled, "There is something in this folder already: give a new name."),
    )
    return next((why for wrong, why in reasons if wrong), "")


def warning(path: Path) -> str:
    """What will be lost by writing there, "" for nothing."""
    if there(path.is_file):
        return f"{text.shortened(path.name)} exists and will be replaced."
    if there(path.is_dir) and there(lambda: any(path.iterdir())):
        return "Files of the same names in this folder will be replaced."
    return ""
