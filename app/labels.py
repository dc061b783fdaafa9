"""What do the window's title, its status line and the labels in the picture say?"""

from __future__ import annotations

import math

from app import text
from app.canvas import Label
from app.session import Session
from app.state import FILE, Phase, Side, SideView
from models.codec import entry

_TIMES = " \N{MULTIPLICATION SIGN} "
ANOTHER_PHOTO_DB = 14.0  # two different photos are about 10 dB apart, the coarsest JPEG above 17 dB
# What a side's label says instead of numbers that would be of another choice.
_UNFINISHED = {
    Phase.EMPTY: "",
    Phase.WAITING: "compressing\N{HORIZONTAL ELLIPSIS}",
    Phase.RUNNING: "compressing\N{HORIZONTAL ELLIPSIS}",
    Phase.DONE: "",
    Phase.FAILED: "failed",
    Phase.STOPPED: "stopped",
}


def side_label(session: Session, side: Side) -> Label:
    """Codec, bits per pixel, bytes and PSNR of what a side shows."""
    view: SideView = session.view(side)
    title = f"{side.letter}  {view.name}"
    if view.raster is None:
        return Label()
    if view.stale:
        meanwhile = "showing the original" if view.coded is None else "showing the last result"
        return Label(title, f"{_UNFINISHED[view.phase]}{text.DOT}{meanwhile}")
    if view.coded is None:
        return Label(title, f"{view.raster.width}{_TIMES}{view.raster.height}")
    encoding = view.coded.encoding
    parts = [f"{text.bpp(encoding.bpp)} bpp", text.size(encoding.bytes)]
    psnr = session.measure(side, "psnr")
    if psnr is not None and psnr.value is not None:
        parts.append(f"{psnr.value:.2f} dB" if math.isfinite(psnr.value) else "lossless")
        if view.choice.codec == FILE and psnr.value < ANOTHER_PHOTO_DB:
            parts.append("made from another photo?")
    return Label(title, text.DOT.join(parts))


def picture_name(session: Session) -> str:
    """The file's name, what stands for it, or "" while nothing is open."""
    raster = session.anything
    if raster is None:
        return ""
    return raster.path.name if raster.path is not None else "Pasted picture"


def picture_details(session: Session) -> str:
    """Name, size, what reading changed, and which of several it is."""
    raster = session.anything
    if raster is None:
        return ""
    parts = [picture_name(session), f"{raster.width}{_TIMES}{raster.height}"]
    parts += [notice.rstrip(".") for notice in raster.notices]
    paths = session.opener.paths
    if len(paths) > 1 and raster.path in paths:
        parts.append(f"{paths.index(raster.path) + 1} of {len(paths)}")
    return text.DOT.join(parts)


def suggested_name(session: Session, side: Side, suffix: str = "") -> str:
    """A file name for saving a side; without a suffix the codec's own."""
    coded = session.view(side).coded
    picture = session.picture
    stem = picture.path.stem if picture is not None and picture.path is not None else "picture"
    if coded is None:
        return f"{stem}-original{suffix or '.png'}"
    made = coded.encoding
    return f"{stem}-{made.codec.replace(':', '-')}-{made.bpp:.3f}bpp{suffix or entry(made.codec).suffix}"
