"""A tiny queue: the program that tests of several processes start.

python -m tests.shared_queue PHOTOS RUNS DEVICES
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from models.training import perceptual_trainer, queue
from models.training.perceptual_recipes import PERCEPTUAL
from models.training.processes import Processes, launch
from models.training.recipes import RECIPES, Round
from models.training.trainer import Trainer
from tests.test_perceptual_training import RECIPE, WEIGHTS, TinyTrunk
from tests.test_training import TINY

ENTRIES = (("tiny", 1), ("tiny", 2), ("tiny-eye", 1), ("tiny", 3))
PART = Round(1, rate=1e-3, warmup=1, batch=2, side=64)


def worked(photos: Path, runs: Path, processes: Processes) -> list[dict[str, Any]]:
    """Work through ENTRIES in `runs`; what this process has after each: name, step and parameters."""
    RECIPES["tiny"] = replace(TINY, rounds=(PART, PART, PART))
    PERCEPTUAL["tiny-eye"] = replace(RECIPE, name="tiny-eye", rounds=(PART,), weights=WEIGHTS)
    perceptual_trainer.PerceptualTrainer.__init__.__kwdefaults__["trunk"] = TinyTrunk
    queue.QUEUE = ENTRIES
    begun: list[Trainer] = []
    make = queue.trainer_for

    def kept(*given: Any, **more: Any) -> Trainer:
        begun.append(make(*given, **more))
        return begun[-1]

    queue.trainer_for = kept
    queue.run_queue(photos, runs, None, lambda _: lambda _: None, processes)
    return [{"name": run.recipe.name, "step": run.step, "network": run.network.state_dict()} for run in begun]


if __name__ == "__main__":
    torch.set_num_threads(1)
    shared = launch(int(sys.argv[3]), "cpu")
    torch.save(worked(Path(sys.argv[1]), Path(sys.argv[2]), shared), f"{sys.argv[2]}-{shared.rank}.pt")
