"""Smooth interpolation of scattered known values by push-pull: reduce by means of known values, then enlarge again."""

from __future__ import annotations

from collections.abc import Callable

from . import kernels
from .arrays import Bools, Floats, go_on


def smooth_fill(values: Floats, known: Bools, check: Callable[[], None] = go_on, threads: int = 1) -> Floats:
    """Keep `values` [H, W, C] where `known` [H, W] is True, and interpolate smoothly elsewhere; all 0 if nothing is known.

    :param check: called between the steps; what it raises ends the work.
    """
    return kernels.smooth_fill(values, known, threads, check)
