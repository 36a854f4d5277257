"""Check, when a GPU is opened for the transfer, that its fill of a small picture is that of the CPU."""

from __future__ import annotations

import numpy as np

from gi_plugin.arrays import CELL, Bools, Floats
from gi_plugin.errors import EngineError
from gi_plugin.transfer import Guide, Transfer, transfer

SIDE, HOLE = 64, slice(22, 43)  # pixels: all levels have sources
ALLOWED = 1.0  # of 255: a few sources may differ, because a GPU approximates the exponential


def check_on(on_gpu: Transfer) -> None:
    """Compare a fill on a GPU with the same fill on the CPU; it takes milliseconds.

    :raises EngineError: if they differ by more than a few sources do, or the GPU fails.
    """
    image, hole, guide = _case()
    found, expected = on_gpu(image, hole, guide).pixels, transfer(image, hole, guide).pixels
    difference = 127.5 * float(np.abs(found - expected)[hole].mean())
    if not difference <= ALLOWED:  # NaN fails, too
        raise EngineError(f"on this GPU the fill of a test picture differs from the CPU's by {difference:.1f} of 255 on average")


def _case() -> tuple[Floats, Bools, Guide]:
    """Make a picture [SIDE, SIDE, 3] of noise on a slope, with a hole, and a guide at half its size."""
    random = np.random.default_rng(0)
    slope = np.linspace(-0.8, 0.8, SIDE, dtype=np.float32)
    image = np.stack((slope[:, None] * slope, slope[:, None] + 0 * slope, slope + 0 * slope[:, None]), axis=-1)
    image = (image + random.normal(0, 0.2, (SIDE, SIDE, 3)).astype(np.float32)).clip(-1, 1)
    hole = np.zeros((SIDE, SIDE), np.bool_)
    hole[HOLE, HOLE] = True
    cells = SIDE // 2 // CELL
    return image, hole, Guide(image[::2, ::2], random.integers(-1, cells**2, (cells, cells)), 2)
