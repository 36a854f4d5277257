"""The search for sources, level by level: a few rounds at each, all targets at once, then on to twice the size with twice the steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import kernels
from .arrays import KNOWN, MARGIN, MISSING, ONE, Bools, Bytes, Estimate, Field, Floats, Shorts, Sources
from .boxes import Box, around
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
    missing = box.cut(context.missing)
    targets = np.argwhere(box.cut(spread(context.missing)))
    low, goal = (None, None) if step.pull == 0 else _low_frequencies(task, source, context, box)
    sources = Sources(source.planes, valid, low, step.pull)
    estimate = Estimate(box.cut(context.planes), _weights(missing, box, context.missing.shape), goal)
    field = _random_field(targets, missing.shape, valid, _mixed(task.seed, source.factor, 0))
    if last is None:
        _first_estimate(task, context, box, missing, estimate.planes)
        field = _attended(task, sources, estimate, targets, box, field, source.factor)
    else:
        field, weight = _carried(last, box, targets, valid, field)
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
    known = context.planes[wide.slices][..., :3] / np.float32(ONE)
    completed = np.where(context.missing[wide.slices][..., None], task.guide.at(source.factor, wide.slices), known)
    colours = source.planes[..., :3] / np.float32(ONE)
    if sigma > 0.4:
        completed = kernels.blur(completed, None, sigma, task.threads)
        colours = kernels.blur(colours, ~source.missing, sigma, task.threads)
    inner = box.inside(context.missing.shape)
    goal = np.zeros((*box.shape, 3), np.float32)
    goal[inner.within(box)] = completed[inner.within(wide)]
    return _whole(colours), _whole(goal)


def _whole(values: Floats) -> Shorts:
    return np.rint(values.clip(-1, 1) * ONE).astype(np.int16)


def _first_estimate(task: Task, context: Level, box: Box, missing: Bools, planes: Shorts) -> None:
    """The guide's colours, and texture interpolated from around the hole."""
    inside = box.inside(context.missing.shape)
    place = inside.within(box)
    busy = smooth_fill(planes[place][..., 3:].astype(np.float32), ~missing[place])
    fill = np.concatenate([_whole(task.guide.at(context.factor, inside.slices)), np.rint(busy).astype(np.int16)], axis=2)
    planes[place] = np.where(missing[place][..., None], fill, planes[place])


def _random_field(targets: npt.NDArray[np.int64], shape: tuple[int, ...], valid: Bools, seed: int) -> Field:
    """Any valid source for each target."""
    stride = 1 if valid.size < 2**20 or not valid[::4, ::4].any() else 4
    places = np.flatnonzero(valid[::stride, ::stride])
    chosen = places[np.random.default_rng(seed).integers(len(places), size=len(targets))]
    field = nowhere(shape)
    field[tuple(targets.T)] = np.stack(np.divmod(chosen, valid[::stride, ::stride].shape[1]), 1) * stride
    return field


def _attended(
    task: Task, sources: Sources, estimate: Estimate, targets: npt.NDArray[np.int64], box: Box, field: Field, factor: int
) -> Field:
    """For each target the cheapest of its source so far and those that the attention offers."""
    cost = kernels.prices(sources, estimate, field, task.threads)
    for offer in task.guide.offers(factor, targets + (box.top, box.left)):
        good = _are_valid(offer, sources.valid)
        offered = field.copy()
        offered[tuple(targets[good].T)] = offer[good]
        price = kernels.prices(sources, estimate, offered, task.threads)
        better = price < cost
        field, cost = np.where(better[..., None], offered, field), np.where(better, price, cost)
    return field


def _carried(last: Match, box: Box, targets: npt.NDArray[np.int64], valid: Bools, field: Field) -> tuple[Field, Floats]:
    """The sources found at half the size, their steps doubled, where that is valid; else those of `field`, with the least weight."""
    place = targets + (box.top, box.left)
    parent = place // 2 - (last.box.top, last.box.left)
    inside = ((parent >= 0) & (parent < last.box.shape)).all(axis=1)
    parent = np.where(inside[:, None], parent, 0)
    source = last.field[tuple(parent.T)].astype(np.int64)
    moved = place + 2 * (source - place // 2)
    good = inside & (source[:, 0] >= 0) & _are_valid(moved, valid)
    weight = np.zeros(field.shape[:2], np.float32)
    weight[tuple(targets.T)] = np.where(good, last.weight[tuple(parent.T)], LEAST)
    field[tuple(targets[good].T)] = moved[good]
    return field, weight


def _are_valid(centres: npt.NDArray[np.int64], valid: Bools) -> Bools:
    inside = ((centres >= 0) & (centres < valid.shape)).all(axis=1)
    return inside & valid[tuple(np.where(inside[:, None], centres, 0).T)]
