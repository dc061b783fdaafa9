"""How are codecs measured over a folder from the command line? `hflic evaluate`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from app import text
from app.cli_bdrate import Markdown
from app.cli_codec import Json, check_folder
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
    from models.evaluation import Average, Step
    from models.pairing import Difference


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
    reuse: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Result file whose finished rows count too; may be given often."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Show how the others differ from this codec, picture by picture."),
    ] = None,
    markdown: Markdown = False,
    as_json: Json = False,
) -> None:
    """Measure codecs over a folder: real files, real decodes, one row each and the averages.

    Interrupted or run again, it keeps the rows that are finished. Means are over pictures.
    """
    from models import evaluation
    from models.curves import export_compressai
    from models.pairing import differences

    points = _points(rates, qualities)
    names = checked_metrics(metrics)
    overlay = _overlay(plot, published)
    check_folder(out)
    _check_outputs(out, plot)
    known = [row for file in reuse or [] for row in evaluation.read_rows(file)]
    figures = [plot] if plot is not None else []
    tasks = evaluation.plan(folder, checked_codecs(ids), points, names, keep, figures)
    if compressai is not None:
        _check_exports(out, compressai, {(task.codec, task.weights) for task in tasks})
    if against is not None:
        from models import codec as codecs

        against = codecs.get(against).id  # rows name the size that a bare id stands for
        if against not in (measured := dict.fromkeys(task.codec for task in tasks)):
            raise UsageError(f"--against names none of the codecs that are measured: {', '.join(measured)}")
    with _evaluation_progress() as report:
        rows = evaluation.evaluate(tasks, out, jobs=jobs, scheduler=scheduler, report=report, reuse=known)
    averages = evaluation.averages(rows)
    if compressai is not None:
        compressai.mkdir(parents=True, exist_ok=True)
        export_compressai(averages, compressai)
    if plot is not None:
        title = f"{folder.resolve().name or folder}: {_pictures_text(averages)}"
        _draw(plot, averages, names, title, overlay, published or "")
    compared = [] if against is None else differences(rows, against, names)
    if as_json:
        found = (
            {} if against is None else {"against": against, "differences": [_json_of(d) for d in compared]}
        )
        print_json({"file": str(out), "averages": [average.as_json() for average in averages], **found})
    else:
        _averages_table(averages, names, markdown)
        if against is not None:
            _differences_table(compared, against, markdown)
    _say_what_is_absent(averages, names)
    failed = [row for row in rows if row.error]
    if failed:
        first = f"{failed[0].image} with {failed[0].codec}: {failed[0].error}"
        raise FailedError(f"{len(failed)} of {len(rows)} rows failed and are left out of the means; {first}")


def _check_outputs(out: Path, plot: Path | None) -> None:
    if plot is not None and plot.resolve() == out.resolve():
        raise UsageError("--plot and -o name the same file: give the figure another name")


def _check_exports(out: Path, folder: Path, used: Iterable[tuple[str, str | None]]) -> None:
    from models.curves import export_names

    if out.resolve() in {(folder / name).resolve() for name in export_names(used)}:
        raise UsageError(f"--compressai would write over {out}: give -o another name or folder")


def _points(rates: str | None, qualities: str | None) -> list[Rate]:
    from models.evaluation import DEFAULT_RATES

    if rates is None and qualities is None:
        return [Rate(bpp=value) for value in DEFAULT_RATES]
    points = [Rate(bpp=value) for value in _floats("--rates", rates or "")]
    points += [Rate(quality=value) for value in _floats("--qualities", qualities or "")]
    if not points:
        raise UsageError("give --rates or --qualities at least one number")
    return points


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


def _pictures_text(averages: list[Average]) -> str:
    """How many pictures the means are over: "24 pictures", or from the fewest to the most."""
    counts = {average.images for average in averages}
    if len(counts) > 1:
        return f"{min(counts)} to {max(counts)} pictures"
    (count,) = counts
    return text.counted(count, "picture")


def _averages_table(averages: list[Average], names: list[str], markdown: bool) -> None:
    show_table(
        ("codec", "rate", "pictures", "bpp", "encode s", "decode s", *names),
        [
            (
                average.codec,
                _rate_text(average.rate),
                str(average.images),
                *(number(average.numbers[key], 3) for key in ("bpp", "encode_s", "decode_s")),
                *(number(average.metrics.get(name), 4) for name in names),
            )
            for average in averages
        ],
        markdown=markdown,
    )


def _differences_table(compared: list[Difference], against: str, markdown: bool) -> None:
    show_table(
        (
            "codec",
            "rate",
            "metric",
            "pictures",
            "bpp %",
            f"{against} has",
            "it has",
            "more by",
            "%",
            "better on",
        ),
        [
            (
                one.codec,
                _rate_text(one.rate),
                one.metric,
                str(one.pictures),
                f"{one.bpp_percent:+.1f}",
                number(one.base, 4),
                number(one.value, 4),
                f"{one.by:+.4f}",
                "-" if one.percent is None else f"{one.percent:+.1f}",
                f"{one.better} of {one.pictures}",
            )
            for one in compared
        ],
        title=f"against {against} at the same wanted rate, on the pictures where both have the number",
        markdown=markdown,
    )


def _json_of(one: Difference) -> dict[str, Any]:
    return {**asdict(one), "by": one.by, "percent": one.percent, "bpp_percent": one.bpp_percent}


def _rate_text(rate: dict[str, float]) -> str:
    return " ".join(f"{kind} {value:g}" for kind, value in rate.items())


def _say_what_is_absent(averages: list[Average], names: list[str]) -> None:
    """A mean over some of the pictures must not pass for one over all."""
    for name in names:
        have = sorted({(a.over[name][0], a.images) for a in averages if name in a.over})
        if have:
            counts = " or ".join(f"{some} of {all_}" for some, all_ in dict.fromkeys((have[0], have[-1])))
            hint(f"{name} is defined on {counts} pictures; its means and curves are over those")


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
