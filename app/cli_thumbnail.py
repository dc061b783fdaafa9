"""How does a file manager get a small picture of a `.hflic` file? `hflic thumbnail`, which it calls."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from app.cli_codec import decoded, decoder_of, parsed_file, read_file
from app.cli_console import FailedError
from models.files import write_file

MOST_PIXELS = 12_000_000  # more takes longer than a file manager waits


def thumbnail(
    file: Annotated[Path, typer.Argument(help="A .hflic file.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.png", help="Picture to write.")],
    size: Annotated[int, typer.Option(min=16, max=1024, help="Its longer side in pixels.")] = 256,
) -> None:
    """Write a small picture of a compressed file; for file managers."""
    data = read_file(file)
    head = parsed_file(file, data)
    if head.width * head.height > MOST_PIXELS:
        raise FailedError(f"{file} has more than {MOST_PIXELS / 1e6:g} megapixels: no thumbnail is made")
    image = Image.fromarray(decoded(file, decoder_of(file, data), data).pixels)
    image.thumbnail((size, size), Image.Resampling.LANCZOS, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    write_file(out, buffer.getvalue())
