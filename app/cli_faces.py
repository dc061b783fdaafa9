"""Which faces does a picture have, and which pixels do they cover? `hflic faces`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app import text
from app.cli_codec import Json, check_output
from app.cli_console import UsageError, number, print_json, say, show_table
from models.picture import Picture

if TYPE_CHECKING:
    from models.faces import Face

LINE = (255, 196, 0)  # of boxes, on any photograph easier to see than red
_BLACK = (0, 0, 0)


def faces(
    image: Annotated[Path, typer.Argument(help="Picture to look for faces in; a folder for --evaluate.")],
    mask: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Picture of what the faces cover to write.")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="The picture with their boxes to write.")
    ] = None,
    shape: Annotated[
        Literal["ellipse", "box"], typer.Option(help="What of a face the mask covers.")
    ] = "ellipse",
    feather: Annotated[
        float, typer.Option(min=0, max=2, help="Share of a face over which the mask fades out; 0 is hard.")
    ] = 0.0,
    small: Annotated[
        bool, typer.Option("--small", help="Only small faces, which HFLIC keeps faithful.")
    ] = False,
    detector: Annotated[
        str, typer.Option(metavar="NAME", help="centerface, or yunet or yolo5face where their weights are.")
    ] = "centerface",
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="ONNX file of the detector, where it is elsewhere.")
    ] = None,
    score: Annotated[
        float | None,
        typer.Option(min=0.01, max=1, help="Lowest score that counts (default: the detector's)."),
    ] = None,
    evaluate: Annotated[
        Path | None,
        typer.Option(
            metavar="BOXES.json",
            help="Count how many of the folder's faces, marked in this file, the detector finds, by size; "
            "hflic docs says what the file holds.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find the faces in a picture; small ones are those HFLIC keeps faithful."""
    if evaluate is not None:
        if mask is not None or overlay is not None or small:
            raise UsageError("--evaluate goes with --detector, --weights, --score and --json alone")
        from app.cli_recall import show_recall

        show_recall(image, evaluate, score, detector, weights, as_json)
        return
    from models.faces import detect
    from models.faces import mask as cover

    picture = Picture.open(image)
    for out in (mask, overlay):
        if out is not None:
            check_output(out, image)
            Picture.check_suffix(out)
    if mask is not None and mask == overlay:
        raise UsageError(f"--mask and --overlay cannot both be {mask}: give two names")
    found = [face for face in detect(picture, score, detector, weights) if face.small or not small]
    if mask is not None:
        grey = (cover((picture.width, picture.height), found, feather, shape) * 255).round().astype("uint8")
        Picture(grey[..., None].repeat(3, axis=2)).save(mask)
    if overlay is not None:
        overlaid(picture, found).save(overlay)
    if as_json:
        print_json({"image": str(image), "faces": [json_of(face) for face in found]})
        return
    _table(found)
    count = sum(face.small for face in found)
    say(f"{image}: {text.counted(len(found), 'face')}, {count} small")


def json_of(face: Face) -> dict[str, Any]:
    """The agreed keys."""
    return {"box": list(face.box), "score": face.score, "small": face.small}


def overlaid(picture: Picture, faces: Sequence[Face]) -> Picture:
    """The picture with a box around every face, twice as thick around small ones."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture.pixels)
    draw = ImageDraw.Draw(image)
    thin = max(1, round(min(picture.width, picture.height) / 400))
    for face in faces:
        line = thin * (2 if face.small else 1)
        box = (face.box[0] - line, face.box[1] - line, face.box[2] + line, face.box[3] + line)
        draw.rectangle(box, outline=_BLACK, width=line + 2 * thin)
        draw.rectangle([box[0] + thin, box[1] + thin, box[2] - thin, box[3] - thin], outline=LINE, width=line)
    return Picture.from_pil(image)


def _table(found: Sequence[Face]) -> None:
    if not found:
        return
    show_table(
        ("face", "left", "top", "right", "bottom", "score", "small"),
        [
            (
                str(index),
                *(f"{value:.0f}" for value in face.box),
                number(face.score, 2),
                "yes" if face.small else "no",
            )
            for index, face in enumerate(found, 1)
        ],
    )
