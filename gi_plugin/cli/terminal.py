"""Terminal output shared by the commands: common options, messages and progress on stderr, tables and JSON on stdout."""

from __future__ import annotations

import json
import math
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from ..config import BACKENDS
from ..errors import NO_MASK

ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings file (default: the user's plugin.toml).")]
Backend = Annotated[str | None, typer.Option("--backend", help=f"auto, {', '.join(BACKENDS)}.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

EVERY = 10.0  # seconds between two lines about long work
WIDE = 200  # width of a table, in characters, if stdout is not a terminal
Item = TypeVar("Item")
messages = Console(stderr=True, markup=False, emoji=False, highlight=False)


def say(text: str, style: str | None = None) -> None:
    """Print a message as one line on stderr, without wrapping it."""
    messages.print(" ".join(text.splitlines()), style=style, soft_wrap=True)


def in_command_words(message: str) -> str:
    """Write a message that names options of Python with those of the command line, and tell how to name a missing mask."""
    message = re.sub(r"command line: (\w+) = ", r"--\1 ", message)
    message = re.sub(r"data_range=\(([^,]*), ([^)]*)\)", r"--data-range \1 \2", message)
    for name in ("invert_mask", "mask_alpha"):
        option = f"--{name.replace('_', '-')}"
        message = message.replace(f"{name}=True", option).replace(f"{name}=False", f"no {option}")
    return message.replace(NO_MASK, f"{NO_MASK}: give a mask file, or --box x,y,width,height")


def show(table: Table) -> None:
    """Print a table on stdout."""
    width = None if sys.stdout.isatty() else WIDE
    Console(markup=False, emoji=False, highlight=False, width=width).print(table)


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    print(json.dumps(value, indent=1))


class NowAndThen:
    """Prints a line about long work every `EVERY` seconds, where no progress bar can be drawn, e.g. in a pipe."""

    def __init__(self, *, at_once: bool = False, quiet: bool = False) -> None:
        self._quiet = quiet or messages.is_terminal
        self._last = -math.inf if at_once else time.monotonic()

    def __call__(self, text: str) -> None:
        """Print the text, unless a line was printed only just now."""
        if not self._quiet and time.monotonic() - self._last >= EVERY:
            self._last = time.monotonic()
            say(text)


class Spinner:
    """A context manager that shows a spinner, a text and the elapsed time on a terminal; it returns a function that changes the text.

    Elsewhere it prints the text now and then, if it changes.

    :param at_once: begin with the first change, for work that is always long.
    :param quiet: show nothing.
    """

    def __init__(self, text: str, *, at_once: bool = False, quiet: bool = False) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        self._progress = Progress(*columns, console=messages, transient=True, disable=quiet or not messages.is_terminal)
        self._task = self._progress.add_task(text, total=None)
        self._lines = NowAndThen(at_once=at_once, quiet=quiet)

    def __enter__(self) -> Callable[[str], None]:
        self._progress.start()
        return self._change

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _change(self, text: str) -> None:
        self._progress.update(self._task, description=text)
        self._lines(text)


class RateColumn(ProgressColumn):
    """Progress column with the rate in pictures per second."""

    def render(self, task: Task) -> Text:
        """Return the rate as text; empty until it is known."""
        return Text(f"{task.speed:.3g} pictures/s" if task.speed else "")


def tracked(items: Iterable[Item], total: int, *, quiet: bool = False) -> Iterator[Item]:
    """Yield the items, one per picture, and show a progress bar with the rate and the remaining time; where that cannot be, a line."""
    start, lines = time.monotonic(), NowAndThen(quiet=quiet)
    columns = (BarColumn(), MofNCompleteColumn(), RateColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True, disable=quiet or not messages.is_terminal) as progress:
        for done, item in enumerate(progress.track(items, total=total), start=1):
            yield item
            lines(f"{done} of {total} pictures, {done / (time.monotonic() - start):.3g} pictures/s")
