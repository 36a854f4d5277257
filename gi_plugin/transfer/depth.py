"""The depth of a hole."""

from __future__ import annotations

from ..box import around
from . import kernels
from .arrays import Bools


def hole_depth(hole: Bools, threads: int = 1) -> float:
    """Largest distance in pixels from a missing pixel of `hole` [h, w] to the nearest known one; outside the array all pixels are known.

    It is 0 if nothing is missing.
    """
    if not hole.any():
        return 0.0
    return float(kernels.distance(around(hole).grown(1).cut(hole), threads).max())
