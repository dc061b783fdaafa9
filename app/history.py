"""How are changes of the view and the sides taken back? States are remembered, not commands. No widgets."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, QPointF, QTimer, Signal, Slot

from app.columns import Column
from app.crops import Boxes
from app.kinds import Kind
from app.session import Session
from app.state import FILE, Choice, Side
from app.viewport import Mode, Viewport
from models.codec import Rate, plain

LIMIT = 200  # steps
TOGETHER_MS = 700  # zooming, panning and dragging a slider go on as one step until such a pause

LOOK, RATE, CROPS = "the zoom", "the size", "the boxes"
LINE, GAIN, REALISM = "the split line", "the amplification", "the realism"
_GO_ON = frozenset({LOOK, RATE, CROPS, LINE, GAIN, REALISM})


@dataclass(frozen=True)
class Look:
    """What is seen of the picture; a view that fits the window has no scale of its own."""

    fitted: bool
    scale: float = 1.0
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True)
class Looked:
    """All that can be taken back. `look`, `split` and `boxes` belong to the picture of this hash.

    split and across: of the split line; gains: of each kind of difference; columns: what the third and the
    fourth show.
    """

    left: Choice
    right: Choice
    insisted: tuple[bool, bool]
    rate: Rate
    locked: bool
    mode: Mode
    flicker_right: bool
    across: bool
    kind: Kind
    gains: tuple[int, ...]
    columns: tuple[str, ...]
    picture: str
    look: Look
    split: float
    boxes: Boxes
    files: tuple[str, ...]  # the pixels of the compressed files that were opened, a side each

    def choice(self, side: Side) -> Choice:
        """What a side shows."""
        return self.left if side is Side.LEFT else self.right


@dataclass(frozen=True)
class _Step:
    before: Looked
    what: str


class History(QObject):
    """Watches a session and its view; a change a person makes is a step, what follows at once joins it."""

    changed = Signal()

    def __init__(self, session: Session, viewport: Viewport, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._viewport = session, viewport
        self._undo: list[_Step] = []
        self._redo: list[_Step] = []
        self._now = self._read()
        self._restoring = False
        self._same_turn = False  # changes of one event are one step
        self._adopting = False  # what a new picture brings with it is no step
        self._going_on = ""
        self._turn = QTimer(self, singleShot=True, interval=0)
        self._turn.timeout.connect(self.end_turn)
        self._pause = QTimer(self, singleShot=True, interval=TOGETHER_MS)
        self._pause.timeout.connect(self._paused)
        session.rate_changed.connect(self._note)
        session.side_changed.connect(self._note)
        session.picture_changed.connect(self._other_picture)
        session.columns.changed.connect(self._note)
        session.crops.changed.connect(self._note)
        session.crops.selection_changed.connect(self._selected)
        viewport.mode_changed.connect(self._note)
        viewport.changed.connect(self._note)

    @property
    def undo_name(self) -> str:
        """What would be taken back, "" for nothing."""
        return self._undo[-1].what if self._undo else ""

    @property
    def redo_name(self) -> str:
        """What would be done again, "" for nothing."""
        return self._redo[-1].what if self._redo else ""

    def undo(self) -> None:
        """Take the last step back."""
        self._go(self._undo, self._redo)

    def redo(self) -> None:
        """Do the step taken back last again."""
        self._go(self._redo, self._undo)

    @Slot()
    def end_turn(self) -> None:
        """What comes now is another event's doing."""
        self._turn.stop()
        self._same_turn = self._adopting = False

    def stop(self) -> None:
        """For closing: nothing is pending."""
        self._turn.stop()
        self._pause.stop()

    def _go(self, source: list[_Step], target: list[_Step]) -> None:
        """Steps that change nothing any more, as of a picture that is closed, are passed over."""
        self._paused()
        self.end_turn()
        while source:
            step, before = source.pop(), self._read()
            self._restore(step.before)
            self._now = self._read()
            if self._now != before:
                target.append(_Step(before, step.what))
                break
        self.changed.emit()

    def _read(self) -> Looked:
        session, view = self._session, self._viewport
        left, right = Side.LEFT, Side.RIGHT
        return Looked(
            session.choice(left),
            session.choice(right),
            (session.insisted(left), session.insisted(right)),
            session.rate,
            session.locked,
            view.mode,
            view.flicker_right,
            view.across,
            view.kind,
            view.gains,
            tuple(session.columns.codec(column) for column in Column),
            session.anything.digest if session.anything is not None else "",
            look_of(view),
            view.split,
            session.crops.boxes,
            tuple(file.raster.digest if (file := session.file(side)) is not None else "" for side in Side),
        )

    def _restore(self, state: Looked) -> None:
        self._restoring = True
        try:
            if state.files == self._now.files[::-1] != self._now.files:
                self._session.swap()
            self._session.restore(self._sides(state), state.rate, state.locked)
            for column, codec in zip(Column, state.columns, strict=True):
                self._session.columns.choose(column, codec)
            view = self._viewport
            view.flicker_right, view.across = state.flicker_right, state.across
            view.set_difference(state.kind, state.gains)
            view.set_mode(state.mode)
            if state.picture == self._now.picture:
                view.set_split(state.split)
                show(view, state.look)
                if state.boxes != self._session.crops.boxes:
                    self._session.crops.restore(state.boxes)
            view.changed.emit()
        finally:
            self._restoring = False

    def _sides(self, state: Looked) -> dict[Side, tuple[Choice, bool]]:
        """What the sides showed and whether a person insisted on it; refinement is for one picture."""
        choices = [state.left, state.right]
        if state.picture != self._now.picture:
            choices = [replace(choice, codec=plain(choice.codec)) for choice in choices]
        return dict(zip(Side, zip(choices, state.insisted, strict=True), strict=True))

    @Slot()
    def _note(self, *_: object) -> None:
        """Something may have changed: find out what, and whether it is a step of its own."""
        if self._restoring:
            return
        now = self._read()
        if now.picture != self._now.picture:
            return  # told by itself, in a moment
        before, self._now = self._now, now
        what = "" if self._adopting else _what(before, now)
        if not what:
            return
        goes_on = self._same_turn or (what == self._going_on and what in _GO_ON)
        self._going_on = what if what in _GO_ON else ""
        self._same_turn = True
        self._turn.start()
        self._pause.start()
        if goes_on and self._undo:
            return
        self._undo = [*self._undo, _Step(before, what)][-LIMIT:]
        self._redo.clear()
        self.changed.emit()

    @Slot()
    def _selected(self) -> None:
        """Selecting a box is no step, but a step taken back brings the box selected before it."""
        boxes = self._session.crops.boxes
        if not self._restoring and boxes == self._now.boxes:
            self._now = replace(self._now, boxes=boxes)

    @Slot()
    def _other_picture(self) -> None:
        """Opening is no step: what follows is compared with how the new picture begins."""
        self._paused()
        self._now = self._read()
        self._adopting = True
        self._turn.start()

    @Slot()
    def _paused(self) -> None:
        self._pause.stop()
        self._going_on = ""


def look_of(viewport: Viewport) -> Look:
    """What is seen now."""
    if viewport.fitted:
        return Look(True)
    return Look(False, viewport.scale, viewport.centre.x(), viewport.centre.y())


def show(viewport: Viewport, look: Look) -> None:
    """Look at a place as before."""
    if look.fitted:
        viewport.fit()
    else:
        viewport.zoom_to(look.scale)
        viewport.look_at(QPointF(look.x, look.y))


def _what(before: Looked, now: Looked) -> str:
    """What a person changed, "" for nothing. Another codec that merely stands in is nobody's doing."""
    for side in Side:
        old, new = before.choice(side), now.choice(side)
        stands_in = old.codec != new.codec and not now.insisted[list(Side).index(side)]
        if stands_in and new.codec != FILE:
            before = _with(before, side, old.of(new.codec))
    kinds = (
        ("the swap", _crossed(before) == _straight(now) != _straight(before)),
        ("the codec", any(before.choice(side).codec != now.choice(side).codec for side in Side)),
        ("the lock", before.locked != now.locked),
        (REALISM, any(before.choice(side).realism != now.choice(side).realism for side in Side)),
        (RATE, (before.rate, before.left, before.right) != (now.rate, now.left, now.right)),
        ("the columns", before.columns != now.columns),
        ("the mode", (before.mode, before.flicker_right) != (now.mode, now.flicker_right)),
        ("the kind of difference", before.kind is not now.kind),
        (GAIN, before.gains != now.gains),
        ("the turn of the split line", before.across != now.across),
        (LINE, before.split != now.split),
        (CROPS, before.boxes != now.boxes),
        (LOOK, before.look != now.look),
    )
    return next((name for name, changed in kinds if changed), "")


def _straight(state: Looked) -> tuple[object, ...]:
    return state.left, state.right, *state.files


def _crossed(state: Looked) -> tuple[object, ...]:
    return state.right, state.left, *reversed(state.files)


def _with(state: Looked, side: Side, choice: Choice) -> Looked:
    return replace(state, left=choice) if side is Side.LEFT else replace(state, right=choice)
