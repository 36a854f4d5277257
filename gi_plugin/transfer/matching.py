"""The search for sources, level by level: a few rounds at each, all targets at once, then on to twice the size with twice the steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..box import Box, around
from . import kernels
from .arrays import KNOWN, MARGIN, MISSING, ONE, Bools, Bytes, Estimate, Field, Floats, Shorts, Sources
from .guide import Guide, nowhere
from .interpolation import smooth_fill
from .pyramid import Level, spread, valid_sources
from .schedule import Step

SHARP = 0.05  # the quantile of the costs at which a patch's weight has fallen to 1 / e
SAMPLE = 8192  # costs that the quantile is taken from
LEAST = np.float32(1e-6)  # weight of the worst patch


@dataclass(frozen=True)
class Match:
    """Where every target's patch comes from, at one level."""

    box: Box
    missing: Bools  # [h, w] of the box
    estimate: Estimate
    field: Field  # [h, w, 2]
    weight: Floats  # [h, w] of each target's patch in the votes


@dataclass(frozen=True)
class Task:
    """What stays the same from level to level."""

    guide: Guide
    sigma: float  # of the low frequencies that the guide decides, in pixels at full size
    seed: int
    threads: int


def match(task: Task, step: Step, source: Level, context: Level, last: Match | None) -> Match:
    """Find sources at one level: `source` offers the patches, `context` is what is known around the hole.

    :param last: what was found at half the size, if anything.
    """
    valid, box = valid_sources(source.missing), around(context.missing).grown(MARGIN)
    missing, targets = box.cut(context.missing), box.cut(spread(context.missing))
    low, goal = (None, None) if step.pull == 0 else _low_frequencies(task, source, context, box)
    sources = Sources(source.planes, valid, low, step.pull)
    estimate = Estimate(box.cut(context.planes), _weights(missing, box, context.missing.shape), goal)
    seed = _mixed(task.seed, source.factor, 0)
    if last is None:
        _first_estimate(task, context, box, missing, estimate.planes)
        field = _attended(task, sources, estimate, _drawn(nowhere(targets.shape), targets, valid, seed), box, source.factor)
    else:
        field, weight = _carried(last, box, targets, valid)
        field = _drawn(field, targets & (field[..., 0] < 0), valid, seed)
        kernels.vote(source.planes, field, weight, missing, estimate.planes, task.threads)
    for number in range(1, step.rounds + 1):
        field, cost = kernels.search(sources, estimate, field, step.radius, _mixed(task.seed, source.factor, number), task.threads)
        weight = vote_weights(field, cost)
        kernels.vote(source.planes, field, weight, missing, estimate.planes, task.threads)
    return Match(box, missing, estimate, field, weight)


def vote_weights(field: Field, cost: Floats) -> Floats:
    """Weight [h, w] of each target's patch in the votes: exp(-cost / s), s the first quartile of the costs; 0 where there is no target."""
    target = field[..., 0] >= 0
    costs = cost[target]
    costs = costs[:: max(len(costs) // SAMPLE, 1)]
    rank = int(SHARP * (len(costs) - 1))
    scale = max(float(np.partition(costs, rank)[rank]), 1e-6)
    return np.where(target, np.exp(cost * np.float32(-1 / scale)) + LEAST, np.float32(0))


def _mixed(*numbers: int) -> int:
    """A 32-bit seed made of several numbers."""
    return int(np.random.SeedSequence([number % 2**64 for number in numbers]).generate_state(1)[0])


def _weights(missing: Bools, box: Box, shape: tuple[int, ...]) -> Bytes:
    weight = box.cut(np.full(shape, KNOWN, np.uint8))
    weight[missing] = MISSING
    return weight


def _low_frequencies(task: Task, source: Level, context: Level, box: Box) -> tuple[Shorts, Shorts]:
    """Low frequencies of the sources [H, W, 3], and those of the guide [h, w, 3] in the box, completed by what is known around the hole."""
    sigma = task.sigma / source.factor
    wide = box.grown(int(3 * sigma) + 1).inside(context.missing.shape)
    guided = task.guide.at(source.factor, wide.slices)
    completed = np.where(context.missing[wide.slices][..., None], guided, _floats(context.planes[wide.slices]))
    colours = _floats(source.planes)
    if sigma > 0.4:
        completed = kernels.blur(completed, None, sigma, task.threads)
        colours = kernels.blur(colours, ~source.missing, sigma, task.threads)
    inner = box.inside(context.missing.shape)
    goal = np.zeros((*box.shape, 3), np.int16)
    goal[inner.within(box)] = _shorts(completed[inner.within(wide)])
    return _shorts(colours), goal


def _floats(planes: Shorts) -> Floats:
    return planes[..., :3] * np.float32(1 / ONE)


def _shorts(values: Floats) -> Shorts:
    return np.rint(values.clip(-1, 1) * np.float32(ONE)).astype(np.int16)


def _first_estimate(task: Task, context: Level, box: Box, missing: Bools, planes: Shorts) -> None:
    """Write the guide's colours, and texture interpolated from around the hole, into the hole."""
    inside = box.inside(context.missing.shape)
    place = inside.within(box)
    busy = smooth_fill(planes[place][..., 3:].astype(np.float32), ~missing[place])
    fill = np.concatenate([_shorts(task.guide.at(context.factor, inside.slices)), np.rint(busy).astype(np.int16)], axis=2)
    planes[place] = np.where(missing[place][..., None], fill, planes[place])


def _drawn(field: Field, targets: Bools, valid: Bools, seed: int) -> Field:
    """`field` with any valid source for each of `targets` [h, w]."""
    count = int(targets.sum())
    if count:
        stride = 4 if valid.size > 2**20 and valid[::4, ::4].any() else 1
        few = valid[::stride, ::stride]
        places = np.flatnonzero(few)
        chosen = places[np.random.default_rng(seed).integers(len(places), size=count)]
        field[targets] = np.stack(np.divmod(chosen, few.shape[1]), axis=1) * stride
    return field


def _attended(task: Task, sources: Sources, estimate: Estimate, field: Field, box: Box, factor: int) -> Field:
    """For each target the cheapest of its source so far and those that the attention offers."""
    cost = kernels.prices(sources, estimate, field, task.threads)
    targets = np.argwhere(field[..., 0] >= 0)
    for offer in task.guide.offers(factor, targets + np.array((box.top, box.left))):
        offered = field.copy()
        offered[tuple(targets.T)] = np.where(_are_valid(offer, sources.valid)[:, None], offer, field[tuple(targets.T)])
        price = kernels.prices(sources, estimate, offered, task.threads)
        field = np.where((price < cost)[..., None], offered, field)
        cost = np.minimum(price, cost)
    return field


def _carried(last: Match, box: Box, targets: Bools, valid: Bools) -> tuple[Field, Floats]:
    """The sources found at half the size, their steps doubled, and their weights; -1 and the least weight where that is not valid."""
    places = [np.arange(start, start + size) for start, size in zip((box.top, box.left), box.shape, strict=True)]
    parents = [place // 2 - start for place, start in zip(places, (last.box.top, last.box.left), strict=True)]
    inside = [(parent >= 0) & (parent < size) for parent, size in zip(parents, last.box.shape, strict=True)]
    nearest = np.ix_(*(parent.clip(0, size - 1) for parent, size in zip(parents, last.box.shape, strict=True)))
    source = last.field[nearest]
    good = targets & inside[0][:, None] & inside[1] & (source[..., 0] >= 0)
    source *= 2
    source[..., 0] += (places[0] % 2).astype(np.int32)[:, None]
    source[..., 1] += (places[1] % 2).astype(np.int32)
    good &= _are_valid(source, valid)
    source[~good] = -1
    return source, np.where(good, last.weight[nearest], np.where(targets, LEAST, np.float32(0)))


def _are_valid(centres: npt.NDArray[np.signedinteger[Any]], valid: Bools) -> Bools:
    """Which of the places [..., 2] are valid, and inside the picture."""
    row, column = centres[..., 0], centres[..., 1]
    inside = (row >= 0) & (row < valid.shape[0]) & (column >= 0) & (column < valid.shape[1])
    return np.asarray(inside & valid[np.where(inside, row, 0), np.where(inside, column, 0)])
