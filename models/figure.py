"""How are rate-distortion curves drawn? One panel a metric, into a PNG, SVG or PDF."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.codec import entry
from models.curves import DECIBEL, Curve, scale_of
from models.drawing import metadata, styled
from models.errors import CodecError, SuffixError
from models.files import write_file
from models.metrics import TABLE
from models.published import PublishedCurve

SUFFIXES = (".png", ".svg", ".pdf")
LOG_SPAN = 8  # from this ratio of highest to lowest rate on, the rates are drawn on a log scale

# Okabe and Ito's colours, which colour-blind people tell apart, darkest first.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999933")
_MARKERS = "osD^vPX*<>"
_IN_PANELS = 6  # curves up to which each panel has its legend; more have one beside the panels
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "axes.axisbelow": True,
    "svg.fonttype": "none",
}


def check_suffix(path: Path) -> None:
    """Raises SuffixError where the suffix names no format a figure can be written in."""
    if path.suffix.lower() not in SUFFIXES:
        raise SuffixError(f"cannot write {path}: a figure is one of {', '.join(SUFFIXES)}")


def draw(
    panels: Mapping[str, Sequence[Curve]],
    path: Path,
    *,
    title: str = "",
    published: Sequence[PublishedCurve] = (),
    published_title: str = "",
) -> None:
    """Draw the curves of each metric. Raises SuffixError, and OutputError for an unwritable place.

    Classical codecs are dashed with hollow markers, learned ones solid; a codec looks the same in all panels.
    Published curves are thin and grey, with their names at their ends, and only in panels of their metrics.
    """
    check_suffix(path)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    styles = _styles(panels)
    columns = min(len(panels), 2)
    lines = -(-len(panels) // columns)
    with styled(_STYLE):
        figure = Figure(figsize=(6.4 * columns, 4.6 * lines + 0.5), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(lines, columns, squeeze=False)
        for index, axes in enumerate(grid.flat):
            if index >= len(panels):
                axes.set_axis_off()
                continue
            metric, curves = list(panels.items())[index]
            _panel(axes, metric, curves, published, styles)
        if len(styles) > _IN_PANELS:
            _shared_legend(figure, grid, panels, styles)
        note = f"dotted: {published_title}" if published and published_title else ""
        words = "; ".join(part for part in (title, note) if part)
        figure.suptitle(words, fontsize=11, parse_math=False)
        buffer, format = io.BytesIO(), path.suffix[1:].lower()
        figure.savefig(buffer, format=format, dpi=160, metadata=metadata(format, title))
    write_file(path, buffer.getvalue())


def _styles(panels: Mapping[str, Sequence[Curve]]) -> dict[str, dict[str, Any]]:
    """How each curve is drawn, by its label: no two alike, and told apart without colour too."""
    styles: dict[str, dict[str, Any]] = {}
    counts = {True: 0, False: 0}
    for curves in panels.values():
        for curve in curves:
            label = _label(curve, curves)
            if label in styles:
                continue
            learned = _learned(curve.codec)
            index = counts[learned]
            counts[learned] += 1
            styles[label] = {
                "color": _COLOURS[index % len(_COLOURS)],
                "marker": _MARKERS[index % len(_MARKERS)],  # of another length: pairs repeat after 40
                "linestyle": "-" if learned else (0, (5, 1.6)),
                "markerfacecolor": _COLOURS[index % len(_COLOURS)] if learned else "white",
                "markersize": 6,
                "linewidth": 1.8 if learned else 1.5,
            }
    return styles


def _learned(codec: str) -> bool:
    """What the catalogue does not know, results of another version say, counts as learned."""
    try:
        return entry(codec).learned
    except CodecError:
        return True


def _shared_legend(
    figure: Any, grid: Any, panels: Mapping[str, Sequence[Curve]], styles: Mapping[str, dict[str, Any]]
) -> None:
    """In the place of the last panel where that is free, else at the right; learned codecs come first."""
    from matplotlib.lines import Line2D

    ordered = sorted(styles, key=lambda label: styles[label]["linestyle"] != "-")
    handles = [Line2D([], [], label=label, **styles[label]) for label in ordered]
    look = {"frameon": False, "fontsize": 9, "handlelength": 3.6, "labelspacing": 0.7}
    if len(panels) < grid.size:
        grid.flat[-1].legend(handles=handles, loc="center left", **look)
    else:
        figure.legend(handles=handles, loc="outside right center", **look)


def _panel(
    axes: Any,
    metric: str,
    curves: Sequence[Curve],
    published: Sequence[PublishedCurve],
    styles: Mapping[str, dict[str, Any]],
) -> None:
    decibel = scale_of(metric) is DECIBEL
    for curve in curves:
        label = _label(curve, curves)
        axes.plot(
            curve.bpp,
            [DECIBEL.quality(v) for v in curve.values] if decibel else curve.values,
            label=label,
            zorder=3,
            **styles[label],
        )
    (left, right), (bottom, top) = limits = axes.get_xlim(), axes.get_ylim()
    labels: list[tuple[float, str]] = []
    for other in published:
        values = [DECIBEL.quality(v) for v in other.values(metric)] if decibel else other.values(metric)
        if any(left <= x <= right and bottom <= y <= top for x, y in zip(other.bpp, values, strict=False)):
            axes.plot(other.bpp, values, color="#9a9a9a", linewidth=1, linestyle=":", zorder=1)
            labels.append((float(np.interp(right, other.bpp, values)), other.name))
    # The frame stays our own results'.
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
    _names_at_the_right(axes, labels, bottom, top)
    rates = [bpp for curve in curves for bpp in curve.bpp]
    if max(rates) / min(rates) >= LOG_SPAN:
        _log_rates(axes, min(rates), max(rates))
    entry = TABLE[metric]
    unit = "dB" if decibel else entry.unit
    better = "" if decibel or entry.higher_is_better else ", less is better"
    axes.set_ylabel(f"{entry.label}{f' [{unit}]' if unit else ''}{better}")
    axes.set_xlabel("bits per pixel")
    if len(styles) <= _IN_PANELS:
        axes.legend(loc="best", frameon=False, fontsize=9, handlelength=3)


def _log_rates(axes: Any, low: float, high: float) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.set_xscale("log")
    axes.set_xlim(low * 0.9, high * 1.1)
    ticks = [t * 10.0**e for e in range(-3, 3) for t in (1, 2, 5) if low * 0.9 <= t * 10.0**e <= high * 1.1]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _names_at_the_right(axes: Any, labels: list[tuple[float, str]], bottom: float, top: float) -> None:
    """Names outside the frame, level with the curves' ends there, moved apart where they would overlap."""
    gap = 0.045 * (top - bottom)
    level = bottom - gap
    levels = []
    for wanted, _ in sorted(labels):
        level = max(min(wanted, top), level + gap)
        levels.append(level)
    for index in range(len(levels) - 1, -1, -1):  # and back down from the top
        levels[index] = min(levels[index], top - gap * (len(levels) - 1 - index))
    for level, (_, name) in zip(levels, sorted(labels), strict=True):
        axes.annotate(
            name,
            (1.0, level),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
            color="#6a6a6a",
            annotation_clip=False,
        )


def _label(curve: Curve, curves: Sequence[Curve]) -> str:
    alone = sum(other.codec == curve.codec for other in curves) == 1
    return curve.codec if alone or not curve.weights else f"{curve.codec} ({curve.weights})"
