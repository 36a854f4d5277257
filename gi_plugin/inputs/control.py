"""Control over a running call: its caller can cancel it, limit its time and follow its progress."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..errors import Cancelled, EngineError
from ..options import Stoppable


def go_on() -> None:
    """Let a call go on: the check of calls that nobody stops."""


class Control:
    """Asks between two steps whether a call is to stop. The time of the deadline starts when the object is made.

    :param cancel: the call stops once this event is set.
    :param deadline: seconds after which the call stops.
    :param progress: called with the share that is done, 0 to 1.
    :param closed: returns whether the engines were closed since the call began.
    """

    def __init__(
        self,
        cancel: Stoppable | None = None,
        deadline: float | None = None,
        progress: Callable[[float], None] | None = None,
        closed: Callable[[], bool] = lambda: False,
    ) -> None:
        self._cancel, self._deadline, self._progress, self._closed = cancel, deadline, progress, closed
        self._start = time.monotonic()

    def check(self) -> None:
        """Return if the call may go on.

        :raises Cancelled: if it is to stop.
        :raises EngineError: if the engines were closed.
        """
        if self._closed():
            raise EngineError("the engine was closed")
        if self._cancel is not None and self._cancel.is_set():
            raise Cancelled("the caller cancelled the call")
        if self._deadline is not None and time.monotonic() - self._start > self._deadline:
            raise Cancelled(f"the call took longer than its deadline of {self._deadline:g} s")

    def report(self, share: float) -> None:
        """Tell the caller the share that is done."""
        if self._progress is not None:
            self._progress(share)
