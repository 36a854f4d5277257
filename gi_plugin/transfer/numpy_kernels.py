"""The C functions in numpy. Tests compare both, and this module runs if the C code is not available.

Integers and float32 are used as in C, and sums have the same order, so the results are equal bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from ..arrays import Integers
from .arrays import CHANNELS, ONE, REACH, SIDE, Bools, Counts, Estimate, Field, Floats, Shorts, Sources

BATCH = 1 << 14  # targets whose costs are computed together: about 40 MB of differences
ROW = SIDE * CHANNELS  # numbers in a row of a patch
LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue in grey (ITU-R BT.601)


def patches(planes: Shorts) -> Shorts:
    """View all patches of [H, W, 5] as an array [H - 4, W - 4, 5, 25], indexed by their upper left corner."""
    height, width, _ = planes.shape
    down, right, step = planes.strides
    shape = (max(height - 2 * REACH, 0), max(width - 2 * REACH, 0), SIDE, ROW)
    return as_strided(planes, shape, (down, right, down, step), writeable=False)


def pair_costs(sources: Sources, estimate: Estimate, targets: Integers, centres: Integers) -> Floats:
    """Compute the cost [n] of the sources at `centres` [n, 2] for `targets` [n, 2]; all of them must be valid."""
    theirs, ours = patches(sources.planes), patches(estimate.planes)
    weights = np.lib.stride_tricks.sliding_window_view(estimate.weight, (SIDE, SIDE))
    cost = np.empty(len(targets), np.float32)
    for start in range(0, len(targets), BATCH):
        y, x = targets[start : start + BATCH].T
        row, column = centres[start : start + BATCH].T
        weight = weights[y - REACH, x - REACH].astype(np.int32)  # [n, 5, 5]
        share = np.float32(1) / ((weight**2).sum((1, 2), dtype=np.int32).astype(np.float32) * np.float32(ONE * ONE))
        difference = ours[y - REACH, x - REACH].astype(np.int32) - theirs[row - REACH, column - REACH]  # [n, 5, 25]
        difference *= weight.repeat(CHANNELS, 2)
        total = (difference**2).sum((1, 2), dtype=np.int32)
        cost[start : start + BATCH] = total.astype(np.float32) * share + _guide_cost(sources, estimate, (y, x), (row, column))
    return cost


def _guide_cost(sources: Sources, estimate: Estimate, target: tuple[Integers, Integers], source: tuple[Integers, Integers]) -> Floats:
    """The guide's part of the cost [n]: the squared difference of low frequencies."""
    if sources.low is None or estimate.goal is None:
        return np.zeros(len(target[0]), np.float32)
    difference = estimate.goal[target].astype(np.int32) - sources.low[source]
    return np.asarray((difference**2).sum(1, dtype=np.int32).astype(np.float32) * np.float32(sources.pull / (ONE * ONE)))


def costs(sources: Sources, estimate: Estimate, field: Field) -> Floats:
    """Compute the cost [h, w] of each target's source; 0 where there is no target."""
    targets = np.argwhere(field[..., 0] >= 0)
    cost = np.zeros(field.shape[:2], np.float32)
    cost[tuple(targets.T)] = pair_costs(sources, estimate, targets, field[tuple(targets.T)].astype(np.int64))
    return cost


def search(sources: Sources, estimate: Estimate, field: Field, radius: int, seed: int) -> tuple[Field, Floats]:
    """Improve the sources of all targets, except in the outer rows, in one round of search: the new field and its costs."""
    targets = np.argwhere(field[REACH:-REACH, :, 0] >= 0) + np.array((REACH, 0))
    best = field[tuple(targets.T)].astype(np.int64)
    cost = pair_costs(sources, estimate, targets, best)
    for step in _NEIGHBOURS:
        neighbour = field[tuple((targets + step).T)].astype(np.int64)
        _try(sources, estimate, targets, np.where(neighbour < 0, -1, neighbour - step), best, cost)
    state = scramble(np.uint32(seed) + (targets[:, 0] * field.shape[1] + targets[:, 1]).astype(np.uint32))
    while radius >= 1:
        state = scramble(state + np.uint32(0x9E3779B9))
        down = _random_offsets(state, radius)
        state = scramble(state + np.uint32(0x9E3779B9))
        _try(sources, estimate, targets, best + np.stack([down, _random_offsets(state, radius)], 1), best, cost)
        radius //= 2
    found, new_cost = np.full_like(field, -1), np.zeros(field.shape[:2], np.float32)
    found[tuple(targets.T)], new_cost[tuple(targets.T)] = best, cost
    return found, new_cost


_NEIGHBOURS = [np.array((dy, dx)) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]


def _try(sources: Sources, estimate: Estimate, targets: Integers, candidates: Integers, best: Integers, cost: Floats) -> None:
    """Write the candidates [n, 2] that are valid and cheaper into `best` and `cost`."""
    inside: Bools = np.all((candidates >= 0) & (candidates < sources.valid.shape), axis=1)
    inside[inside] = sources.valid[tuple(candidates[inside].T)]
    inside &= (candidates != best).any(1)
    chosen = np.flatnonzero(inside)
    their_cost = pair_costs(sources, estimate, targets[chosen], candidates[chosen])
    better = their_cost < cost[chosen]
    best[chosen[better]], cost[chosen[better]] = candidates[chosen[better]], their_cost[better]


def scramble(bits: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Hash 32-bit numbers: a change of one input bit changes about half of the output bits."""
    bits = (bits ^ (bits >> np.uint32(16))) * np.uint32(0x7FEB352D)
    bits = (bits ^ (bits >> np.uint32(15))) * np.uint32(0x846CA68B)
    return bits ^ (bits >> np.uint32(16))


def _random_offsets(bits: npt.NDArray[np.uint32], radius: int) -> Integers:
    """Integers from -radius to radius, from random bits."""
    return ((bits.astype(np.uint64) * np.uint64(2 * radius + 1)) >> np.uint64(32)).astype(np.int64) - radius


def _covering(where: Bools, weight: Floats) -> Iterator[tuple[int, tuple[Integers, Integers], tuple[Integers, Integers]]]:
    """For each of the 25 pixels of a patch: its number, the pixels of `where`, and the targets that cover them there and have a weight."""
    wanted = np.argwhere(where[REACH:-REACH]) + np.array((REACH, 0))  # the outer rows are those of other strips
    for number, step in enumerate(np.ndindex(SIDE, SIDE)):
        there = wanted - step + REACH
        counted = np.flatnonzero(weight[tuple(there.T)] > 0)
        yield number, tuple(wanted[counted].T), tuple(there[counted].T)


def vote(planes: Shorts, field: Field, weight: Floats, where: Bools, votes: Shorts) -> None:
    """Write into `votes` [h, w, 5], for each pixel of `where`, the weighted mean of the source patches that cover it."""
    total, sums = np.zeros(where.shape, np.float32), np.zeros((*where.shape, CHANNELS), np.float32)
    for number, here, there in _covering(where, weight):
        source = field[there] + np.array(divmod(number, SIDE)) - REACH
        sums[here] += weight[there][:, None] * planes[tuple(source.T)].astype(np.float32)
        total[here] += weight[there]
    covered = total > 0
    mean = sums[covered] / total[covered][:, None]
    votes[covered] = (mean + np.float32(4 * ONE + 0.5)).astype(np.int32) - 4 * ONE


def best_source(field: Field, weight: Floats, window: Floats, where: Bools) -> Field:
    """Find the source pixel [h, w, 2] of each pixel of `where`, taken from the covering patch of the largest weight; -1 elsewhere."""
    largest, pixel = np.zeros(where.shape, np.float32), np.full_like(field, -1)
    for number, here, there in _covering(where, weight):
        weighed = weight[there] * window.flat[number]
        heavier = weighed > largest[here]
        largest[here] = np.where(heavier, weighed, largest[here])
        pixel[here] = np.where(heavier[:, None], field[there] + np.array(divmod(number, SIDE)) - REACH, pixel[here])
    return pixel


def blur(picture: Floats, known: Bools | None, kernel: Floats) -> Floats:
    """Blur the known pixels of [H, W, C] by a separable `kernel`; pixels outside the picture count as unknown."""
    known = np.ones(picture.shape[:2], np.bool_) if known is None else known
    spread = np.concatenate([np.where(known[..., None], picture, np.float32(0)), known[..., None]], axis=2, dtype=np.float32)
    for axis in (1, 0):
        radius, length = len(kernel) // 2, spread.shape[axis]
        padded = np.pad(spread, [(radius, radius) if axis == other else (0, 0) for other in range(3)])
        spread = np.zeros_like(spread)
        for step, factor in enumerate(kernel):
            spread += factor * padded.take(range(step, step + length), axis)
    return np.asarray(spread[..., :-1] / np.maximum(spread[..., -1:], np.float32(1e-3)), dtype=np.float32)


def planes(image: Floats, known: Bools, kernel: Floats, gain: float) -> Shorts:
    """Compute the colours and texture [H, W, 5] of the known pixels of `image` [H, W, 3]; unknown pixels become 0."""
    with np.errstate(over="ignore", invalid="ignore"):  # pixels of a hole may have any value
        red, green, blue = (np.float32(share) * image[..., channel] for channel, share in enumerate(LUMA))
        grey = np.where(known, red + green + blue, np.float32(0))
    texture = [np.float32(gain) * blur(*_gradient(grey, known, axis), kernel) for axis in (1, 0)]
    values = np.where(known[..., None], np.concatenate([image, *texture], 2), np.float32(0))
    return np.asarray(np.rint((values * np.float32(ONE)).clip(-ONE, 2 * ONE)), dtype=np.int16)


def _gradient(grey: Floats, known: Bools, axis: int) -> tuple[Floats, Bools]:
    """Absolute difference [H, W, 1] to the previous pixel along an axis, and [H, W] whether both are known."""
    size, both = np.zeros_like(grey), np.zeros_like(known)
    this, last = (slice(1, None), slice(None, -1)) if axis == 0 else ((slice(None), slice(1, None)), (slice(None), slice(None, -1)))
    size[this] = np.abs(grey[this] - grey[last])
    both[this] = known[this] & known[last]
    return size[..., None], both


def halve(planes: Shorts, count: Counts) -> tuple[Shorts, Counts]:
    """Reduce by two, rounding the size up: means weighted by `count` [H, W], and the sums of the counts."""
    height, width = count.shape
    even = ((0, height % 2), (0, width % 2))
    counts = np.pad(count, even).astype(np.int64)
    weighed = (np.pad(planes, (*even, (0, 0))).astype(np.int64) + 4 * ONE) * counts[..., None]
    quarter = [(slice(dy, None, 2), slice(dx, None, 2)) for dy in (0, 1) for dx in (0, 1)]
    total = np.sum([counts[part] for part in quarter], axis=0)
    sums = np.sum([weighed[part] for part in quarter], axis=0) + total[..., None] // 2
    mean = sums // np.maximum(total, 1)[..., None] - 4 * ONE
    return np.where(total[..., None] > 0, mean, 0).astype(np.int16), total.astype(np.uint16)


def smooth_fill(values: Floats, known: Bools, check: Callable[[], None]) -> Floats:
    """Keep `values` [H, W, C] where `known` [H, W] is True, and interpolate smoothly elsewhere; all 0 if nothing is known."""
    check()
    if known.all() or known.size == 1:
        return np.where(known[..., None], values, np.float32(0))
    coarse = smooth_fill(*_mean_of_known(values, known, check), check)
    for axis in (0, 1):  # enlarge by two: 3/4 of the nearer pixel and 1/4 of the next one
        check()
        place = np.arange(known.shape[axis])
        near, last = place // 2, coarse.shape[axis] - 1
        other = (near + np.where(place % 2, 1, -1)).clip(0, last)
        coarse = np.float32(0.75) * coarse.take(near, axis) + np.float32(0.25) * coarse.take(other, axis)
    return np.where(known[..., None], values, coarse)


def _mean_of_known(values: Floats, known: Bools, check: Callable[[], None]) -> tuple[Floats, Bools]:
    """Reduce by two: means of the known values of 2 x 2 pixels, and whether at least one of the four is known."""
    even = ((0, known.shape[0] % 2), (0, known.shape[1] % 2))
    known, values = np.pad(known, even), np.pad(values, (*even, (0, 0)))
    total, count = (np.zeros_like(array[::2, ::2], np.float32) for array in (values, known[..., None]))
    for dy, dx in np.ndindex(2, 2):
        check()
        share = known[dy::2, dx::2, None]
        total += np.where(share, values[dy::2, dx::2], np.float32(0))
        count += share
    return np.asarray(total / np.maximum(count, np.float32(1)), dtype=np.float32), np.asarray(count[..., 0] > 0)


def squared_distance(inside: Bools, furthest: int) -> npt.NDArray[np.int32]:
    """Compute the squared distance [H, W] to the nearest pixel that is not `inside`.

    :param furthest: the distance along a column that has no such pixel.
    """
    height = np.where(inside, np.int32(furthest), np.int32(0))
    for y in range(1, len(height)):
        height[y] = np.minimum(height[y], height[y - 1] + 1)
    for y in range(len(height) - 2, -1, -1):
        height[y] = np.minimum(height[y], height[y + 1] + 1)
    squared = height * height
    best = squared.copy()
    for step in range(1, inside.shape[1]):
        if step * step >= best.max():
            break
        np.minimum(best[:, step:], squared[:, :-step] + step * step, out=best[:, step:])
        np.minimum(best[:, :-step], squared[:, step:] + step * step, out=best[:, :-step])
    return best
