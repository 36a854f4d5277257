"""Plans windows for holes that the transfer fills, guided by the network.

The network decides only the content of the hole, so a reduced picture is enough: a hole of 112 px or more in thickness is read at 1/2,
1/4, … of its size, until it is thinner. A hole that is longer than half of a window is cut into parts. A small hole gets a small window:
what lies further away hardly changes its fill.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Bools
from ..box import Box
from ..transfer import hole_depth
from .boxes import boxes_of, parts_of
from .window import COARSE, SMALL, Window, window_around

THICKEST = 112  # upper limit of a hole's thickness in the network's input, in pixels
MEASURED = 1024  # longest side of a hole whose thickness is measured at full size, in pixels


def plan_transfer(hole: Bools) -> list[Window]:
    """Cover every missing pixel of `hole` [H, W] by a window that owns it; empty if nothing is missing.

    Windows at full size come first: the boxes of holes may overlap, and what is filled is not filled again.
    """
    windows = [window for box in boxes_of(hole, SMALL // 2) for window in _windows(box, hole)]
    return sorted(windows, key=lambda window: window.scale)


def _windows(box: Box, hole: Bools) -> list[Window]:
    shape = (hole.shape[0], hole.shape[1])
    scale = _scale(_thickness(hole[box.slices]))
    if box.longest <= (COARSE // 4 if scale == 1 else scale * COARSE // 2):
        return [window_around(box, COARSE, scale, shape)]
    if box.longest <= scale * SMALL // 2:
        return [window_around(box, SMALL, scale, shape)]
    return [window_around(part, SMALL, scale, shape) for part in parts_of(box, hole, scale * SMALL // 2)]


def _scale(thickness: float) -> int:
    """The smallest power of two that makes a hole thinner than `THICKEST`."""
    scale = 1
    while thickness / scale >= THICKEST:
        scale *= 2
    return scale


def _thickness(hole: Bools) -> float:
    """Diameter of the largest disc inside a hole [h, w], in pixels; slightly too small for long holes, because they are reduced first."""
    factor = -(-max(hole.shape) // MEASURED)
    return float(2 * factor * hole_depth(_reduced(hole, factor)))


def _reduced(hole: Bools, factor: int) -> Bools:
    """Reduce a hole by `factor`: a pixel is missing if its whole block is missing."""
    if factor == 1:
        return hole
    for axis in (0, 1):
        hole = np.logical_and.reduceat(hole, range(0, hole.shape[axis], factor), axis)
    return hole
