"""Why does the interface not stop for Python's garbage collector? What the start made is left out of it.

Modules, classes and widgets live as long as the program, yet every full collection walked all of them:
measured with 92,000 objects of the window and 112,000 with the plotting library, 50 and 65 ms of a busy
processor at any moment, also in the middle of a repaint.
"""

from __future__ import annotations

import gc


def leave_out() -> None:
    """What there is now is never looked at again. Any thread."""
    gc.freeze()


def take_back() -> None:
    """For the end of the program: everything can be collected again."""
    gc.unfreeze()
