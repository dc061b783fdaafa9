"""How is training run from the command line? `hflic train RECIPE | queue | publish` and `--plan`."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from app.cli_console import FailedError, UsageError, hint, number, print_json, say, show_table
from models.errors import HflicError

if TYPE_CHECKING:
    from models.training.recipes import Recipe
    from models.training.trainer import Progress

LOG_EVERY = 100  # steps between two lines where there is no terminal


def train(
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
    plan: Annotated[bool, typer.Option("--plan", help="Say what the queue has done and has left.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The plan as JSON.")] = False,
) -> None:
    """Train a network, or work through the queue; whatever was begun goes on where it stopped."""
    with _failures():
        if plan:
            _show_plan(runs, as_json)
        elif what is None:
            raise UsageError(f"say what to train: {', '.join(_recipes())}, queue or publish")
        elif what == "publish":
            _publish(runs, validation)
        elif what == "queue":
            from models.training.queue import run_queue

            with _reports() as report:
                run_queue(_needed(data), runs, validation, report)
        elif what not in _recipes():
            raise UsageError(f"there is no recipe '{what}': choose {', '.join(_recipes())}, queue or publish")
        else:
            _train_one(what, _needed(data), out, runs, validation, resume, until, threads)


def _train_one(
    name: str,
    data: Path,
    out: Path | None,
    runs: Path,
    validation: Path | None,
    resume: bool,
    until: int | None,
    threads: int | None,
) -> None:
    from models.training.start import recipe_named, trainer_for
    from models.training.trainer import CHECKPOINT

    folder = out or runs / name
    if (folder / CHECKPOINT).exists() and not resume:
        raise UsageError(
            f"{folder} holds a run already: add --resume to go on with it, or choose another --out"
        )
    with _reports() as report:
        trainer = trainer_for(name, data, folder, runs=runs, validation=validation, threads=threads)
        try:
            finished = trainer.run(until, report(recipe_named(name)))
            step = trainer.step
        finally:
            trainer.close()
    rest = "" if finished else ", --resume goes on from there"
    say(f"{name}: {'finished' if finished else 'stopped'} at step {step}, saved in {folder}{rest}")


def _publish(runs: Path, validation: Path | None) -> None:
    if validation is None:
        raise UsageError(
            "give --validation a folder of photographs: published weights carry their measurements"
        )
    from models.training import publish

    results = publish.publish_all(runs, validation)
    if not results:
        raise UsageError(f"{runs} holds no run: train first, for example with 'hflic train queue'")
    for result in results:
        gain = "" if result.gain is None else f" ({result.gain:+.1f}% bits against what was published)"
        what = f"written to {result.written}" if result.written else "not better than what is published"
        say(f"{result.recipe}, {result.steps} steps: {what}{gain}")


def _needed(data: Path | None) -> Path:
    if data is None:
        raise UsageError("give --data a folder of photographs")
    return data


def _recipes() -> list[str]:
    from models.training.perceptual_recipes import PERCEPTUAL
    from models.training.recipes import RECIPES

    return [*RECIPES, *PERCEPTUAL]


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


@dataclass(frozen=True)
class PlanRow:
    """One entry of the queue: steps of this entry alone; seconds and hours are None until a run was timed."""

    recipe: str
    round: int
    done: int
    to_go: int
    seconds_per_step: float | None
    hours_left: float | None
    waits_for: str | None


def plan_rows(runs: Path) -> list[PlanRow]:
    """Where every entry of the queue stands, from the checkpoints in the folder of runs."""
    from models.training.queue import goal_of
    from models.training.recipes import QUEUE
    from models.training.start import recipe_named
    from models.training.trainer import CHECKPOINT, load_checkpoint

    states: dict[str, tuple[int, float]] = {}
    for name in dict.fromkeys(name for name, _ in QUEUE):
        path = runs / name / CHECKPOINT
        if path.exists():
            state = load_checkpoint(path)
            states[name] = (int(state["step"]), float(state["seconds"]))
    rows: list[PlanRow] = []
    begun: dict[str, int] = {}
    before: str | None = None
    for name, rounds in QUEUE:
        start, goal = begun.get(name, 0), goal_of(recipe_named(name), rounds)
        step, seconds = states.get(name, (0, 0.0))
        done = min(max(step - start, 0), goal - start)
        to_go = goal - start - done
        pace = seconds / step if step else None
        hours = to_go * pace / 3600 if pace is not None else None
        rows.append(PlanRow(name, rounds, done, to_go, pace, hours, before if to_go else None))
        begun[name] = goal
        if to_go:
            before = f"{name} round {rounds}"
    return rows


def _show_plan(runs: Path, as_json: bool) -> None:
    rows = plan_rows(runs)
    known = [row.hours_left for row in rows if row.hours_left is not None]
    if as_json:
        print_json({"runs": str(runs), "queue": [asdict(row) for row in rows]})
        return
    show_table(
        ("recipe", "round", "steps done", "steps to go", "s/step", "hours left", "waits for"),
        [
            (
                row.recipe,
                str(row.round),
                str(row.done),
                str(row.to_go),
                number(row.seconds_per_step, 2),
                number(row.hours_left, 1),
                row.waits_for or "-",
            )
            for row in rows
        ],
    )
    unknown = sum(row.hours_left is None for row in rows)
    hint(
        f"{sum(known):.1f} hours left" + (f", and {unknown} entries nobody has timed yet" if unknown else "")
    )
