"""Which results of the open picture are there, as points of a rate-distortion plot? No widgets."""

from __future__ import annotations

from dataclasses import dataclass

from app.session import Session
from app.state import Coded, Key, Side, decoded_name
from models.codec import entry


@dataclass(frozen=True)
class Point:
    """A finished and measured result.

    bpp: of its file; sides: the letters of the sides that show it; realism: how much of the codec's realistic
    decoder made it of the file.
    """

    key: Key
    bpp: float
    value: float
    sides: str = ""
    realism: float = 0.0

    @property
    def name(self) -> str:
        """Its codec's name, with the realism where it is not 0."""
        return decoded_name(self.key.codec, self.realism)

    @property
    def curve(self) -> str:
        """What names the curve it lies on: the codec's id, and its realism as `hflic figure` writes it."""
        return f"{self.key.codec}+{self.realism:.2g}" if self.realism else self.key.codec


def points_of(session: Session, metric: str) -> dict[str, list[Point]]:
    """Curve (see `Point`) to its points by rising rate, of the open picture. Empty curves are left out.

    A file that was decoded with several realisms is a point on as many curves.
    """
    picture = session.picture
    if picture is None:
        return {}
    shown = [(side.letter, view.coded) for side in Side if not (view := session.view(side)).stale]
    found: dict[str, list[Point]] = {}
    for key, coded in _decoded(session, picture.digest):
        measured = session.judge.measure((metric, picture.digest, coded.raster.digest))
        if measured is None or measured.value is None:
            continue
        letters = "".join(letter for letter, what in shown if what is coded)
        point = Point(key, coded.encoding.bpp, measured.value, letters, coded.realism)
        found.setdefault(point.curve, []).append(point)
    return {curve: _distinct(points) for curve, points in sorted(found.items())}


def _decoded(session: Session, digest: str) -> list[tuple[Key, Coded]]:
    """Every finished result of a picture, and what realistic decoders made of the same files."""
    faithful = [(key, coded) for key, coded in session.compressor.cache.items() if key.reference == digest]
    again = session.realism.kept()
    return faithful + [(key, made) for key, coded in faithful for made in again.get(coded.encoding.data, ())]


def show_point(session: Session, point: Point) -> Side:
    """Put a point's codec, rate and realism on a side and give that side.

    The one that has the codec already, with that realism if possible, else A for learned codecs and B for the
    others. While both sides are locked to one size, the other side follows to that size.
    """
    codec, rate = point.key.codec, point.key.rate
    having = [side for side in Side if session.choice(side).codec == codec]
    having.sort(key=lambda side: session.choice(side).realism != point.realism)
    side = having[0] if having else Side.LEFT if entry(codec).learned else Side.RIGHT
    if not having:
        session.choose(side, codec)
    if session.locked and rate.quality is not None:
        session.set_locked(False)
    session.set_rate(side, rate)
    if session.choice(side).realism != point.realism:
        session.set_realism(side, point.realism)
    return side


def _distinct(points: list[Point]) -> list[Point]:
    """Without those of the same file size that were asked for differently, the shown ones kept."""
    kept: dict[tuple[float, float], Point] = {}
    for point in points:
        place = (point.bpp, point.value)
        if place not in kept or point.sides:
            kept[place] = point
    return sorted(kept.values(), key=lambda point: point.bpp)
