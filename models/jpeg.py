"""How does Pillow's JPEG encoder get room for any picture?"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Bytes a pixel, with whole blocks at the edges. Black and white noise in each channel, about the worst there
# is, takes 3.3 at quality 100; Pillow reckons with 2, and a progressive or optimised file must fit whole.
_MOST = 5
_lock = threading.Lock()  # the size is a variable of Pillow's module


@contextmanager
def room(width: int, height: int) -> Iterator[None]:
    """While inside, a JPEG file of this size in pixels may be as large as it gets."""
    from PIL import ImageFile

    across, down = ((side + 15) // 16 * 16 for side in (width, height))
    with _lock:
        before = ImageFile.MAXBLOCK
        ImageFile.MAXBLOCK = max(before, _MOST * across * down)
        try:
            yield
        finally:
            ImageFile.MAXBLOCK = before
