"""Which results of the open picture are there, as points of a rate-distortion plot? No widgets."""

from __future__ import annotations

from dataclasses import dataclass

from app.session import Session
from app.state import Key, Side, codec_name
from models.codec import entry


@dataclass(frozen=True)
class Point:
    """A finished and measured result. `bpp`: of its file; `sides`: the letters of the sides that show it."""

    key: Key
    bpp: float
    value: float
    sides: str = ""

    @property
    def name(self) -> str:
        """Its codec's name."""
        return codec_name(self.key.codec)


def points_of(session: Session, metric: str) -> dict[str, list[Point]]:
    """Codec id to its points by rising rate, of the open picture. Codecs without a point are left out."""
    picture = session.picture
    if picture is None:
        return {}
    shown = {side: session.view(side) for side in Side}
    found: dict[str, list[Point]] = {}
    for key, coded in session.compressor.cache.items():
        measured = session.judge.measure((metric, picture.digest, coded.raster.digest))
        if key.reference != picture.digest or measured is None or measured.value is None:
            continue
        letters = "".join(s.letter for s, view in shown.items() if view.coded is coded and not view.stale)
        found.setdefault(key.codec, []).append(Point(key, coded.encoding.bpp, measured.value, letters))
    return {codec: _distinct(points) for codec, points in sorted(found.items())}


def show_point(session: Session, point: Point) -> Side:
    """Put a point's codec and rate on a side and give that side.

    The one that has the codec already, else A for learned codecs and B for the others. While both sides
    are locked to one size, the other side follows to that size.
    """
    codec, rate = point.key.codec, point.key.rate
    having = [side for side in Side if session.choice(side).codec == codec]
    side = having[0] if having else Side.LEFT if entry(codec).learned else Side.RIGHT
    if not having:
        session.choose(side, codec)
    if session.locked and rate.bpp is None:
        session.set_locked(False)
    session.set_rate(side, rate)
    return side


def _distinct(points: list[Point]) -> list[Point]:
    """Without those of the same file size that were asked for differently, the shown ones kept."""
    kept: dict[tuple[float, float], Point] = {}
    for point in points:
        place = (point.bpp, point.value)
        if place not in kept or point.sides:
            kept[place] = point
    return sorted(kept.values(), key=lambda point: point.bpp)
