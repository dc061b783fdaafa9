"""How many bits does each codec save against another at equal quality? `hflic bdrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app import text
from app.cli_codec import Json
from app.cli_console import UsageError, hint, print_json, show_table

if TYPE_CHECKING:
    from models.curves import BdRate, Curve, Method
    from models.evaluation import Row

Markdown = Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")]


def bdrate(
    results: Annotated[Path, typer.Argument(help="Result file of `hflic evaluate`.")],
    anchor: Annotated[
        str | None, typer.Option(metavar="ID", help="Codec the others are compared with.")
    ] = None,
    matrix: Annotated[
        bool, typer.Option("--matrix", help="Every codec against every other instead of one anchor.")
    ] = False,
    metric: Annotated[
        str, typer.Option(metavar="NAME", help="Metric that counts as equal quality.")
    ] = "psnr",
    method: Annotated[
        Literal["pchip", "akima"], typer.Option(help="Interpolation between the points.")
    ] = "pchip",
    common: Annotated[
        bool, typer.Option("--common", help="Count only pictures that every codec has at every rate.")
    ] = False,
    markdown: Markdown = False,
    as_json: Json = False,
) -> None:
    """Bits each codec spends against the anchor at equal quality, in percent; negative is better."""
    from models.curves import curves, scale_of
    from models.evaluation import averages, latest, read_rows

    if (anchor is None) != matrix:
        raise UsageError("give either --anchor with the codec to compare with, or --matrix")
    scale_of(metric)
    known = read_rows(results)
    rows = latest(known)
    if len(rows) < len(known):
        count = len(known) - len(rows)
        left = f"{text.counted(count, 'row')} {'is' if count == 1 else 'are'} left out"
        hint(f"{left}: of other pictures under names that were measured later")
    rows = _even(rows, metric, common)
    found = curves(averages(rows), metric)
    if anchor is None:
        _show_matrix(found, metric, method, markdown, as_json)
    else:
        _show_against(found, _anchor(found, anchor), metric, method, results, markdown, as_json)


def _even(rows: list[Row], metric: str, common: bool) -> list[Row]:
    """The rows to count; says where means are over different pictures."""
    from models.pairing import common_pictures, unequal

    measured = {(row.codec, row.weights) for row in rows if row.metrics.get(metric) is not None}
    if not measured:
        return rows  # which is what there is to say
    rows = [row for row in rows if (row.codec, row.weights) in measured]
    if common:
        return common_pictures(rows, metric)
    if reason := unequal(rows, metric):
        hint(f"{reason}; --common counts the pictures that all have")
    return rows


def _anchor(found: list[Curve], anchor: str) -> Curve:
    matching = [c for c in found if anchor in (c.codec, f"{c.codec}@{c.weights}")]
    if len(matching) > 1:
        names = ", ".join(f"{c.codec}@{c.weights}" for c in matching)
        raise UsageError(f"{anchor} was evaluated with several weights: say which as one of {names}")
    if not matching:
        raise UsageError(
            f"there is no codec '{anchor}' in these results: {', '.join(c.codec for c in found)}"
        )
    return matching[0]


def _show_against(
    found: list[Curve], base: Curve, metric: str, method: Method, results: Path, markdown: bool, as_json: bool
) -> None:
    from models.curves import CurveError, bd_rate, scale_of

    deltas: list[tuple[Curve, BdRate]] = []
    refused: list[str] = []
    for curve in found:
        if curve is not base:
            try:
                deltas.append((curve, bd_rate(base, curve, scale_of(metric), method)))
            except CurveError as error:
                refused.append(str(error))
    if not deltas:
        raise UsageError(
            refused[0] if refused else f"{results} has no codec besides {base.codec} to compare with it"
        )
    if as_json:
        lines = [{"codec": c.codec, "weights": c.weights, **_json_of(delta)} for c, delta in deltas]
        print_json({"anchor": base.codec, "metric": metric, "method": method, "results": lines})
    else:
        show_table(
            ("codec", "BD-rate %", f"common {metric}", "overlap %", "points"),
            [
                (
                    curve.codec,
                    f"{delta.percent:+.2f}",
                    f"{delta.low:.4g}..{delta.high:.4g}",
                    f"{100 * delta.overlap:.0f}",
                    str(delta.points),
                )
                for curve, delta in deltas
            ],
            title=f"against {base.codec} at equal {metric} ({method})",
            markdown=markdown,
        )
    for reason in refused:
        hint(f"left out: {reason}")


def _show_matrix(found: list[Curve], metric: str, method: Method, markdown: bool, as_json: bool) -> None:
    """A line a codec, a column an anchor. Raises UsageError where no two curves can be compared."""
    from models.curves import matrix, scale_of

    cells = matrix(found, scale_of(metric), method)
    good = [cell for cell in cells if cell.delta is not None]
    if not good:
        why = cells[0].reason if cells else "there is one codec alone"
        raise UsageError(f"no two of these curves can be compared: {why}")
    if as_json:
        lines: list[dict[str, Any]] = [
            {
                "codec": cell.test.codec,
                "weights": cell.test.weights,
                "anchor": cell.anchor.codec,
                "anchor_weights": cell.anchor.weights,
                **({"bd_rate": None, "reason": cell.reason} if cell.delta is None else _json_of(cell.delta)),
            }
            for cell in cells
        ]
        print_json({"metric": metric, "method": method, "matrix": lines})
        return
    at = {(id(cell.test), id(cell.anchor)): cell for cell in cells}
    rows = []
    for test in found:
        row = [_name(test, found)]
        for anchor in found:
            cell = at.get((id(test), id(anchor)))
            row.append("0" if cell is None else "-" if cell.delta is None else f"{cell.delta.percent:+.1f}")
        rows.append(row)
    title = f"BD-rate %, {metric} ({method}): bits of the line's codec against the column's"
    show_table((metric, *(_name(c, found) for c in found)), rows, title=title, markdown=markdown)
    for reason in dict.fromkeys(cell.reason for cell in cells if cell.reason):
        hint(f"left out: {reason}")
    worst = min(good, key=lambda cell: cell.delta.overlap if cell.delta else 1.0)
    assert worst.delta is not None
    hint(
        f"least overlap: {100 * worst.delta.overlap:.0f}% of the quality that "
        f"{worst.test.codec} and {worst.anchor.codec} span together"
    )


def _name(curve: Curve, found: list[Curve]) -> str:
    alone = sum(other.codec == curve.codec for other in found) == 1
    return curve.codec if alone or not curve.weights else f"{curve.codec}@{curve.weights}"


def _json_of(delta: BdRate) -> dict[str, Any]:
    return {
        "bd_rate": delta.percent,
        "overlap": delta.overlap,
        "range": [delta.low, delta.high],
        "points": delta.points,
        "left_out": delta.left_out,
    }
