"""The interface that every engine has, and helpers that the engines share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gi_plugin.arrays import CELL, Floats, Matches
from gi_plugin.errors import ConfigError

LEAST_WINDOW = 72  # in a smaller window the widest mirror padding would exceed the smallest feature map


class Engine(Protocol):
    """The network, ready to run on windows of one size. Several threads may call one engine at the same time."""

    @property
    def window(self) -> int:
        """Side of a window in pixels."""

    @property
    def batch(self) -> int:
        """Largest number of windows per call."""

    @property
    def backend(self) -> str:
        """Name and precision of the backend, such as "openvino bf16"."""

    def __call__(self, image: Floats, mask: Floats) -> tuple[Floats, Matches]:
        """Fill the holes of windows.

        :param image: [N, 3, W, W] float32 in [-1, 1]; values in the hole are ignored. N is at most `batch`.
        :param mask: [N, 1, W, W] float32, 1 = hole.
        :return: completed [N, 3, W, W] float32 in [-1, 1], and matches [N, W/8 * W/8] int64: for every cell that touches the hole,
            the index of the background cell that fits it best. For the other cells the value depends on the engine.
        :raises EngineError: if the run fails.
        """

    def close(self) -> None:
        """Release memory and devices. The engine must not be called afterwards."""


class ThinEngine(Protocol):
    """The tiny network for thin holes, ready to run on tiles. Several threads may call one engine at the same time."""

    @property
    def batch(self) -> int:
        """Largest number of tiles per call."""

    @property
    def backend(self) -> str:
        """Name and precision of the backend, such as "openvino bf16"."""

    def __call__(self, image: Floats, mask: Floats) -> Floats:
        """Compute corrections of a first fill.

        :param image: [N, 3, S, S] float32, scaled tiles with a first fill at missing pixels, see `gi_plugin.thin`. N is at most `batch`.
        :param mask: [N, 1, S, S] float32, 1 = missing.
        :return: [N, 3, S, S] float32, to be added to the first fill; without meaning at known pixels.
        :raises EngineError: if the run fails.
        """

    def close(self) -> None:
        """Release memory and devices. The engine must not be called afterwards."""


@dataclass(frozen=True)
class BackendStatus:
    """Whether a backend can be used on this machine, and the reason."""

    name: str
    available: bool
    reason: str


def check_window(window: int) -> None:
    """Check that the network accepts windows of this size.

    :param window: side in pixels.
    :raises ConfigError: if it is too small or not a multiple of the cell size.
    """
    if window < LEAST_WINDOW or window % CELL:
        raise ConfigError(f"window {window}: expected a multiple of {CELL}, {LEAST_WINDOW} or more")


def full_batch(windows: Floats, batch: int) -> Floats:
    """Pad windows [N, C, W, W] to `batch` windows by repeating the last one, for engines with a fixed batch size."""
    missing = batch - windows.shape[0]
    return np.concatenate((windows, np.repeat(windows[-1:], missing, axis=0))) if missing else windows
