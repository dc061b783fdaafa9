"""How do commands talk to a person? Errors in one line, exit codes, JSON, tables and progress bars."""

from __future__ import annotations

import contextlib
import json
import math
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from models.codec import QUIET, Watch
from models.errors import FetchError, HflicError, OutputError, SuffixError, WorkerError

FAILURE, USAGE, INTERRUPTED = 1, 2, 130


class UsageError(HflicError):
    """The options given do not make sense together, or a file is not what the command needs."""


class FailedError(HflicError):
    """The work was asked for correctly but could not be done."""


class Group(TyperGroup):
    """The commands with this program's error handling; `--debug` is taken anywhere on the line."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and turn whatever happens into an exit code."""
        for stream in (sys.stdout, sys.stderr):
            _take_anything(stream)
        given = list(sys.argv[1:] if args is None else args)
        end = given.index("--") if "--" in given else len(given)
        debug = "--debug" in given[:end]
        if debug and args is None:  # Windows' patterns are opened only where the arguments are not given
            sys.argv[1:] = _without_debug(given, end)
        try:
            code = super().main(
                _without_debug(given, end) if debug and args is not None else args,
                prog_name or "hflic",
                complete_var,
                False,
                windows_expand_args,
                **extra,
            )
        except Exception as error:
            code = complain(error, debug)
        if not standalone_mode:
            return code
        sys.exit(code if isinstance(code, int) else 0)


def _without_debug(given: list[str], end: int) -> list[str]:
    return [a for a in given[:end] if a != "--debug"] + given[end:]


def _take_anything(stream: Any) -> None:
    """Show names that cannot be written there with escapes: they must not end a command that has worked."""
    reconfigure = getattr(stream, "reconfigure", None)  # what stands in for it may have none
    if reconfigure is None:
        return
    if sys.platform == "win32" and not stream.isatty():
        reconfigure(encoding="utf-8")
    own_bytes = stream.errors == "surrogateescape" and _any_character(stream)  # gives back those of a name
    if not own_bytes:
        reconfigure(errors="backslashreplace")


def _any_character(stream: Any) -> bool:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return str(encoding).lower().replace("-", "") == "utf8"


def complain(error: Exception, debug: bool) -> int:
    """Say in one line on stderr what went wrong; returns the exit code."""
    if debug:
        traceback.print_exception(error)
    if isinstance(error, typer.Abort):
        return INTERRUPTED
    text, code = _explain(error)
    print(f"hflic: {' '.join(text.split())}", file=sys.stderr)  # noqa: T201
    return code


def _explain(error: Exception) -> tuple[str, int]:
    if isinstance(error, HflicError):
        failure = isinstance(error, OutputError | FetchError | FailedError | WorkerError)
        return str(error), FAILURE if failure and not isinstance(error, SuffixError) else USAGE
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        text = error.format_message().rstrip(".")
        return (f"{text} (see `{context.command_path} --help`)" if context else text), error.exit_code
    if isinstance(error, MemoryError):
        return "there is not enough memory for this: try a smaller picture", FAILURE
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}", FAILURE
    return f"internal error ({type(error).__name__}: {error}): run again with --debug to see where", FAILURE


def unused(context: typer.Context, names: Sequence[str], because: str) -> None:
    """Raises UsageError where one of these parameters was given on the command line: it would do nothing."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"{max(parameter.opts, key=len)} does nothing here: {because}")


def print_json(value: Any) -> None:
    """Print a value as JSON; numbers JSON does not know (the infinite PSNR of equal pictures) become null."""
    plain = not _any_character(sys.stdout)  # the stream's own escapes would be no JSON
    print(json.dumps(finite(value), indent=2, ensure_ascii=plain))  # noqa: T201


def finite(value: Any) -> Any:
    """The value with every infinite or undefined number replaced by None."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return value


def say(text: str) -> None:
    """Print a line for a person, as it is."""
    print(text)  # noqa: T201


def hint(text: str) -> None:
    """Print a line on stderr that is no part of the result."""
    print(text, file=sys.stderr)  # noqa: T201


def split_list(text: str) -> list[str]:
    """The parts of a list with commas, without blanks and repetitions."""
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def show_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str | None = None,
    markdown: bool = False,
) -> None:
    """Print a table; columns of numbers are set to the right, columns of words to the left.

    markdown: as GitHub and most other places read it, the title as a line of its own.
    """
    if markdown:
        _show_markdown(headings, rows, title)
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for index, heading in enumerate(headings):
        numbers = _of_numbers(rows, index)
        table.add_column(heading, justify="right" if numbers else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    # Into a pipe a table must not be folded to 80 columns.
    width = None if sys.stdout.isatty() else 250
    Console(file=sys.stdout, width=width, highlight=False, markup=False).print(table)


def _show_markdown(headings: Sequence[str], rows: Sequence[Sequence[str]], title: str | None) -> None:
    marks = ["---:" if _of_numbers(rows, index) else "---" for index in range(len(headings))]
    lines = [headings, marks, *rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    say(f"\n{title}\n\n{text}" if title else text)  # behind another table it would be its last line


def _of_numbers(rows: Sequence[Sequence[str]], column: int) -> bool:
    return all(_NUMERIC.fullmatch(row[column]) for row in rows)


_NUMERIC = re.compile(r"[-+]?[\d.,]+|-|-?inf")


def number(value: float | None, digits: int = 3) -> str:
    """A number for a table; a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:.{digits}f}" if math.isfinite(value) else "inf" if value > 0 else "-inf"


@contextlib.contextmanager
def progress(title: str) -> Iterator[Watch]:
    """A watch that draws a progress bar on stderr where that is a terminal, and is silent elsewhere."""
    if not sys.stderr.isatty():
        yield QUIET
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.fields[label]}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[stage]}", style="dim", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=1.0, label=title, stage="")
        yield Watch(report=lambda stage, done: bar.update(task, completed=done, stage=stage))
