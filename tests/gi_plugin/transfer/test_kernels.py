"""The inner loops are compared with plain loops over pixels, and the compiled loops bit by bit with numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gi_plugin.errors import Cancelled
from gi_plugin.transfer import kernels, native, numpy_kernels
from gi_plugin.transfer.arrays import Field, Floats
from tests.gi_plugin.transfer import slow
from tests.gi_plugin.transfer.scenes import noise, state

Result = tuple[npt.NDArray[Any], ...]
needs_library = pytest.mark.skipif(native.library() is None, reason="the inner loops were not compiled here")


def _searched(seed: int, threads: int) -> Result:
    sources, estimate, field, _ = state(seed, guided=seed % 2 == 0)
    return kernels.search(sources, estimate, field, 9, 77 + seed, threads)


def _costs(seed: int, threads: int) -> Result:
    sources, estimate, field, _ = state(seed)
    return (kernels.costs(sources, estimate, field, threads),)


def _voted(seed: int, threads: int) -> Result:
    sources, estimate, field, hole = state(seed)
    weight = np.where(field[..., 0] >= 0, noise(seed, *hole.shape) + 1, 0).astype(np.float32)
    votes = estimate.planes.copy()
    kernels.vote(sources.planes, field, weight, hole, votes, threads)
    return votes, kernels.best_source(field, weight, noise(1, 5, 5) + 2, hole, threads)


def _blurred(seed: int, threads: int) -> Result:
    height, width = 40 + seed, 3 * seed + 1
    known = noise(seed, height, width) > -0.5
    picture = noise(seed, height, width, 3)
    return kernels.blur(picture, known, 1.7, threads), kernels.blur(picture, None, 30.0, threads)


def _planes(seed: int, threads: int) -> Result:
    height, width = 60 * seed + 1, 40 - 9 * seed
    known = noise(seed, height, width) > -0.5
    picture = np.where(known[..., None], noise(seed, height, width, 3), np.float32((np.nan, np.inf, 1e30)))
    return (kernels.planes(picture, known, 5.0, 2.0, threads),)


def _halved(seed: int, threads: int) -> Result:
    random = np.random.default_rng(seed)
    height, width = random.integers(1, 40, 2)
    planes = random.integers(-1024, 2049, (height, width, 5)).astype(np.int16)
    return kernels.halve(planes, random.integers(0, 4097, (height, width)).astype(np.uint16), threads)


def _interpolated(seed: int, threads: int) -> Result:
    height, width, channels = 300 * (seed % 2) + 1 + seed, 40 - 9 * seed, 2 + seed % 2
    known, values = noise(seed, height, width) > 0.7, noise(seed + 1, height, width, channels)
    return (kernels.smooth_fill(values, known, threads), kernels.smooth_fill(values, known | True, threads))


def _distances(seed: int, threads: int) -> Result:
    return (kernels.distance(noise(seed, 10 * seed + 1, 50 - 9 * seed) > -0.9, threads),)


@needs_library
@pytest.mark.parametrize("run", [_searched, _costs, _voted, _blurred, _planes, _halved, _interpolated, _distances])
@pytest.mark.parametrize("seed", range(5))
def test_compiled_loops_give_what_numpy_gives_for_any_number_of_threads(
    run: Callable[[int, int], Result], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All results are equal bit by bit."""
    compiled = [run(seed, threads) for threads in (1, 2, 4)]
    monkeypatch.setattr(native, "library", lambda: None)
    for results in compiled:
        for first, second in zip(results, run(seed, 1), strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("compiled", [pytest.param(True, marks=needs_library), False])
@pytest.mark.parametrize("run", [_searched, _voted, _blurred, _planes, _halved])
@pytest.mark.parametrize("seed", range(3))
def test_the_strips_of_an_interruptible_loop_do_not_change_its_result(
    run: Callable[[int, int], Result], seed: int, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results are equal bit by bit, whether the work is done at once or a few rows at a time."""
    if not compiled:
        monkeypatch.setattr(native, "library", lambda: None)
    at_once = run(seed, 1)
    for pixels in (1, 200):
        monkeypatch.setattr(kernels, "PIXELS", pixels)
        for first, second in zip(at_once, run(seed, 1), strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("compiled", [pytest.param(True, marks=needs_library), False])
def test_a_loop_ends_at_the_next_strip(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each loop asks before every strip whether to stop, and what is raised then ends it, with the rest undone."""
    if not compiled:
        monkeypatch.setattr(native, "library", lambda: None)
    monkeypatch.setattr(kernels, "PIXELS", 1)
    sources, estimate, field, hole = state(2)
    weight, votes, asked = np.where(field[..., 0] >= 0, np.float32(1), np.float32(0)), estimate.planes.copy(), list[int]()

    def check() -> None:
        asked.append(1)
        if len(asked) % 6 == 0:
            raise Cancelled

    with pytest.raises(Cancelled):
        kernels.search(sources, estimate, field, 9, 77, 1, check)
    with pytest.raises(Cancelled):
        kernels.vote(sources.planes, field, weight, hole, votes, 1, check)
    with pytest.raises(Cancelled):
        kernels.halve(sources.planes, sources.valid.astype(np.uint16), 1, check)
    assert len(asked) == 18
    done = (votes != estimate.planes).any(axis=2)
    assert not done[2 + 5 :].any()
    kernels.vote(sources.planes, field, weight, hole, votes, 1)
    assert (votes != estimate.planes).any(axis=2)[2 + 5 :].any()


@pytest.mark.parametrize("guided", [False, True])
def test_the_cost_is_the_difference_of_patches_and_of_low_frequencies(*, guided: bool) -> None:
    """The cost equals that of a plain loop, up to rounding of float32."""
    sources, estimate, field, _ = state(3, guided=guided)
    found = kernels.costs(sources, estimate, field, 2)
    for y, x in np.argwhere(field[..., 0] >= 0):
        row, column = (int(place) for place in field[y, x])
        expected = slow.cost(estimate.planes, estimate.weight, (y, x), sources.planes, (row, column))
        if sources.low is not None and estimate.goal is not None:
            expected += sources.pull * float((((estimate.goal[y, x].astype(float) - sources.low[row, column]) / 1024) ** 2).sum())
        assert found[y, x] == pytest.approx(expected, rel=1e-5)


def test_a_round_lowers_costs_and_keeps_to_valid_sources() -> None:
    """No target gets a source that is invalid or of higher cost; the returned cost is that of the new source."""
    sources, estimate, field, _ = state(4)
    before = kernels.costs(sources, estimate, field, 1)
    found, cost = kernels.search(sources, estimate, field, 12, 5, 1)
    targets = field[..., 0] >= 0
    assert (cost <= before).all()
    assert cost.sum() < 0.9 * before.sum()
    assert sources.valid[tuple(found[targets].T)].all()
    np.testing.assert_array_equal(cost, kernels.costs(sources, estimate, found, 1))


def test_a_round_takes_the_best_source_of_the_neighbours() -> None:
    """Without random trials the new source has the lowest cost of nine candidates, all from the state before the round."""
    sources, estimate, field, _ = state(5)
    found, cost = kernels.search(sources, estimate, field, 0, 5, 1)
    for y, x in np.argwhere(field[..., 0] >= 0):
        tried = [field[y + dy, x + dx] - (dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if field[y + dy, x + dx, 0] >= 0]
        tried = [
            source for source in tried if (source >= 0).all() and (source < sources.valid.shape).all() and sources.valid[tuple(source)]
        ]
        costs = [float(kernels.costs(sources, estimate, _only(field, y, x, source), 1)[y, x]) for source in tried]
        assert cost[y, x] == min(costs)
        assert found[y, x].tolist() in [source.tolist() for source, its_cost in zip(tried, costs, strict=True) if its_cost == min(costs)]


def _only(field: Field, y: int, x: int, source: Field) -> Field:
    one = np.full_like(field, -1)
    one[y, x] = source
    return one


def test_a_patch_at_the_end_of_the_planes_is_not_read_beyond_the_end() -> None:
    """The cost of the last patch equals that of a plain loop, and so do its votes."""
    sources, estimate, field, hole = state(6, guided=False)
    field[field[..., 0] >= 0] = np.array(sources.valid.shape) - 3
    found = kernels.costs(sources, estimate, field, 1)
    y, x = np.argwhere(field[..., 0] >= 0)[0]
    last = (sources.valid.shape[0] - 3, sources.valid.shape[1] - 3)
    assert found[y, x] == pytest.approx(slow.cost(estimate.planes, estimate.weight, (y, x), sources.planes, last), rel=1e-5)
    weight, votes = np.where(field[..., 0] >= 0, np.float32(1), np.float32(0)), estimate.planes.copy()
    kernels.vote(sources.planes, field, weight, hole, votes, 1)
    for y, x in np.argwhere(hole):
        assert np.abs(votes[y, x] - slow.votes(sources.planes, field, weight, y, x)).max() <= 0.51


def test_votes_are_weighted_means_of_all_patches_over_a_pixel() -> None:
    """Votes equal those of a plain loop up to rounding; pixels outside the mask do not change."""
    sources, estimate, field, hole = state(7)
    weight: Floats = np.where(field[..., 0] >= 0, noise(7, *hole.shape) + 1.1, 0).astype(np.float32)
    votes = estimate.planes.copy()
    kernels.vote(sources.planes, field, weight, hole, votes, 2)
    for y, x in np.argwhere(hole):
        assert np.abs(votes[y, x] - slow.votes(sources.planes, field, weight, y, x)).max() <= 0.51
    np.testing.assert_array_equal(votes[~hole], estimate.planes[~hole])


def test_a_pixel_is_copied_from_the_patch_of_the_largest_weight() -> None:
    """Of the patches that cover the pixel, the product of the patch's weight and the window's decides."""
    _, _, field, hole = state(8)
    weight: Floats = np.where(field[..., 0] >= 0, noise(8, *hole.shape) + 1.1, 0).astype(np.float32)
    window = noise(9, 5, 5) + 2
    pixel = kernels.best_source(field, weight, window, hole, 2)
    for y, x in np.argwhere(hole):
        weighed = [(float(weight[v, u] * window[y - v + 2, x - u + 2]), source) for (v, u), source in slow.covering(field, y, x)]
        assert (max(weighed)[0], tuple(pixel[y, x].tolist())) in weighed
    assert (pixel[~hole] == -1).all()


@pytest.mark.parametrize(("height", "width", "sigma"), [(9, 14, 1.0), (1, 7, 2.0), (6, 1, 0.6), (12, 11, 3.0)])
def test_a_blur_is_the_gaussian_mean_of_known_pixels(height: int, width: int, sigma: float) -> None:
    """The blur equals that of a plain loop, also near the edge and at unknown pixels of any value."""
    picture, known = noise(1, height, width, 3), noise(2, height, width) > -0.4
    expected = slow.blurred(picture, known, sigma)
    picture[~known] = np.nan
    np.testing.assert_allclose(kernels.blur(picture, known, sigma, 2), expected, atol=2e-5)


@pytest.mark.parametrize("seed", range(4))
def test_a_reduction_by_two_weighs_pixels_by_their_counts(seed: int) -> None:
    """Means are rounded to the nearest integer, and counts are summed."""
    random = np.random.default_rng(seed)
    height, width = random.integers(1, 12, 2)
    planes, count = random.integers(-1024, 2049, (height, width, 5)), random.integers(0, 3, (height, width))
    half, total = kernels.halve(planes.astype(np.int16), count.astype(np.uint16), 2)
    assert total.sum() == count.sum()
    for y, x in np.ndindex(total.shape):
        four = (slice(2 * y, 2 * y + 2), slice(2 * x, 2 * x + 2))
        weights = count[four].astype(float)
        mean = (planes[four] * weights[..., None]).sum((0, 1)) / max(weights.sum(), 1)
        assert np.abs(half[y, x] - mean).max() <= 0.5


@pytest.mark.parametrize("seed", range(6))
def test_distances_are_euclidean_and_exact(seed: int) -> None:
    """Each distance equals the minimum over all pixels outside."""
    random = np.random.default_rng(seed)
    inside = random.random(random.integers(1, 25, 2)) < (0.5, 0.9, 0.98)[seed % 3]
    inside.flat[random.integers(inside.size)] = False
    np.testing.assert_allclose(kernels.distance(inside, 2), slow.distances(inside), rtol=1e-6)


def test_random_numbers_are_spread_evenly() -> None:
    """Consecutive counters give numbers that fill sixteen bins evenly and are not correlated."""
    numbers = numpy_kernels.scramble(np.arange(1 << 14, dtype=np.uint32)) / 2**32
    assert np.abs(np.histogram(numbers, 16, (0, 1))[0] / 1024 - 1).max() < 0.12
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.03
