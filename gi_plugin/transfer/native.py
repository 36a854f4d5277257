"""Loads the compiled inner loops of the transfer, one library beside this file for every version of Python, and calls them."""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any

from ..arrays import Array

VERSION = 2  # of the C functions' arguments; must be equal to `gi_transfer_version()` in inner.c
SLOWER = 20  # factor of processor time without the library; measured: 16 to 23
NAMES = {"darwin": "_inner.dylib", "win32": "_inner.dll"}
FILE = Path(__file__).with_name(NAMES.get(sys.platform, "_inner.so"))


class Pointer:
    """The type of array arguments: a C function gets the address of a contiguous array, or null for None."""

    @staticmethod
    def from_param(array: Any) -> Any:
        """Convert an argument; ctypes calls this."""
        if array is None:
            return None
        try:
            return ctypes.byref(ctypes.c_char.from_buffer(array))  # a third of the time of `array.ctypes`
        except (TypeError, ValueError):  # read-only, empty or not contiguous
            if not array.flags.c_contiguous:
                raise ValueError("expected a contiguous array") from None  # an error in this package, not of the user
            return ctypes.c_void_p(array.ctypes.data)


TYPES = {"a": Pointer, "n": ctypes.c_int64, "i": ctypes.c_int32, "u": ctypes.c_uint32, "f": ctypes.c_float}
ARGUMENTS = {  # of each C function, one letter of `TYPES` each
    "gi_search": "aaannfaaannaaaiui",
    "gi_vote": "annaaannai",
    "gi_heaviest": "aaaannai",
    "gi_blur": "aannnnanai",
    "gi_planes": "aannnnanfai",
    "gi_halve": "aannaai",
    "gi_smooth_fill": "aannnai",
    "gi_distance": "anniai",
}


def library() -> ctypes.CDLL | None:
    """Return the compiled functions, or None if the library cannot be used; a warning then says why, once per process.

    If the environment variable `GI_PLUGIN_NATIVE` is 0, return None without a warning.
    """
    return None if os.environ.get("GI_PLUGIN_NATIVE") == "0" else load(FILE)


@cache
def load(file: Path) -> ctypes.CDLL | None:
    """Load a library file, or return None with a warning; the result is cached."""
    loaded, reason = _load(file)
    if loaded is None:
        cost = f"the transfer runs in numpy, some {SLOWER} times slower"
        remedy = "install a wheel for this platform, or a C compiler and reinstall gi-plugin"
        warnings.warn(f"no compiled code ({reason}): {cost}; {remedy}", RuntimeWarning, stacklevel=3)
    return loaded


def _load(file: Path) -> tuple[ctypes.CDLL | None, str]:
    """Load a library file: the functions, or None and the reason."""
    if not file.is_file():
        return None, f"{file.name} was not built into this installation"
    try:
        loaded = ctypes.CDLL(str(file))
        version = int(loaded.gi_transfer_version())
        for name, letters in ARGUMENTS.items() if version == VERSION else ():
            getattr(loaded, name).argtypes = [TYPES[letter] for letter in letters]
    except (OSError, AttributeError) as problem:
        return None, f"{file.name} does not load: {problem}"
    if version != VERSION:
        return None, f"{file.name} has version {version}, this installation needs {VERSION}"
    return loaded, ""


def run(loaded: ctypes.CDLL, name: str, *arguments: Array | float | None) -> None:
    """Call a C function; the last argument is the number of threads.

    :raises MemoryError: if the function ran out of memory.
    """
    if getattr(loaded, name)(*arguments):
        raise MemoryError(f"{name}: not enough memory")
