"""The number of holes in a picture."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from gi_plugin.arrays import Bools
from gi_plugin.planning.counting import count_holes


@given(arrays(np.bool_, strategies.tuples(strategies.integers(1, 9), strategies.integers(1, 9))))
def test_holes_are_counted_as_by_scipy(hole: Bools) -> None:
    """The count is that of scipy's labels of pixels that touch by sides or corners."""
    assert count_holes(hole) == ndimage.label(hole, np.ones((3, 3)))[1]


def test_a_long_chain_is_one_hole() -> None:
    """A spiral, whose parts meet only at its end, is one hole, and so is a picture full of it."""
    spiral = np.zeros((101, 101), bool)
    for ring in range(0, 48, 4):
        spiral[ring, ring : 101 - ring] = spiral[ring : 101 - ring, 100 - ring] = spiral[100 - ring, ring : 101 - ring] = True
        spiral[ring + 4 : 101 - ring, ring] = True
        spiral[ring + 4, ring : ring + 5] = True
    assert count_holes(spiral) == ndimage.label(spiral, np.ones((3, 3)))[1] == 1
