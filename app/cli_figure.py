"""How does a picture become a figure for a paper, a page to share or evidence to check? `hflic figure`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli_codec import Bpp, Json, Quality, check_output, rate_of
from app.cli_compare import Result, checked_codecs, checked_metrics, part_of, result_of
from app.cli_console import UsageError, hint, print_json, progress, say
from app.exports import SUFFIXES, write_report
from app.report import METRICS, Item, Report, parse_box
from models.codec import Rate
from models.picture import Picture


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
    if not out.suffix and out.is_dir() and any(out.iterdir()):
        raise UsageError(f"there is something in {out} already: give a new name")
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
        print_json({"image": str(image), "file": str(out), "results": [item.as_json() for item in items]})
        return
    say(f"{out}: {', '.join(f'{item.name} {item.encoding.bpp:.3f} bpp' for item in items)}")


def _item(result: Result, rate: Rate) -> Item:
    measured = tuple(result.metrics.items())
    return Item(result.encoding, result.decoded.digest, result.decode_s, measured, rate)
