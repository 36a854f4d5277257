"""Sample windows with a square hole in the middle, for benchmarks and comparisons of engines."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats


def square_hole(window: int, hole: int | None = None, batch: int = 1) -> Floats:
    """Make masks [batch, 1, window, window] float32 with a centred square hole, 1 = missing.

    :param hole: side of the hole in pixels; None: half the side of the window.
    """
    side = window // 2 if hole is None else hole
    start = (window - side) // 2
    mask = np.zeros((batch, 1, window, window), np.float32)
    mask[..., start : start + side, start : start + side] = 1
    return mask


def noise_window(window: int, batch: int = 1, hole: int | None = None) -> tuple[Floats, Floats]:
    """Make windows of seeded noise [batch, 3, window, window] in [-1, 1], and their masks with a square hole."""
    random = np.random.default_rng(0)
    return random.uniform(-1, 1, (batch, 3, window, window)).astype(np.float32), square_hole(window, hole, batch)


def smooth_window(window: int) -> tuple[Floats, Floats]:
    """Make a smooth picture [1, 3, window, window] in [-1, 1], and its mask with a square hole."""
    line = np.linspace(0, 12, window, dtype=np.float32)
    planes = np.sin(line)[:, None] * np.cos(line), np.sin(line[:, None] + line), np.cos(line[:, None] * line / 8)
    return np.stack(planes)[None] * np.float32(0.8), square_hole(window)
