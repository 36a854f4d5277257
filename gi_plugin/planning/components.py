"""The connected holes of a picture: their number, and the boxes around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Bools, Indices
from ..box import Box, around


@dataclass(frozen=True)
class _Runs:
    """Runs of missing pixels in the rows of a hole, and the connected hole that each belongs to."""

    rows: Indices
    starts: Indices  # columns
    ends: Indices  # exclusive
    roots: Indices  # number of the first run of the same connected hole


def count_holes(hole: Bools) -> int:
    """Count the holes in `hole` [H, W]; pixels that touch by sides or corners belong to one hole."""
    roots = _runs(hole).roots
    return int(np.count_nonzero(roots == np.arange(roots.size)))


def boxes_around(hole: Bools) -> list[Box]:
    """Return the box around each hole in `hole` [H, W]; pixels that touch by sides or corners belong to one hole."""
    runs = _runs(hole)
    firsts, members = np.unique(runs.roots, return_inverse=True)
    top, left = np.full(firsts.size, hole.shape[0]), np.full(firsts.size, hole.shape[1])
    bottom, right = np.zeros((2, firsts.size), np.int64)
    np.minimum.at(top, members, runs.rows)
    np.minimum.at(left, members, runs.starts)
    np.maximum.at(bottom, members, runs.rows + 1)
    np.maximum.at(right, members, runs.ends)
    return [Box(*map(int, edges)) for edges in zip(top, left, bottom, right, strict=True)]


def _runs(hole: Bools) -> _Runs:
    """Find the runs in the rows of a hole, and join those that touch."""
    if not hole.any():
        return _Runs(*np.zeros((4, 0), np.int64))
    box = around(hole)
    inside = hole[box.slices]
    stride = inside.shape[1] + 2  # two known pixels between rows, so that no run reaches the next row
    padded = np.pad(inside, ((0, 0), (1, 1))).ravel()
    edges = np.flatnonzero(padded[1:] != padded[:-1]) + 1
    starts, ends = edges[::2], edges[1::2]
    first = np.searchsorted(ends, starts + stride)  # runs of the next row that end behind the start of this one,
    last = np.searchsorted(starts, ends + stride, side="right")  # and start no later than its end
    counts = last - first
    above = np.repeat(np.arange(starts.size), counts)
    below = np.arange(above.size) - np.repeat(np.cumsum(counts) - counts - first, counts)
    rows, columns = np.divmod(starts, stride)
    left = columns - 1 + box.left
    return _Runs(rows + box.top, left, left + ends - starts, _roots(starts.size, above, below))


def _roots(count: int, one: Indices, other: Indices) -> Indices:
    """Return the first item of the group that each of `count` items is in, if those at `one` and `other` belong together, pair by pair."""
    parents = np.arange(count)
    while True:
        roots, others = parents[one], parents[other]
        if np.array_equal(roots, others):
            return parents
        np.minimum.at(parents, np.maximum(roots, others), np.minimum(roots, others))
        while not np.array_equal(parents, parents[parents]):
            parents = parents[parents]
