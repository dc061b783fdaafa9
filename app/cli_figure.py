"""How does a picture become a figure for a paper, a page to share or evidence to check? `hflic figure`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from app.cli_codec import Bpp, Json, Quality, check_folder, check_output, rate_of
from app.cli_compare import Result, checked_codecs, checked_metrics, part_of, result_of
from app.cli_console import UsageError, hint, print_json, progress, say
from app.exports import SUFFIXES, write_report
from app.report import METRICS, Item, Report, parse_box
from models import codec as codecs
from models.codec import Rate
from models.picture import Picture
from models.realism import decoder_of


def figure(
    image: Annotated[Path, typer.Argument(help="Picture to compress.")],
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="What to write: a figure sheet (.png, .pdf, .svg), a page that works offline (.html), "
            "or the evidence with all files (.zip, or a new folder).",
        ),
    ],
    ids: Annotated[str, typer.Option("--codecs", metavar="A,B,C", help="Codecs to compare.")],
    bpp: Bpp = None,
    quality: Quality = None,
    boxes: Annotated[
        list[str] | None,
        typer.Option(
            "--box",
            metavar="[NAME=]X,Y,W,H",
            help="A place to enlarge, in pixels; give several. Without any: where the results differ most.",
        ),
    ] = None,
    metrics: Annotated[
        str, typer.Option(metavar="A,B,C", help="Metrics for the captions, of psnr, ms_ssim and lpips.")
    ] = ",".join(METRICS),
    as_json: Json = False,
) -> None:
    """Compare codecs in a figure for a paper, on a page to share, or as evidence others can check."""
    wanted, names = checked_codecs(ids), checked_metrics(metrics)
    if unknown := [name for name in names if name not in METRICS]:
        raise UsageError(f"captions cannot hold {unknown[0]}: choose from {', '.join(METRICS)}")
    if bpp is None and quality is None:
        raise UsageError("give --bpp or --quality")
    if out.suffix.lower() not in (*SUFFIXES, ".htm", ""):
        raise UsageError(f"cannot write {out}: use one of the suffixes {', '.join(SUFFIXES)}, or a folder")
    _check_place(out)
    rate, places = rate_of(quality, bpp), tuple(parse_box(box) for box in boxes or [])
    picture = Picture.open(image)
    check_output(out, image)
    places = tuple(place.within(picture.width, picture.height) for place in places)
    for notice in picture.notices:
        hint(f"{image.name}: {notice}")
    with progress(image.name) as watch:
        steps = len(wanted) + 1
        results = [
            result_of(id, picture, rate, names, part_of(watch, index, steps))
            for index, id in enumerate(wanted)
        ]
        items = tuple(_item(result, rate) for result in results)
        size = (picture.width, picture.height)
        report = Report(image.name, picture.digest, size, items, places, picture.notices)
        known = {result.decoded.digest: result.decoded for result in results} | {picture.digest: picture}
        write_report(report, known.__getitem__, out, part_of(watch, len(wanted), steps))
    if as_json:
        # Its codec is the id that was asked for, as in `hflic compare`.
        told = [i.as_json() | {"codec": r.encoding.codec} for i, r in zip(items, results, strict=True)]
        print_json({"image": str(image), "file": str(out), "results": told})
        return
    say(f"{out}: {', '.join(f'{item.name} {item.encoding.bpp:.3f} bpp' for item in items)}")


def _check_place(out: Path) -> None:
    """Raises UsageError and FailedError where nothing could be written after minutes of work."""
    if not out.suffix and out.is_file():
        raise UsageError(f"{out} is a file: give a new name for the folder")
    if not out.suffix and out.is_dir() and any(out.iterdir()):
        raise UsageError(f"there is something in {out} already: give a new name")
    if out.suffix and out.is_dir():
        raise UsageError(f"{out} is a folder: give a file name")
    check_folder(out)


def _item(result: Result, rate: Rate) -> Item:
    """What an id says of the decoder ("hflic-mse+1") is no part of the file: it goes into the realism."""
    made, measured = result.encoding, tuple(result.metrics.items())
    share = float(codecs.parts(made.codec)[2] or 0)
    file = decoder_of(codecs.decoder(made.data)) if share else None
    return Item(
        replace(made, codec=made.codec.partition("+")[0]),
        result.decoded.digest,
        result.decode_s,
        measured,
        rate,
        realism=share,
        decoder=file.fingerprint if file is not None else "",
    )
