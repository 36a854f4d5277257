"""Separates the thin parts of a hole from the thick ones, and finds the small squares that hold thin pixels.

A connected part of a hole (by sides or corners) is thin if no pixel of it is further than `DEPTH` from a known pixel: specks, scratches,
wires, writing. The work follows the missing pixels: a picture is scanned once, in squares; all else looks only at squares with a hole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..arrays import Bools, Integers
from ..inputs.control import go_on
from ..thin import CORE

DEPTH = 4  # largest distance of a thin pixel to a known one, in pixels
DISC = [  # steps to all pixels within that distance
    (down, right) for down in range(-DEPTH, DEPTH + 1) for right in range(-DEPTH, DEPTH + 1) if down**2 + right**2 <= DEPTH**2
]
AROUND = np.array([(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)])
ROWS = 128 * CORE  # rows per step of a scan
SQUARES = 1 << 12  # squares per step of the test for depth


@dataclass(frozen=True, eq=False)
class SplitHole:
    """A hole, separated into thin and thick parts."""

    squares: Integers  # [N, 2] top and left of each square of CORE x CORE pixels that has a thin pixel
    thick: Bools | None  # [H, W], True = missing and not thin; None: everything is thin


def split(hole: Bools, check: Callable[[], None] = go_on) -> SplitHole:
    """Separate the thin parts of `hole` [H, W] from the thick ones.

    :param check: called between the steps; what it raises ends the work.
    """
    squares = squares_of(hole, check)
    thick = np.zeros(hole.shape, np.bool_)
    found = False
    for part in _steps(squares):
        check()
        found |= _mark_deep(hole, part, thick)
    if not found:
        return SplitHole(squares, None)
    _extend(hole, thick, _border(thick, squares, check), check)
    thin = []
    for part in _steps(squares):
        check()
        thin.append((gathered(hole, part) & ~gathered(thick, part)).any(axis=(1, 2)))
    return SplitHole(squares[np.concatenate(thin)], thick)


def squares_of(hole: Bools, check: Callable[[], None] = go_on) -> Integers:
    """Find the squares [N, 2] of a grid of CORE x CORE pixels that hold missing pixels, in raster order."""
    width = -(-hole.shape[1] // CORE)
    found = []
    for top in range(0, hole.shape[0], ROWS):
        check()
        strip = hole[top : top + ROWS]
        rows, rest = -(-strip.shape[0] // CORE) * CORE, width * CORE
        if strip.shape != (rows, rest) or not strip.flags.c_contiguous:
            strip = np.zeros((rows, rest), np.bool_)
            strip[: hole.shape[0] - top, : hole.shape[1]] = hole[top : top + ROWS]
        words = strip.view(np.uint64).reshape(-1, CORE, width)  # a word holds the eight pixels of a row of a square
        found.append(np.argwhere(np.bitwise_or.reduce(words, axis=1)) * CORE + (top, 0))
    return np.concatenate(found)


def gathered(plane: Bools, squares: Integers, margin: int = 0) -> Bools:
    """Cut squares [N, S, S], grown by `margin`, out of `plane` [H, W]; pixels outside it repeat those at its border."""
    steps = np.arange(-margin, CORE + margin)
    rows, columns = ((squares[:, axis, None] + steps).clip(0, plane.shape[axis] - 1) for axis in (0, 1))
    return np.asarray(plane[rows[:, :, None], columns[:, None, :]])


def _mark_deep(hole: Bools, squares: Integers, deep: Bools) -> bool:
    """Set those pixels of `squares` in `deep` [H, W] whose distance to every known pixel is above `DEPTH`; return whether there are any."""
    near = gathered(hole, squares, DEPTH)
    found = near[:, DEPTH : DEPTH + CORE, DEPTH : DEPTH + CORE].copy()
    for down, right in DISC:
        found &= near[:, DEPTH + down : DEPTH + down + CORE, DEPTH + right : DEPTH + right + CORE]
    number, row, column = found.nonzero()
    row, column = squares[number, 0] + row, squares[number, 1] + column
    inside = (row < hole.shape[0]) & (column < hole.shape[1])  # the last squares reach beyond the picture
    deep[row[inside], column[inside]] = True
    return bool(len(number))


def _extend(hole: Bools, reached: Bools, front: Integers, check: Callable[[], None]) -> None:
    """Mark in `reached` all pixels of `hole` that are connected to its marked ones, whose outermost are `front` [K, 2]."""
    while len(front):
        check()
        near = (front[:, None] + AROUND).reshape(-1, 2).clip(0, np.array(hole.shape) - 1)
        fresh = near[hole[near[:, 0], near[:, 1]] & ~reached[near[:, 0], near[:, 1]]]
        reached[fresh[:, 0], fresh[:, 1]] = True
        places, _ = np.unique(fresh @ (hole.shape[1], 1), return_counts=True)  # without counts, numpy would now import numpy.ma
        front = np.stack(np.divmod(places, hole.shape[1]), axis=1)


def _border(region: Bools, squares: Integers, check: Callable[[], None]) -> Integers:
    """Row and column [K, 2] of the pixels of `region` in `squares` that have a pixel outside it above, below, left or right.

    :param check: called between the steps; what it raises ends the work.
    """
    found = []
    for part in _steps(squares):
        check()
        near = gathered(region, part, 1)
        inside = near[:, :-2, 1:-1] & near[:, 2:, 1:-1] & near[:, 1:-1, :-2] & near[:, 1:-1, 2:]
        number, row, column = (near[:, 1:-1, 1:-1] & ~inside).nonzero()
        found.append(np.stack([part[number, 0] + row, part[number, 1] + column], axis=1))
    places = np.concatenate([np.zeros((0, 2), np.int64), *found])
    return places[(places < region.shape).all(axis=1)]  # the last squares reach beyond the picture


def _steps(squares: Integers) -> Iterator[Integers]:
    """Cut a list of squares into parts, to limit memory."""
    return (squares[start : start + SQUARES] for start in range(0, len(squares), SQUARES))
