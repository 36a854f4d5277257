"""How deep a hole is."""

from __future__ import annotations

import numpy as np

from . import kernels
from .arrays import Bools


def hole_depth(hole: Bools) -> float:
    """Distance in pixels from the deepest pixel of `hole` [h, w] to the nearest known one; pixels outside of the array count as known."""
    return float(kernels.distance(np.pad(hole, 1), kernels.cores()).max())
