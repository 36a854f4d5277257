"""What an engine is, whatever runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gi_plugin.arrays import CELL, Floats, Matches
from gi_plugin.errors import ConfigError

LEAST_WINDOW = 72  # below it the network's widest mirror padding is larger than its smallest feature map


class Engine(Protocol):
    """The network, ready to run on windows of one size; safe to call from several threads."""

    @property
    def window(self) -> int:
        """Side of a window in pixels."""

    @property
    def batch(self) -> int:
        """Largest number of windows per call."""

    @property
    def backend(self) -> str:
        """Name of the backend and the precision it runs in, such as "openvino bf16"."""

    def __call__(self, image: Floats, mask: Floats) -> tuple[Floats, Matches]:
        """Complete windows.

        :param image: [N, 3, W, W] float32 in [-1, 1]; values in the hole are ignored. N is at most `batch`.
        :param mask: [N, 1, W, W] float32, 1 = hole.
        :return: completed [N, 3, W, W] in [-1, 1] and matches [N, W/8 * W/8], the best background cell of every cell that
            touches the hole (of the others it is the engine's choice whether they have one).
        :raises EngineError: if the run fails.
        """

    def close(self) -> None:
        """Release what the engine holds; it must not be called afterwards."""


@dataclass(frozen=True)
class BackendStatus:
    """Whether a backend can be used here, and why (not)."""

    name: str
    available: bool
    reason: str


def check_window(window: int) -> None:
    """Check the side of a window in pixels.

    :raises ConfigError: if the network does not take it.
    """
    if window < LEAST_WINDOW or window % CELL:
        raise ConfigError(f"window {window}: expected a multiple of {CELL}, {LEAST_WINDOW} or more")


def full_batch(windows: Floats, batch: int) -> Floats:
    """Windows [N, C, W, W] made up to `batch` by repeating the last one, for engines of a fixed batch."""
    missing = batch - windows.shape[0]
    return np.concatenate((windows, np.repeat(windows[-1:], missing, axis=0))) if missing else windows
