"""Where a fill gets its engines from."""

from __future__ import annotations

from typing import Protocol

from gi_plugin.engines import Engine, ThinEngine


class Engines(Protocol):
    """Opens engines when they are first needed."""

    def engine(self, window: int) -> Engine:
        """The engine of the network for windows of `window` pixels."""

    def thin_engine(self) -> ThinEngine:
        """The engine of the tiny network for thin holes."""
