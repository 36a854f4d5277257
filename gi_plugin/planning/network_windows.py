"""Plans windows for holes that the network fills with its own pixels.

A hole of up to 128 px gets a window of 256 px, and one of up to 256 px a window of 512 px, so a hole is never longer than half of the
window's side. A longer hole is cut into parts of 256 px if it is thin (a scratch). Otherwise its window is read at 1/2, 1/3, … of its size,
and the fill is enlarged.
"""

from __future__ import annotations

import math

from ..arrays import Bools
from ..box import Box
from .boxes import boxes_of, parts_of
from .window import LARGE, SMALL, Window, window_around


def plan_network(hole: Bools) -> list[Window]:
    """Cover every missing pixel of `hole` [H, W] by a window that owns it; the list is empty if nothing is missing.

    The boxes of holes may overlap. Reduced windows come first, so that fills at full size overwrite theirs.
    """
    windows = []
    for box in boxes_of(hole, SMALL // 2):
        if box.longest <= LARGE // 2:
            windows.append(_window(box, hole))
        else:
            windows.extend(_cut(box, hole) or [_window(box, hole)])
    return sorted(windows, key=lambda window: -window.scale)


def _window(own: Box, hole: Bools) -> Window:
    """The smallest window, or else the least reduced one, whose side is at least twice the longer side of `own`."""
    size = SMALL if own.longest <= SMALL // 2 else LARGE
    return window_around(own, size, math.ceil(2 * own.longest / size), (hole.shape[0], hole.shape[1]))


def _cut(box: Box, hole: Bools) -> list[Window]:
    """Plan windows at full size for the parts of a long hole; an empty list if the hole covers more than half of any of them."""
    windows = [_window(part, hole) for part in parts_of(box, hole, LARGE // 2)]
    thick = any(hole[window.top : window.top + window.side, window.left : window.left + window.side].mean() > 0.5 for window in windows)
    return [] if thick else windows
