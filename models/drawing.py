"""What makes a drawing of matplotlib the same file each time and for everybody? A style without their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_SAME: dict[Any, Any] = {"svg.hashsalt": "hflic"}  # else ids in an SVG are made of chance


@contextmanager
def styled(style: Mapping[Any, Any]) -> Iterator[None]:
    """This style over matplotlib's own: a person's matplotlibrc has no part in it."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SAME | dict(style))
        yield


def metadata(format: str, title: str = "") -> dict[str, Any]:
    """For `savefig`, by the suffix without its dot: no date and no machine; a PNG tells nothing."""
    if format == "pdf":
        return {"Title": title, "Creator": "HFLIC", "Producer": None, "CreationDate": None}
    return {"Title": title, "Creator": "HFLIC", "Date": None} if format == "svg" else {}
