"""What do the window's title, its status line and the labels in the picture say?"""

from __future__ import annotations

from app import text
from app.canvas import Canvas, Label
from app.columns import Column, written
from app.kinds import Kind
from app.session import Session
from app.state import FILE, Phase, Side, SideView
from app.viewport import Viewport
from app.wishes import deviation
from models.codec import entry
from models.paths import fitting

MINUS, BOTH_WAYS = "\N{MINUS SIGN}", "\N{LEFT RIGHT ARROW}"
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
_LAST = "showing the last result"


def side_label(session: Session, side: Side) -> Label:
    """Codec, bits per pixel, how far off the wanted size, bytes and a metric of what a side shows."""
    view: SideView = session.view(side)
    title = f"{side.letter}  {view.name}"
    if view.raster is None:
        return Label()
    if view.stale:
        meanwhile = "showing the original" if view.coded is None else _LAST
        return Label(title, f"{_doing(view)}{text.DOT}{meanwhile}")
    if view.coded is None:
        return Label(title, f"{view.raster.width}{_TIMES}{view.raster.height}")
    encoding = view.coded.encoding
    parts = [f"{text.bpp(encoding.bpp)} bpp", text.size(encoding.bytes)]
    metric = session.columns.metric
    found = session.measure(side, metric)
    if found is not None and found.value is not None:
        parts.append(written(metric, found.value))
    psnr = session.measure(side, "psnr")
    known = psnr.value if psnr is not None and view.choice.codec == FILE else None
    if known is not None and known < ANOTHER_PHOTO_DB:
        parts.append("made from another photo?")
    if view.choice.codec != FILE and (off := text.residual(deviation(view.choice.rate, encoding))):
        parts.append(off)
    return Label(title, text.DOT.join(parts))


def _doing(view: SideView) -> str:
    """What a side does, or why it does nothing, while it shows something else than was chosen."""
    again = view.redecoding and view.working
    return "decoding\N{HORIZONTAL ELLIPSIS}" if again else _UNFINISHED[view.phase]


def show_columns(session: Session, canvas: Canvas) -> None:
    """Put what stands beside both sides on the canvas."""
    columns = session.columns
    for column in Column:
        canvas.show_raster(column.value, columns.raster(column))
        shown = column in columns.shown
        label = Label(columns.title(column), columns.line(column)) if shown else Label()
        canvas.show_label(column.value, label)
    canvas.viewport.set_extra(tuple(column.value for column in columns.shown))


def difference_label(session: Session, viewport: Viewport) -> Label:
    """What difference mode shows, how much amplified, and of what; or why there is nothing to see."""
    between = MINUS if viewport.kind is Kind.SIGNED else BOTH_WAYS
    views = [session.view(side) for side in Side]
    both = f" {between} ".join(f"{view.side.letter}  {view.name}" for view in views)
    if unfinished := dict.fromkeys(_doing(view) for view in views if view.stale):
        last = [_LAST] if session.difference is not None else []
        both = text.DOT.join([both, *unfinished, *last])
    elif session.both is None:
        both = "There are no two pictures of one size"
    elif session.differences.working:
        both = f"{both}{text.DOT}comparing\N{HORIZONTAL ELLIPSIS}"
    elif session.differences.error:
        both = session.differences.error
    return Label(f"{viewport.kind.title} {_TIMES.strip()}{viewport.gain}", both)


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
        rest = f"-original{suffix or '.png'}"
        return fitting(stem, rest) + rest
    made = coded.encoding
    rest = f"-{made.codec.replace(':', '-')}-{made.bpp:.3f}bpp{suffix or entry(made.codec).suffix}"
    return fitting(stem, rest) + rest
