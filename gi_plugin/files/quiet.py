"""Ignoring the warnings of decoders, also when several threads decode at once."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_lock = threading.Lock()
_ignored = ExitStack()  # holds the filter while threads need it
_threads = 0  # that need the filter


@contextmanager
def ignored_warnings() -> Iterator[None]:
    """Ignore warnings while the block runs, in this process.

    Python has one list of warning filters for all threads. If every thread used `warnings.catch_warnings`, the first one to leave would
    remove the filter while others still need it, and the last one could restore a wrong list.
    """
    global _threads  # noqa: PLW0603  # the filters are global, too
    with _lock:
        if not _threads:
            _ignored.enter_context(warnings.catch_warnings(action="ignore"))
        _threads += 1
    try:
        yield
    finally:
        with _lock:
            _threads -= 1
            if not _threads:
                _ignored.close()
