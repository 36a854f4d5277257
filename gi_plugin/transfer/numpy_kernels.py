"""The C functions' formulas in numpy: what they are tested against, and what runs where they could not be built.

Whole numbers and float32 are used as C does, sums are made in the same order: the results are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from .arrays import CHANNELS, ONE, REACH, SIDE, Bools, Counts, Estimate, Field, Floats, Shorts, Sources

Whole = npt.NDArray[np.int64]
AT_ONCE = 1 << 14  # targets that are priced together: some 40 MB of differences
ROW = SIDE * CHANNELS


def patches(planes: Shorts) -> Shorts:
    """All patches of [H, W, 5] by their corners, as a view [H - 4, W - 4, 5, 25] of the same memory."""
    height, width, _ = planes.shape
    down, right, step = planes.strides
    shape = (max(height - 2 * REACH, 0), max(width - 2 * REACH, 0), SIDE, ROW)
    return as_strided(planes, shape, (down, right, down, step), writeable=False)


def price(sources: Sources, estimate: Estimate, targets: Whole, centres: Whole) -> Floats:
    """Cost [n] of the source at `centres` [n, 2] for the target at `targets` [n, 2], all of them valid."""
    theirs, ours = patches(sources.planes), patches(estimate.planes)
    weights = np.lib.stride_tricks.sliding_window_view(estimate.weight, (SIDE, SIDE))
    cost = np.empty(len(targets), np.float32)
    for start in range(0, len(targets), AT_ONCE):
        y, x = targets[start : start + AT_ONCE].T
        row, column = centres[start : start + AT_ONCE].T
        weight = weights[y - REACH, x - REACH].astype(np.int32)  # [n, 5, 5]
        share = np.float32(1) / ((weight**2).sum((1, 2), dtype=np.int32).astype(np.float32) * np.float32(ONE * ONE))
        difference = ours[y - REACH, x - REACH].astype(np.int32) - theirs[row - REACH, column - REACH]  # [n, 5, 25]
        difference *= weight.repeat(CHANNELS, 2)
        total = (difference**2).sum((1, 2), dtype=np.int32)
        cost[start : start + AT_ONCE] = total.astype(np.float32) * share + _wish(sources, estimate, (y, x), (row, column))
    return cost


def _wish(sources: Sources, estimate: Estimate, target: tuple[Whole, Whole], source: tuple[Whole, Whole]) -> Floats:
    if sources.low is None or estimate.goal is None:
        return np.zeros(len(target[0]), np.float32)
    difference = estimate.goal[target].astype(np.int32) - sources.low[source]
    return np.asarray((difference**2).sum(1, dtype=np.int32).astype(np.float32) * np.float32(sources.pull / (ONE * ONE)))


def prices(sources: Sources, estimate: Estimate, field: Field) -> Floats:
    """Cost [h, w] of each target's source; 0 where there is no target."""
    targets = np.argwhere(field[..., 0] >= 0)
    cost = np.zeros(field.shape[:2], np.float32)
    cost[tuple(targets.T)] = price(sources, estimate, targets, field[tuple(targets.T)].astype(np.int64))
    return cost


def search(sources: Sources, estimate: Estimate, field: Field, radius: int, seed: int) -> tuple[Field, Floats]:
    """One round for all targets: `field` after it, and the costs."""
    targets = np.argwhere(field[..., 0] >= 0)
    best = field[tuple(targets.T)].astype(np.int64)
    cost = price(sources, estimate, targets, best)
    for step in _STEPS:
        neighbour = field[tuple((targets + step).T)].astype(np.int64)
        _offer(sources, estimate, targets, np.where(neighbour < 0, -1, neighbour - step), best, cost)
    state = scramble(np.uint32(seed) + (targets[:, 0] * field.shape[1] + targets[:, 1]).astype(np.uint32))
    while radius >= 1:
        state = scramble(state + np.uint32(0x9E3779B9))
        down = _within(state, radius)
        state = scramble(state + np.uint32(0x9E3779B9))
        _offer(sources, estimate, targets, best + np.stack([down, _within(state, radius)], 1), best, cost)
        radius //= 2
    found, costs = np.full_like(field, -1), np.zeros(field.shape[:2], np.float32)
    found[tuple(targets.T)], costs[tuple(targets.T)] = best, cost
    return found, costs


_STEPS = [np.array((dy, dx)) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]


def _offer(sources: Sources, estimate: Estimate, targets: Whole, offered: Whole, best: Whole, cost: Floats) -> None:
    """Take what is offered [n, 2] where it is valid and cheaper."""
    inside: Bools = np.all((offered >= 0) & (offered < sources.valid.shape), axis=1)
    inside[inside] = sources.valid[tuple(offered[inside].T)]
    inside &= (offered != best).any(1)
    chosen = np.flatnonzero(inside)
    offered_cost = price(sources, estimate, targets[chosen], offered[chosen])
    better = offered_cost < cost[chosen]
    best[chosen[better]], cost[chosen[better]] = offered[chosen[better]], offered_cost[better]


def scramble(bits: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """A hash of 32 bits in which every bit of the input changes half of the output's."""
    bits = (bits ^ (bits >> np.uint32(16))) * np.uint32(0x7FEB352D)
    bits = (bits ^ (bits >> np.uint32(15))) * np.uint32(0x846CA68B)
    return bits ^ (bits >> np.uint32(16))


def _within(bits: npt.NDArray[np.uint32], radius: int) -> Whole:
    return ((bits.astype(np.uint64) * np.uint64(2 * radius + 1)) >> np.uint64(32)).astype(np.int64) - radius


def _covering(where: Bools, weight: Floats) -> Iterator[tuple[int, tuple[Whole, Whole], tuple[Whole, Whole]]]:
    """The 25 steps from a target to the pixels that its patch covers: number, wanted pixels [n], targets [n] that have weight."""
    wanted = np.argwhere(where)
    for number, step in enumerate(np.ndindex(SIDE, SIDE)):
        there = wanted - step + REACH
        counted = np.flatnonzero(weight[tuple(there.T)] > 0)
        yield number, tuple(wanted[counted].T), tuple(there[counted].T)


def vote(planes: Shorts, field: Field, weight: Floats, where: Bools, votes: Shorts) -> None:
    """Write the weighted mean of the source patches that cover each pixel of `where` into `votes` [h, w, 5]."""
    total, sums = np.zeros(where.shape, np.float32), np.zeros((*where.shape, CHANNELS), np.float32)
    for number, here, there in _covering(where, weight):
        source = field[there] + np.array(divmod(number, SIDE)) - REACH
        sums[here] += weight[there][:, None] * planes[tuple(source.T)].astype(np.float32)
        total[here] += weight[there]
    covered = total > 0
    mean = sums[covered] / total[covered][:, None]
    votes[covered] = (mean + np.float32(4 * ONE + 0.5)).astype(np.int32) - 4 * ONE


def heaviest(field: Field, weight: Floats, window: Floats, where: Bools) -> Field:
    """Row and column [h, w, 2] of the pixel that the heaviest patch has at each pixel of `where`; -1 elsewhere."""
    most, pixel = np.zeros(where.shape, np.float32), np.full_like(field, -1)
    for number, here, there in _covering(where, weight):
        weighed = weight[there] * window.flat[number]
        heavier = weighed > most[here]
        most[here] = np.where(heavier, weighed, most[here])
        pixel[here] = np.where(heavier[:, None], field[there] + np.array(divmod(number, SIDE)) - REACH, pixel[here])
    return pixel


def blur(picture: Floats, known: Bools | None, kernel: Floats) -> Floats:
    """Weighted mean of the known pixels around each pixel of [H, W, C]; pixels outside the picture count as unknown."""
    known = np.ones(picture.shape[:2], np.bool_) if known is None else known
    spread = np.concatenate([np.where(known[..., None], picture, np.float32(0)), known[..., None]], axis=2, dtype=np.float32)
    for axis in (1, 0):
        radius, length = len(kernel) // 2, spread.shape[axis]
        padded = np.pad(spread, [(radius, radius) if axis == other else (0, 0) for other in range(3)])
        spread = np.zeros_like(spread)
        for step, factor in enumerate(kernel):
            spread += factor * padded.take(range(step, step + length), axis)
    return np.asarray(spread[..., :-1] / np.maximum(spread[..., -1:], np.float32(1e-3)), dtype=np.float32)


def halve(planes: Shorts, count: Counts) -> tuple[Shorts, Counts]:
    """Reduce by two, sizes rounded up: means weighted by `count` [H, W], and the counts summed."""
    height, width = count.shape
    even = ((0, height % 2), (0, width % 2))
    counts = np.pad(count, even).astype(np.int64)
    weighed = (np.pad(planes, (*even, (0, 0))).astype(np.int64) + 4 * ONE) * counts[..., None]
    quarter = [(slice(dy, None, 2), slice(dx, None, 2)) for dy in (0, 1) for dx in (0, 1)]
    total = np.sum([counts[part] for part in quarter], axis=0)
    sums = np.sum([weighed[part] for part in quarter], axis=0) + total[..., None] // 2
    mean = sums // np.maximum(total, 1)[..., None] - 4 * ONE
    return np.where(total[..., None] > 0, mean, 0).astype(np.int16), total.astype(np.uint16)


def squared_distance(inside: Bools, furthest: int) -> npt.NDArray[np.int32]:
    """Squared distance [H, W] to the nearest pixel that is not `inside`."""
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
