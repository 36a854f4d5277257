"""Picture file formats that plugins registered, by suffix: functions that read and write the pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..arrays import Array
from ..errors import ConfigError

Read = Callable[[Path], Array]
Write = Callable[[Array, Path], None]


@dataclass(frozen=True)
class FileFormat:
    """The functions of a format: `read(path)` returns pixels, `write(pixels, path)` stores them; None: it is only read."""

    read: Read
    write: Write | None


_formats: dict[str, FileFormat] = {}


def register(suffix: str, read: Read, write: Write | None = None) -> None:
    """Register a format; the same functions may be registered again.

    :param suffix: of file names, with the dot; upper and lower case are the same.
    :param read: takes a path and returns pixels HxW, HxWx3 or HxWx4, as for `gi_plugin.inpaint`.
    :param write: takes pixels and a path; None: the format is only read.
    :raises ConfigError: if the suffix has no dot, or another plugin registered it.
    """
    suffix, added = suffix.lower(), FileFormat(read, write)
    known = _formats.get(suffix, added)
    if not suffix.startswith(".") or known.read.__module__ != read.__module__:
        raise ConfigError(f"file format {suffix!r} of {read.__module__}: expected a suffix such as '.fits' that no other plugin has")
    _formats[suffix] = added


def suffixes() -> set[str]:
    """The suffixes of all registered formats."""
    return set(_formats)


def of(path: Path) -> FileFormat | None:
    """Return the registered format of a file; None if there is none."""
    return _formats.get(path.suffix.lower())
