"""How faithful is a decoded picture where the faces are, and elsewhere?"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import HflicError
from models.faces import Face, detect, mask
from models.metrics import MetricAbsent, compute, missing
from models.picture import Picture
from models.watch import QUIET, Watch

MARGIN = 0.25  # of its longer side, by which a face's cut is larger than its box all around
SMALLEST = 48  # pixels a side of a cut: LPIPS sees nothing in less
_ROWS = 256  # of a picture, whose differences are held at a time
REMEMBERED = 64  # pictures whose small faces need no second search: a folder is measured codec by codec

Pixels = NDArray[np.uint8]

_searched: dict[bytes, tuple[Face, ...]] = {}
_searching = threading.Lock()


@dataclass(frozen=True)
class Part:
    """PSNR in dB and LPIPS (AlexNet) of a part of the picture; None where it is not defined or infinite."""

    psnr: float | None
    lpips: float | None


@dataclass(frozen=True)
class FaceMetrics:
    """inside: over the ellipses of all faces, outside: over the rest, each: of the cut around every face."""

    inside: Part
    outside: Part
    each: tuple[Part, ...]


def measure(reference: Picture, picture: Picture, faces: Sequence[Face], watch: Watch = QUIET) -> FaceMetrics:
    """The numbers of a decoded picture for the faces of its original. Raises Cancelled."""
    inside = mask((reference.width, reference.height), faces)
    parts = (inside, 1 - inside)
    perceived = _lpips_over(reference, picture, parts, watch)
    nearness = [_psnr_over(reference.pixels, picture.pixels, part) for part in parts]
    each = []
    for face in faces:
        rows, columns = cut_of(face, reference.width, reference.height)
        a, b = (Picture(np.ascontiguousarray(p.pixels[rows, columns])) for p in (reference, picture))
        each.append(Part(_number("psnr", a, b), _number("lpips", a, b)))
    found = [Part(*numbers) for numbers in zip(nearness, perceived, strict=True)]
    return FaceMetrics(found[0], found[1], tuple(each))


def psnr_in_small_faces(a: Pixels, b: Pixels, watch: Watch = QUIET) -> float:
    """PSNR in dB of `b` over the ellipses of the small faces of `a`, both (H, W, 3).

    Raises MetricAbsent where `a` has no small face, WeightsError without the detector, Cancelled.
    """
    found = _psnr_over(a, b, small_mask(a, watch))
    return math.inf if found is None else found


def lpips_outside_small_faces(a: Pixels, b: Pixels, watch: Watch = QUIET) -> float:
    """LPIPS (AlexNet) of `b` over what `psnr_in_small_faces` leaves out, large faces included.

    Raises what that does, so that both numbers are there for the same pictures.
    """
    from models.perceptual import lpips_over

    return lpips_over("alex", a, b, [1 - small_mask(a, watch)], watch)[0]


def small_mask(pixels: Pixels, watch: Watch) -> NDArray[np.float32]:
    """What the small faces of a picture cover, (H, W) zeros and some ones. Raises MetricAbsent."""
    watch.step("looking for faces", 0.0)
    flat = np.ascontiguousarray(pixels).ravel()
    key = hashlib.blake2b(flat.data, digest_size=16, key=str(pixels.shape).encode()).digest()
    with _searching:
        if key not in _searched:
            _searched[key] = tuple(face for face in detect(Picture(pixels)) if face.small)
            while len(_searched) > REMEMBERED:
                del _searched[next(iter(_searched))]
        found = _searched[key]
    covered = mask((pixels.shape[1], pixels.shape[0]), found)
    if not covered.any():
        raise MetricAbsent("there is no small face in the original")
    return covered


def cut_of(face: Face, width: int, height: int) -> tuple[slice, slice]:
    """Rows and columns of a face's box and MARGIN around it, at least SMALLEST a side, inside the picture."""
    margin = MARGIN * max(face.box[2] - face.box[0], face.box[3] - face.box[1])
    spans = []
    for low, high, full in ((face.box[1], face.box[3], height), (face.box[0], face.box[2], width)):
        side = min(max(math.ceil(high - low + 2 * margin), SMALLEST), full)
        start = min(max(round((low + high - side) / 2), 0), full - side)
        spans.append(slice(start, start + side))
    return spans[0], spans[1]


def _psnr_over(a: Pixels, b: Pixels, weights: NDArray[np.float32]) -> float | None:
    covered = float(weights.sum(dtype=np.float64))
    if not covered:
        return None
    total = 0.0
    for top in range(0, a.shape[0], _ROWS):
        rows = slice(top, top + _ROWS)
        difference = a[rows].astype(np.float32) - b[rows]
        total += float(((difference * difference).sum(axis=2) * weights[rows]).sum(dtype=np.float64))
    error = total / (3 * covered)
    return 10 * math.log10(255**2 / error) if error else None


def _lpips_over(
    a: Picture, b: Picture, weights: Sequence[NDArray[np.float32]], watch: Watch
) -> list[float | None]:
    from models.metrics import TABLE

    if missing("lpips") or min(a.width, a.height) < TABLE["lpips"].smallest:
        return [None] * len(weights)
    from models.perceptual import lpips_over

    found = lpips_over("alex", a.pixels, b.pixels, weights, watch)
    return [value if math.isfinite(value) else None for value in found]


def _number(name: str, a: Picture, b: Picture) -> float | None:
    try:
        value = compute(name, a, b)
    except (MetricAbsent, HflicError):
        return None
    return value if math.isfinite(value) else None
