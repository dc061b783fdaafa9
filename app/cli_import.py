"""How does a checkpoint of another project come in on the command line? `hflic models import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli_codec import Json
from app.cli_console import UsageError, print_json, progress, say


def import_model(
    file: Annotated[Path, typer.Argument(help="Checkpoint: .pth, .pth.tar, .pt, .ckpt or .safetensors.")],
    id: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="ID",
            help="Codec id it will have, for example elic-5 or elic:mine; several of a family under one id "
            "are its rates.",
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Install published weights: ELICs, HiFiCs (MS-ILLM too), and CompressAI's zoo.

    Runs nothing that the file brings along. Prints what was found, and what the exact bitstream costs
    against the float model.
    """
    if not file.exists():
        raise UsageError(f"there is no file {file}")
    from models.importing.install import install

    with progress(f"importing {file.name}") as watch:
        made = install(file, id, watch)
    loss, card = made.loss, made.file.card
    if as_json:
        print_json(
            {
                "codec": card.codec,
                "weights": made.file.fingerprint[:8],
                "file": str(made.file.path),
                "found": made.found,
                "network": card.configuration,
                "rates": made.rungs,
                "float_bpp": loss.float_bpp,
                "exact_bpp": loss.exact_bpp,
                "rate_loss_percent": loss.rate,
                "float_psnr": loss.float_psnr,
                "exact_psnr": loss.exact_psnr,
                "psnr_loss_db": loss.psnr,
            }
        )
        return
    say(made.found)
    say(loss.describe())
    rates = f", {made.rungs} rates under this id" if made.rungs > 1 else ", one rate"
    say(f"installed as {card.codec} (weights {made.file.fingerprint[:8]}{rates}): {made.file.path}")
