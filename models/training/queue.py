"""The queue `make train` works through: each entry up to a round's end, resuming whatever was begun."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from models.training.processes import Processes
from models.training.recipes import QUEUE, Recipe
from models.training.standing import published_steps
from models.training.start import recipe_named, trainer_for
from models.training.trainer import CHECKPOINT, Progress, check_beginning, load_checkpoint


def goal_of(recipe: Recipe, rounds: int) -> int:
    """Steps up to the end of the first `rounds` rounds."""
    return sum(part.steps for part in recipe.rounds[:rounds])


def steps_done(recipe: Recipe, run: Path) -> int:
    """Steps of a recipe's run in a folder, 0 where there is none. Raises TrainingError, as `load_run`."""
    path = run / CHECKPOINT
    if not path.exists():
        return 0
    state = load_checkpoint(path, mapped=True)
    check_beginning(recipe, run, state)
    return int(state["step"])


def run_queue(
    data: Path,
    runs: Path,
    validation: Path | None,
    report: Callable[[Recipe], Callable[[Progress], None]],
    processes: Processes | None = None,
) -> None:
    """Train every entry in order until all are done or a signal stops one.

    What has no run begins from what is published. Several `processes` share each entry; the first one's
    process id is in RUNS/train.pid.
    """
    processes = processes or Processes()
    runs.mkdir(parents=True, exist_ok=True)
    pid = runs / "train.pid"
    if processes.first:
        pid.write_text(str(os.getpid()), encoding="ascii")
    try:
        for name, rounds in QUEUE:
            recipe = recipe_named(name)
            goal = goal_of(recipe, rounds)
            done = (steps_done(recipe, runs / name) or published_steps(recipe)) >= goal
            if processes.any(done):  # what is published may have changed between two processes' looks
                continue
            trainer = trainer_for(
                name, data, runs / name, runs=runs, validation=validation, processes=processes
            )
            try:
                finished = trainer.run(goal, report(recipe))
            finally:
                trainer.close()
            processes.wait()  # for the first one's checkpoint, which the others may go on from
            if not finished:
                return
    finally:
        if processes.first and pid.exists() and pid.read_text(encoding="ascii") == str(os.getpid()):
            pid.unlink(missing_ok=True)  # else a second queue has begun here, and it is that one's
