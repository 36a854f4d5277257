"""Files that appear whole or not at all: written beside their place, stored on disk, then renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".part-"  # names of unfinished files begin with it


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside `path`; it takes the place of `path` when the block ends without an error, else it is removed.

    :raises OSError: if the folder cannot be written.
    """
    partial = path.with_name(f"{PARTIAL}{secrets.token_hex(8)}{path.suffix}")
    partial.touch(exist_ok=False)
    try:
        yield partial
        sync(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until the content of a file is stored: its new name must not survive a power cut that its content does not."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
