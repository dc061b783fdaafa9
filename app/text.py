"""How are sizes, counts, times and rates written for people?"""

from __future__ import annotations

import math
from html import escape

DASH = "\N{EN DASH}"
DOT = " \N{MIDDLE DOT} "


def size(count: int) -> str:
    """Bytes, by thousands as file managers count: "9.61 kB"."""
    if count < 1000:
        return f"{count} B"
    value, unit = count / 1000, "kB"
    for larger in ("MB", "GB"):
        if value >= 999.5:  # what would be rounded to 1000
            value, unit = value / 1000, larger
    return f"{_three(value)} {unit}"


def counted(count: int, one: str, several: str = "") -> str:
    """A number of things: "1 box", "2 boxes"; `several` where an s does not make the plural."""
    return f"{count} {one if count == 1 else several or f'{one}s'}"


def smaller(times: float) -> str:
    """What is so many times smaller than the pixels: "12 times smaller", "1.4 times larger"."""
    if 0.95 <= times < 1.05:
        return "as large as the pixels"
    share, word = (times, "smaller") if times > 1 else (1 / times, "larger")
    return f"{share:.1f} times {word}" if share < 9.95 else f"{share:.0f} times {word}"


def seconds(value: float) -> str:
    """Wall-clock seconds: "84 ms", "1.52 s"; a dash where it is not known."""
    if not math.isfinite(value):
        return DASH
    if value < 0.0995:
        return f"{value * 1000:.0f} ms" if value >= 0.0015 else f"{value * 1000:.1f} ms"
    return f"{value:.2f} s" if value < 99.5 else f"{value:.0f} s"


def bpp(value: float) -> str:
    """Bits per pixel with a useful number of digits."""
    return f"{value:.3f}" if value < 9.9995 else f"{value:.2f}"


def percent(share: float) -> str:
    """A deviation with its sign: "+0.4%"."""
    return f"{share:+.1%}".replace("-", "\N{MINUS SIGN}")


def residual(share: float | None) -> str:
    """How far a file is off its wanted size: "size +0.4%"; "" where it is not."""
    words = percent(share) if share is not None else ""
    return f"size {words}" if any(digit in words for digit in "123456789") else ""


def zoom(scale: float) -> str:
    """A scale as a percentage."""
    return f"{scale * 100:.0f}%" if scale >= 0.0995 else f"{scale * 100:.1f}%"


def shortened(name: str, longest: int = 36) -> str:
    """A name with its middle left out where it is longer than so many characters."""
    if len(name) <= longest:
        return name
    ending = longest // 2
    return f"{name[: longest - ending - 1]}\N{HORIZONTAL ELLIPSIS}{name[-ending:]}"


def caption(name: str) -> str:
    """A file's name for a button or a menu, which take an & for the mark of a key."""
    return shortened(name).replace("&", "&&")


def tip(words: str) -> str:
    """Words with a file's name for a tooltip, which would read tags in it."""
    return f'<p style="white-space: pre-wrap">{escape(words)}</p>' if "<" in words else words


def _three(value: float) -> str:
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f}"
