"""Training crops from a folder of photographs: a function of (seed, step), so that a run resumes exactly."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from models.errors import HflicError

log = logging.getLogger(__name__)

CACHE_BYTES = 2 << 30  # of decoded photographs
MAX_TRIES = 1000  # draws of a picture before the folder is given up
PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".ppm"}


class DataError(HflicError):
    """The folder cannot be trained on; the text says why and what to do."""


def photo_paths(folder: Path) -> list[Path]:
    """The pictures of a folder and the folders below it, sorted by name.

    Raises DataError when the folder is missing or has no picture.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: give --data a folder of photographs")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PHOTO_SUFFIXES)
    if not paths:
        raise DataError(f"{folder} holds no picture ({', '.join(sorted(PHOTO_SUFFIXES))})")
    return paths


@dataclass(frozen=True)
class CropPlan:
    """How crops are cut: side in pixels, and the range the photograph is scaled by first.

    Scaling down by 0.45 to 0.9 removes the traces of the JPEG the photograph came from.
    """

    side: int = 192
    scale_low: float = 0.45
    scale_high: float = 0.9


@dataclass(frozen=True)
class Place:
    """Where a crop was cut: the index of its photograph, a square in its pixels, mirrored or not."""

    photo: int
    left: float
    top: float
    size: float
    mirrored: bool


@dataclass(frozen=True)
class Batch:
    """The crops of a step: pictures (B, 3, side, side) in 0..1, uniform numbers (B,) and places."""

    x: Tensor
    uniform: Tensor
    places: tuple[Place, ...]


class Photographs:
    """A folder's photographs by number, decoded ones kept in memory up to `cache_bytes`.

    Whatever looks at the same folder should share one of these, from any thread.
    """

    def __init__(self, folder: Path, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.folder = folder
        self.paths = photo_paths(folder)
        self._cache: dict[int, NDArray[np.uint8]] = {}
        self._room = cache_bytes
        self._bad: set[int] = set()
        self._lock = threading.Lock()

    def photo(self, index: int) -> NDArray[np.uint8] | None:
        """(H, W, 3), or None for a file that cannot be read (reported once, then skipped)."""
        with self._lock:
            return self._photo(index)

    def _photo(self, index: int) -> NDArray[np.uint8] | None:
        if index in self._cache:
            return self._cache[index]
        if index in self._bad:
            return None
        try:
            with Image.open(self.paths[index]) as picture:
                photo = np.asarray(picture.convert("RGB"))
        except Exception as error:  # what decoders raise for damaged files is known to none of them
            self._bad.add(index)
            if len(self._bad) == len(self.paths):
                raise DataError("no picture of the folder can be read") from error
            log.warning("skipping %s: %s", self.paths[index].name, error)
            return None
        if photo.nbytes <= self._room:
            self._room -= photo.nbytes
            self._cache[index] = photo
        return photo


class PhotoCrops:
    """Random crops of a folder's photographs."""

    def __init__(self, folder: Path | Photographs, *, seed: int = 1, cache_bytes: int = CACHE_BYTES) -> None:
        """`cache_bytes` is for photographs that are not kept elsewhere already."""
        if isinstance(folder, Path):
            folder = Photographs(folder, cache_bytes=cache_bytes)
        self.photographs = folder
        self.seed = seed
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="crops")
        self._ahead: tuple[tuple[int, int, CropPlan], Future[Batch]] | None = None

    def _crop(self, rng: np.random.Generator, plan: CropPlan) -> tuple[NDArray[np.uint8], Place]:
        photo, index, tries = None, 0, 0
        while photo is None or min(photo.shape[:2]) < plan.side:
            if (tries := tries + 1) > MAX_TRIES:
                raise DataError(
                    f"hardly any picture is at least {plan.side} pixels wide and high: add larger ones"
                )
            index = int(rng.integers(len(self.photographs.paths)))
            photo = self.photographs.photo(index)
        height, width = photo.shape[:2]
        low = max(plan.scale_low, plan.side / min(height, width))
        scale = rng.uniform(low, max(plan.scale_high, low))
        size = min(plan.side / scale, height, width)
        left, top = rng.uniform(0, width - size), rng.uniform(0, height - size)
        box = (left, top, left + size, top + size)
        margin = 8  # the filter's support around the box; the rest of the photograph is not touched
        x0, y0 = max(int(left) - margin, 0), max(int(top) - margin, 0)
        x1, y1 = min(int(box[2]) + margin + 1, width), min(int(box[3]) + margin + 1, height)
        region = Image.fromarray(photo[y0:y1, x0:x1])
        inner = (box[0] - x0, box[1] - y0, box[2] - x0, box[3] - y0)
        crop = np.asarray(region.resize((plan.side, plan.side), Image.Resampling.BICUBIC, box=inner))
        mirrored = rng.random() < 0.5
        return crop[:, ::-1] if mirrored else crop, Place(index, left, top, size, mirrored)

    def cut(self, step: int, count: int, plan: CropPlan) -> Batch:
        """The batch of a step alone, made here and now. Raises DataError like `batch`."""
        rng = np.random.default_rng([self.seed, step])
        strata = (rng.permutation(count) + rng.random(count)) / count
        positions = torch.from_numpy(strata.astype(np.float32))
        crops, places = zip(*(self._crop(rng, plan) for _ in range(count)), strict=True)
        pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
        return Batch(pixels.float().div_(255), positions, places)

    def batch(self, step: int, count: int, plan: CropPlan) -> Batch:
        """The batch of a step, channels_last, and the next one already on its way in a thread.

        Its uniform numbers choose each picture's rate: one in every 1/count of 0..1, in random order, so
        that each step sees low, middle and high rates. Raises DataError where the folder has no picture
        of the size.
        """
        wanted = (step, count, plan)
        if self._ahead is not None and self._ahead[0] == wanted:
            batch = self._ahead[1].result()
        else:
            batch = self.cut(*wanted)
        following = (step + 1, count, plan)
        self._ahead = (following, self._worker.submit(self.cut, *following))
        return batch

    def close(self) -> None:
        """Stop the prefetching thread."""
        self._worker.shutdown(cancel_futures=True)
