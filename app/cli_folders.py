"""How far is a folder of decoded pictures from their originals? `hflic fid`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli_codec import Json
from app.cli_console import number, print_json, progress, say


def fid(
    originals: Annotated[Path, typer.Argument(help="Folder of the original pictures.")],
    decoded: Annotated[Path, typer.Argument(help="Folder of the decoded ones; names need not match.")],
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="torch-fidelity's Inception weights.")
    ] = None,
    patch: Annotated[int, typer.Option(min=32, help="Side of the patches that are compared, pixels.")] = 256,
    as_json: Json = False,
) -> None:
    """Measure FID and KID between the patches of two folders of pictures."""
    from models.inception import distance

    with progress(decoded.name) as watch:
        found = distance(originals, decoded, weights, patch=patch, watch=watch)
    if as_json:
        print_json(
            {
                "originals": str(originals),
                "decoded": str(decoded),
                "patch": patch,
                "patches": list(found.patches),
                "fid": found.fid,
                "kid": found.kid,
                "kid_deviation": found.kid_deviation,
            }
        )
        return
    say(f"FID      {number(found.fid, 3)}")
    say(f"KID      {number(found.kid, 5)} +- {number(found.kid_deviation, 5)}")
    say(f"patches  {found.patches[0]} and {found.patches[1]} of {patch} pixels")
