"""The compiled form of the transfer's inner loop: one library beside this file, loaded once, for every version of Python."""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from functools import cache
from pathlib import Path

VERSION = 1  # what `gi_transfer_version()` of the C code has to answer; both change with the arguments of its functions
SLOWER = 15  # times, in processor time; measured: 13 to 17
NAMES = {"darwin": "_inner.dylib", "win32": "_inner.dll"}
FILE = Path(__file__).with_name(NAMES.get(sys.platform, "_inner.so"))


def library() -> ctypes.CDLL | None:
    """The compiled functions, or None where numpy has to do, which a warning explains once per process.

    With `GI_PLUGIN_NATIVE=0` in the environment it is None without a warning.
    """
    return None if os.environ.get("GI_PLUGIN_NATIVE") == "0" else load(FILE)


@cache
def load(file: Path) -> ctypes.CDLL | None:
    """The functions of one file, or None with a warning; the answer is kept."""
    loaded, reason = _load(file)
    if loaded is None:
        cost = f"the transfer runs in numpy, some {SLOWER} times slower"
        remedy = "install a wheel for this platform, or a C compiler and reinstall gi-plugin"
        warnings.warn(f"no compiled code ({reason}): {cost}; {remedy}", RuntimeWarning, stacklevel=3)
    return loaded


def _load(file: Path) -> tuple[ctypes.CDLL | None, str]:
    """The functions, or why there are none."""
    if not file.is_file():
        return None, f"{file.name} was not built into this installation"
    try:
        loaded = ctypes.CDLL(str(file))
        version = int(loaded.gi_transfer_version())
    except (OSError, AttributeError) as problem:
        return None, f"{file.name} does not load: {problem}"
    if version != VERSION:
        return None, f"{file.name} has version {version}, this installation needs {VERSION}"
    return loaded, ""
