"""The arrays of a transfer on a GPU: those that are sent, and the shapes of those that stay there.

The name of an array of a level ends with the level's number: 0 is full size, the last one is the coarsest.
"""

from __future__ import annotations

import math

import numpy as np

from gi_plugin.arrays import Array, Bools, Floats
from gi_plugin.transfer import Guide
from gi_plugin.transfer.arrays import MISSING
from gi_plugin.transfer.composition import BAND, FADE, FADE_HIGH, border, patch_window
from gi_plugin.transfer.guide import no_sources
from gi_plugin.transfer.kernels import gaussian
from gi_plugin.transfer.matching import SMALLEST_SIGMA, random_places, with_random_sources
from gi_plugin.transfer.pyramid import BoxMasks
from gi_plugin.transfer.texture import SPREAD

from ..gpu.memory import Shape
from .guide_tables import guide_arrays
from .level_job import LevelJob


def constants() -> dict[str, Array]:
    """The arrays that are the same for every transfer: Gaussians, and weights of the pixels of a patch."""
    return {"texture_taps": gaussian(SPREAD), "band_taps": gaussian(BAND), "window": patch_window()}


def level_arrays(job: LevelJob, guide: Guide, *, coarsest: bool) -> dict[str, Array]:
    """The arrays of a level that are sent, by their names without the level's number."""
    masks, around = job.masks, job.around
    arrays = {
        "valid": as_bytes(masks.valid),
        "weight": around.weight,
        "targets": np.flatnonzero(around.target).astype(np.int32),
        "pixels": np.flatnonzero(around.weight == MISSING).astype(np.int32),
    }
    if coarsest:
        arrays["start"] = with_random_sources(no_sources(around.target.shape), around.target, masks.valid, job.seeds[0])
    else:
        arrays["target"] = as_bytes(around.target)
        arrays["places"] = random_places(masks.valid).astype(np.int32)
    if coarsest or job.guided:
        arrays |= guide_arrays(guide, masks.factor, job.wide)
    if job.guided:
        taps = gaussian(job.sigma) if job.sigma > SMALLEST_SIGMA else np.ones(1, np.float32)
        arrays |= {"known": as_bytes(masks.known), "taps": taps}
    return arrays


def composition_arrays(around: BoxMasks, distance: Floats) -> dict[str, Array]:
    """The arrays of the composition, at full size, that are sent: border of the hole, lists of pixels, and how corrections fade."""
    edge = border(around.weight)
    return {
        "border": as_bytes(edge),
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


def scratch(jobs: list[LevelJob], *, with_sources: bool) -> dict[str, Shape]:
    """Shapes of the arrays that stay on the device."""
    box, around = jobs[0].box.shape, jobs[0].surroundings.shape
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


def as_bytes(mask: Bools) -> Array:
    """View a mask as uint8."""
    return mask.view(np.uint8)
