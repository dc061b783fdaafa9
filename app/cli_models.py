"""Which codecs and weights are here? `hflic models`; and which faces a picture has, `hflic faces`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli_codec import Json
from app.cli_console import FailedError, Group, hint, number, print_json, say, show_table
from models import codec as codecs
from models.errors import WeightsError
from models.picture import Picture

app = typer.Typer(cls=Group, help="List the codecs and check the weights they use.")


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """List every codec and whether it can be used here."""
    rows: list[dict[str, Any]] = []
    for line in codecs.CATALOGUE:
        reason = codecs.missing(line.id)
        rows.append(
            {
                "codec": line.id,
                "name": line.name,
                "suffix": line.suffix,
                "learned": line.learned,
                "usable": not reason,
                "weights": None if reason else codecs.get(line.id).weights,
                "sentence": line.sentence,
                "source": line.source,
                "missing": reason,
            }
        )
    if as_json:
        print_json({"codecs": rows})
        return
    show_table(
        ("codec", "weights", "what it is", "source"),
        [
            (
                row["codec"],
                (row["weights"] or "needs none") if row["usable"] else "missing",
                row["sentence"],
                row["source"],
            )
            for row in rows
        ],
    )
    for row in rows:
        if row["missing"]:
            hint(f"{row['codec']}: {row['missing']}")


@app.command("info")
def model_info(
    codec: Annotated[str, typer.Argument(metavar="ID", help="Codec to describe.")], as_json: Json = False
) -> None:
    """Tell a codec's source, settings and weights."""
    line = codecs.entry(codec)
    coder = codecs.get(codec)
    facts: dict[str, Any] = {
        "codec": codec,
        "name": line.name,
        "sentence": line.sentence,
        "source": line.source,
        "suffix": line.suffix,
        "weights": coder.weights,
        "settings": coder.info(),
    }
    if as_json:
        print_json(facts)
        return
    lines = {k: v for k, v in facts.items() if isinstance(v, str)} | coder.info()
    width = max(map(len, lines)) + 2
    for name, value in lines.items():
        say(f"{name:{width}}{value}")


@app.command("verify")
def verify(as_json: Json = False) -> None:
    """Check every weights file here: its checksum, and every tensor against its network."""
    from models import weights

    rows: list[dict[str, Any]] = []
    for path in (path for folder in weights.folders() for path in sorted(folder.glob(f"*{weights.SUFFIX}"))):
        row: dict[str, Any] = {"file": str(path), "codec": None, "weights": None, "error": ""}
        try:
            file = weights.read_header(path)
            row |= {"codec": file.card.codec, "weights": file.fingerprint[:8]}
            weights.load(file)
        except WeightsError as error:
            row["error"] = str(error)
        rows.append(row)
    bad = [row for row in rows if row["error"]]
    if as_json:
        print_json({"files": rows})
    elif rows:
        show_table(
            ("file", "codec", "weights", "state"),
            [
                (
                    row["file"],
                    row["codec"] or "-",
                    row["weights"] or "-",
                    "damaged" if row["error"] else "right",
                )
                for row in rows
            ],
        )
    else:
        hint(f"there are no weights in {', '.join(map(str, weights.folders()))}")
    if bad:
        raise FailedError(f"{len(bad)} of {len(rows)} weights files are unusable; {bad[0]['error']}")


def faces(
    image: Annotated[Path, typer.Argument(help="Picture to look for faces in.")], as_json: Json = False
) -> None:
    """Find the faces in a picture; small ones are those HFLIC keeps faithful."""
    from models.faces import detect

    picture = Picture.open(image)
    found = detect(picture)
    if as_json:
        lines = [{"box": list(face.box), "score": face.score, "small": face.small} for face in found]
        print_json({"image": str(image), "faces": lines})
        return
    if found:
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
    small = sum(face.small for face in found)
    say(f"{image}: {len(found)} face{'' if len(found) == 1 else 's'}, {small} of them small")
