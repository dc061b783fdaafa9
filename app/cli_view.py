"""How is the viewer opened from the command line? `hflic view`, and `hflic` without a command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from app.cli_codec import Quality
from app.cli_console import UsageError, hint
from app.settings import SettingsFile
from app.single import hand_over, name_for
from models import codec as codecs


def view(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH", help="Pictures or compressed files to open.")
    ] = None,
    left: Annotated[str | None, typer.Option(metavar="ID", help="Codec of the left side.")] = None,
    right: Annotated[str | None, typer.Option(metavar="ID", help="Codec of the right side.")] = None,
    bpp: Annotated[float | None, typer.Option(help="Bits per pixel both sides aim at.")] = None,
    quality: Quality = None,
    mode: Annotated[
        Literal["split", "side", "flicker", "difference"] | None,
        typer.Option(help="How the two sides are shown."),
    ] = None,
    screenshot: Annotated[
        Path | None,
        typer.Option(metavar="OUT.png", help="Write the window as a picture once all is there, and exit."),
    ] = None,
    new_window: Annotated[
        bool, typer.Option("--new-window", help="Leave a window that is open alone.")
    ] = False,
) -> None:
    """Open the viewer, with files if any are given; a window that is open already takes them."""
    if bpp is not None and quality is not None:
        raise UsageError("give --bpp or --quality, not both")
    for side in (left, right):
        if side not in (None, "original"):
            codecs.entry(side)
    plain = all(option is None for option in (left, right, bpp, quality, mode, screenshot))
    settings = SettingsFile().path
    if plain and not new_window and settings and hand_over(name_for(settings), paths or []):
        hint("opened in the window that is there; --new-window opens another")
        return
    from app.view import open_viewer

    raise typer.Exit(open_viewer(paths or [], left, right, bpp, mode, screenshot, quality))
