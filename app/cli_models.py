"""Which codecs and weights are here? `hflic models`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.cli_codec import Json
from app.cli_console import FailedError, Group, hint, print_json, say, show_table
from app.cli_fetch import fetch_models
from app.cli_import import import_model
from models import codec as codecs
from models import realism
from models.errors import HflicError, WeightsError

app = typer.Typer(cls=Group, help="List the codecs, check their weights, fetch and import others' weights.")
app.command("import")(import_model)
app.command("fetch")(fetch_models)


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """List every codec and whether it can be used here."""
    rows: list[dict[str, Any]] = []
    for line in codecs.CATALOGUE:
        coder, reason = _usable(line.id)
        decoder = None if coder is None else realism.decoder_of(coder)
        rows.append(
            {
                "codec": line.id,
                "name": line.name,
                "suffix": line.suffix,
                "learned": line.learned,
                "usable": coder is not None,
                "weights": None if coder is None else coder.weights,
                "realistic": decoder.fingerprint[:8] if decoder is not None else None,
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
        if row["realistic"]:
            hint(f"{row['codec']}: its files decode faithful or realistic, see hflic decode --realism")


def _usable(id: str) -> tuple[codecs.Codec | None, str]:
    """A codec, or why there is none."""
    if reason := codecs.missing(id):
        return None, reason
    try:
        return codecs.get(id), ""
    except HflicError as error:  # weights that are damaged behind their header
        return None, str(error)


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
    """Check every weights file and realistic decoder here: its checksum, and every tensor."""
    from models import weights

    rows: list[dict[str, Any]] = []
    for path in (path for folder in weights.folders() for path in weights.files(folder)):
        row: dict[str, Any] = {"file": str(path), "codec": None, "weights": None, "error": ""}
        try:
            if realism.is_decoder(path):
                decoder = realism.read_header(path)
                row |= {"codec": decoder.card.codec, "weights": decoder.fingerprint[:8]}
                realism.verify(decoder)
            else:
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
