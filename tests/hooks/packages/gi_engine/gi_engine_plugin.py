"""An engine of a third party: every missing pixel becomes a fixed colour."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gi_plugin.arrays import CELL, Floats, Matches
from gi_plugin.config import Config
from gi_plugin.engines import BackendStatus, Engine
from gi_plugin.hooks.spec import hookimpl

COLOUR = 0.5  # in [-1, 1]: the level 191


class PlainEngine:
    """Completes windows with one colour."""

    backend, batch = "plain numpy", 1

    def __init__(self, window: int) -> None:
        self.window = window

    def __call__(self, image: Floats, mask: Floats) -> tuple[Floats, Matches]:
        """Complete windows: see `Engine`."""
        return np.where(mask > 0, np.float32(COLOUR), image), np.zeros((len(image), (self.window // CELL) ** 2), np.int64)

    def close(self) -> None:
        """Do nothing."""


def open_plain(config: Config, window: int) -> Engine:
    """Open the engine."""
    return PlainEngine(window)


@hookimpl
def register_engines(register: Callable[..., None]) -> None:
    """Register the engine."""
    register("plain", open_plain, status=lambda _: BackendStatus("plain", available=True, reason="numpy is there"))
