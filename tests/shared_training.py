"""Two tiny runs, one for each kind of trainer: the program that tests of several processes start.

python -m tests.shared_training PHOTOS OUT DEVICES
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from models.networks.base import CompressionNetwork
from models.networks.builders import build
from models.training.data import Place
from models.training.perceptual_trainer import Continued, PerceptualTrainer
from models.training.processes import Processes, launch
from models.training.trainer import Trainer, TrainingError
from tests.test_perceptual_training import RECIPE, WEIGHTS, TinyTrunk, tiny_elic, whole_state
from tests.test_training import TINY, everything

EYE = replace(RECIPE, weights=replace(WEIGHTS, face=40.0, grid=0.05), gan_from=0.0)
STEPS = 6


def corner_faces(places: Sequence[Place], side: int) -> Tensor:
    """Faces of another size in every picture of a batch, from where it was cut."""
    masks = torch.zeros(len(places), 1, side, side)
    for mask, place in zip(masks, places, strict=True):
        mask[:, : 8 + int(place.left) % 24, :16] = 1
    return masks


def averaged_gradients(run: PerceptualTrainer) -> dict[str, Tensor]:
    """What Adam keeps of the first step's gradients, for the network and for the discriminator."""
    found = {}
    for kind, optimizer in (("network", run.optimizer), ("discriminator", run.d_optimizer)):
        for index, entry in optimizer.state_dict()["state"].items():
            found[f"{kind} {index}"] = entry["exp_avg"].clone()
    return found


def trained(photos: Path, out: Path, processes: Processes) -> dict[str, Any]:
    """Losses of both runs, their states afterwards, and where a run ends that one process stops.

    In float32 wherever this runs: bfloat16 would round halves of a batch otherwise than the whole.
    """
    with patch.object(torch.cpu, "get_capabilities", dict):
        return _trained(photos, out, processes)


def _trained(photos: Path, out: Path, processes: Processes) -> dict[str, Any]:
    plain = Trainer(TINY, photos, out / "plain", threads=1, processes=processes)
    torch.manual_seed(5)
    base = build(tiny_elic())
    if not processes.first:
        for parameter in base.parameters():  # as if the base had moved on in the meantime
            parameter.data.mul_(1.1)
    eye = PerceptualTrainer(
        EYE,
        photos,
        out / "eye",
        base=base.state_dict,
        trunk=TinyTrunk,
        masks=corner_faces,
        threads=1,
        processes=processes,
    )
    result: dict[str, Any] = {"plain": [plain.train_step() for _ in range(STEPS)]}
    result["plain state"] = everything(plain)
    result["eye"] = [eye.train_step()]
    result["eye gradients"] = averaged_gradients(eye)
    result["eye"] += [eye.train_step() for _ in range(STEPS - 1)]
    result["eye state"] = whole_state(eye)
    result["followed state"], result["followed step"] = _followed(photos, out / "followed", processes, base)
    result |= _stopped(photos, out / "stopped", processes)
    plain.close()
    eye.close()
    return result


def _followed(
    photos: Path, out: Path, processes: Processes, base: CompressionNetwork
) -> tuple[dict[str, Tensor], int]:
    """A run that goes on after both it and its base were published, which only the first process sees."""
    torch.manual_seed(6)
    older = build(tiny_elic()).state_dict()
    own = {k: v + 0.01 if v.is_floating_point() else v for k, v in older.items()}
    recipe = replace(EYE, rounds=EYE.rounds * 2)
    start = Continued(own, recipe.rounds[0].steps if processes.first else 5, 0.0, older)
    run = PerceptualTrainer(
        recipe,
        photos,
        out,
        base=base.state_dict if processes.first else lambda: older,
        trunk=TinyTrunk,
        masks=corner_faces,
        threads=1,
        processes=processes,
        start=lambda: start,
    )
    run.close()
    return whole_state(run), run.step


def _stopped(photos: Path, out: Path, processes: Processes) -> dict[str, Any]:
    run = Trainer(TINY, photos, out, threads=1, processes=processes, validation=photos, validate_every=2)
    step = run.train_step

    def stopping() -> tuple[float, float, float]:
        if run.step == 2 and processes.rank == processes.count - 1:
            run.stop()
        return step()

    run.train_step = stopping  # type: ignore[method-assign]
    finished = run.run()
    ended = run.step
    with torch.no_grad():
        next(run.network.g_s.parameters()).fill_(torch.nan)
    try:
        run.save()
        refused = False
    except TrainingError:
        refused = True
    run.close()
    return {"finished": finished, "ended": ended, "refused": refused}


if __name__ == "__main__":
    torch.set_num_threads(1)
    shared = launch(int(sys.argv[3]), "cpu")
    torch.save(trained(Path(sys.argv[1]), Path(sys.argv[2]), shared), f"{sys.argv[2]}-{shared.rank}.pt")
