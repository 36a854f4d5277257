"""Finds the boxes around the holes of a picture, without temporary arrays of the picture's size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..arrays import Bools
from ..box import Box, around

BLOCK = 32  # side of a grid cell in pixels: holes in the same or in touching cells count as one


def boxes_of(hole: Bools, join: int) -> list[Box]:
    """Find the bounding boxes of connected holes in `hole` [H, W]; boxes that together fit into a square of `join` pixels become one."""
    return _joined(_boxes(hole), join)


def tightened(box: Box, hole: Bools) -> Box:
    """The smallest box around the missing pixels in `box`, which must contain at least one."""
    inner = around(hole[box.slices])
    return Box(box.top + inner.top, box.left + inner.left, box.top + inner.bottom, box.left + inner.right)


def parts_of(box: Box, hole: Bools, step: int) -> Iterator[Box]:
    """Cut a box into squares of `step` pixels and shrink each to its missing pixels; squares without missing pixels are left out."""
    for top in range(box.top, box.bottom, step):
        for left in range(box.left, box.right, step):
            part = Box(top, left, min(top + step, box.bottom), min(left + step, box.right))
            if hole[part.slices].any():
                yield tightened(part, hole)


def connected(blocks: Bools) -> Iterator[Box]:
    """Find the bounding boxes of groups of blocks that touch by sides or corners.

    scikit-image's `label` does the same, but importing it (and scipy) takes longer than the rest of the planning.
    """
    rest = set(zip(*(axis.tolist() for axis in blocks.nonzero()), strict=True))
    while rest:
        group = [rest.pop()]
        for row, column in group:  # the list grows during the loop
            touching = {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & rest
            rest -= touching
            group += touching
        rows, columns = zip(*group, strict=True)
        yield Box(min(rows), min(columns), max(rows) + 1, max(columns) + 1)


def _boxes(hole: Bools) -> list[Box]:
    """Bounding boxes of the connected holes, in raster order, found on a grid of blocks."""
    height, width = hole.shape
    rows = (hole[top : top + BLOCK].any(axis=0) for top in range(0, height, BLOCK))
    blocks = np.stack([np.logical_or.reduceat(row, range(0, width, BLOCK)) for row in rows])
    coarse = [Box(BLOCK * top, BLOCK * left, BLOCK * bottom, BLOCK * right) for top, left, bottom, right in connected(blocks)]
    return sorted(tightened(box, hole) for box in coarse)


def _joined(boxes: list[Box], join: int) -> list[Box]:
    """Join boxes that together fit into a square of `join` pixels; `boxes` are in raster order."""
    done: list[Box] = []
    near: list[Box] = []
    for box in boxes:
        done += [other for other in near if other.top + join <= box.top]
        near = [other for other in near if other.top + join > box.top]
        partner = next((other for other in near if other.union(box).longest <= join), None)
        if partner is not None:
            near.remove(partner)
            box = partner.union(box)  # noqa: PLW2901  # the joined box takes its partner's place
        near.append(box)
    return done + near
