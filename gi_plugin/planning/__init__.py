"""Plans the windows: finds the boxes around the holes of a picture, and the square windows that the network sees.

The cost depends on the size of the holes, not on the size of the picture.
"""

from __future__ import annotations

from ..box import Box
from .hole import PlannedHole, plan_hole
from .window import COARSE, LARGE, SIZES, SMALL, WINDOWS, Window

__all__ = ["COARSE", "LARGE", "SIZES", "SMALL", "WINDOWS", "Box", "PlannedHole", "Window", "plan_hole"]
