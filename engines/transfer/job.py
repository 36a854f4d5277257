"""The work of one transfer on a GPU: what depends on its masks, the arrays that are sent, and the shapes of all others.

The name of an array of a level ends with the level's number: 0 is full size, the last one is the coarsest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gi_plugin.arrays import Array, Bools, Floats
from gi_plugin.box import Box
from gi_plugin.transfer import Guide, hole_depth, kernels, schedule
from gi_plugin.transfer.arrays import KNOWN, MISSING, SIDE
from gi_plugin.transfer.composition import BAND, FADE, FADE_HIGH, HALO
from gi_plugin.transfer.guide import no_sources
from gi_plugin.transfer.matching import random_places, seeds_of, with_random_sources
from gi_plugin.transfer.schedule import Step
from gi_plugin.transfer.texture import SPREAD

from ..gpu.memory import Shape
from .guide_tables import gaussian, guide_arrays
from .masks import BoxMasks, LevelMasks, border, box_masks, levels

SMALLEST_SIGMA = 0.4  # as in matching._low_frequencies: a blur of at most this many pixels is none


@dataclass(frozen=True)
class LevelJob:
    """The search at one level."""

    number: int
    masks: LevelMasks
    around: BoxMasks
    step: Step
    seeds: list[int]  # for the sources before the rounds, and for each round
    sigma: float  # of the blur of the low frequencies, in pixels of the level
    counts: dict[str, int]  # lengths of the lists of this level, by their names without the number

    @property
    def box(self) -> Box:
        """The box around the hole, which may reach beyond the level."""
        return self.around.box

    @property
    def part(self) -> Box:
        """The part of the box that lies in the level."""
        return self.box.inside(self.masks.shape)

    @property
    def guided(self) -> bool:
        """Whether the cost has the guide's low frequencies."""
        return self.step.pull > 0

    @property
    def wide(self) -> Box:
        """The part of the level in which the guide is completed by known pixels, and blurred."""
        return self.box.grown(int(3 * self.sigma) + 1).inside(self.masks.shape) if self.guided else self.part


@dataclass(frozen=True)
class TransferJob:
    """A transfer of a window with at least one valid source."""

    shape: tuple[int, int]
    guide: Guide
    with_sources: bool  # the caller chose the sources: they have a pyramid of their own
    levels: list[LevelJob]  # full size first
    sent: dict[str, Array]
    received: dict[str, Shape]
    scratch: dict[str, Shape]

    @property
    def context(self) -> str:
        """Name of the planes around the hole, without the number of the level."""
        return "context" if self.with_sources else "planes"


def job_of(image: Floats, hole: Bools, guide: Guide, sources: Bools | None, seed: int, threads: int) -> TransferJob | None:
    """Prepare a transfer; arguments as for `gi_plugin.transfer.transfer`. None if there is no valid source."""
    depth = schedule.depth(hole.shape)
    found = levels(hole, None if sources is None else sources & ~hole, depth)
    if not found:
        return None
    arounds = [box_masks(masks.missing) for masks in found]
    distance = kernels.distance(arounds[0].weight < KNOWN, threads)
    # in a box within the picture, these are the distances of the hole
    deepest = float(distance.max()) if arounds[0].weight.all() else hole_depth(hole, threads)
    sigma = schedule.guide_sigma(deepest)
    jobs = []
    for number, (masks, around) in enumerate(zip(found, arounds, strict=True)):
        step = schedule.step(depth - number, masks.shape)
        jobs.append(LevelJob(number, masks, around, step, seeds_of(seed, masks.factor, step.rounds), sigma / masks.factor, {}))
    sent = {"image": image, "known": _bytes(found[0].known), **_constants()}
    if sources is not None:
        sent["known_context"] = _bytes(~hole)
    if guide.matches.size:
        sent["matches"] = guide.matches.astype(np.int32)
    sent |= _named(jobs[0], _composition_arrays(arounds[0], distance))
    for job in jobs:
        sent |= _named(job, _level_arrays(job, guide, coarsest=job is jobs[-1]))
    box = jobs[0].box.shape
    received: dict[str, Shape] = {"filled": ((*box, 3), np.float32), "field0": ((*box, 2), np.int32)}
    return TransferJob(found[0].shape, guide, sources is not None, jobs, sent, received, _scratch(jobs, sources is not None))


def _named(job: LevelJob, arrays: dict[str, Array]) -> dict[str, Array]:
    """Name the arrays of a level after it, and keep their lengths."""
    for name, array in arrays.items():
        job.counts[name] = array.size
    return {f"{name}{job.number}": array for name, array in arrays.items()}


def _constants() -> dict[str, Array]:
    line = np.hanning(SIDE + 2)[1:-1]  # as composition._window
    return {"texture_taps": gaussian(SPREAD), "band_taps": gaussian(BAND), "window": np.outer(line, line).astype(np.float32)}


def _level_arrays(job: LevelJob, guide: Guide, *, coarsest: bool) -> dict[str, Array]:
    """The arrays of a level that are sent, by their names without the number."""
    masks, around = job.masks, job.around
    arrays = {
        "valid": _bytes(masks.valid),
        "weight": around.weight,
        "targets": np.flatnonzero(around.target).astype(np.int32),
        "pixels": np.flatnonzero(around.weight == MISSING).astype(np.int32),
    }
    if coarsest:
        arrays["start"] = with_random_sources(no_sources(around.target.shape), around.target, masks.valid, job.seeds[0])
    else:
        arrays["target"] = _bytes(around.target)
        arrays["places"] = random_places(masks.valid).astype(np.int32)
    if coarsest or job.guided:
        arrays |= guide_arrays(guide, masks.factor, job.wide)
    if job.guided:
        taps = gaussian(job.sigma) if job.sigma > SMALLEST_SIGMA else np.ones(1, np.float32)
        arrays |= {"known": _bytes(masks.known), "taps": taps}
    return arrays


def _composition_arrays(around: BoxMasks, distance: Floats) -> dict[str, Array]:
    """The arrays of the composition, at full size, that are sent: border of the hole, lists of pixels, and how corrections fade."""
    edge = border(around)
    return {
        "border": _bytes(edge),
        "edge": np.flatnonzero(edge).astype(np.int32),
        "inked": np.flatnonzero(edge | (around.weight == MISSING)).astype(np.int32),
        "fade": np.exp(-distance / np.float32(FADE)),
        "fade_high": np.exp(-distance / np.float32(FADE_HIGH)),
    }


def fill_shapes(shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Shapes of the levels of a smooth interpolation: halved, rounding up, down to one pixel."""
    shapes = [shape]
    while shapes[-1] != (1, 1):
        shapes.append((-(-shapes[-1][0] // 2), -(-shapes[-1][1] // 2)))
    return shapes


def surroundings(job: LevelJob) -> Box:
    """The part of the picture that the blur of the filled box reads."""
    return job.box.grown(HALO).inside(job.masks.shape)


def _scratch(jobs: list[LevelJob], with_sources: bool) -> dict[str, Shape]:
    """Shapes of the arrays that stay on the device."""
    box, around = jobs[0].box.shape, surroundings(jobs[0]).shape
    most = max(math.prod(shape) for job in jobs for shape in (job.masks.shape, job.wide.shape))
    shapes: dict[str, Shape] = {
        "lines": ((4, most), np.float32),
        "blurred": ((*jobs[0].masks.shape, 3), np.float32),
        "surrounded": ((*around, 3), np.float32),
        "low": ((*box, 3), np.float32),
        "high": ((*box, 3), np.float32),
        "scale": ((1,), np.float32),
    }
    for number, size in enumerate(fill_shapes(box)):
        shapes |= {f"values{number}": ((*size, 3), np.float32), f"seen{number}": (size, np.uint8)}
    for job in jobs:
        for name, shape in _level_shapes(job, with_sources).items():
            if f"{name}{job.number}" != "field0":  # is received
                shapes[f"{name}{job.number}"] = shape
    return shapes


def _level_shapes(job: LevelJob, with_sources: bool) -> dict[str, Shape]:
    size, box = job.masks.shape, job.box.shape
    shapes: dict[str, Shape] = {
        "planes": ((*size, 5), np.int16),
        "counts": (size, np.uint16),
        "completed": ((*job.wide.shape, 3), np.float32),
        "estimate": ((*box, 5), np.int16),
        "cost": (box, np.float32),
        "weights": (box, np.float32),
        "field": ((*box, 2), np.int32),
        "found": ((*box, 2), np.int32),
    }
    if with_sources:
        shapes |= {"context": ((*size, 5), np.int16), "counts_context": (size, np.uint16)}
    if job.guided:
        shapes |= {"lows": ((*size, 3), np.int16), "goal": ((*box, 3), np.int16)}
    return shapes


def _bytes(mask: Bools) -> Array:
    return mask.view(np.uint8)
