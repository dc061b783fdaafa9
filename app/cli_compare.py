"""How do several codecs do on one picture? `hflic compare`: a table, JSON, and a sheet to look at."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli_codec import Bpp, Json, Quality, check_output, json_of, rate_of
from app.cli_console import UsageError, hint, number, print_json, progress, say, show_table, split_list
from models import codec as codecs
from models.codec import Encoding, Rate, Watch
from models.picture import Picture


@dataclass(frozen=True)
class Result:
    """What a codec made of the picture; a metric is None where it is not defined or not finite."""

    encoding: Encoding
    decoded: Picture
    decode_s: float
    metrics: dict[str, float | None]

    def as_json(self) -> dict[str, Any]:
        """The agreed keys."""
        return {**json_of(self.encoding, self.decode_s), **self.metrics}


def compare(
    image: Annotated[Path, typer.Argument(help="Picture to compress.")],
    ids: Annotated[str, typer.Option("--codecs", metavar="A,B,C", help="Codecs to compare.")],
    bpp: Bpp = None,
    quality: Quality = None,
    metrics: Annotated[
        str, typer.Option(metavar="A,B,C", help="Metrics to measure; [b]--metrics list[/b] names them.")
    ] = "psnr,ms_ssim,lpips",
    out: Annotated[
        Path | None, typer.Option("-o", "--output", help="Picture of a sheet with all results to write.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compress a picture with several codecs at the same rate or quality and compare the results."""
    if metrics == "list":
        list_metrics()
        return
    wanted, names = checked_codecs(ids), checked_metrics(metrics)
    if bpp is None and quality is None:
        raise UsageError("give --bpp or --quality")
    rate = rate_of(quality, bpp)
    picture = Picture.open(image)
    if out is not None:
        check_output(out, image)
    for notice in picture.notices:
        hint(f"{image.name}: {notice}")
    with progress(image.name) as watch:
        results = [
            _one(id, picture, rate, names, _part(watch, index, len(wanted)))
            for index, id in enumerate(wanted)
        ]
    if out is not None:
        _sheet(image.name, picture, results).save(out)
    if as_json:
        print_json({"image": str(image), "results": [result.as_json() for result in results]})
        return
    _table(results, names)
    if out is not None:
        say(f"sheet: {out}")


def _one(id: str, picture: Picture, rate: Rate, names: list[str], watch: Watch) -> Result:
    from models.evaluation import measure

    coder = codecs.get(id)
    encoding = coder.encode(picture, rate, watch)
    begin = time.perf_counter()
    decoded = coder.decode(encoding.data, watch)
    seconds = time.perf_counter() - begin
    watch.step(f"{id}: measuring", 1.0)
    return Result(encoding, decoded, seconds, measure(names, picture, decoded))


def _part(watch: Watch, index: int, count: int) -> Watch:
    """The watch of one part of several."""
    return Watch(report=lambda stage, done: watch.step(stage, (index + done) / count))


def checked_codecs(text: str) -> list[str]:
    """Codec ids of a list with commas. Raises CodecError for an unknown or unusable one before any work."""
    ids = split_list(text)
    if not ids:
        raise UsageError("give --codecs at least one codec, as in --codecs hflic,jpeg")
    for id in ids:
        codecs.get(id)
    return ids


def checked_metrics(text: str) -> list[str]:
    """Metric names of a list with commas. Raises UsageError for an unknown or unusable one."""
    from models import metrics

    names = split_list(text)
    for name in names:
        if name not in metrics.TABLE:
            raise UsageError(f"there is no metric '{name}': choose from {', '.join(metrics.TABLE)}")
        if reason := metrics.missing(name):
            raise UsageError(reason)
    return names


def _table(results: list[Result], names: list[str]) -> None:
    show_table(
        ("codec", "quality", "bytes", "bpp", "encode s", "decode s", *names),
        [
            (
                result.encoding.codec,
                f"{result.encoding.quality:.4g}",
                str(result.encoding.bytes),
                number(result.encoding.bpp, 4),
                number(result.encoding.encode_s, 2),
                number(result.decode_s, 2),
                *(number(result.metrics[name], 4) for name in names),
            )
            for result in results
        ],
    )
    for result in results:
        if result.encoding.note:
            hint(f"{result.encoding.codec}: {result.encoding.note}")


def _sheet(name: str, picture: Picture, results: list[Result]) -> Picture:
    from app.sheet import Cell, make_sheet, telling_region
    from models.metrics import TABLE

    region = telling_region(picture, [result.decoded for result in results])
    cells = [Cell(picture, "Original", (f"{picture.width} x {picture.height} pixels", "24 bpp"))]
    for result in results:
        encoding = result.encoding
        measured = [f"{TABLE[m].label} {number(v, 3)}" for m, v in result.metrics.items() if v is not None]
        cells.append(
            Cell(
                result.decoded,
                codecs.entry(encoding.codec).name,
                (f"{encoding.bpp:.3f} bpp, {encoding.bytes:,} bytes", *_pairs(measured)),
            )
        )
    return make_sheet(name, cells, region)


def _pairs(texts: list[str]) -> list[str]:
    return ["   ".join(texts[i : i + 2]) for i in range(0, len(texts), 2)]


def list_metrics() -> None:
    """Print which metrics there are and what is missing for some."""
    from models.metrics import TABLE, missing

    show_table(
        ("metric", "better", "status"),
        [
            (name, "higher" if TABLE[name].higher_is_better else "lower", missing(name) or "ready")
            for name in TABLE
        ],
    )
