"""Fills a window with the network's own pixels, enlarged if the window was reduced."""

from __future__ import annotations

from ..arrays import Floats
from ..image import SCAN_ROWS, Picture
from ..planning import Window
from .enlarging import enlarge


def write_completed(picture: Picture, window: Window, pixels: Floats) -> None:
    """Write the hole inside `window.own` from the completed window `pixels` [S, S, 3] in [-1, 1], in strips of rows."""
    own = window.own
    for top in range(own.top, own.bottom, SCAN_ROWS):
        height, width = min(SCAN_ROWS, own.bottom - top), own.right - own.left
        picture.write(top, own.left, enlarge(pixels, window.scale, top - window.top, own.left - window.left, height, width))
