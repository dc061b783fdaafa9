"""How do several codecs do on one picture? `hflic compare`: a table, JSON, and a sheet to look at."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli_codec import Bpp, Json, Quality, check_folder, check_output, json_of, rate_of
from app.cli_console import (
    UsageError,
    hint,
    number,
    print_json,
    progress,
    say,
    show_table,
    split_list,
)
from app.cli_faces import json_of as face_json
from app.state import codec_name
from models import codec as codecs
from models.codec import Encoding, Rate, Watch
from models.picture import Picture

if TYPE_CHECKING:
    from models.face_metrics import FaceMetrics
    from models.faces import Face

USUAL = "psnr,ms_ssim,lpips"  # metrics where none are chosen


@dataclass(frozen=True)
class Result:
    """What a codec made of the picture; a metric is None where it is not defined or not finite."""

    encoding: Encoding
    decoded: Picture
    decode_s: float
    metrics: dict[str, float | None]
    faces: FaceMetrics | None = None

    def as_json(self) -> dict[str, Any]:
        """The agreed keys, and `faces` where they were measured."""
        faces = {} if self.faces is None else {"faces": asdict(self.faces)}
        return {**json_of(self.encoding, self.decode_s), **self.metrics, **faces}


def compare(
    image: Annotated[Path, typer.Argument(help="Picture to compress.")],
    ids: Annotated[str, typer.Option("--codecs", metavar="A,B,C", help="Codecs to compare.")],
    bpp: Bpp = None,
    quality: Quality = None,
    metrics: Annotated[
        str, typer.Option(metavar="A,B,C", help="Metrics to measure; [b]--metrics list[/b] names them.")
    ] = USUAL,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", help="Picture of a sheet with all results to write.")
    ] = None,
    faces: Annotated[
        bool,
        typer.Option("--faces", help="Measure PSNR and LPIPS in and outside of faces too."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Compress a picture with several codecs at the same rate or quality and compare the results."""
    if metrics == "list":
        list_metrics(as_json)
        return
    wanted, names = checked_codecs(ids), checked_metrics(metrics)
    if bpp is None and quality is None:
        raise UsageError("give --bpp or --quality")
    rate = rate_of(quality, bpp)
    picture = Picture.open(image)
    if out is not None:
        check_output(out, image)
        Picture.check_suffix(out)
        check_folder(out)
    for notice in picture.notices:
        hint(f"{image.name}: {notice}")
    found = _faces_of(picture) if faces else None
    with progress(image.name) as watch:
        results = [
            result_of(id, picture, rate, names, part_of(watch, index, len(wanted)))
            for index, id in enumerate(wanted)
        ]
        if found is not None:
            from models.face_metrics import measure

            results = [replace(r, faces=measure(picture, r.decoded, found, watch)) for r in results]
    if out is not None:
        _sheet(image.name, picture, results).save(out)
    if as_json:
        where = {} if found is None else {"faces": [face_json(face) for face in found]}
        print_json({"image": str(image), **where, "results": [result.as_json() for result in results]})
        return
    _table(results, names)
    if found is not None:
        _faces_table(results, len(found))
    if out is not None:
        say(f"sheet: {out}")


def _faces_of(picture: Picture) -> list[Face]:
    from models.faces import detect

    return detect(picture)


def _faces_table(results: list[Result], count: int) -> None:
    """Columns of PSNR and LPIPS inside and outside the faces."""
    parts = ("inside", "outside")
    lines = []
    for result in results:
        assert result.faces is not None
        found = [getattr(result.faces, part) for part in parts]
        cells = [number(value, 4) for part in found for value in (part.psnr, part.lpips)]
        lines.append((result.encoding.codec, *cells))
    headings = [f"{name} {part}" for part in parts for name in ("psnr", "lpips")]
    show_table(("codec", *headings), lines, title=f"faces: {count}")


def result_of(id: str, picture: Picture, rate: Rate, names: list[str], watch: Watch) -> Result:
    """Compress and decode with a codec and measure. Raises CodecError, WeightsError."""
    from models.evaluation import measure

    coder = codecs.get(id)
    encoding = coder.encode(picture, rate, watch)
    begin = time.perf_counter()
    decoded = coder.decode(encoding.data, watch)
    seconds = time.perf_counter() - begin
    watch.step(f"{id}: measuring", 1.0)
    return Result(encoding, decoded, seconds, measure(names, picture, decoded))


def part_of(watch: Watch, index: int, count: int) -> Watch:
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
    """Metric names of a list with commas. Raises UsageError for an unknown or unusable one.

    Of the usual ones, which nobody may have chosen, what is not installed is left out, and said.
    """
    from models import metrics

    names = split_list(text)
    for name in names:
        if name not in metrics.TABLE:
            raise UsageError(f"there is no metric '{name}': choose from {', '.join(metrics.TABLE)}")
        if metrics.TABLE[name].folders and not metrics.missing(name):
            raise UsageError(f"{metrics.TABLE[name].label} compares folders of pictures: use hflic fid")
        if reason := metrics.missing(name):
            if text != USUAL:
                raise UsageError(reason)
            hint(f"{name} is left out: {reason}")
    return [name for name in names if not metrics.missing(name)]


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
    names = _names([result.encoding.codec for result in results])
    for result in results:
        encoding = result.encoding
        measured = [f"{TABLE[m].label} {number(v, 3)}" for m, v in result.metrics.items() if v is not None]
        cells.append(
            Cell(
                result.decoded,
                names[encoding.codec],
                (f"{encoding.bpp:.3f} bpp, {encoding.bytes:,} bytes", *_pairs(measured)),
            )
        )
    return make_sheet(name, cells, region)


def _names(ids: list[str]) -> dict[str, str]:
    """Codecs' names, with what their ids tell beyond them; the size where two would be called alike."""
    short = {id: codec_name(codecs.plain(id).partition(":")[0] + id[len(codecs.plain(id)) :]) for id in ids}
    alike = Counter(short.values())
    return {id: name if alike[name] == 1 else codec_name(id) for id, name in short.items()}


def _pairs(texts: list[str]) -> list[str]:
    return ["   ".join(texts[i : i + 2]) for i in range(0, len(texts), 2)]


def list_metrics(as_json: bool = False) -> None:
    """Print which metrics there are, where they come from and what is missing for some."""
    from models.metrics import TABLE, missing

    rows: list[dict[str, Any]] = [
        {
            "metric": name,
            "name": metric.label,
            "unit": metric.unit,
            "better": "higher" if metric.higher_is_better else "lower",
            "range": [metric.lowest, metric.highest],
            "folders": metric.folders,
            "source": metric.source,
            "needs": list(metric.needs),
            "missing": missing(name),
        }
        for name, metric in TABLE.items()
    ]
    if as_json:
        print_json({"metrics": rows})
        return
    show_table(
        ("metric", "better", "range", "status", "what it is"),
        [
            (
                row["metric"],
                row["better"],
                " to ".join(f"{end:g}" for end in row["range"]),
                "missing" if row["missing"] else "use hflic fid" if row["folders"] else "ready",
                row["source"],
            )
            for row in rows
        ],
    )
    for row in rows:
        if row["missing"]:
            hint(f"{row['metric']}: {row['missing']}")
