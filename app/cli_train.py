"""How is training run from the command line? `hflic train RECIPE | queue | publish` and `--plan`."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from app.cli_console import FailedError, UsageError, hint, number, print_json, say, show_table, unused
from models.assets import frozen
from models.errors import HflicError

if TYPE_CHECKING:
    from models.training import publish
    from models.training.processes import Processes
    from models.training.recipes import Recipe
    from models.training.trainer import Progress

LOG_EVERY = 100  # steps between two lines where there is no terminal


# What belongs to a single recipe; a queue always goes on where it stopped.
_OF_A_RECIPE = ("out", "until", "threads")
_OF_TRAINING = (*_OF_A_RECIPE, "resume", "devices", "device")


def train(
    context: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="RECIPE|queue|publish",
            help="A recipe by name; [b]queue[/b] to go on with all of them in order; "
            "[b]publish[/b] to turn the runs' weights into the program's own.",
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of photographs to train on.")] = None,
    validation: Annotated[Path | None, typer.Option(help="Folder of photographs to measure on.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder the runs live in, one folder each.")] = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="Folder of this run (default: RUNS/RECIPE).")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that is in the folder.")
    ] = False,
    until: Annotated[int | None, typer.Option(min=1, help="Stop at this step.")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads (default: all that others leave free).")
    ] = None,
    devices: Annotated[
        int, typer.Option(min=1, help="Processes that share each batch: GPUs where there are any, else CPU.")
    ] = 1,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda", help="What a recipe is trained on.")
    ] = "auto",
    plan: Annotated[bool, typer.Option("--plan", help="Say what the queue has done and has left.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON.")] = False,
) -> None:
    """Train a network, or work through the queue; whatever was begun goes on where it stopped."""
    if frozen():
        raise UsageError("the packaged program cannot train: install HFLIC with pip, see hflic docs training")
    with _failures():
        if plan:
            _show_plan(runs, as_json)
        elif what is None:
            raise UsageError(f"say what to train: {', '.join(_recipes())}, queue or publish")
        elif what == "publish":
            unused(context, _OF_TRAINING, "publishing trains nothing")
            _publish(runs, validation, data)
        elif what == "queue":
            unused(context, _OF_A_RECIPE, "give it with a recipe, hflic train RECIPE")
            _train_queue(_needed(data), runs, validation, (devices, device))
        elif what not in _recipes():
            raise UsageError(f"there is no recipe '{what}': choose {', '.join(_recipes())}, queue or publish")
        else:
            _train_one(what, _needed(data), out, runs, validation, resume, until, threads, (devices, device))


def _train_one(
    name: str,
    data: Path,
    out: Path | None,
    runs: Path,
    validation: Path | None,
    resume: bool,
    until: int | None,
    threads: int | None,
    where: tuple[int, str],
) -> None:
    from models.training.processes import launch
    from models.training.start import recipe_named, trainer_for
    from models.training.trainer import CHECKPOINT

    folder = out or runs / name
    if (folder / CHECKPOINT).exists() and not resume:
        raise UsageError(
            f"{folder} holds a run already: add --resume to go on with it, or choose another --out"
        )
    processes = launch(*where)
    with _said_once(processes), _reports() as report:
        trainer = trainer_for(
            name, data, folder, runs=runs, validation=validation, threads=threads, processes=processes
        )
        try:
            finished = trainer.run(until, report(recipe_named(name)))
            step = trainer.step
        finally:
            trainer.close()
        rest = "" if finished else ", --resume goes on from there"
        say(f"{name}: {'finished' if finished else 'stopped'} at step {step}, saved in {folder}{rest}")


def _train_queue(data: Path, runs: Path, validation: Path | None, where: tuple[int, str]) -> None:
    from models.training.processes import launch
    from models.training.queue import run_queue

    processes = launch(*where)
    with _said_once(processes), _reports() as report:
        run_queue(data, runs, validation, report, processes)


@contextlib.contextmanager
def _said_once(processes: Processes) -> Iterator[None]:
    """The first process speaks for all; the others are silent."""
    if processes.first:
        yield
        return
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nothing,
        contextlib.redirect_stdout(nothing),
        contextlib.redirect_stderr(nothing),
    ):
        try:
            yield
        except HflicError:
            raise typer.Exit(1) from None


def _publish(runs: Path, validation: Path | None, data: Path | None) -> None:
    if validation is None:
        raise UsageError(
            "give --validation a folder of photographs: published weights carry their measurements"
        )
    from models.training import publish
    from models.training.start import losses_of

    losses = partial(losses_of, data=data, validation=validation) if data is not None else None
    results = publish.publish_all(runs, validation, losses=losses, data=data, report=_say_published)
    if not results:
        raise UsageError(f"{runs} holds no run: train first, for example with 'hflic train queue'")
    if failed := [result for result in results if result.failed]:
        raise FailedError(f"{failed[0].recipe}: {failed[0].words}")


def _say_published(result: publish.Published) -> None:
    if result.failed:
        hint(f"{result.recipe}: {result.words}")
        return
    gain = "" if result.gain is None else f" ({result.gain:+.1f}% bits against what was published)"
    what = f"written to {result.written}" if result.written else "not published"
    words = f" ({result.words})" if result.words else ""
    say(f"{result.recipe}, {result.steps} steps: {what}{gain}{words}")


def _needed(data: Path | None) -> Path:
    if data is None:
        raise UsageError("give --data a folder of photographs")
    return data


def _recipes() -> list[str]:
    from models.training.paper_recipes import PAPER
    from models.training.perceptual_recipes import PERCEPTUAL
    from models.training.recipes import RECIPES

    return [*RECIPES, *PERCEPTUAL, *PAPER]


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """A run that cannot go on is a failure, not a mistake in what was asked for."""
    try:
        yield
    except HflicError as error:
        from models.training.trainer import TrainingError

        if isinstance(error, TrainingError):
            raise FailedError(str(error)) from error
        raise


@contextlib.contextmanager
def _reports() -> Iterator[Callable[[Recipe], Callable[[Progress], None]]]:
    """Reporters of progress: a bar on a terminal, else a line every LOG_EVERY steps."""
    if sys.stderr.isatty():
        from rich.logging import RichHandler
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        logging.basicConfig(
            level=logging.INFO, format="%(message)s", handlers=[RichHandler(console=console, show_path=False)]
        )
        bar = Bar(
            TextColumn("[b]{task.description}"),
            BarColumn(bar_width=8),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            console=console,
        )
        with bar:

            def begin(recipe: Recipe) -> Callable[[Progress], None]:
                task = bar.add_task(recipe.name, total=recipe.steps, numbers="starting")

                def show(p: Progress) -> None:
                    bar.update(task, completed=p.step, total=p.steps, numbers=_numbers(p))

                return show

            yield begin
        return

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")

    def begin_plain(recipe: Recipe) -> Callable[[Progress], None]:
        def line(p: Progress) -> None:
            if p.step % LOG_EVERY == 0 or p.step >= p.steps:
                logging.getLogger("hflic.train").info(
                    "%s %d/%d %s lr %.2g", recipe.name, p.step, p.steps, _numbers(p), p.learning_rate
                )

        return line

    yield begin_plain


def _numbers(p: Progress) -> str:
    hours, seconds = divmod((p.steps - p.step) * p.seconds_per_step, 3600)
    judged = f"loss {p.loss:.3f} {p.bpp:.3f} bpp {p.psnr:.2f} dB"
    return f"{judged} {p.seconds_per_step:.2f} s/step {hours:.0f}h{seconds // 60:02.0f} left"


def _show_plan(runs: Path, as_json: bool) -> None:
    from models.training.plan import PlanRow, other_rows, queue_rows

    queued, others = queue_rows(runs), other_rows(runs)
    if as_json:
        print_json(
            {"runs": str(runs), "queue": [asdict(r) for r in queued], "others": [asdict(r) for r in others]}
        )
        return

    def cells(row: PlanRow) -> tuple[str, ...]:
        pace = number(row.seconds_per_step, 2) + ("" if row.measured else " (estimate)")
        counts = (str(row.round), str(row.done), str(row.to_go))
        return (row.recipe, *counts, pace, number(row.hours_left, 1), row.waits_for or "-")

    columns = ("recipe", "round", "steps done", "steps to go", "s/step", "hours left", "waits for")
    show_table(columns, [cells(row) for row in queued])
    hint(
        f"{sum(row.hours_left for row in queued):.1f} hours left in the queue"
        + ("; recipes outside it:" if others else "")
    )
    if others:
        show_table(columns, [cells(row) for row in others])
