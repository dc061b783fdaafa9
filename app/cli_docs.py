"""How is the documentation opened from the command line? `hflic docs`, without a network."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli_codec import Json
from app.cli_console import print_json, say
from app.docs import PAGES, page, places


def docs(
    name: Annotated[
        str, typer.Argument(metavar="PAGE", help=f"One of {', '.join(p.id for p in PAGES)}.")
    ] = "guide",
    where: Annotated[
        bool, typer.Option("--where", help="Print where documentation, settings, log and weights are.")
    ] = False,
    text: Annotated[bool, typer.Option("--text", help="Print the page instead of opening a window.")] = False,
    as_json: Json = False,
) -> None:
    """Open the documentation, offline."""
    if where:
        found = {what: str(path) for what, path in places().items()}
        if as_json:
            print_json(found)
            return
        for what, path in found.items():
            say(f"{what + ':':17} {path}")
        return
    chosen = page(name)
    if text:
        say(chosen.text)
        return
    from app.view import open_docs

    raise typer.Exit(open_docs(chosen))
