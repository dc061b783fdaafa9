"""What of a session goes into an export? Results, their numbers and the boxes, read off it. No widgets."""

from __future__ import annotations

import math
from collections.abc import Iterable

from app.raster import Raster
from app.report import METRICS, Box, Item, Report
from app.session import Session
from app.state import Key, Side
from app.tasks import Coded
from models.codec import CATALOGUE, Rate

Result = tuple[Rate | None, Coded]  # what was asked for, None where a file was opened
_ORDER = {line.id: at for at, line in enumerate(CATALOGUE)}


def report_of(
    session: Session, *, every: bool = False, boxes: Iterable[Box] | None = None
) -> tuple[Report, list[Raster]] | None:
    """What there is to tell of the open picture, and the pictures the writing process will ask for.

    The sides come first, then the other codecs that were tried, each with its result nearest to the size
    of side A; `every`: all results. `boxes`: in place of the session's own. None while no original is open.
    """
    if session.picture is None:
        return None
    found, rest = results_of(session)
    if not every:
        rest = nearest(rest, wanted_bpp(session), {coded.encoding.codec for _, coded in found})
    return report_with(session, [*found, *rest], boxes)


def results_of(session: Session) -> tuple[list[Result], list[Result]]:
    """The finished results on the sides, A before B, and all others of the open picture, codec by codec."""
    if session.picture is None:
        return [], []
    found = _shown(session)
    rest = [(rate, coded) for rate, coded in _tried(session) if not any(c is coded for _, c in found)]
    rest.sort(key=lambda pair: (_ORDER.get(pair[1].encoding.codec.partition(":")[0], 99),
                                pair[1].encoding.bpp))  # fmt: skip
    return found, rest


def report_with(
    session: Session, chosen: list[Result], boxes: Iterable[Box] | None = None
) -> tuple[Report, list[Raster]] | None:
    """As `report_of`, of these results alone."""
    picture = session.picture
    if picture is None:
        return None
    report = Report(
        name=picture.path.name if picture.path is not None else "Pasted picture",
        digest=picture.digest,
        size=(picture.width, picture.height),
        items=tuple(_item(session, picture, rate, coded) for rate, coded in chosen),
        boxes=tuple(boxes) if boxes is not None else boxes_of_session(session),
        notices=picture.notices,
    )
    return report, [picture, *(coded.raster for _, coded in chosen)]


def boxes_of_session(session: Session) -> tuple[Box, ...]:
    """The named boxes of the open picture."""
    return tuple(Box(c.name, c.x, c.y, c.width, c.height) for c in session.crops.all())


def _shown(session: Session) -> list[Result]:
    """The finished results on the sides, A before B, each once; an opened file has no asked rate."""
    found: list[Result] = []
    for side in Side:
        view = session.view(side)
        if view.coded is None or view.stale or any(c is view.coded for _, c in found):
            continue
        rate = view.choice.rate if math.isfinite(view.coded.encoding.quality) else None
        found.append((rate, view.coded))
    return found


def _tried(session: Session) -> list[Result]:
    """All finished results of the open picture."""
    assert session.picture is not None
    digest = session.picture.digest
    return [(key.rate, coded) for key, coded in session.compressor.cache.items() if _of(key, digest)]


def _of(key: Key, digest: str) -> bool:
    return key.reference == digest


def wanted_bpp(session: Session) -> float:
    """The bits per pixel other codecs' results shall be near to."""
    for side in Side:
        view = session.view(side)
        if view.coded is not None and not view.stale:
            return view.coded.encoding.bpp
    return session.rate.bpp or 0.25


def nearest(results: list[Result], bpp: float, taken: set[str]) -> list[Result]:
    """One result of each codec that is not taken: the one whose size is nearest."""
    best: dict[str, Result] = {}
    for pair in results:
        made = pair[1].encoding
        if made.codec in taken:
            continue
        before = best.get(made.codec)
        if before is None or _far(made.bpp, bpp) < _far(before[1].encoding.bpp, bpp):
            best[made.codec] = pair
    return list(best.values())


def _far(one: float, other: float) -> float:
    return abs(math.log(one / other))


def _item(session: Session, picture: Raster, rate: Rate | None, coded: Coded) -> Item:
    measured = []
    for name in METRICS:
        found = session.judge.measure((name, picture.digest, coded.raster.digest))
        measured.append((name, found.value if found is not None else None))
    made = coded.encoding
    return Item(
        made,
        coded.raster.digest,
        coded.decode_s,
        tuple(measured),
        rate,
        realism=coded.realism,
        decoder=coded.decoder,
    )
