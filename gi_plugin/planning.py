"""How an image of any size reaches a network of fixed size: holes become boxes, boxes become square windows.

The cost follows the holes, not the image. A hole of up to 128 px gets a window of 256, one of up to 256 px a window of 512: the hole
never takes more than half of the side. A longer hole is cut into parts of 256 px if it is thin (a scratch); if it is not, its window is
read at 1/2, 1/3, … of the size, and the fill is enlarged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .arrays import Array, Bools
from .errors import ImageError
from .image import check_mask, dilated, wrong_shape

SMALL, LARGE = 256, 512  # sides of the windows that engines are made for
BLOCK = 32  # holes are told apart at this resolution: nearer ones count as one


class Box(NamedTuple):
    """A rectangle of pixels, ends exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def longest(self) -> int:
        """The longer side, in pixels."""
        return max(self.bottom - self.top, self.right - self.left)

    def union(self, other: Box) -> Box:
        """The smallest box around both."""
        return Box(min(self.top, other.top), min(self.left, other.left), max(self.bottom, other.bottom), max(self.right, other.right))


@dataclass(frozen=True)
class Window:
    """A square of `side` image pixels at (top, left), read at 1/`scale` of its size, that fills the hole inside `own`."""

    top: int
    left: int
    side: int
    scale: int
    own: Box

    @property
    def size(self) -> int:
        """Side of the network's input, in pixels."""
        return self.side // self.scale


@dataclass(frozen=True, eq=False)
class PlannedHole:
    """The hole of a picture, checked and grown, and the windows that fill it; serves every picture of the same size."""

    hole: Bools  # [H, W], True = missing
    windows: tuple[Window, ...]

    def check_fits(self, shape: tuple[int, int]) -> None:
        """Check the size of a picture, (rows, columns).

        :raises ImageError: if it is not the hole's.
        """
        if self.hole.shape != shape:
            raise ImageError(wrong_shape(self.hole.shape, shape))


def plan_hole(mask: Array, shape: tuple[int, int], *, alpha: bool = False, dilate: int = 0) -> PlannedHole:
    """Check a mask, grow its hole, and plan the windows.

    :param mask: as for `check_mask`; `shape` and `alpha` likewise.
    :param dilate: pixels by which the hole grows in every direction.
    :raises ImageError: if the mask cannot be used, or its grown hole leaves no known pixel.
    """
    hole = dilated(check_mask(mask, shape, alpha=alpha), dilate)
    if hole.all():
        raise ImageError("the hole covers the whole image once it is dilated: lower `dilate`")
    return PlannedHole(hole, tuple(plan(hole)))


def plan(hole: Bools) -> list[Window]:
    """Cover every missing pixel of `hole` [H, W] by a window that owns it; empty if nothing is missing.

    The boxes of holes may overlap. Reduced windows come first, so that a fill at full size replaces theirs.
    """
    windows = []
    for box in _joined(_boxes(hole)):
        if box.longest <= LARGE // 2:
            windows.append(_window(box, hole))
        else:
            windows.extend(_thin(box, hole) or [_window(box, hole)])
    return sorted(windows, key=lambda window: -window.scale)


def _boxes(hole: Bools) -> list[Box]:
    """Bounding boxes of the connected holes, in raster order, found on a grid of blocks: no image-sized temporaries."""
    height, width = hole.shape
    rows = (hole[top : top + BLOCK].any(axis=0) for top in range(0, height, BLOCK))
    blocks = np.stack([np.logical_or.reduceat(row, range(0, width, BLOCK)) for row in rows])
    coarse = [Box(BLOCK * top, BLOCK * left, BLOCK * bottom, BLOCK * right) for top, left, bottom, right in connected(blocks)]
    return sorted(_tightened(box, hole) for box in coarse)


def connected(blocks: Bools) -> Iterator[Box]:
    """Bounding boxes of the blocks that touch each other, by sides or corners.

    scikit-image's `label` does the same; importing it (and scipy) takes longer than all the rest of a plan.
    """
    rest = set(zip(*(axis.tolist() for axis in blocks.nonzero()), strict=True))
    while rest:
        group = [rest.pop()]
        for row, column in group:  # which grows
            touching = {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & rest
            rest -= touching
            group += touching
        rows, columns = zip(*group, strict=True)
        yield Box(min(rows), min(columns), max(rows) + 1, max(columns) + 1)


def _tightened(box: Box, hole: Bools) -> Box:
    part = hole[box.top : box.bottom, box.left : box.right]
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    return Box(box.top + int(rows[0]), box.left + int(columns[0]), box.top + int(rows[-1]) + 1, box.left + int(columns[-1]) + 1)


def _joined(boxes: list[Box]) -> list[Box]:
    """Join boxes that fit into one small window together; `boxes` come in raster order."""
    done: list[Box] = []
    near: list[Box] = []
    for box in boxes:
        done += [other for other in near if other.top + SMALL // 2 <= box.top]
        near = [other for other in near if other.top + SMALL // 2 > box.top]
        partner = next((other for other in near if other.union(box).longest <= SMALL // 2), None)
        if partner is not None:
            near.remove(partner)
            box = partner.union(box)  # noqa: PLW2901  # the joined box takes its partner's place
        near.append(box)
    return done + near


def _window(own: Box, hole: Bools) -> Window:
    """The window around a box: centred on it, then shifted into the image as far as the image reaches."""
    size = SMALL if own.longest <= SMALL // 2 else LARGE
    scale = math.ceil(2 * own.longest / size)
    side = size * scale
    top, left = ((start + end - side) // 2 for start, end in ((own.top, own.bottom), (own.left, own.right)))
    return Window(_shifted(top, side, hole.shape[0]), _shifted(left, side, hole.shape[1]), side, scale, own)


def _shifted(start: int, side: int, length: int) -> int:
    return max(0, min(start, length - side))


def _thin(box: Box, hole: Bools) -> list[Window]:
    """Windows at full size for the parts of a long hole, or none if the hole fills more than half of any of them."""
    step = LARGE // 2
    windows = []
    for top in range(box.top, box.bottom, step):
        for left in range(box.left, box.right, step):
            part = Box(top, left, min(top + step, box.bottom), min(left + step, box.right))
            if not hole[part.top : part.bottom, part.left : part.right].any():
                continue
            window = _window(_tightened(part, hole), hole)
            if hole[window.top : window.top + window.side, window.left : window.left + window.side].mean() > 0.5:
                return []
            windows.append(window)
    return windows
