"""Windows: the squares of a picture that the network sees."""

from __future__ import annotations

from dataclasses import dataclass

from ..box import Box

COARSE, SMALL, LARGE = 128, 256, 512  # sides of the windows that engines are made for, in pixels of the network's input
WINDOWS = (COARSE, SMALL, LARGE)
SIZES = {"transfer": (COARSE, SMALL), "network": (SMALL, LARGE)}  # those that each kind of detail needs


@dataclass(frozen=True)
class Window:
    """A square of `side` picture pixels at (top, left), read at 1/`scale` of its size, that fills the hole inside `own`."""

    top: int
    left: int
    side: int
    scale: int
    own: Box

    @property
    def size(self) -> int:
        """Side of the network's input, in pixels."""
        return self.side // self.scale

    @property
    def view(self) -> tuple[int, int, int, int]:
        """What the network sees of the picture; windows of one view share its result."""
        return self.top, self.left, self.side, self.scale


def window_around(own: Box, size: int, scale: int, shape: tuple[int, int]) -> Window:
    """The window centred on a box, then shifted into the picture of `shape` (rows, columns) as far as the picture reaches."""
    side = size * scale
    top, left = ((start + end - side) // 2 for start, end in ((own.top, own.bottom), (own.left, own.right)))
    return Window(_shifted(top, side, shape[0]), _shifted(left, side, shape[1]), side, scale, own)


def _shifted(start: int, side: int, length: int) -> int:
    return max(0, min(start, length - side))
