"""Windows to measure and compare engines on, with a square hole in the middle."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats


def square_hole(window: int, hole: int | None = None, batch: int = 1) -> Floats:
    """A mask [batch, 1, window, window], 1 = missing.

    :param hole: side of the hole in pixels; half of the window's if None.
    """
    side = window // 2 if hole is None else hole
    start = (window - side) // 2
    mask = np.zeros((batch, 1, window, window), np.float32)
    mask[..., start : start + side, start : start + side] = 1
    return mask


def noise_window(window: int, batch: int = 1, hole: int | None = None) -> tuple[Floats, Floats]:
    """Seeded noise [batch, 3, window, window] in [-1, 1], and the mask of its hole."""
    random = np.random.default_rng(0)
    return random.uniform(-1, 1, (batch, 3, window, window)).astype(np.float32), square_hole(window, hole, batch)


def smooth_window(window: int) -> tuple[Floats, Floats]:
    """A smooth picture [1, 3, window, window] in [-1, 1], and the mask of its hole."""
    line = np.linspace(0, 12, window, dtype=np.float32)
    planes = np.sin(line)[:, None] * np.cos(line), np.sin(line[:, None] + line), np.cos(line[:, None] * line / 8)
    return np.stack(planes)[None] * np.float32(0.8), square_hole(window)
