"""Atomic file writing: write a temporary file in the same folder, sync it to disk, then rename it."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".part-"  # prefix of the names of temporary files


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file in the folder of `path`; rename it to `path` if the block succeeds, delete it if the block raises.

    If `path` is a link, the file that it leads to is replaced. A file that is replaced keeps its permissions.

    :raises OSError: if the folder is not writable.
    """
    path = path.resolve() if path.is_symlink() else path
    partial = path.with_name(f"{PARTIAL}{secrets.token_hex(8)}{path.suffix}")
    partial.touch(exist_ok=False)
    try:
        yield partial
        if path.exists():
            partial.chmod(stat.S_IMODE(path.stat().st_mode))
        sync(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file's content is on disk; without this, a power cut could leave the new name with incomplete content."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
