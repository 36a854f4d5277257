"""How deep a hole is."""

from __future__ import annotations

from ..box import around
from . import kernels
from .arrays import Bools


def hole_depth(hole: Bools, threads: int = 1) -> float:
    """Distance in pixels from the deepest pixel of `hole` [h, w] to the nearest known one; pixels outside of the array count as known."""
    return float(kernels.distance(around(hole).grown(1).cut(hole), threads).max())
