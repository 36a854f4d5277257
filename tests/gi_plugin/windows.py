"""Small windows for tests whose result does not depend on the window size: a call then takes a seventh of the time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import pytest

COARSE, SMALL, LARGE = 72, 96, 192  # pixels, instead of 128, 256 and 512
SIZES = {  # every other size follows from these
    "gi_plugin.planning.network_windows": {"SMALL": SMALL, "LARGE": LARGE},
    "gi_plugin.planning.transfer_windows": {"COARSE": COARSE, "SMALL": SMALL, "THICKEST": 42},
    "gi_plugin.planning.overlap": {"SMALL": SMALL},
}
COMMAND = f"""
from importlib import import_module
for module, sizes in {SIZES}.items():
    vars(import_module(module)).update(sizes)
from gi_plugin import cli
cli.main()
"""  # in another process


@contextmanager
def small_windows() -> Iterator[None]:
    """Plan with small windows while the block runs."""
    with pytest.MonkeyPatch.context() as patch:
        for module, sizes in SIZES.items():
            for name, size in sizes.items():
                patch.setattr(import_module(module), name, size)
        yield
