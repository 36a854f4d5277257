"""Signal handling: Ctrl-C and `kill` as a request to stop, so that long work ends after the current item; a limit of its time."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """A context manager that turns the first SIGINT or SIGTERM into a request to stop; the second one acts as usual.

    Call the object to ask whether a signal came.

    :param item: what is finished before the work stops, e.g. "picture"; used in the message on stderr.
    """

    def __init__(self, item: str) -> None:
        self._message = f"\nstopping after this {item}; once more to stop at once\n"
        self.signal = 0  # number of the signal that came; 0 if none came

    def __call__(self) -> bool:
        """Return whether a signal came."""
        return self.signal != 0

    @property
    def exit_code(self) -> int:
        """Exit code of a command that a signal ended: 130 for Ctrl-C, 143 for `kill`."""
        return 128 + self.signal

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number in SIGNALS:
            self._restore(number)

    def _restore(self, number: signal.Signals) -> None:
        previous = self._previous[number]
        signal.signal(number, signal.SIG_DFL if previous is None else previous)  # None: the handler was not installed from Python

    def _handle(self, number: int, _: FrameType | None) -> None:
        self.signal = number
        for restored in SIGNALS:
            self._restore(restored)
        os.write(2, self._message.encode())  # not print(): the signal may have interrupted one


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Make SIGTERM raise an exception, as Ctrl-C does, so that the work cleans up before the process ends."""
    previous = signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if previous is None else previous)


class TimeIsOver(BaseException):
    """Ends the block of `ended_after`. It is no `Exception`, so that no library handles it."""


@contextmanager
def ended_after(seconds: float | None) -> Iterator[None]:
    """Leave the `with` block when its time is over, wherever it is; only a call into compiled code ends first.

    :param seconds: None for no limit. Windows, which has no such timer, does not limit it either.
    """
    if seconds is None or sys.platform == "win32":
        yield
        return

    def end(*_: object) -> None:
        raise TimeIsOver

    previous = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with suppress(TimeIsOver):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
