"""Smooth interpolation of scattered known values by push-pull: reduce by means of known values, then enlarge again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import kernels
from .arrays import Bools, Floats, go_on


def smooth_fill(values: Floats, known: Bools, check: Callable[[], None] = go_on, threads: int = 1) -> Floats:
    """Keep `values` [H, W, C] where `known` [H, W] is True, and interpolate smoothly elsewhere; all 0 if nothing is known.

    :param check: called between the steps; what it raises ends the work.
    """
    check()
    if known.all() or known.size == 1:
        return np.where(known[..., None], values, np.float32(0))
    coarse = smooth_fill(*kernels.mean_of_known(values, known, threads), check, threads)
    check()
    return kernels.fill_unknown(values, known, coarse, threads)
