"""The work of one transfer on a GPU: its levels, the arrays that are sent, and the shapes of all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gi_plugin.arrays import Array, Bools, Floats
from gi_plugin.transfer import Guide, hole_depth, kernels, schedule
from gi_plugin.transfer.arrays import KNOWN
from gi_plugin.transfer.matching import seeds_of
from gi_plugin.transfer.pyramid import BoxMasks, box_masks

from ..gpu.memory import Shape
from .arrays import as_bytes, composition_arrays, constants, level_arrays, scratch
from .level_job import LevelJob
from .masks import levels


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

    def length(self, name: str) -> int:
        """How many numbers an array has that is sent."""
        return self.sent[name].size


def job_of(image: Floats, hole: Bools, guide: Guide, sources: Bools | None, seed: int, threads: int) -> TransferJob | None:
    """Prepare a transfer; arguments as for `gi_plugin.transfer.transfer`. None if there is no valid source."""
    coarsest = schedule.coarsest(hole.shape)
    found = levels(hole, None if sources is None else sources & ~hole, coarsest)
    if not found:
        return None
    arounds = [box_masks(masks.missing) for masks in found]
    distance = kernels.distance(arounds[0].weight < KNOWN, threads)
    depth = _depth_of(hole, arounds[0], distance, threads)
    sigma = schedule.guide_sigma(depth)
    jobs = []
    for number, (masks, around) in enumerate(zip(found, arounds, strict=True)):
        step = schedule.step(coarsest - number, masks.shape, depth)
        jobs.append(LevelJob(number, masks, around, step, seeds_of(seed, masks.factor, step.rounds), sigma / masks.factor))
    sent = {"image": image, "known": as_bytes(found[0].known), **constants()}
    if sources is not None:
        sent["known_context"] = as_bytes(~hole)
    if guide.matches.size:
        sent["matches"] = guide.matches.astype(np.int32)
    sent |= {f"{name}0": array for name, array in composition_arrays(arounds[0], distance).items()}
    for job in jobs:
        sent |= {f"{name}{job.number}": array for name, array in level_arrays(job, guide, coarsest=job is jobs[-1]).items()}
    box = jobs[0].box.shape
    received: dict[str, Shape] = {"filled": ((*box, 3), np.float32), "field0": ((*box, 2), np.int32)}
    return TransferJob(found[0].shape, guide, sources is not None, jobs, sent, received, scratch(jobs, with_sources=sources is not None))


def _depth_of(hole: Bools, around: BoxMasks, distance: Floats, threads: int) -> float:
    """The depth of the hole. In a box within the picture it is the largest distance that is known already."""
    return float(distance.max()) if around.weight.all() else hole_depth(hole, threads)
