"""Where does the program begin? `hflic` and `python -m app`: the viewer without arguments, else a command."""

from __future__ import annotations

import multiprocessing
import sys
import warnings


def main() -> None:
    """Open the viewer when there are no arguments, run a command otherwise."""
    multiprocessing.freeze_support()
    if not sys.warnoptions:
        # Libraries' warnings are for programmers (`python -W default -m app` shows them).
        warnings.simplefilter("ignore")
    if sys.platform == "win32":
        # Qt's and torch's DLLs find each other's run-time libraries only in this order.
        import torch  # noqa: F401
    if sys.argv[1:2] == ["train"]:  # this process ends with the training
        from models.memory import keep_freed_memory

        keep_freed_memory()
    try:
        from app.cli import app

        # Given arguments are left to it: on Windows it opens their patterns, as no shell does.
        app(args=None if sys.argv[1:] else ["view"])
    except KeyboardInterrupt:  # so early that no command was there to take it
        sys.exit(130)


if __name__ == "__main__":
    main()
