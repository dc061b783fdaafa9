"""How fast are codecs, metrics and the viewer here, and are the metrics right? `hflic bench`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli_codec import Json
from app.cli_compare import checked_codecs
from app.cli_console import FailedError, UsageError, hint, number, print_json, show_table, unused
from app.cli_peers import bench_peers
from models.assets import frozen
from models.codec import Rate
from models.errors import HflicError, WorkerError

if TYPE_CHECKING:
    from models.bench import BenchRow
    from models.metric_check import MetricRow


# What the other kinds of measurement take no notice of.
_UNUSED = {
    "viewer": ("ids", "size", "quality", "repeats", "threads"),
    "metrics": ("ids", "threads"),
    "peers": ("ids", "quality"),
}


def bench(
    context: typer.Context,
    size: Annotated[str, typer.Option(metavar="WxH", help="Width and height of the picture.")] = "768x512",
    ids: Annotated[
        str | None, typer.Option("--codecs", metavar="A,B", help="Codecs to measure (default: all usable).")
    ] = None,
    quality: Annotated[float, typer.Option(min=0, max=100, help="Quality to encode at.")] = 50,
    repeats: Annotated[int, typer.Option(min=1, help="Runs the median is taken of.")] = 5,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads (default: all cores).")] = None,
    viewer: Annotated[
        bool, typer.Option("--viewer", help="Measure the viewer instead: pauses, repaints, drops, start.")
    ] = False,
    metrics: Annotated[
        bool,
        typer.Option(
            "--metrics",
            help="Measure the metrics instead, of a JPEG: seconds, and the value beside that of the package "
            "it comes from.",
        ),
    ] = False,
    peers: Annotated[
        bool,
        typer.Option(
            "--peers", help="Measure against CompressAI instead: the same network and weights, in turn."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure each codec's speed and memory on this machine, each in a process of its own."""
    others = [name for name, on in (("viewer", viewer), ("metrics", metrics), ("peers", peers)) if on]
    if len(others) > 1:
        raise UsageError("give one of --viewer, --metrics and --peers")
    for name in others:
        unused(context, _UNUSED[name], f"leave it away with --{name}")
    if others and frozen():
        raise UsageError("the packaged program measures codecs alone: install HFLIC with pip for the rest")
    if viewer:
        _bench_viewer(as_json)
        return
    if peers:
        bench_peers(_size(size), repeats, threads, as_json)
        return
    if metrics:
        _bench_metrics(_size(size), quality, repeats, as_json)
        return
    _bench_codecs(ids, _size(size), quality, repeats, threads, as_json)


def _bench_codecs(
    ids: str | None,
    sides: tuple[int, int],
    quality: float,
    repeats: int,
    threads: int | None,
    as_json: bool,
) -> None:
    """Every codec by itself; those that cannot do it are told at the end. Raises FailedError for them."""
    from models import codec as codecs
    from models.bench import bench

    wanted = checked_codecs(ids) if ids else [c.id for c in codecs.CATALOGUE if not codecs.missing(c.id)]
    rows: list[BenchRow] = []
    failed: list[tuple[str, HflicError]] = []
    for id in wanted:
        if sys.stderr.isatty():
            hint(f"measuring {id}")
        try:
            rows.append(bench(id, sides, quality=quality, repeats=repeats, threads=threads))
        except HflicError as error:
            failed.append((id, error))
    if as_json:
        print_json({"size": list(sides), "results": [asdict(row) for row in rows]})
    elif rows:
        _codecs_table(rows, f"{sides[0]}x{sides[1]} at quality {quality:g}, median of {repeats}")
    if failed:
        told = [f"{id}: {reason}" for id, reason in failed]
        for line in told[1:]:
            hint(line)
        died = any(isinstance(reason, WorkerError) for _, reason in failed)
        raise (FailedError if died or rows else UsageError)(told[0])


def _codecs_table(rows: list[BenchRow], title: str) -> None:
    show_table(
        ("codec", "encode s", "decode s", "bpp", "kMAC/px", "parameters", "peak MiB", "threads"),
        [
            (
                row.codec,
                number(row.encode_s, 3),
                number(row.decode_s, 3),
                number(row.bpp, 3),
                number(row.kmac_per_pixel, 1),
                "-" if row.parameters is None else f"{row.parameters:,}",
                number(row.peak_mib, 0),
                str(row.threads),
            )
            for row in rows
        ],
        title=title,
    )


def _bench_viewer(as_json: bool) -> None:
    from app.viewer_bench import measure_viewer

    def report(doing: str) -> None:
        if sys.stderr.isatty():
            hint(doing)

    rows = measure_viewer(report)
    if as_json:
        print_json({"viewer": [asdict(row) for row in rows]})
        return
    show_table(
        ("viewer", "worst ms", "usual ms", "usual is", "of"),
        [(r.what, number(r.worst_ms, 1), number(r.usual_ms, 1), r.usual, str(r.count)) for r in rows],
        title="pauses of the interface, repaints and waits",
    )


def _bench_metrics(size: tuple[int, int], quality: float, repeats: int, as_json: bool) -> None:
    """Every metric of the sample photograph and its JPEG. Raises FailedError where one is not what it was."""
    from models import codec as codecs
    from models.bench import bench_picture
    from models.metric_check import measure, with_small_face
    from models.metrics import TABLE

    picture = with_small_face(bench_picture(*size))
    jpeg = codecs.get("jpeg")
    decoded = jpeg.decode(jpeg.encode(picture, Rate(quality=quality)).data)
    rows: list[MetricRow] = []
    for name in TABLE:
        if sys.stderr.isatty():
            hint(f"measuring {name}")
        rows.append(measure(name, picture, decoded, repeats))
    if as_json:
        lines = [asdict(row) | {"agrees": row.agrees} for row in rows]
        print_json({"size": list(size), "jpeg_quality": quality, "metrics": lines})
    else:
        _metrics_table(rows, f"{size[0]}x{size[1]}, JPEG at quality {quality:g}, median of {repeats}")
    if wrong := [row.metric for row in rows if row.agrees is False]:
        raise FailedError(f"{', '.join(wrong)}: not what the package it comes from gives")


def _metrics_table(rows: list[MetricRow], title: str) -> None:
    show_table(
        ("metric", "value", "reference", "apart", "s", "first s", "reference is"),
        [
            (
                row.metric,
                number(row.value, 5),
                number(row.reference, 5),
                "-" if row.agrees is None else f"{_apart(row):.0e} of {row.within:.0e}",
                number(row.seconds, 3),
                number(row.first_s, 3),
                row.said or "-",
            )
            for row in rows
        ],
        title=title,
    )
    for row in rows:
        if row.missing:
            hint(f"{row.metric}: {row.missing}")


def _apart(row: MetricRow) -> float:
    assert row.value is not None and row.reference is not None
    return 0.0 if row.value == row.reference else abs(row.value - row.reference)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise UsageError(f"--size takes a width and a height as in 768x512, not '{text}'")
    return int(width), int(height)
