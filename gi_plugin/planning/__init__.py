"""How a picture of any size reaches a network of fixed size: holes become boxes, boxes become square windows.

The cost follows the holes, not the picture.
"""

from __future__ import annotations

from ..box import Box
from .hole import PlannedHole, plan_hole
from .window import COARSE, LARGE, SIZES, SMALL, WINDOWS, Window

__all__ = ["COARSE", "LARGE", "SIZES", "SMALL", "WINDOWS", "Box", "PlannedHole", "Window", "plan_hole"]
