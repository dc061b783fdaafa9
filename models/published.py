"""Which rate-distortion curves have others published, to draw beside our own?"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from models.assets import asset_folder
from models.errors import HflicError

# A figure with all curves cannot be read: these stand for the classical codecs and the state of the art.
USUAL = ("jpeg", "webp", "bpg-444-x265-ycbcr", "av1", "vtm", "elic")


class PublishedError(HflicError):
    """There is no such set of published curves, or no such curve in it."""


@dataclass(frozen=True)
class PublishedCurve:
    """Points by rising bits per pixel; means over the data set's pictures. ms_ssim may be empty."""

    id: str
    name: str
    source: str
    bpp: tuple[float, ...]
    psnr: tuple[float, ...]
    ms_ssim: tuple[float, ...]

    def values(self, metric: str) -> tuple[float, ...]:
        """The points of "psnr" or "ms_ssim"; empty where that was not published."""
        return {"psnr": self.psnr, "ms_ssim": self.ms_ssim}.get(metric, ())


def sets() -> list[str]:
    """The data sets there are curves for."""
    return sorted(path.stem for path in (asset_folder() / "published").glob("*.json"))


def load(name: str) -> list[PublishedCurve]:
    """All curves of a data set ("kodak"). Raises PublishedError."""
    if name not in sets():
        raise PublishedError(
            f"there are no published curves for '{name}': choose {', '.join(sets()) or 'none'}"
        )
    value = json.loads((asset_folder() / "published" / f"{name}.json").read_text(encoding="utf-8"))
    return [_curve(line) for line in value["curves"]]


def _curve(line: dict[str, Any]) -> PublishedCurve:
    columns = [line["bpp"], line["psnr"], *([line["ms_ssim"]] if "ms_ssim" in line else [])]
    bpp, psnr, *rest = (tuple(column) for column in zip(*sorted(zip(*columns, strict=True)), strict=True))
    return PublishedCurve(line["id"], line["name"], line["source"], bpp, psnr, rest[0] if rest else ())


def chosen(text: str) -> list[PublishedCurve]:
    """The curves "kodak" (the usual ones), "kodak:all" or "kodak:vtm,elic" ask for. Raises PublishedError."""
    name, _, wanted = text.partition(":")
    all_curves = {curve.id: curve for curve in load(name)}
    if wanted == "all":
        return list(all_curves.values())
    ids: Iterable[str] = [id.strip() for id in wanted.split(",")] if wanted else USUAL
    for id in ids:
        if id not in all_curves:
            raise PublishedError(f"{name} has no published curve '{id}': choose from {', '.join(all_curves)}")
    return [all_curves[id] for id in ids]
