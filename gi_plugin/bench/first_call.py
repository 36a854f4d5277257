"""The first call of a process; nothing but numpy is imported before it."""

from __future__ import annotations

import time

import numpy as np


def seconds_of_first_call(side: int, hole: int) -> float:
    """Fill a square hole in a square picture of noise with the user's settings, and return how long that took, imports included."""
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    mask = np.zeros((side, side), np.bool_)
    mask[(side - hole) // 2 :, (side - hole) // 2 :][:hole, :hole] = True
    start = time.perf_counter()
    from gi_plugin import inpaint  # noqa: PLC0415  # its import is a part of the call

    inpaint(image, mask)
    return time.perf_counter() - start
