"""Counts the connected holes of a picture."""

from __future__ import annotations

import numpy as np

from ..arrays import Bools, Indices
from ..box import around


def count_holes(hole: Bools) -> int:
    """Count the holes in `hole` [H, W]; pixels that touch by sides or corners belong to one hole."""
    if not hole.any():
        return 0
    inside = hole[around(hole).slices]
    stride = inside.shape[1] + 2  # two known pixels between rows, so that no run reaches the next row
    padded = np.pad(inside, ((0, 0), (1, 1))).ravel()
    edges = np.flatnonzero(padded[1:] != padded[:-1]) + 1
    starts, ends = edges[::2], edges[1::2]  # of the runs of missing pixels in each row
    first = np.searchsorted(ends, starts + stride)  # runs of the next row that end behind the start of this one,
    last = np.searchsorted(starts, ends + stride, side="right")  # and start no later than its end
    counts = last - first
    above = np.repeat(np.arange(starts.size), counts)
    below = np.arange(above.size) - np.repeat(np.cumsum(counts) - counts - first, counts)
    return _count_groups(starts.size, above, below)


def _count_groups(count: int, one: Indices, other: Indices) -> int:
    """Count the groups of `count` items, of which those at `one` and `other` belong together, pair by pair."""
    parents = np.arange(count)
    while True:
        roots, others = parents[one], parents[other]
        if np.array_equal(roots, others):
            return int(np.count_nonzero(parents == np.arange(count)))
        np.minimum.at(parents, np.maximum(roots, others), np.minimum(roots, others))
        while not np.array_equal(parents, parents[parents]):
            parents = parents[parents]
