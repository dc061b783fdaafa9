"""What stands beside A and B? A third and a fourth codec at A's size, for side by side. No widgets."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from PySide6.QtCore import QObject, Signal

from app import text
from app.catalogue import Catalogue
from app.compressor import Compressor
from app.judge import Judge, MeasureKey
from app.raster import Raster
from app.state import METRICS, ORIGINAL, Choice, Coded, Key, Phase, codec_name
from app.wishes import deviation, key_of
from models.metrics import TABLE


def written(metric: str, value: float) -> str:
    """A metric's value as labels show it: decibels speak for themselves, others are named."""
    line = TABLE[metric]
    if math.isinf(value):
        return "lossless"
    return f"{value:.2f} {line.unit}" if line.unit else f"{line.label} {value:.4f}"


class Column(Enum):
    """A picture beside the two sides."""

    THIRD = "third"
    FOURTH = "fourth"

    @property
    def letter(self) -> str:
        """C for the third, D for the fourth."""
        return "C" if self is Column.THIRD else "D"


@dataclass(frozen=True)
class Base:
    """What columns go by: the open picture, None where there is none, and the choice of side A."""

    picture: Raster | None
    choice: Choice


class Columns(QObject):
    """The codecs of the columns, at the rate side A asks for; "" where a column is not wanted."""

    changed = Signal()

    def __init__(
        self,
        base: Callable[[], Base],
        parts: tuple[Compressor, Judge, Catalogue],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._base = base
        self._compressor, self._judge, self._catalogue = parts
        self._codecs = dict.fromkeys(Column, "")
        self.metric = METRICS[0]  # what labels show beside the size

    def codec(self, column: Column) -> str:
        """A column's codec id, ORIGINAL, or "" for none."""
        return self._codecs[column]

    def set_metric(self, metric: str) -> None:
        """Show another metric in the labels. Unknown names change nothing."""
        if metric in METRICS and metric != self.metric:
            self.metric = metric
            self.changed.emit()

    def choose(self, column: Column, codec: str) -> None:
        """Show a codec or the ORIGINAL in a column, or take the column away with ""."""
        if self._codecs[column] != codec:
            self._codecs[column] = codec
            self.changed.emit()

    @property
    def shown(self) -> list[Column]:
        """The wanted columns, from left to right; none without a picture."""
        return [c for c in Column if self._codecs[c]] if self._base().picture is not None else []

    @property
    def failed(self) -> bool:
        """Whether a column failed or was stopped."""
        phases = [self._compressor.progress(key).phase for key in self.wanted()]
        return any(phase in {Phase.FAILED, Phase.STOPPED} for phase in phases)

    def wanted(self) -> dict[Key, Raster]:
        """What has to be compressed for them."""
        picture = self._base().picture
        keys = [key for column in self.shown if (key := self._key(column)) is not None]
        if picture is None:
            return {}
        return {key: picture for key in keys if self._catalogue.reason(key.codec) == "" and self._known(key)}

    def measures(self) -> dict[MeasureKey, tuple[Raster, Raster]]:
        """What has to be measured for their labels."""
        picture = self._base().picture
        found: dict[MeasureKey, tuple[Raster, Raster]] = {}
        for column in self.shown:
            coded = self._coded(column)
            if coded is not None and picture is not None:
                found[self.metric, picture.digest, coded.raster.digest] = (picture, coded.raster)
        return found

    def raster(self, column: Column) -> Raster | None:
        """What a column shows: its result, and until that is there the original."""
        if column not in self.shown:
            return None
        coded = self._coded(column)
        return coded.raster if coded is not None else self._base().picture

    def finished(self, column: Column) -> bool:
        """Whether that is its result, or the original as wanted, and does not only stand in for it."""
        return self._codecs[column] == ORIGINAL or self._coded(column) is not None

    def title(self, column: Column) -> str:
        """Letter and codec."""
        codec = self._codecs[column]
        if codec == ORIGINAL:
            return f"{column.letter}  Original"
        coded = self._coded(column)
        return f"{column.letter}  {codec_name(coded.encoding.codec if coded is not None else codec)}"

    def line(self, column: Column) -> str:
        """Bits per pixel, bytes and PSNR, or how far it is."""
        base, key = self._base(), self._key(column)
        if base.picture is None or key is None:
            picture = base.picture
            return f"{picture.width} \N{MULTIPLICATION SIGN} {picture.height}" if picture is not None else ""
        if reason := self._catalogue.reason(key.codec):
            return text.DOT.join(("not usable", "the original is shown", reason))
        now = self._compressor.progress(key)
        if now.coded is None:
            done = {Phase.FAILED: "failed", Phase.STOPPED: "stopped"}
            return done.get(now.phase, "compressing\N{HORIZONTAL ELLIPSIS}")
        made = now.coded.encoding
        parts = [f"{text.bpp(made.bpp)} bpp", text.size(made.bytes)]
        found = self._judge.measure((self.metric, base.picture.digest, now.coded.raster.digest))
        if found is not None and found.value is not None:
            parts.append(written(self.metric, found.value))
        if off := text.residual(deviation(key.rate, made)):
            parts.append(off)
        return text.DOT.join(parts)

    def _known(self, key: Key) -> bool:
        return self._catalogue.known(key.codec)

    def _key(self, column: Column) -> Key | None:
        base = self._base()
        return key_of(Choice(self._codecs[column], base.choice.rate), base.picture)

    def _coded(self, column: Column) -> Coded | None:
        key = self._key(column)
        return self._compressor.progress(key).coded if key is not None else None
