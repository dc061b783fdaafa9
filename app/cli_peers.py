"""How does this program's speed beside CompressAI's look on the command line? `hflic bench --peers`."""

from __future__ import annotations

from dataclasses import asdict

from app.cli_console import UsageError, hint, number, print_json, show_table

_PARTS = (("encode", "encode_s", "encode_cpu_s"), ("decode", "decode_s", "decode_cpu_s"))


def bench_peers(size: tuple[int, int], repeats: int, threads: int | None, as_json: bool) -> None:
    """Measure pair by pair and show medians and ratios."""
    if size[0] % 64 or size[1] % 64:
        raise UsageError("--peers needs sides in multiples of 64: others are filled up differently")
    from models.peers import compare

    found = compare(size, repeats=repeats, threads=threads)
    ratios = {wall.removesuffix("_s"): found.ratio(wall) for _, wall, _ in _PARTS}
    cpu = {processor.removesuffix("_s"): found.ratio(processor) for _, _, processor in _PARTS}
    if as_json:
        print_json(
            {"size": list(size)}
            | asdict(found)
            | {"ratios": ratios | cpu, "bytes_ratio": found.bytes[0] / found.bytes[1]}
        )
        return
    rows = []
    for name, wall, processor in _PARTS:
        ours, theirs = found.seconds(wall)
        cells = (ours, theirs, found.ratio(wall), found.ratio(processor))
        rows.append((name, *(number(cell, 2) for cell in cells)))
    show_table(("", "hflic s", "CompressAI s", "ratio", "ratio of processor time"), rows)
    off = 100 * (found.bytes[0] / found.bytes[1] - 1)
    hint(
        f"Elic2022Official, 5 groups, {size[0]}x{size[1]}, {found.threads} threads, {repeats} pairs; "
        f"bytes {found.bytes[0]} and {found.bytes[1]} ({off:+.2f}%); "
        f"pixels at most {found.levels} levels apart, {100 * found.differing:.2f}% differ "
        f"({100 * found.latents:.2f}% of the latents round differently; "
        f"from the same latents pixels are at most {found.same_levels} apart)"
    )
