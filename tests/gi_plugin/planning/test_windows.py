"""Properties of the planned windows, for holes of every kind."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from skimage.draw import line
from skimage.measure import label, regionprops

from gi_plugin.arrays import Bools
from gi_plugin.planning import Box, Window
from gi_plugin.planning.boxes import connected
from gi_plugin.planning.network_windows import plan_network
from gi_plugin.planning.transfer_windows import plan_transfer

SETTINGS = settings(max_examples=200, deadline=None)
Planner = Callable[[Bools], list[Window]]
PLANNERS: list[Planner] = [plan_network, plan_transfer]
EACH = pytest.mark.parametrize("plan", PLANNERS)


@st.composite
def holes(draw: st.DrawFn) -> Bools:
    """Draw the hole of an image of 1 to 1500 px per side, made of up to 8 boxes, thin strokes or groups of random dots."""
    height, width = draw(st.integers(1, 1500)), draw(st.integers(1, 1500))
    hole = np.zeros((height, width), np.bool_)
    row, column = st.integers(0, height - 1), st.integers(0, width - 1)
    for kind in draw(st.lists(st.sampled_from(["box", "small box", "stroke", "dots"]), min_size=1, max_size=8)):
        top, left = draw(row), draw(column)
        if kind == "box":
            hole[top : top + draw(st.integers(1, 1500)), left : left + draw(st.integers(1, 1500))] = True
        elif kind == "small box":
            hole[top : top + draw(st.integers(1, 300)), left : left + draw(st.integers(1, 300))] = True
        elif kind == "stroke":
            rows, columns = line(top, left, draw(row), draw(column))
            for offset in range(draw(st.integers(1, 20))):
                hole[np.minimum(rows + offset, height - 1), columns] = True
        else:
            dots = np.random.default_rng(draw(st.integers(0, 999))).integers(0, [height, width], (draw(st.sampled_from([3, 30, 3000])), 2))
            hole[dots[:, 0], dots[:, 1]] = True
    return hole


def _at_full_size(windows: list[Window]) -> bool:
    return all(window.scale == 1 for window in windows)


@EACH
@SETTINGS
@given(hole=holes())
def test_every_missing_pixel_is_owned(plan: Planner, hole: Bools) -> None:
    """No missing pixel lies outside the own boxes."""
    rest = hole.copy()
    for window in plan(hole):
        rest[window.own.top : window.own.bottom, window.own.left : window.own.right] = False
    assert not rest.any()


@EACH
@pytest.mark.parametrize("shape", [(1, 1), (31, 33), (1000, 3), (3000, 4000)])
def test_nothing_missing_needs_no_window(plan: Planner, shape: tuple[int, int]) -> None:
    """The plan of a hole without missing pixels is empty."""
    assert plan(np.zeros(shape, np.bool_)) == []


@SETTINGS
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 30), width=st.integers(1, 30), share=st.floats(0, 1))
def test_touching_blocks_are_those_of_scikit_image(seed: int, height: int, width: int, share: float) -> None:
    """The boxes of connected blocks equal those of `label` and `regionprops`."""
    blocks = np.random.default_rng(seed).random((height, width)) < share
    expected = [region.bbox for region in regionprops(label(blocks, connectivity=2))]
    assert sorted(tuple(box) for box in connected(blocks)) == sorted(expected)


@EACH
@SETTINGS
@given(hole=holes())
def test_own_boxes_are_tight(plan: Planner, hole: Bools) -> None:
    """A window's own box has missing pixels on each of its four sides, and lies inside the image."""
    for own in (window.own for window in plan(hole)):
        part = hole[own.top : own.bottom, own.left : own.right]
        assert part.shape == (own.bottom - own.top, own.right - own.left)
        assert part[0].any()
        assert part[-1].any()
        assert part[:, 0].any()
        assert part[:, -1].any()


@SETTINGS
@given(hole=holes())
def test_the_own_box_is_at_most_half_of_the_windows_side(hole: Bools) -> None:
    """Every window contains its own box and is at least twice as long; its size and scale are the smallest possible."""
    for window in plan_network(hole):
        assert window.size in {256, 512}
        assert window.side == window.size * window.scale
        assert window.top <= window.own.top < window.own.bottom <= window.top + window.side
        assert window.left <= window.own.left < window.own.right <= window.left + window.side
        assert 2 * window.own.longest <= window.side
        if window.scale > 1:
            assert window.size == 512
            assert 2 * window.own.longest > 512 * (window.scale - 1)
        else:
            assert (window.size == 256) == (window.own.longest <= 128)


@EACH
@SETTINGS
@given(hole=holes())
def test_windows_stay_inside_as_far_as_the_image_reaches(plan: Planner, hole: Bools) -> None:
    """A window, reduced or not, extends beyond the image only at the lower or right end, and only if it is longer than the image."""
    for window in plan(hole):
        for start, length in ((window.top, hole.shape[0]), (window.left, hole.shape[1])):
            assert start >= 0
            assert start + window.side <= length or start == 0


@EACH
@SETTINGS
@given(hole=holes())
def test_the_own_box_is_in_the_middle_unless_the_image_ends(plan: Planner, hole: Bools) -> None:
    """The own box is centred in the window to the pixel, except if the window was shifted to the edge of the image."""
    for window in plan(hole):
        own = window.own
        for start, first, last, length in (
            (window.top, own.top, own.bottom, hole.shape[0]),
            (window.left, own.left, own.right, hole.shape[1]),
        ):
            before, after = first - start, start + window.side - last
            assert abs(before - after) <= 1 or start == 0 or start + window.side == length


@EACH
@SETTINGS
@given(hole=holes())
def test_the_number_of_windows_is_bounded_by_the_area(plan: Planner, hole: Bools) -> None:
    """For any number of holes there is at most one window per 64 x 64 px of the image."""
    assert len(plan(hole)) <= math.ceil(hole.shape[0] / 64) * math.ceil(hole.shape[1] / 64)


@SETTINGS
@given(hole=holes())
def test_the_fill_at_full_size_remains(hole: Bools) -> None:
    """Where own boxes overlap, the network writes it last, and the transfer, which does not overwrite fills, first."""
    scales = [window.scale for window in plan_network(hole)]
    assert scales == sorted(scales, reverse=True)
    scales = [window.scale for window in plan_transfer(hole)]
    assert scales == sorted(scales)


@EACH
@SETTINGS
@given(hole=holes(), rows=st.integers(0, 3), columns=st.integers(0, 3))
def test_a_plan_depends_on_the_pixels_only(plan: Planner, hole: Bools, rows: int, columns: int) -> None:
    """The same hole in another memory layout, or as a part of a larger array, gets the same windows. The hole does not change."""
    expected, before = plan(hole), hole.copy()
    padded = np.pad(hole, ((rows, 1), (columns, 2)), constant_values=True)
    assert plan(padded[rows:-1, columns:-2]) == expected
    assert plan(np.asfortranarray(hole)) == expected
    assert np.array_equal(hole, before)


@pytest.mark.parametrize(("side", "size"), [(1, 256), (127, 256), (128, 256), (129, 512), (200, 512), (256, 512)])
def test_one_small_hole_costs_one_window(side: int, size: int) -> None:
    """A hole of up to 128 px gets a window of 256 px, and one of up to 256 px a window of 512 px, for any size of the image."""
    hole = np.zeros((10_000, 10_000), np.bool_)
    hole[6000 : 6000 + side, 3001 : 3001 + side] = True
    (window,) = plan_network(hole)
    assert (window.size, window.scale) == (size, 1)
    assert window.own == Box(6000, 3001, 6000 + side, 3001 + side)


@pytest.mark.parametrize("length", [260, 500, 2000])
@pytest.mark.parametrize(("down", "right"), [(0, 1), (-1, 0), (1, 1), (-1, 1), (1, -0.3)])
def test_a_long_scratch_is_filled_at_full_size(length: int, down: float, right: float) -> None:
    """A scratch of 5 px width in any direction is cut into windows at full size, one or two per 256 px."""
    hole = np.zeros((2100, 2100), np.bool_)
    (top, left), (bottom, end) = ((int(1045 + half * down), int(1045 + half * right)) for half in (-length // 2, length // 2))
    rows, columns = line(top, left, bottom, end)
    for offset in range(5):
        hole[rows + offset, columns + offset] = True
    windows = plan_network(hole)
    assert _at_full_size(windows)
    assert length / 256 <= len(windows) <= 2 * math.ceil(length / 256) + 2


def test_a_solid_hole_is_cut_while_half_of_each_window_is_known() -> None:
    """A hole of 362 x 362 px covers less than half of 512 x 512 px and is filled at full size in four parts; 363 x 363 px are too much."""
    hole = np.zeros((2000, 2000), np.bool_)
    hole[700:1062, 700:1062] = True
    parts = [Box(700, 700, 956, 956), Box(700, 956, 956, 1062), Box(956, 700, 1062, 956), Box(956, 956, 1062, 1062)]
    assert [window.own for window in plan_network(hole)] == parts
    hole[700:1063, 700:1063] = True
    assert [window.scale for window in plan_network(hole)] == [2]


def test_holes_that_touch_at_a_corner_are_one() -> None:
    """Holes are connected by sides and by corners."""
    hole = np.zeros((1000, 1000), np.bool_)
    hole[320:416, 320:416] = hole[416:512, 416:512] = True
    (window,) = plan_network(hole)
    assert window.own == Box(320, 320, 512, 512)


@pytest.mark.parametrize("side", [400, 512, 1000, 1500])
def test_a_large_solid_hole_gets_one_reduced_window(side: int) -> None:
    """If the hole would cover most of the window at full size, the window is read at 1/2, 1/3, … of its size, twice as long as the hole."""
    hole = np.zeros((4000, 4000), np.bool_)
    hole[1100 : 1100 + side, 1200 : 1200 + side] = True
    (window,) = plan_network(hole)
    assert (window.size, window.scale) == (512, math.ceil(side / 256))
    assert window.own == Box(1100, 1200, 1100 + side, 1200 + side)


@pytest.mark.parametrize(("distance", "count"), [(0, 1), (31, 1), (78, 1), (79, 2), (400, 2), (2000, 2)])
def test_near_holes_share_a_window(distance: int, count: int) -> None:
    """Two holes of 25 px share a window as long as both fit into 128 px."""
    hole = np.zeros((3000, 3000), np.bool_)
    hole[640:665, 512:537] = hole[640:665, 537 + distance : 562 + distance] = True
    assert len(plan_network(hole)) == count


@pytest.mark.parametrize("spacing", [8, 33, 64, 96, 128, 160, 300])
def test_many_dots_do_not_cost_many_windows(spacing: int) -> None:
    """A grid of dots gets at most one window per dot, and at most four per 128 x 128 px."""
    hole = np.zeros((3000, 3000), np.bool_)
    hole[::spacing, ::spacing] = True
    windows = plan_network(hole)
    assert _at_full_size(windows)
    assert len(windows) <= min(hole.sum(), 47 * 47)


def test_a_dot_beside_a_large_hole_keeps_its_own_window() -> None:
    """A small hole in the bounding box of a large hole is filled at full size: the network after the large one, the transfer before it."""
    hole = np.zeros((3000, 3000), np.bool_)
    hole[500:1500, 500:1100] = hole[1100:1500, 500:1500] = hole[700:720, 1300:1320] = True
    large, small = plan_network(hole)
    assert (large.own, large.scale) == (Box(500, 500, 1500, 1500), 4)
    assert (small.own, small.scale, small.size) == (Box(700, 1300, 720, 1320), 1, 256)
    first, last = plan_transfer(hole)[0], plan_transfer(hole)[-1]  # the transfer does not fill again what is filled
    assert (first.own, first.scale, first.size) == (Box(700, 1300, 720, 1320), 1, 128)
    assert last.scale > 1


@SETTINGS
@given(hole=holes())
def test_windows_of_the_transfer_have_its_sizes_and_scales(hole: Bools) -> None:
    """A window is at least twice as long as its own box, and one of 128 px at full size four times; scales are powers of two."""
    for window in plan_transfer(hole):
        assert window.size in (128, 256)
        assert (window.size, window.scale) != (128, 1) or 4 * window.own.longest <= window.side
        assert window.side == window.size * window.scale
        assert window.scale & (window.scale - 1) == 0
        assert window.top <= window.own.top < window.own.bottom <= window.top + window.side
        assert window.left <= window.own.left < window.own.right <= window.left + window.side
        assert 2 * window.own.longest <= window.side


@pytest.mark.parametrize(
    ("height", "width", "size", "scale", "count"),
    [
        (1, 1, 128, 1, 1),
        (32, 32, 128, 1, 1),
        (33, 9, 256, 1, 1),
        (110, 110, 256, 1, 1),
        (128, 128, 128, 2, 1),
        (224, 224, 128, 4, 1),
        (896, 896, 128, 16, 1),
        (896, 50, 256, 1, 7),
    ],
)
def test_the_thickness_decides_the_scale(height: int, width: int, size: int, scale: int, count: int) -> None:
    """In the network's input a hole is less than 112 px thick, for any length; a long hole is cut."""
    hole = np.zeros((3000, 3000), np.bool_)
    hole[1000 : 1000 + height, 1100 : 1100 + width] = True
    windows = plan_transfer(hole)
    assert [(window.size, window.scale) for window in windows] == [(size, scale)] * count


def test_the_thickness_of_a_long_hole_is_measured_at_reduced_size() -> None:
    """A frame of 60 px width and 4,000 px length is filled at full size."""
    hole = np.zeros((4200, 4200), np.bool_)
    hole[100:4100, 100:4100] = True
    hole[160:4040, 160:4040] = False
    assert {(window.size, window.scale) for window in plan_transfer(hole)} == {(256, 1)}


def test_a_long_spray_of_dots_has_no_thickness() -> None:
    """Dots over more than 1,024 px, of which none is left at reduced size, are filled at full size."""
    hole = np.zeros((1200, 1200), np.bool_)
    hole[::20, ::20] = True
    assert {(window.size, window.scale) for window in plan_transfer(hole)} == {(256, 1)}
