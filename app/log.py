"""Where do faults go? A rotating log file where one can be written, and a hook for what nobody caught."""

from __future__ import annotations

import logging
import logging.handlers
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from models.paths import own_folder

log = logging.getLogger("app")


def log_path() -> Path | None:
    """The log file's place; None where no home is known."""
    folder = own_folder("log")
    return folder / "viewer.log" if folder is not None else None


def start_log(path: Path | None = None) -> None:
    """Write to the log file; a place that cannot be written is no reason to stop."""
    root = logging.getLogger()
    path = path or log_path()
    if path is None:
        logging.getLogger("app").addHandler(logging.NullHandler())  # else warnings would go to the terminal
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=512_000, backupCount=2, encoding="utf-8", delay=True
        )
    except OSError:
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.raiseExceptions = False  # a full disk must not print tracebacks for every line


def catch_faults(show: Callable[[str, str], None]) -> Callable[[], None]:
    """Log what nobody caught and pass it to `show(line, traceback)`; gives a function that undoes this."""
    before = sys.excepthook
    showing = False

    def hook(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
        nonlocal showing
        if issubclass(kind, KeyboardInterrupt):
            before(kind, fault, trace)
            return
        details = "".join(traceback.format_exception(kind, fault, trace))
        log.error("unexpected fault\n%s", details)
        if showing:  # a fault while showing a fault: once is enough
            return
        showing = True
        try:
            show(f"{kind.__name__}: {fault}", details)
        finally:
            showing = False

    def thread_hook(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None and arguments.exc_type is not SystemExit:
            hook(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

    before_thread = threading.excepthook
    sys.excepthook = hook
    threading.excepthook = thread_hook

    def undo() -> None:
        sys.excepthook = before
        threading.excepthook = before_thread

    return undo
