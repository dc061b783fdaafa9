"""Which actions are possible now, and what of a session is kept? Read off it, without widgets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from app.action import Facts
from app.columns import Column
from app.history import History
from app.session import Session
from app.settings import Settings
from app.state import FILE, Phase, Side, SideView
from app.viewport import Mode, Viewport
from models.codec import plain


def facts_of(session: Session, viewport: Viewport, history: History | None = None) -> Facts:
    """What decides which actions are possible."""
    views = {side: session.view(side) for side in Side}
    return Facts(
        picture=any(view.raster is not None for view in views.values()),
        original=session.picture is not None,
        left_file=_saveable(views[Side.LEFT]),
        right_file=_saveable(views[Side.RIGHT]),
        left_done=_done(views[Side.LEFT]),
        right_done=_done(views[Side.RIGHT]),
        several=len(session.opener.paths) > 1,
        working=session.working,
        failed=any(worker.failed for worker in (session.judge, session.columns, session.face_numbers))
        or bool(session.differences.error or session.faces.gave_up)
        or any(view.phase in {Phase.FAILED, Phase.STOPPED} for view in views.values()),
        difference=viewport.mode is Mode.DIFFERENCE,
        box=session.crops.selected is not None,
        undo=history is not None and bool(history.undo_name),
        redo=history is not None and bool(history.redo_name),
        both=comparable(views[Side.LEFT], views[Side.RIGHT]),
    )


def kept(settings: Settings, session: Session, viewport: Viewport, geometry: str) -> Settings:
    """The settings with what the session and the view have now, for the next start."""
    rate = session.rate
    return replace(
        settings,
        left=_kept_codec(session, Side.LEFT, settings.left),
        right=_kept_codec(session, Side.RIGHT, settings.right),
        bpp=rate.bpp if rate.bpp is not None else settings.bpp,
        locked=session.locked,
        mode=viewport.mode.value,
        label=session.columns.metric,
        geometry=geometry,
        started=True,
    )


def unfinished(session: Session, names: Iterable[str]) -> str:
    """Which of the canvas's pictures are none of what was chosen, as the end of a sentence; "" where all are.

    names: as those of panes; a difference is one of both sides.
    """
    shown = set(names)
    sides = set(Side) if "difference" in shown else {side for side in Side if side.value in shown}
    found = [f"side {side.letter}" for side in Side if side in sides and session.view(side).stale]
    missing = session.differences.working or session.difference is None
    if "difference" in shown and not found and missing:
        found.append("the difference")
    waiting = [column for column in Column if column.value in shown and not session.columns.finished(column)]
    found += [f"column {column.letter}" for column in waiting]
    return f"{' and '.join(found)} {'have' if found[1:] else 'has'} no finished picture now" if found else ""


def comparable(left: SideView, right: SideView) -> bool:
    """Whether both sides show what was chosen for them, in one size."""
    if left.stale or right.stale or left.raster is None or right.raster is None:
        return False
    return left.raster.same_size(right.raster)


def _saveable(view: SideView) -> bool:
    return view.coded is not None and not view.stale


def _done(view: SideView) -> bool:
    return view.raster is not None and not view.stale


def _kept_codec(session: Session, side: Side, before: str) -> str:
    """A side's codec if a person chose it, and unless it is a file of this session.

    What merely stood in for another is not kept: the other may be usable at the next start.
    """
    codec = plain(session.choice(side).codec)  # refinement is for one picture
    return codec if session.insisted(side) and codec != FILE else before
