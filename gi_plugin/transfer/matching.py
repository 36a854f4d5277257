"""The search for sources, level by level from coarse to fine: a few rounds per level, all targets at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays import Indices, Integers
from ..box import Box
from . import kernels
from .arrays import MARGIN, MISSING, ONE, Bools, Estimate, Field, Floats, Shorts, Sources, go_on
from .guide import Guide, no_sources
from .interpolation import smooth_fill
from .numpy_kernels import scramble
from .pyramid import Level, box_masks
from .schedule import Step

QUANTILE = 0.05  # quantile of the costs at which the weight of a patch has fallen to 1 / e
SAMPLE = 8192  # number of costs from which the quantile is computed
SMALLEST_SIGMA = 0.4  # pixels of a level; a blur of at most this is none
MIN_WEIGHT = np.float32(1e-6)  # smallest weight of a patch
ENOUGH_PLACES = 1024  # random sources are drawn from every fourth row and column, if these have so many valid sources


@dataclass(frozen=True)
class Match:
    """The sources found at one level."""

    box: Box  # around the hole, in pixels of the level
    missing: Bools  # [h, w]
    estimate: Estimate
    field: Field  # [h, w, 2] centre of the source patch of each target
    weight: Floats  # [h, w] of each target's patch in the votes


@dataclass(frozen=True)
class Task:
    """The inputs of the search that are the same at all levels."""

    guide: Guide
    sigma: float  # of the blur that leaves the low frequencies of the guide, in pixels at full size
    seed: int
    threads: int
    check: Callable[[], None] = go_on  # called between the steps; what it raises ends the search


def match(task: Task, step: Step, source: Level, context: Level, coarser: Match | None) -> Match:
    """Find sources at one level.

    :param source: the level from which patches are taken.
    :param context: the level with all known pixels around the hole.
    :param coarser: the result of the next coarser level; None at the coarsest.
    """
    valid, surroundings = source.valid, box_masks(context.missing)
    box, weight, targets = surroundings.box, surroundings.weight, surroundings.target
    missing = weight == MISSING
    task.check()
    low, goal = (None, None) if step.pull == 0 else _low_frequencies(task, source, context, box)
    sources = Sources(source.planes, valid, low, step.pull)
    task.check()
    estimate = Estimate(box.cut(context.planes), weight, goal)
    seed, *seeds = seeds_of(task.seed, source.factor, step.rounds)
    if coarser is None:
        _first_estimate(task, context, box, missing, estimate.planes)
        field = with_random_sources(no_sources(targets.shape), targets, valid, seed)
        field = _with_attention(task, sources, estimate, field, box, source.factor)
    else:
        field, votes = _doubled(coarser, box, targets, valid)
        task.check()
        field = with_random_sources(field, targets & (field[..., 0] < 0), valid, seed)
        kernels.vote(source.planes, field, votes, missing, estimate.planes, task.threads, task.check)
    task.check()
    sample = _sample(targets)
    for drawn in seeds:
        field, cost = kernels.search(sources, estimate, field, step.radius, drawn, task.threads, task.check)
        votes = _weights_of(cost, targets, sample)
        kernels.vote(source.planes, field, votes, missing, estimate.planes, task.threads, task.check)
    return Match(box, missing, estimate, field, votes)


def vote_weights(field: Field, cost: Floats) -> Floats:
    """Weight [h, w] of each target's patch in the votes: exp(-cost / s), s the 5 % quantile of the costs; 0 where there is no target."""
    target = field[..., 0] >= 0
    return _weights_of(cost, target, _sample(target))


def _sample(target: Bools) -> Indices:
    """Numbers of the targets whose costs give the quantile."""
    places = np.flatnonzero(target)
    return places[:: max(len(places) // SAMPLE, 1)]


def _weights_of(cost: Floats, target: Bools, sample: Indices) -> Floats:
    """See `vote_weights`."""
    costs = cost.ravel().take(sample)
    rank = int(QUANTILE * (len(costs) - 1))
    costs.partition(rank)
    weight = cost * np.float32(-1 / max(float(costs[rank]), 1e-6))
    np.exp(weight, out=weight)
    weight += MIN_WEIGHT
    weight *= target
    return weight


def seeds_of(seed: int, factor: int, rounds: int) -> list[int]:
    """Make the 32-bit seeds of a level: one for the sources before the rounds, and one per round.

    :param seed: of the call, any integer.
    """
    return [int(number) for number in np.random.SeedSequence([seed % 2**64, factor]).generate_state(rounds + 1)]


def _low_frequencies(task: Task, source: Level, context: Level, box: Box) -> tuple[Shorts, Shorts]:
    """Low frequencies of the sources [H, W, 3], and in the box those of the guide [h, w, 3] together with the known pixels."""
    sigma = task.sigma / source.factor
    wide = box.grown(int(3 * sigma) + 1).inside(context.missing.shape)
    completed, hole = _floats(context.planes[wide.slices]), box.grown(-MARGIN)
    np.copyto(completed[hole.within(wide)], task.guide.at(source.factor, hole.slices), where=context.missing[hole.slices][..., None])
    colours = _floats(source.planes)
    if sigma > SMALLEST_SIGMA:
        completed = kernels.blur(completed, None, sigma, task.threads, task.check)
        colours = kernels.blur(colours, ~source.missing, sigma, task.threads, task.check)
    inner = box.inside(context.missing.shape)
    goal = np.zeros((*box.shape, 3), np.int16)
    goal[inner.within(box)] = _shorts(completed[inner.within(wide)])
    return _shorts(colours), goal


def _floats(planes: Shorts) -> Floats:
    return planes[..., :3] * np.float32(1 / ONE)


def _shorts(values: Floats) -> Shorts:
    values = values.clip(-1, 1)
    values *= ONE
    return np.rint(values, out=values).astype(np.int16)


def _first_estimate(task: Task, context: Level, box: Box, missing: Bools, planes: Shorts) -> None:
    """Write the guide's colours, and texture interpolated from the pixels around the hole, into the hole."""
    inside = box.inside(context.missing.shape)
    place = inside.within(box)
    texture = smooth_fill(planes[place][..., 3:].astype(np.float32), ~missing[place])
    fill = np.concatenate([_shorts(task.guide.at(context.factor, inside.slices)), np.rint(texture).astype(np.int16)], axis=2)
    planes[place] = np.where(missing[place][..., None], fill, planes[place])


def with_random_sources(field: Field, targets: Bools, valid: Bools, seed: int) -> Field:
    """Write a random valid source into `field` [h, w, 2] for each of `targets` [h, w], and return it.

    A target draws by a hash of the seed plus its number in the box, so the draw can be repeated anywhere, also on a GPU.
    """
    numbers = np.flatnonzero(targets)
    if len(numbers):
        places = random_places(valid)
        bits = scramble(np.uint32(seed) + numbers.astype(np.uint32))
        chosen = places[(bits.astype(np.uint64) * np.uint64(len(places))) >> np.uint64(32)]
        field[targets] = np.stack(np.divmod(chosen, valid.shape[1]), axis=1)
    return field


def random_places(valid: Bools) -> Integers:
    """Places from which random sources are drawn: numbers of valid pixels, counted row by row; in large pictures a sixteenth of them."""
    row, column = np.nonzero(valid[::4, ::4])
    return np.flatnonzero(valid) if len(row) < ENOUGH_PLACES else (row * valid.shape[1] + column) * 4


def _with_attention(task: Task, sources: Sources, estimate: Estimate, field: Field, box: Box, factor: int) -> Field:
    """Choose for each target the cheapest of its current source and the candidates of the attention."""
    rows, columns = places = np.nonzero(field[..., 0] >= 0)
    cost = kernels.costs(sources, estimate, field, task.threads)[places]
    candidates = task.guide.candidates(factor, np.stack([rows + box.top, columns + box.left], 1))
    for candidate, good in zip(candidates, _are_valid(candidates, sources.valid), strict=True):
        trial = no_sources(field.shape)
        trial[places] = np.where(good[:, None], candidate, -1)
        trial_cost = kernels.costs(sources, estimate, trial, task.threads)[places]
        better = good & (trial_cost < cost)
        field[rows[better], columns[better]] = candidate[better]
        cost[better] = trial_cost[better]
    return field


def _doubled(coarser: Match, box: Box, targets: Bools, valid: Bools) -> tuple[Field, Floats]:
    """Double the sources found at half the size, and take over their weights; -1 and the smallest weight where a source is not valid."""
    places = [np.arange(start, start + size) for start, size in zip((box.top, box.left), box.shape, strict=True)]
    parents = [place // 2 - start for place, start in zip(places, (coarser.box.top, coarser.box.left), strict=True)]
    inside = [(parent >= 0) & (parent < size) for parent, size in zip(parents, coarser.box.shape, strict=True)]
    rows, columns = (parent.clip(0, size - 1) for parent, size in zip(parents, coarser.box.shape, strict=True))
    source = coarser.field.take(rows, 0).take(columns, 1)
    good = targets & inside[0][:, None] & inside[1] & (source[..., 0] >= 0)
    source *= 2
    source[..., 0] += (places[0] % 2).astype(np.int32)[:, None]
    source[..., 1] += (places[1] % 2).astype(np.int32)
    good &= _are_valid(source, valid)
    np.putmask(source.view(np.int64)[..., 0], ~good, -1)  # row and column at once
    return source, np.where(good, coarser.weight.take(rows, 0).take(columns, 1), np.where(targets, MIN_WEIGHT, np.float32(0)))


def _are_valid(centres: npt.NDArray[np.signedinteger[Any]], valid: Bools) -> Bools:
    """Which of the centres [..., 2] lie inside the picture and are valid."""
    row, column = centres[..., 0], centres[..., 1]
    inside = (row >= 0) & (row < valid.shape[0]) & (column >= 0) & (column < valid.shape[1])
    return np.asarray(inside & valid.ravel().take(np.where(inside, row * valid.shape[1] + column, 0)))
