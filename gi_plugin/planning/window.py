"""Windows: the squares of a picture that the network sees."""

from __future__ import annotations

from dataclasses import dataclass

from ..box import Box

COARSE, SMALL, LARGE = 128, 256, 512  # sides of the network's input for which engines are built, in pixels
WINDOWS = (COARSE, SMALL, LARGE)
SIZES = {"transfer": (COARSE, SMALL), "network": (SMALL, LARGE)}  # the sizes that each kind of detail uses


@dataclass(frozen=True)
class Window:
    """A square of `side` picture pixels at (top, left). The network reads it at 1/`scale` of its size and fills the hole inside `own`."""

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
        """The square that the network reads: top, left, side, scale. Windows with the same view share one run of the network."""
        return self.top, self.left, self.side, self.scale


def window_around(own: Box, size: int, scale: int, shape: tuple[int, int]) -> Window:
    """Centre a window on the box `own`, and shift it into the picture as far as the picture's size allows.

    :param size: side of the network's input, in pixels.
    :param shape: of the picture, (rows, columns).
    """
    side = size * scale
    top, left = ((start + end - side) // 2 for start, end in ((own.top, own.bottom), (own.left, own.right)))
    return Window(_shifted(top, side, shape[0]), _shifted(left, side, shape[1]), side, scale, own)


def _shifted(start: int, side: int, length: int) -> int:
    return max(0, min(start, length - side))
