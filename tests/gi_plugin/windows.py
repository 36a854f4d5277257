"""Small windows for tests whose result does not depend on the window size: a call then takes a seventh of the time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gi_plugin import planning

SMALL, LARGE = 96, 192  # pixels, instead of 256 and 512; every other size follows from these two
COMMAND = f"from gi_plugin import cli, planning; planning.SMALL, planning.LARGE = {SMALL}, {LARGE}; cli.main()"  # in another process


@contextmanager
def small_windows() -> Iterator[None]:
    """Plan with small windows while the block runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "SMALL", SMALL)
        patch.setattr(planning, "LARGE", LARGE)
        yield
