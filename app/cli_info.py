"""What is in a compressed file? `hflic info`, which also tells whether it can be decoded here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli_codec import Json, decoded, decoder_of, parsed_file, read_file
from app.cli_console import print_json, say
from models import codec as codecs
from models.bitstream import container
from models.errors import HflicError


def info(
    file: Annotated[Path, typer.Argument(help="Compressed file of any codec of this program.")],
    as_json: Json = False,
) -> None:
    """Tell what a compressed file is, how large, and whether it is whole and can be decoded here."""
    data = read_file(file)
    facts = file_facts(file, data)
    if as_json:
        print_json({"file": str(file), **facts})
        return
    lines = {
        "file": str(file),
        "codec": f"{codecs.entry(facts['codec']).name} ({facts['codec']})",
        "size": f"{facts['width']} x {facts['height']} pixels",
        "bytes": f"{facts['bytes']} ({facts['bpp']:.4f} bpp)",
    }
    if facts["quality"] is not None:
        lines["quality"] = f"{facts['quality']:g}"
    if facts["weights"] is not None:
        lines["weights"] = f"{facts['weights']} ({facts['weights_state']})"
        lines["latents"] = f"CRC-32 {facts['latents_crc']:08x}"
    lines["checked"] = facts["checked"]
    lines |= {name: value for name, value in facts["settings"].items() if name not in lines}
    width = max(map(len, lines)) + 2
    for name, value in lines.items():
        say(f"{name:{width}}{value}")


def file_facts(file: Path, data: bytes) -> dict[str, Any]:
    """The agreed keys, `weights_state`, `checked`, `settings`. Raises BitstreamError for a damaged file."""
    if data.startswith(container.MAGIC):
        parsed = parsed_file(file, data)
        width, height = parsed.width, parsed.height
        name, weights = parsed.network, parsed.fingerprint.hex()
        quality: float | None = parsed.quality
        crc: int | None = parsed.latents_crc
        checked = "the file's checksum is right"
        try:
            learned = codecs.decoder(data)
            name, state, settings = learned.id, "present", learned.info()
        except HflicError as error:
            state, settings = f"missing: {error}", {}
    else:
        coder = decoder_of(file, data)
        name = coder.id
        picture = decoded(file, coder, data)
        width, height = picture.width, picture.height
        weights, quality, crc, state = None, None, None, None
        checked, settings = "decodes whole", coder.info()
    return {
        "codec": name,
        "weights": weights,
        "quality": quality,
        "width": width,
        "height": height,
        "bytes": len(data),
        "bpp": 8 * len(data) / (width * height),
        "encode_s": None,
        "decode_s": None,
        "latents_crc": crc,
        "weights_state": state,
        "checked": checked,
        "settings": settings,
    }
