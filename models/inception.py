"""How far apart are two folders of pictures for an Inception network: FID and KID?

Both compare what the network sees in patches of the originals and of the decoded pictures. Patches of 256
pixels, as HiFiC's authors cut them (Mentzer et al. 2020, A.8): a grid from the upper left corner and one
shifted by half a patch, so that few photographs give many samples.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.assets import how_to_install
from models.errors import HflicError, PictureError, WeightsError
from models.given import given, how_to_give
from models.picture import Picture
from models.watch import QUIET, Watch

PATCH = 256
BATCH = 8
FEATURES = 2048
KID_SUBSET = 1000  # patches a subset of KID has, fewer where there are fewer
KID_SUBSETS = 100
FILE = "weights-inception-2015-12-05-6726825d.pth"
SOURCE = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{FILE}"

Features = NDArray[np.float32]


@dataclass(frozen=True)
class Distance:
    """FID; KID, mean and standard deviation over subsets; the numbers of patches on either side."""

    fid: float
    kid: float
    kid_deviation: float
    patches: tuple[int, int]


def missing() -> str:
    """Why FID and KID cannot be computed here for want of weights, "" where they can."""
    if given(FILE) is None:
        return how_to_give("the Inception weights of FID and KID are missing", (FILE,), SOURCE)
    return ""


def distance(
    originals: Path, decoded: Path, weights: Path | None = None, *, patch: int = PATCH, watch: Watch = QUIET
) -> Distance:
    """Of the pictures of `decoded` from those of `originals`; the names do not matter.

    `weights`: the file of torch-fidelity, looked for beside our own where it is not named.
    Raises PictureError for folders without patches, WeightsError, HflicError without the package, Cancelled.
    """
    network = extractor(weights)
    parts = []
    for at, folder in enumerate((originals, decoded)):
        found = list(_seen(network, folder, patch, watch, at / 2))
        if sum(map(len, found)) < 2:
            raise PictureError(f"{folder} has under two patches of {patch} pixels: give larger pictures")
        parts.append(np.concatenate(found))
    return compare(*parts)


def compare(a: Features, b: Features) -> Distance:
    """FID and KID of features (N, C) and (M, C), by torch-fidelity. At least two rows each."""
    import torch
    from torch_fidelity import metric_fid, metric_kid

    x, y = (torch.from_numpy(v.astype(np.float64)) for v in (a, b))
    statistics = [metric_fid.fid_features_to_statistics(v) for v in (x, y)]
    fid = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)
    kid = metric_kid.kid_features_to_metric(
        x,
        y,
        kid_subsets=KID_SUBSETS,
        kid_subset_size=min(KID_SUBSET, len(a), len(b)),
        rng_seed=2020,
        verbose=False,
    )
    return Distance(
        # Rounding of the matrix root leaves a little below zero.
        max(float(fid[metric_fid.KEY_METRIC_FID]), 0.0),
        float(kid[metric_kid.KEY_METRIC_KID_MEAN]),
        float(kid[metric_kid.KEY_METRIC_KID_STD]),
        (len(a), len(b)),
    )


def extractor(weights: Path | None = None) -> Any:
    """torch-fidelity's Inception network. Raises WeightsError, HflicError without the package."""
    import importlib.util

    if importlib.util.find_spec("torch_fidelity") is None:
        install = how_to_install("'hflic[metrics]'")
        raise HflicError(f"FID and KID need the package torch-fidelity: {install}")
    path = weights or given(FILE)
    if path is None:
        raise WeightsError(missing())
    from models.metric_packages import load_state

    load_state(path)  # the package would run what a pickle asks for: this refuses all but tensors
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return FeatureExtractorInceptionV3("hflic", [str(FEATURES)], feature_extractor_weights_path=path)
    except RuntimeError as error:
        raise WeightsError(
            f"{path} does not hold torch-fidelity's Inception weights: get {SOURCE}"
        ) from error


def patches(picture: Picture, side: int = PATCH) -> list[NDArray[np.uint8]]:
    """Its patches (side, side, 3): a grid from the corner, then one shifted by half a patch both ways."""
    cuts = []
    for start in (0, side // 2):
        for top in range(start, picture.height - side + 1, side):
            for left in range(start, picture.width - side + 1, side):
                cuts.append(picture.pixels[top : top + side, left : left + side])
    return cuts


def _seen(network: Any, folder: Path, side: int, watch: Watch, done: float) -> Iterator[Features]:
    """Features (N, FEATURES) of a folder's patches, batch by batch."""
    import torch

    from models.evaluation import pictures_of

    names = pictures_of(folder)
    for at, name in enumerate(names):
        watch.step(f"looking at {name}", done + at / len(names) / 2)
        cuts = patches(Picture.open(folder / name), side)
        for start in range(0, len(cuts), BATCH):
            batch = np.stack(cuts[start : start + BATCH]).transpose(0, 3, 1, 2)
            with torch.inference_mode():
                (found,) = network(torch.from_numpy(np.ascontiguousarray(batch)))
            yield found.numpy().astype(np.float32)
