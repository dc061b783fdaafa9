"""Are weights better than others? Real files and decodes of photographs, and what they say of two cards."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models import metrics, weights
from models.codec import Rate
from models.curves import Curve, CurveError, bd_rate, scale_of
from models.learned import LearnedCodec
from models.perceptual import keep_reference
from models.picture import Picture
from models.training.data import photo_paths

_PICTURES = 16
# AlexNet looks at every fourth pixel. A network trained on LPIPS can put an error between, in a pattern that
# starts with the picture; without the first rows and columns LPIPS sees it (by 6% in such weights of ours).
OFF_GRID = "lpips_off_grid"
# Perceptual weights are judged by two trunks, as every recipe trains on one of them.
FOR_THE_EYE = (OFF_GRID, "dists")
_QUALITIES = (0.0, 15.0, 30.0, 45.0, 60.0, 80.0, 100.0)
_METRICS = ("psnr", "ms_ssim", "lpips")
_CUT = 2  # pixels
_SLACK = 0.02  # share of the bits in which two networks of one rate may differ


def measure(
    codec: LearnedCodec, folder: Path, share: float = 0.0, judges: tuple[str, ...] = ()
) -> tuple[dict[str, float], ...]:
    """Real files and decodes of photographs spread over a folder: one row a quality, means.

    share: how much of the codec's realistic decoder is used; judges: metrics beside the usual ones.
    """
    known = (*_METRICS, *(m for m in judges if m not in (*_METRICS, OFF_GRID)))
    paths = photo_paths(folder)
    chosen = [Picture.open(p) for p in paths[:: max(len(paths) // _PICTURES, 1)][:_PICTURES]]
    qualities = (100.0,) if codec.one_rate else _QUALITIES
    values: list[list[list[float]]] = [[] for _ in qualities]
    keep_reference()
    for picture in chosen:
        for quality, found in zip(qualities, values, strict=True):
            encoding = codec.encode(picture, Rate(quality=quality))
            decoded = codec.decode(encoding.data, realism=share)
            numbers = [metrics.compute(m, picture, decoded) for m in known]
            if "lpips" in known:
                numbers.append(metrics.compute("lpips", _off_grid(picture), _off_grid(decoded)))
            found.append([encoding.bpp, *numbers])
    keep_reference(0)
    names = ("quality", "bpp", *known, *((OFF_GRID,) if "lpips" in known else ()))
    return tuple(
        dict(zip(names, [quality, *np.mean(found, axis=0).tolist()], strict=True))
        for quality, found in zip(qualities, values, strict=True)
    )


def _off_grid(picture: Picture) -> Picture:
    return Picture(np.ascontiguousarray(picture.pixels[_CUT:, _CUT:]))


def judged_on(folder: Path) -> str:
    """What `measure` looks at, in words for a card."""
    pictures = min(_PICTURES, len(photo_paths(folder)))
    return f"{pictures} photographs spread over '{folder.name}', real files and decodes"


def comparable(old: weights.Card, new: weights.Card, judges: tuple[str, ...]) -> bool:
    """Whether both cards have the metrics, measured on the same pictures."""
    same = old.validation_data == new.validation_data
    return same and all(metric in row for row in old.validation for metric in judges)


def compared(old: weights.Card, new: weights.Card, judges: tuple[str, ...]) -> tuple[float | None, bool]:
    """`Published.gain` of new weights over old ones, and whether they are better, by what judges them."""
    gain = _gain(old, new, judges)
    return gain, gain < 0 if gain is not None else all(_better_at_one_rate(old, new, m) for m in judges)


def improvement(old: weights.Card, new: weights.Card, metric: str) -> float | None:
    """BD-rate of the new card against the old one in percent, None where they cannot be compared."""
    if old.validation_data != new.validation_data:
        return None
    try:
        scale = scale_of("lpips" if metric == OFF_GRID else metric)
        return bd_rate(_curve(old, metric), _curve(new, metric), scale).percent
    except (CurveError, KeyError):
        return None


def _gain(old: weights.Card, new: weights.Card, judges: tuple[str, ...]) -> float | None:
    gains = [improvement(old, new, metric) for metric in judges]
    return None if None in gains else float(np.mean([g for g in gains if g is not None]))


def _curve(card: weights.Card, metric: str) -> Curve:
    points = sorted((row["bpp"], row[metric]) for row in card.validation)
    return Curve(card.codec, None, tuple(p[0] for p in points), tuple(p[1] for p in points))


def _better_at_one_rate(old: weights.Card, new: weights.Card, metric: str) -> bool:
    """Whether a network of one rate is better than another of it, at no more bits but for _SLACK of them."""
    if not len(old.validation) == len(new.validation) == 1:
        return False
    (before,), (now,) = old.validation, new.validation
    higher = metric != OFF_GRID and metrics.TABLE[metric].higher_is_better
    better = now[metric] > before[metric] if higher else now[metric] < before[metric]
    return better and now["bpp"] <= before["bpp"] * (1 + _SLACK)
