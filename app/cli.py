"""Which commands does `hflic` have? One table; each command is a thin function in an app.cli_* module."""

from __future__ import annotations

from typing import Annotated

import typer

from app import (
    cli_bdrate,
    cli_bench,
    cli_codec,
    cli_compare,
    cli_docs,
    cli_evaluate,
    cli_faces,
    cli_figure,
    cli_folders,
    cli_info,
    cli_models,
    cli_thumbnail,
    cli_train,
    cli_view,
)
from app.cli_console import Group, say
from app.versions import about

app = typer.Typer(
    name="hflic",
    cls=Group,
    help="Compress photos with learned and classical codecs and judge the result by eye and by number. "
    "Without a command the viewer opens.",
    epilog="Exit codes: 0 done, 1 a failure, 2 bad input or usage, 130 interrupted.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        say("\n".join(about()))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print version, revision and weights, and exit.",
            callback=_version,
            is_eager=True,
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; goes anywhere on the line.")
    ] = False,
) -> None:
    """Options of the program itself."""


_FILES, _NUMBERS, _MODELS = "Pictures and files", "Numbers", "Models"

app.command("view", rich_help_panel=_FILES)(cli_view.view)
app.command("encode", rich_help_panel=_FILES)(cli_codec.encode)
app.command("decode", rich_help_panel=_FILES)(cli_codec.decode)
app.command("info", rich_help_panel=_FILES)(cli_info.info)
app.command("compare", rich_help_panel=_FILES)(cli_compare.compare)
app.command("figure", rich_help_panel=_FILES)(cli_figure.figure)
app.command("thumbnail", hidden=True)(cli_thumbnail.thumbnail)
app.command("docs", rich_help_panel=_FILES)(cli_docs.docs)
app.command("evaluate", rich_help_panel=_NUMBERS)(cli_evaluate.evaluate)
app.command("bdrate", rich_help_panel=_NUMBERS)(cli_bdrate.bdrate)
app.command("bench", rich_help_panel=_NUMBERS)(cli_bench.bench)
app.command("faces", rich_help_panel=_FILES)(cli_faces.faces)
app.command("fid", rich_help_panel=_NUMBERS)(cli_folders.fid)
app.add_typer(cli_models.app, name="models", rich_help_panel=_MODELS)
app.command("train", rich_help_panel=_MODELS)(cli_train.train)
