"""Thin and thick parts of a hole, compared with an exact distance transform and labels."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import ndimage

from gi_plugin.arrays import Bools
from gi_plugin.planning.thin_holes import DEPTH, split, squares_of
from gi_plugin.thin import CORE


def _random_hole(random: np.random.Generator) -> Bools:
    hole = np.zeros(random.integers(1, 90, 2), np.bool_)
    for _ in range(random.integers(0, 9)):
        (top, left), (height, width) = random.integers(0, hole.shape), random.integers(1, 14, 2)
        hole[top : top + height, left : left + width] = True
    return hole


def _thick(hole: Bools) -> Bools:
    """The slow formula: connected parts with a pixel further than DEPTH from every known pixel; the border of the picture repeats."""
    if hole.all():
        return hole
    padded = np.pad(hole, 2 * DEPTH, mode="edge")
    depth = ndimage.distance_transform_edt(padded)[2 * DEPTH : -2 * DEPTH, 2 * DEPTH : -2 * DEPTH]
    labels, _ = ndimage.label(hole, np.ones((3, 3)))
    return hole & np.isin(labels, labels[depth > DEPTH])


def _squares(pixels: Bools) -> list[tuple[int, int]]:
    return sorted({(row - row % CORE, column - column % CORE) for row, column in np.argwhere(pixels).tolist()})


@settings(deadline=None, max_examples=200)
@given(seed=st.integers(0, 2**31))
def test_parts_with_a_deep_pixel_are_thick(seed: int) -> None:
    """A part is thick if one of its pixels is further than DEPTH from a known one; each thin pixel is in a listed square."""
    hole = _random_hole(np.random.default_rng(seed))
    parts, thick = split(hole), _thick(hole)
    np.testing.assert_array_equal(np.zeros_like(hole) if parts.thick is None else parts.thick, thick)
    assert [tuple(square) for square in parts.squares.tolist()] == _squares(hole & ~thick)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(1, 1), (8, 16), (1030, 24), (50, 33)])
def test_squares_hold_all_missing_pixels(shape: tuple[int, int], order: str) -> None:
    """The listed squares are those with a missing pixel, for every size and memory layout."""
    hole = np.array(np.random.default_rng(0).random(shape) < 0.02, order=order)
    hole[-1, -1] = True
    assert [tuple(square) for square in squares_of(hole).tolist()] == _squares(hole)


def test_a_thin_line_that_touches_a_thick_hole_belongs_to_it() -> None:
    """A scratch that ends in a thick hole is filled with it; one that ends a pixel before it is thin."""
    hole = np.zeros((60, 200), np.bool_)
    hole[20:40, 20:40] = True
    hole[30:32, 40:150] = True
    hole[10:12, 60:199] = True
    parts = split(hole)
    assert parts.thick is not None
    assert parts.thick[30, 149]
    assert not parts.thick[10, 60:199].any()


def test_no_temporary_array_has_the_size_of_the_picture() -> None:
    """Beside its result, the separation of two small holes that are far apart takes a tenth of the picture's size in memory at most."""
    hole = np.zeros((4096, 4096), np.bool_)
    hole[20:60, 20:60] = hole[-60:-20, -60:-20] = True
    tracemalloc.start()
    parts = split(hole)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(parts.thick, hole)
    assert peak < 1.1 * hole.nbytes
