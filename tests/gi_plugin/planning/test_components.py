"""The connected holes of a picture."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from gi_plugin.arrays import Bools
from gi_plugin.box import Box
from gi_plugin.planning.components import boxes_around, count_holes


@given(arrays(np.bool_, strategies.tuples(strategies.integers(1, 9), strategies.integers(1, 9))))
def test_holes_are_found_as_by_scipy(hole: Bools) -> None:
    """Number and boxes are those of scipy's labels of pixels that touch by sides or corners."""
    labels, count = ndimage.label(hole, np.ones((3, 3)))
    boxes = [Box(rows.start, columns.start, rows.stop, columns.stop) for rows, columns in ndimage.find_objects(labels)]
    assert (count_holes(hole), sorted(boxes_around(hole))) == (count, sorted(boxes))


def test_a_long_chain_is_one_hole() -> None:
    """A spiral, whose parts meet only at its end, is one hole, and so is a picture full of it."""
    spiral = np.zeros((101, 101), bool)
    for ring in range(0, 48, 4):
        spiral[ring, ring : 101 - ring] = spiral[ring : 101 - ring, 100 - ring] = spiral[100 - ring, ring : 101 - ring] = True
        spiral[ring + 4 : 101 - ring, ring] = True
        spiral[ring + 4, ring : ring + 5] = True
    assert count_holes(spiral) == ndimage.label(spiral, np.ones((3, 3)))[1] == 1
