"""The steps of the transfer outside the inner loops: pyramid, texture, guide, interpolation, weights of votes, composition."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gi_plugin.box import Box, around
from gi_plugin.transfer import Guide, composition, matching, schedule, texture
from gi_plugin.transfer.arrays import ONE, Bools, Floats
from gi_plugin.transfer.interpolation import smooth_fill
from gi_plugin.transfer.matching import Match, Task, match
from gi_plugin.transfer.pyramid import pyramid, spread, valid_sources
from tests.gi_plugin.transfer import slow
from tests.gi_plugin.transfer.scenes import block, guide, noise, photo


@pytest.mark.parametrize(("height", "width"), [(32, 48), (31, 45), (7, 3)])
def test_a_level_is_the_mean_of_known_pixels_and_missing_where_most_are(height: int, width: int) -> None:
    """Levels equal means of blocks at full size; blocks at the end of the picture are smaller."""
    image, known = photo(1, height, width), noise(2, height, width) > -0.2
    for level in pyramid(image, known, 3, 2)[1:]:
        for y, x in np.ndindex(level.missing.shape):
            part = (slice(y * level.factor, (y + 1) * level.factor), slice(x * level.factor, (x + 1) * level.factor))
            assert level.count[y, x] == known[part].sum()
            assert level.missing[y, x] == (known[part].mean() < 0.5)
            if known[part].any():
                assert np.abs(level.planes[y, x, :3] / ONE - image[part][known[part]].mean(0)).max() < 2.1 / ONE


def test_planes_are_colours_and_the_mean_gradient_of_known_pairs() -> None:
    """The planes equal those of loops over pixels up to rounding, and are 0 at unknown pixels."""
    image, known = photo(3, 12, 14), noise(4, 12, 14) > -0.6
    planes = texture.planes(image, known, 2)
    np.testing.assert_allclose(planes[known, :3] / ONE, image[known], atol=0.51 / ONE)
    assert not planes[~known].any()
    grey = image @ np.array((0.299, 0.587, 0.114), np.float32)
    for axis, found in zip((1, 0), np.moveaxis(planes[..., 3:] / ONE, 2, 0), strict=True):
        size, both = np.zeros((12, 14, 1), np.float32), np.zeros((12, 14), np.bool_)
        for y, x in np.argwhere(known):
            v, u = (y, x - 1) if axis else (y - 1, x)
            if v >= 0 and u >= 0 and known[v, u]:
                size[y, x], both[y, x] = abs(grey[y, x] - grey[v, u]), True
        expected = np.minimum(texture.GAIN * slow.blurred(size, both, texture.SPREAD)[..., 0], 2)
        np.testing.assert_allclose(found[known], expected[known], atol=0.52 / ONE)


@pytest.mark.parametrize("share", [0.005, 0.05])
def test_valid_sources_are_whole_patches_without_a_hole(share: float) -> None:
    """Every centre is checked; the centres of patches that touch the hole are the targets."""
    hole = np.random.default_rng(7).random((20, 24)) < share
    valid, touching = valid_sources(hole), spread(hole)
    for y, x in np.ndindex(hole.shape):
        inside = 2 <= y < 18 and 2 <= x < 22
        patch = hole[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
        assert valid[y, x] == (inside and not patch.any())
        assert touching[y, x] == patch.any()


@pytest.mark.parametrize("ratio", [2, 4])
def test_the_guide_is_enlarged_by_a_cubic(ratio: int) -> None:
    """The result equals Pillow's bicubic interpolation, except near the edge."""
    pixels = noise(8, 12, 10, 3) * 0.5
    found = Guide(pixels, np.zeros((1, 1), np.int64), ratio).at(1, (slice(0, 12 * ratio), slice(0, 10 * ratio)))
    size = (10 * ratio, 12 * ratio)
    expected = [Image.fromarray(np.ascontiguousarray(pixels[..., c])).resize(size, Image.Resampling.BICUBIC) for c in range(3)]
    inner = (slice(2 * ratio, -2 * ratio),) * 2
    np.testing.assert_allclose(found[inner], np.stack([np.asarray(plane) for plane in expected], 2)[inner], atol=1e-5)


def test_the_guide_is_reduced_by_means_and_repeats_its_edge() -> None:
    """A box that extends beyond the guide, at a quarter of its size, has the expected means."""
    pixels = noise(9, 9, 16, 3)
    found = Guide(pixels, np.zeros((1, 2), np.int64), 1).at(4, (slice(0, 5), slice(-1, 4)))
    assert found.shape == (5, 5, 3)
    np.testing.assert_allclose(found[1, 2], pixels[4:8, 4:8].mean((0, 1)), atol=1e-6)
    np.testing.assert_allclose(found[4, 0], pixels[8:, :4].mean((0, 1)), atol=1e-6)


@pytest.mark.parametrize("factor", [1, 2, 4, 8, 32])
def test_a_box_of_the_guide_does_not_depend_on_the_rest(factor: int) -> None:
    """A box that extends beyond the guide equals, bit by bit, that part of a larger one."""
    cut = Guide(noise(9, 75, 60, 3), np.zeros((1, 1), np.int64), 2)
    large, small = (slice(-9, 160 // factor), slice(-5, 130 // factor)), (slice(-3, 70 // factor), slice(40 // factor, 125 // factor))
    inner = tuple(slice(one.start - other.start, one.stop - other.start) for one, other in zip(small, large, strict=True))
    np.testing.assert_array_equal(cut.at(factor, small), cut.at(factor, large)[inner])


def test_candidates_are_moved_by_the_step_to_the_matching_cell() -> None:
    """For a guide at half size and a level at a quarter, the middle candidate is that of the target's own cell."""
    matches = np.full((4, 6), -1)
    matches[1, 2] = 3 * 6 + 5  # two cells down, three to the right
    candidates = list(Guide(np.zeros((32, 48, 3), np.float32), matches, 2).candidates(4, np.array([[5, 9], [0, 0]])))
    assert len(candidates) == 9
    np.testing.assert_array_equal(candidates[4], [[5 + 2 * 16 // 4, 9 + 3 * 16 // 4], [-1, -1]])
    np.testing.assert_array_equal(candidates[0], [[-1, -1], [-1, -1]])


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (13, 8), (32, 32)])
def test_smooth_interpolation_keeps_values_and_stays_between_them(shape: tuple[int, int]) -> None:
    """Unknown values are not read, and a constant stays constant."""
    values, known = noise(10, *shape, 2), noise(11, *shape) > 0.5
    known[0, 0] = True
    values[~known] = np.nan
    found = smooth_fill(values, known)
    np.testing.assert_array_equal(found[known], values[known])
    assert (found >= values[known].min(0) - 1e-6).all()
    assert (found <= values[known].max(0) + 1e-6).all()
    np.testing.assert_allclose(smooth_fill(np.full((*shape, 1), 3, np.float32), known), 3, rtol=1e-6)
    assert not smooth_fill(values, np.zeros(shape, np.bool_)).any()


def test_the_weight_of_a_vote_falls_exponentially_with_the_cost() -> None:
    """It falls to 1 / e at the 5 % quantile of the costs; pixels without a target have weight 0, and equal costs have equal weights."""
    field = np.zeros((1, 102, 2), np.int32)
    field[0, 101] = -1
    cost = np.arange(1, 103, dtype=np.float32)[None]
    weight = matching.vote_weights(field, cost)
    np.testing.assert_allclose(weight[0, :101], np.exp(-cost[0, :101] / 6) + 1e-6, rtol=1e-4)
    assert weight[0, 101] == 0
    assert np.ptp(matching.vote_weights(field[:, :3], np.zeros((1, 3), np.float32))) == 0


def test_boxes_cut_with_zeros_outside() -> None:
    """A box that extends beyond a corner of an array is 0 outside it."""
    array = np.arange(12).reshape(3, 4) + 1
    np.testing.assert_array_equal(Box(-1, 2, 2, 6).cut(array), [[0, 0, 0, 0], [3, 4, 0, 0], [7, 8, 0, 0]])
    assert around(block(9, 9, 2, 3, 4, 5)) == Box(2, 3, 6, 8)


@pytest.mark.parametrize("side", [1, 31, 256, 512, 1000, 2048, 3400, 10000])
def test_every_window_has_steps(side: int) -> None:
    """The coarsest level is 1/16 to 1/128 of the window; every level has at least one round and a valid radius."""
    coarsest = schedule.coarsest((side, side))
    assert coarsest >= 4
    assert coarsest <= 7  # counts of pixels fit in 16 bits
    for number in range(coarsest + 1):
        step = schedule.step(number, (side, side), side / 4)
        assert step.rounds >= 1
        assert 1 <= step.radius <= max(side, 16)


def test_the_guide_weighs_more_in_a_narrow_hole() -> None:
    """At each level its weight is larger in a hole of strokes than in a thick one; at full size it has none."""
    narrow, thick = (np.array([schedule.step(number, (512, 512), depth).pull for number in range(5)]) for depth in (12, 64))
    assert np.all(narrow[:4] > thick[:4])
    assert np.all(thick[:4] > 0)
    assert narrow[4] == thick[4] == 0


def _matched(image: Floats, hole: Bools) -> Match:
    whole = pyramid(image, ~hole, 0, 1)[0]
    return match(Task(guide(image, hole), 1.5, 0, 1), schedule.Step(5, 1.0, 20), whole, whole, None)


def test_the_fill_is_composed_from_the_sources() -> None:
    """Loops over pixels compose the same fill from the picture, the sources and the weights."""
    image, hole = photo(12, 40, 44), block(40, 44, 12, 16, 9, 11)
    found = _matched(image, hole)
    whole = pyramid(image, ~hole, 0, 1)[0]
    filled = composition.compose(image, whole, found, 1)
    expected = _blended(image, hole, found)
    np.testing.assert_allclose(filled, expected[found.box.slices], atol=2e-3)  # votes are rounded to 1 / 1024


def _blended(image: Floats, hole: Bools, found: Match) -> Floats:
    """Add the corrected and blurred votes to the corrected copy of high frequencies."""
    field, weight = np.full((*hole.shape, 2), -1, np.int32), np.zeros(hole.shape, np.float32)
    field[found.box.slices], weight[found.box.slices] = found.field, found.weight
    border = _touching(hole) & ~hole
    line = np.hanning(7)[1:-1]
    fine = image - slow.blurred(image, ~hole, composition.BAND)
    voted, copied = image.astype(np.float64), np.zeros((*hole.shape, 3))
    for y, x in np.argwhere(hole | border):
        voted[y, x] = slow.votes(image, field, weight, y, x)
        weighed = [(float(weight[v, u]) * line[y - v + 2] * line[x - u + 2], s) for (v, u), s in slow.covering(field, y, x)]
        copied[y, x] = composition.GRAIN * fine[max(weighed)[1]]
    depth = slow.distances(hole)[..., None]
    low = np.where(hole[..., None], voted + _spread(image - voted, border, found) * np.exp(-depth / composition.FADE), image)
    low = slow.blurred(low.astype(np.float32), np.ones_like(hole), composition.BAND)
    high = copied + _spread(image - low - copied, border, found) * np.exp(-depth / composition.FADE_HIGH)
    return np.where(hole[..., None], low + high, image).astype(np.float32)


def _spread(correction: slow.Doubles, border: Bools, found: Match) -> slow.Doubles:
    """Interpolate the correction at the border in the whole box."""
    result = np.zeros_like(correction)
    part = found.box.slices
    result[part] = smooth_fill(np.where(border[..., None], correction, 0)[part].astype(np.float32), border[part])
    return result


def _touching(mask: Bools) -> Bools:
    """The mask, and all pixels that touch it by a side or corner."""
    result = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        result[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = True
    return result
