"""The compiled inner loops, if this installation has them."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path


@functools.cache
def library() -> ctypes.CDLL | None:
    """The library of C functions, or None where it was not built."""
    file = Path(__file__).with_name("_inner.so")
    return ctypes.CDLL(str(file)) if file.exists() else None
