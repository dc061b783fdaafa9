"""Which results of the open picture are there, and is each better than what it stands beside?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.gather import results_of
from app.panels.metrics import ROWS, Row, values_of
from app.session import Session
from app.state import Choice, Key, Measured, Phase, Side, SideView, decoded_name
from app.tasks import Coded
from app.wishes import measure_key
from models.codec import TARGET_TOLERANCE, Rate


@dataclass(frozen=True)
class Line:
    """A result. `letter`: of the side that shows it; key: None for an opened file; realism: as decoded.

    against: the letter of what it is compared with, "" for nothing; better: measures to 1, worse ones to -1.
    """

    letter: str
    name: str
    key: Key | None
    values: Mapping[str, Measured | None]
    against: str = ""
    better: tuple[tuple[str, int], ...] = ()
    realism: float = 0.0

    def mark(self, id: str) -> int:
        """Whether a measure is better (1) or worse (-1) than that of what it is compared with."""
        return dict(self.better).get(id, 0)


def lines_of(session: Session) -> list[Line]:
    """All results, the sides first. Side A is compared with B, everything else with A."""
    picture = session.picture
    if picture is None:
        return []
    found, rest = results_of(session)
    letters = {}
    for side in reversed(Side):
        view = session.view(side)
        if view.coded is not None and not view.stale:
            letters[id(view.coded)] = side.letter
    lines = []
    for rate, coded in (*found, *rest):
        key = _key(session, coded, picture.digest, rate)
        name = decoded_name(coded.encoding.codec, coded.realism)
        letter, values = letters.get(id(coded), ""), _values(session, coded)
        lines.append(Line(letter, name, key, values, realism=coded.realism))
    by_letter = {line.letter: line for line in lines if line.letter}
    return [_compared(line, by_letter.get("B" if line.letter == "A" else "A")) for line in lines]


def _key(session: Session, coded: Coded, digest: str, rate: Rate | None) -> Key | None:
    """What a result was asked for by. What was decoded again came from another process: its file tells."""
    key = session.compressor.cache.key_of(coded)
    if key is not None or rate is None:
        return key
    kept = session.compressor.cache.items()
    same = [k for k, c in kept if k.reference == digest and c.encoding.data == coded.encoding.data]
    same.sort(key=lambda found: found.rate != rate)
    return same[0] if same else Key(digest, coded.encoding.codec, rate)


def _values(session: Session, coded: Coded) -> dict[str, Measured | None]:
    view = SideView(Side.LEFT, Choice(coded.encoding.codec, Rate(quality=0)), Phase.DONE, coded.raster, coded)

    def measure(metric: str) -> Measured | None:
        key = measure_key(view, session.picture, metric)
        if isinstance(key, str):
            return Measured(None, key)
        return session.judge.measure(key) or Measured(None, "Measured once a side shows it")

    return values_of(view, measure)


def _compared(line: Line, other: Line | None) -> Line:
    if other is None or other is line:
        return line
    marks = [(row.id, _better(row, line.values.get(row.id), other.values.get(row.id))) for row in ROWS]
    better = tuple((id, way) for id, way in marks if way)
    return replace(line, against=other.letter, better=better)


def _better(row: Row, mine: Measured | None, other: Measured | None) -> int:
    """1, -1 or, where it makes no difference or nobody knows, 0."""
    one, two = (found.value if found is not None else None for found in (mine, other))
    if not row.better or one is None or two is None or math.isnan(one) or math.isnan(two):
        return 0
    if row.write(one) == row.write(two):
        return 0
    if row.id in {"size", "bpp"} and abs(one - two) <= TARGET_TOLERANCE * max(one, two):
        return 0  # driven to the same size: what is left is chance
    return 1 if (one > two) == (row.better > 0) else -1
