"""What stands in the strip? The same box of the original, both sides and all kept results. No widgets."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from app import text
from app.crops import Crop
from app.raster import Raster
from app.session import Session
from app.state import Coded, Key, Phase, Side, codec_name
from models.metrics import TABLE
from models.watch import QUIET

MOST = 24  # tiles beside those of the sides
REMEMBERED = 512  # boxes' numbers
AT_ONCE = (
    128 * 128
)  # pixels of a box whose number is there with its pixels; twenty of a larger one would be felt
MEASURED = 512 * 512  # pixels of a box that has a number at all


@dataclass(frozen=True)
class Tile:
    """One picture's crop. title and line: what is written above it; key: the result's, None for the sides'.

    side: whose it is; raster: the whole picture; waiting: it is not the one that was asked for; unmeasured:
    its number is missing, see `crop_psnr`.
    """

    title: str
    line: str
    raster: Raster
    side: Side | None = None
    key: Key | None = None
    waiting: bool = False
    unmeasured: bool = False


def tiles_of(session: Session, crop: Crop) -> list[Tile]:
    """The original, side A, side B, then the other results, those of a similar size first."""
    picture = session.picture
    made = (
        [Tile("Original", f"{crop.width} \N{MULTIPLICATION SIGN} {crop.height}", picture)] if picture else []
    )
    shown = {picture.digest} if picture is not None else set()
    for side in Side:
        view = session.view(side)
        if view.raster is None or (view.coded is None and view.phase is Phase.DONE and picture is not None):
            continue  # the original stands there already
        if picture is not None and not view.raster.same_size(picture):
            continue
        shown.add(view.raster.digest)
        if view.stale:
            stage = "compressing\N{HORIZONTAL ELLIPSIS}" if view.working else "no result"
            made.append(Tile(f"{side.letter}  {view.name}", stage, view.raster, side, waiting=True))
        else:
            line, missing = _line(view.coded, picture, view.raster, crop)
            title = f"{side.letter}  {view.name}"
            made.append(Tile(title, line, view.raster, side, unmeasured=missing))
    if picture is None:
        return made
    wanted = session.rate.bpp or next(
        (v.coded.encoding.bpp for s in Side if (v := session.view(s)).coded), 1.0
    )
    for key, coded in sorted(
        session.compressor.cache.items(), key=lambda entry: abs(math.log(entry[1].encoding.bpp / wanted))
    ):
        if key.reference != picture.digest or coded.raster.digest in shown or len(made) >= MOST + 3:
            continue
        shown.add(coded.raster.digest)
        line, missing = _line(coded, picture, coded.raster, crop)
        title = codec_name(coded.encoding.codec)
        made.append(Tile(title, line, coded.raster, key=key, unmeasured=missing))
    return made


def crop_psnr(reference: Raster, raster: Raster, crop: Crop, now: bool = False) -> float | None:
    """PSNR of a box alone in dB, over R, G and B.

    None for one too large, and for one above AT_ONCE that was never measured unless it shall be `now`.
    """
    pixels = crop.width * crop.height
    if pixels > MEASURED or not reference.same_size(raster):
        return None
    if pixels > AT_ONCE and not now and _key(reference, raster, crop) not in _known:
        return None
    return _psnr(reference, raster, crop)


def _key(reference: Raster, raster: Raster, crop: Crop) -> tuple[str, str, int, int, int, int]:
    return reference.digest, raster.digest, crop.x, crop.y, crop.width, crop.height


def _psnr(reference: Raster, raster: Raster, crop: Crop) -> float:
    """By hashes, so that remembering a number does not keep a picture."""
    key = _key(reference, raster, crop)
    if key not in _known:
        box = np.s_[crop.y : crop.bottom, crop.x : crop.right, :3]
        _known[key] = TABLE["psnr"].compute(reference.levels[0][box], raster.levels[0][box], QUIET)
        while len(_known) > REMEMBERED:
            _known.popitem(last=False)
    return _known[key]


_known: OrderedDict[tuple[str, str, int, int, int, int], float] = OrderedDict()


def _line(coded: Coded | None, reference: Raster | None, raster: Raster, crop: Crop) -> tuple[str, bool]:
    """What is written, and whether the number is still missing in it."""
    if coded is None:
        return "", False
    parts = [f"{text.bpp(coded.encoding.bpp)} bpp"]
    decibel = crop_psnr(reference, raster, crop) if reference is not None else None
    if decibel is not None:
        parts.append(f"{decibel:.1f} dB here" if math.isfinite(decibel) else "lossless here")
    missing = decibel is None and reference is not None and crop.width * crop.height <= MEASURED
    return text.DOT.join(parts), missing
