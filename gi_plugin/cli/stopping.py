"""Ctrl-C and `kill` as a request, so that long work ends between two of its pieces."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """While it is entered, the first SIGINT or SIGTERM is only noted; the second one does what it did before."""

    def __init__(self, piece: str) -> None:
        self._text = f"\nstopping after this {piece}; once more to stop at once\n"
        self.signal = 0  # the one that came, 0 if none did

    def __call__(self) -> bool:
        """Whether a signal came."""
        return self.signal != 0

    @property
    def exit_code(self) -> int:
        """What a shell expects of a command that a signal ended: 130 for Ctrl-C, 143 for `kill`."""
        return 128 + self.signal

    def __enter__(self) -> Self:
        self._former = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number in SIGNALS:
            self._restore(number)

    def _restore(self, number: signal.Signals) -> None:
        former = self._former[number]
        signal.signal(number, signal.SIG_DFL if former is None else former)  # None: it was not set by Python

    def _note(self, number: int, _: FrameType | None) -> None:
        self.signal = number
        for each in SIGNALS:
            self._restore(each)
        os.write(2, self._text.encode())  # print() may have been interrupted halfway


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Have SIGTERM end the work like Ctrl-C does: as an exception, so that everything is cleaned up on the way out."""
    former = signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if former is None else former)
