"""How are codecs measured from the command line? evaluate (a folder) and bdrate (curves)."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from app.cli_codec import Json
from app.cli_compare import USUAL, checked_codecs, checked_metrics
from app.cli_console import (
    FailedError,
    UsageError,
    hint,
    number,
    print_json,
    show_table,
    split_list,
)
from models.codec import Rate

if TYPE_CHECKING:
    from models.curves import BdRate, Curve
    from models.evaluation import Average, Step


def evaluate(
    folder: Annotated[Path, typer.Argument(help="Folder of pictures; those in folders below it count too.")],
    ids: Annotated[str, typer.Option("--codecs", metavar="A,B", help="Codecs to measure.")],
    out: Annotated[Path, typer.Option("-o", "--output", help="JSON file for the results; resumed if there.")],
    rates: Annotated[
        str | None, typer.Option(metavar="B,B", help="Wanted bits per pixel (default 0.1,0.25,0.5,0.75).")
    ] = None,
    qualities: Annotated[
        str | None, typer.Option(metavar="Q,Q", help="Qualities 0..100 to encode at.")
    ] = None,
    metrics: Annotated[str, typer.Option(metavar="A,B", help="Metrics to measure.")] = USUAL,
    plot: Annotated[
        Path | None, typer.Option(help="Figure of the curves to write (.png, .svg or .pdf).")
    ] = None,
    published: Annotated[
        str | None,
        typer.Option(metavar="SET[:A,B|:all]", help="Published curves for the figure, as in kodak."),
    ] = None,
    compressai: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for one file a codec that CompressAI's plots read."),
    ] = None,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, help="Processes to work with.")] = 1,
    keep: Annotated[
        Path | None,
        typer.Option("--decoded", metavar="DIR", help="Folder to keep decoded pictures in, for hflic fid."),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers do the work.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure codecs over a folder: real files, real decodes, one row each and the averages.

    Interrupted or run again, it keeps the rows that are finished. Means are over pictures.
    """
    from models import evaluation
    from models.curves import export_compressai

    points = _points(rates, qualities)
    names = checked_metrics(metrics)
    overlay = _overlay(plot, published)
    if not out.parent.is_dir():
        raise FailedError(f"cannot write {out}: the folder {out.parent} does not exist, create it first")
    tasks = evaluation.plan(folder, checked_codecs(ids), points, names, keep)
    with _evaluation_progress() as report:
        rows = evaluation.evaluate(tasks, out, jobs=jobs, scheduler=scheduler, report=report)
    averages = evaluation.averages(rows)
    if compressai is not None:
        compressai.mkdir(parents=True, exist_ok=True)
        export_compressai(averages, compressai)
    if plot is not None:
        count = averages[0].images
        title = f"{folder.name}: {count} picture{'' if count == 1 else 's'}"
        _draw(plot, averages, names, title, overlay, published or "")
    if as_json:
        print_json({"file": str(out), "averages": [average.as_json() for average in averages]})
    else:
        _averages_table(averages, names)
    failed = [row for row in rows if row.error]
    if failed:
        first = f"{failed[0].image} with {failed[0].codec}: {failed[0].error}"
        raise FailedError(f"{len(failed)} of {len(rows)} rows failed and are left out of the means; {first}")


def _points(rates: str | None, qualities: str | None) -> list[Rate]:
    from models.evaluation import DEFAULT_RATES

    if rates is None and qualities is None:
        return [Rate(bpp=value) for value in DEFAULT_RATES]
    points = [Rate(bpp=value) for value in _floats("--rates", rates or "")]
    return points + [Rate(quality=value) for value in _floats("--qualities", qualities or "")]


def _floats(option: str, text: str) -> list[float]:
    try:
        return list(dict.fromkeys(float(part) for part in split_list(text)))
    except ValueError as error:
        raise UsageError(f"{option} takes numbers with commas between them, not '{text}'") from error


def _overlay(plot: Path | None, published: str | None) -> list[Any]:
    """The published curves asked for, everything checked before hours of work."""
    if plot is not None:
        from models.figure import check_suffix

        check_suffix(plot)
    if published is None:
        return []
    if plot is None:
        raise UsageError("--published goes into the figure: give --plot too")
    from models.published import chosen

    return list(chosen(published))


def _draw(
    plot: Path, averages: list[Average], names: list[str], title: str, overlay: list[Any], published: str
) -> None:
    from models.curves import curves
    from models.figure import draw

    drawn = {}
    for name in names:
        if any(average.metrics.get(name) is not None for average in averages):
            drawn[name] = curves(averages, name)
    if not drawn:
        raise FailedError(f"cannot draw {plot}: there is no number to show")
    draw(
        drawn,
        plot,
        title=title,
        published=overlay,
        published_title=f"published, {published.partition(':')[0]}",
    )
    hint(f"figure: {plot}")


def _averages_table(averages: list[Average], names: list[str]) -> None:
    show_table(
        ("codec", "rate", "pictures", "bpp", "encode s", "decode s", *names),
        [
            (
                average.codec,
                " ".join(f"{kind} {value:g}" for kind, value in average.rate.items()),
                str(average.images),
                *(number(average.numbers[key], 3) for key in ("bpp", "encode_s", "decode_s")),
                *(number(average.metrics.get(name), 4) for name in names),
            )
            for average in averages
        ],
    )


@contextlib.contextmanager
def _evaluation_progress() -> Iterator[Callable[[Step], None] | None]:
    """A bar with the time left where stderr is a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    bar = Progress(
        TextColumn("{task.fields[label]}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}", style="dim"),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=None, label="evaluating", left="")

        def show(step: Step) -> None:
            label = f"{step.row.codec} {step.row.image}" if step.row else "evaluating"
            left = "" if step.seconds_left is None else f"{time_text(step.seconds_left)} left"
            kept = f", {step.kept} kept" if step.kept else ""
            bar.update(task, completed=step.done, total=step.total, label=label[-40:], left=left + kept)

        yield show


def time_text(seconds: float) -> str:
    """A stretch of time as a person says it: 12 s, 3 min, 1 h 05."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d}"


def bdrate(
    results: Annotated[Path, typer.Argument(help="Result file of `hflic evaluate`.")],
    anchor: Annotated[str, typer.Option(metavar="ID", help="Codec the others are compared with.")],
    metric: Annotated[
        str, typer.Option(metavar="NAME", help="Metric that counts as equal quality.")
    ] = "psnr",
    method: Annotated[
        Literal["pchip", "akima"], typer.Option(help="Interpolation between the points.")
    ] = "pchip",
    as_json: Json = False,
) -> None:
    """Bits each codec spends against the anchor at equal quality, in percent; negative is better."""
    from models.curves import CurveError, bd_rate, curves, scale_of
    from models.evaluation import averages, read_rows

    scale = scale_of(metric)
    found = curves(averages(read_rows(results)), metric)
    base = _anchor(found, anchor)
    deltas: list[tuple[Curve, BdRate]] = []
    refused: list[str] = []
    for curve in found:
        if curve is not base:
            try:
                deltas.append((curve, bd_rate(base, curve, scale, method)))
            except CurveError as error:
                refused.append(str(error))
    if not deltas:
        raise UsageError(
            refused[0] if refused else f"{results} has no codec besides {anchor} to compare with it"
        )
    _show_deltas(base, metric, method, deltas, as_json)
    for reason in refused:
        hint(f"left out: {reason}")


def _anchor(found: list[Curve], anchor: str) -> Curve:
    matching = [c for c in found if anchor in (c.codec, f"{c.codec}@{c.weights}")]
    if len(matching) > 1:
        names = ", ".join(f"{c.codec}@{c.weights}" for c in matching)
        raise UsageError(f"{anchor} was evaluated with several weights: say which as one of {names}")
    if not matching:
        raise UsageError(
            f"there is no codec '{anchor}' in these results: {', '.join(c.codec for c in found)}"
        )
    return matching[0]


def _show_deltas(
    base: Curve, metric: str, method: str, deltas: list[tuple[Curve, BdRate]], as_json: bool
) -> None:
    if as_json:
        lines = [
            {
                "codec": curve.codec,
                "weights": curve.weights,
                "bd_rate": delta.percent,
                "overlap": delta.overlap,
                "range": [delta.low, delta.high],
                "points": delta.points,
                "left_out": delta.left_out,
            }
            for curve, delta in deltas
        ]
        print_json({"anchor": base.codec, "metric": metric, "method": method, "results": lines})
        return
    show_table(
        ("codec", "BD-rate %", f"common {metric}", "overlap %", "points"),
        [
            (
                curve.codec,
                f"{delta.percent:+.2f}",
                f"{delta.low:.4g}..{delta.high:.4g}",
                f"{100 * delta.overlap:.0f}",
                str(delta.points),
            )
            for curve, delta in deltas
        ],
        title=f"against {base.codec} at equal {metric} ({method})",
    )
