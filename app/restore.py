"""Where did the last session end, and how does the next one begin there? A file that may always be broken."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal, Slot

from app.columns import Column
from app.crops import KEPT, Boxes, Crop
from app.history import Look, look_of, show
from app.kinds import Kind
from app.session import Session
from app.state import FILE, ORIGINAL, Choice, Level, Notice, Side
from app.viewport import GAINS, Viewport
from models.codec import Rate, entry
from models.errors import CodecError, HflicError
from models.files import write_file
from models.paths import there

log = logging.getLogger(__name__)

MAX_PATHS, MAX_CROPS = 500, 100
_NAMED = 3  # missing files that are named in a message
_KINDS = [kind.value for kind in Kind]


@dataclass(frozen=True)
class Remembered:
    """Where a session stands. `paths`: all opened pictures; `files`: compressed files on the sides, "" none.

    look and boxes belong to the picture `current`; others: boxes of all pictures by the picture's hash.
    difference and gains: the kind of difference and how much each kind is amplified; columns: their codecs.
    """

    paths: tuple[str, ...] = ()
    current: str = ""
    left: Choice | None = None
    right: Choice | None = None
    files: tuple[str, str] = ("", "")
    look: Look = Look(True)
    split: float = 0.5
    across: bool = False
    flicker_right: bool = False
    difference: str = Kind.ABSOLUTE.value
    gains: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    boxes: Boxes = Boxes()
    others: tuple[tuple[str, Boxes], ...] = ()
    insisted: tuple[bool, bool] = (True, True)  # whether a person chose the side's codec

    @property
    def anything(self) -> bool:
        """Whether there is something to open."""
        return bool(self.current or any(self.files))

    def merged(self, known: Remembered, now: Remembered) -> Remembered:
        """With the boxes that others have kept since this session began with what it had `known`.

        now: what is kept at its end. What this session changed or took away goes before.
        """
        begun, own = dict(known.others), dict(self.others)
        theirs = {name: boxes for name, boxes in now.others if own.get(name) == begun.get(name)}
        gone = {name for name in own if own[name] == begun.get(name) and name not in theirs}
        kept = [other for other in now.others if other[0] in theirs and other[0] not in own]
        mine = [(name, theirs.get(name, boxes)) for name, boxes in self.others if name not in gone]
        return replace(self, others=(*kept, *mine)[-KEPT:])


class SessionFile:
    """Reads and writes what is remembered. Never raises: what cannot be read is nothing; `problem` tells.

    `path` is None where no home is known: then nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.problem = ""

    def load(self) -> Remembered:
        """What was remembered, without what is broken in it."""
        self.problem = ""
        if self.path is None:
            return Remembered()
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            return _checked(stored)
        except FileNotFoundError:
            return Remembered()
        except Exception as error:  # whatever the file holds, the viewer starts
            log.warning("the session file %s cannot be read: %r", self.path, error)
            self.problem = f"The last session cannot be brought back: {self.path.name} is damaged."
            return Remembered()

    def save(self, remembered: Remembered) -> None:
        """Write it, all or nothing."""
        self.problem = ""
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(asdict(remembered), indent=1, allow_nan=False, default=sorted)  # sets
            write_file(self.path, text.encode())
        except (OSError, HflicError, ValueError) as error:
            self.problem = f"What was open cannot be kept: {error}"
            log.warning("%s", self.problem)


def remember(session: Session, viewport: Viewport, without: Path | None = None) -> Remembered:
    """Where a session stands; the sample photo `without`, which is always offered, leaves no trace."""
    picture = session.picture
    current = picture.path if picture is not None and picture.path != without else None
    files = []
    for side in Side:
        file = session.file(side)
        path = file.raster.path if session.choice(side).codec == FILE and file is not None else None
        files.append(str(path.absolute()) if path is not None else "")
    sample = picture.digest if picture is not None and without is not None and picture.path == without else ""
    known = [(name, _few(boxes)) for name, boxes in session.crops.known().items() if name != sample]
    others = tuple(known[-KEPT:])
    if current is None and (picture is not None or not any(files)):
        return Remembered(others=others)
    paths = [path for path in session.opener.paths if path != without]
    return Remembered(
        paths=tuple(str(path.absolute()) for path in paths if current in paths)[:MAX_PATHS],
        current=str(current.absolute()) if current is not None else "",
        left=session.choice(Side.LEFT),
        right=session.choice(Side.RIGHT),
        files=(files[0], files[1]),
        look=look_of(viewport),
        split=viewport.split,
        across=viewport.across,
        flicker_right=viewport.flicker_right,
        difference=viewport.kind.value,
        gains=viewport.gains,
        columns=tuple(session.columns.codec(column) for column in Column),
        boxes=_few(session.crops.boxes),
        others=others,
        insisted=(session.insisted(Side.LEFT), session.insisted(Side.RIGHT)),
    )


def learn_boxes(session: Session, remembered: Remembered) -> None:
    """Boxes of earlier sessions wait until their pictures are opened."""
    for digest, boxes in remembered.others:
        session.crops.learn(digest, boxes)


def _few(boxes: Boxes) -> Boxes:
    return replace(boxes, crops=boxes.crops[:MAX_CROPS])


class Restorer(QObject):
    """Opens what was remembered, one file after the other, and then looks at it as before."""

    ended = Signal()

    def __init__(
        self, session: Session, viewport: Viewport, remembered: Remembered, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._viewport, self._remembered = session, viewport, remembered
        self._waiting: list[tuple[Path, Side | None]] = []
        self._others: tuple[Path, ...] = ()
        self._begun = self._ended = False
        self._job = 0  # of the opener, as it was asked last

    def start(self, keep_codecs: bool = False) -> None:
        """Begin. `keep_codecs`: the sides' codecs were given on the command line and stay."""
        was = self._remembered
        paths = [Path(path) for path in was.paths]
        if was.current:
            self._waiting.append((Path(was.current), None))
        self._waiting += [(Path(f), side) for f, side in zip(was.files, Side, strict=True) if f]
        found = [(path, side) for path, side in self._waiting if there(path.is_file)]
        gone = [path for path, side in self._waiting if (path, side) not in found]
        if gone:
            self._tell_gone(gone)
        self._waiting = found
        if not found:
            self.ended.emit()
            return
        # Later, as what was read is handed over only after the opener has said that it is free.
        self._session.opener.changed.connect(self._next, Qt.ConnectionType.QueuedConnection)
        self._session.picture_changed.connect(self._look)
        if not keep_codecs:
            self._choose()
        self._arrange()
        self._others = tuple(path for path in paths if there(path.is_file))
        self._next()

    def _choose(self) -> None:
        """The codecs and rates; a file's side gets its choice when the file is read."""
        session, was = self._session, self._remembered
        wanted = {}
        for side, choice, insisted in zip(Side, (was.left, was.right), was.insisted, strict=True):
            kept = session.choice(side)
            if choice is not None and choice.codec != FILE and insisted:
                wanted[side] = (choice, True)
            elif choice is not None and choice.codec != FILE:  # what stood in for another need not any more
                wanted[side] = (choice.of(kept.codec), False)
            else:
                rate = choice.rate if choice is not None else kept.rate
                wanted[side] = (replace(kept, rate=rate), session.insisted(side))
        rate = wanted[Side.LEFT][0].rate
        session.restore(wanted, rate, session.locked and rate == wanted[Side.RIGHT][0].rate)

    def _arrange(self) -> None:
        """What does not wait for the picture."""
        session, view, was = self._session, self._viewport, self._remembered
        view.set_difference(Kind(was.difference), was.gains or view.gains)
        for column, codec in zip(Column, was.columns, strict=False):
            session.columns.choose(column, codec)

    @Slot()
    def _next(self) -> None:
        opener = self._session.opener
        if self._ended:
            return
        if opener.job:
            if opener.job not in {self._job, self._session.reloader.job}:
                self._end()  # a person opens something else
            return
        if not self._waiting:
            self._end()
            return
        path, side = self._waiting.pop(0)
        if side is not None:
            self._session.open([path], side)
        else:
            opener.paths = self._others if path in self._others else (path,)
            opener.go(path)
        self._job = opener.job

    def _end(self) -> None:
        self._ended = True
        self._session.opener.changed.disconnect(self._next)
        self._session.picture_changed.disconnect(self._look)
        self.ended.emit()

    @Slot()
    def _look(self) -> None:
        """The picture is there: boxes and view. Another one, opened meanwhile, keeps its own."""
        was, session, view = self._remembered, self._session, self._viewport
        shown = session.anything
        if self._begun or shown is None or str(shown.path) not in {was.current, *filter(None, was.files)}:
            return
        self._begun = True
        view.flicker_right = was.flicker_right
        view.set_line(was.split, was.across)
        show(view, was.look)
        if was.boxes.crops:
            session.crops.show_raster(shown)
            session.crops.restore(was.boxes)

    def _tell_gone(self, gone: list[Path]) -> None:
        names = ", ".join(str(path) for path in gone[:_NAMED])
        more = f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else ""
        words = f"Files of the last session are not there any more: {names}{more}."
        self._session.noticed.emit(Notice(Level.WARNING, words))


def begin_again(session: Session, viewport: Viewport, last: Remembered, keep_codecs: bool) -> bool:
    """Begin where the last session ended; gives whether there is something to open."""
    if last.anything:
        Restorer(session, viewport, last, session).start(keep_codecs)
    return last.anything


def _checked(stored: Any) -> Remembered:
    """Each part by itself; raises only where it holds no session at all."""
    if not isinstance(stored, dict):
        raise TypeError("no session in it")
    files = _texts(stored.get("files"))
    gains = tuple(gain for gain in _list(stored.get("gains")) if type(gain) is int)
    split = stored.get("split")
    return Remembered(
        paths=_texts(stored.get("paths"))[:MAX_PATHS],
        current=stored["current"] if isinstance(stored.get("current"), str) else "",
        left=_choice(stored.get("left")),
        right=_choice(stored.get("right")),
        files=(files[0], files[1]) if len(files) == 2 else ("", ""),
        look=_look(stored.get("look")),
        split=split if isinstance(split, float) and 0 <= split <= 1 else 0.5,
        across=stored.get("across") is True,
        flicker_right=stored.get("flicker_right") is True,
        difference=kind if (kind := stored.get("difference")) in _KINDS else Kind.ABSOLUTE.value,
        gains=gains if len(gains) == len(Kind) and set(gains) <= set(GAINS) else (),
        columns=tuple(codec if _usable(codec) else "" for codec in _texts(stored.get("columns"))),
        boxes=_boxes(stored.get("boxes")),
        others=tuple(filter(None, map(_other, _list(stored.get("others")))))[-KEPT:],
        insisted=_both(stored.get("insisted")),
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(text for text in _list(value) if isinstance(text, str))


def _both(value: Any) -> tuple[bool, bool]:
    """One for each side; what is not told was chosen."""
    flags = [flag is not False for flag in _list(value)]
    return (flags[0], flags[1]) if len(flags) == 2 else (True, True)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _choice(value: Any) -> Choice | None:
    if not isinstance(value, dict) or not isinstance(value.get("codec"), str):
        return None
    rate = value.get("rate")
    if not isinstance(rate, Mapping):
        return None
    given = {name: rate[name] for name in ("quality", "bpp", "bytes") if _finite(rate.get(name))}
    share = value.get("realism")
    realism = min(max(float(share), 0.0), 1.0) if _finite(share) else 0.0  # type: ignore[arg-type]
    try:
        return Choice(value["codec"], Rate(**given), realism)
    except (CodecError, TypeError):
        return None


def _look(value: Any) -> Look:
    if not isinstance(value, dict) or value.get("fitted") is not False:
        return Look(True)
    numbers = [value.get(name) for name in ("scale", "x", "y")]
    if not all(map(_finite, numbers)) or not numbers[0] > 0:  # type: ignore[operator]
        return Look(True)
    return Look(False, *map(float, numbers))  # type: ignore[arg-type]


def _usable(codec: str) -> bool:
    """Whether a column can hold it; a later version may have known more."""
    try:
        return codec in {"", ORIGINAL} or bool(entry(codec))
    except CodecError:
        return False


def _boxes(value: Any) -> Boxes:
    if not isinstance(value, dict):
        return Boxes()
    crops = tuple(filter(None, map(_crop, _list(value.get("crops")))))[:MAX_CROPS]
    selected = value.get("selected")
    return Boxes(
        crops, selected if isinstance(selected, str) else "", frozenset(_texts(value.get("proposed")))
    )


def _other(value: Any) -> tuple[str, Boxes] | None:
    if not (isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)):
        return None
    boxes = _boxes(value[1])
    return (value[0], boxes) if boxes.crops else None


def _crop(value: Any) -> Crop | None:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    numbers = [value.get(name) for name in ("x", "y", "width", "height")]
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in numbers):
        return None
    x, y, width, height = (int(n) for n in numbers)  # type: ignore[arg-type]
    return Crop(value["name"], x, y, width, height) if width > 0 and height > 0 else None
