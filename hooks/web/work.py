"""The one thread that works on pictures, and the line of requests that wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from starlette.exceptions import HTTPException

from gi_plugin.options import Options

Result = TypeVar("Result")


class WorkLine:
    """One worker thread, which bounds the memory, and a line of bounded length before it.

    :param waiting: requests that may wait.
    """

    def __init__(self, waiting: int) -> None:
        self._worker = ThreadPoolExecutor(1, "gi-plugin server")
        self._running = set[threading.Event]()  # one per fill that may still run: set it to end the fill
        self.places, self.length = waiting + 1, 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the line inside a `with` block.

        :raises HTTPException: 503 if the line is full.
        """
        if self.length >= self.places:
            raise HTTPException(503, f"{self.length} requests are in line, which is the limit: try again in a moment", {"Retry-After": "2"})
        self.length += 1
        try:
            yield
        finally:
            self.length -= 1

    async def run(self, step: Callable[..., Result], *arguments: Any) -> Result:
        """Run a step in the worker thread. A step that has not started when the request ends is left out."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, step, *arguments)

    async def fill(self, step: Callable[[Options], Result], options: Options) -> Result:
        """Run a step that fills; it is cancelled when the request ends."""
        cancel = threading.Event()
        self._running.add(cancel)
        try:
            return await self.run(step, replace(options, cancel=cancel))
        finally:
            cancel.set()
            self._running.discard(cancel)

    def close(self) -> None:
        """Cancel what runs, leave out what waits, and end the thread."""
        for cancel in tuple(self._running):
            cancel.set()
        self._worker.shutdown(cancel_futures=True)
