"""What changes in the course of a run: the size of the holes grows, and sizes of crops alternate."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from gi_plugin.config import TrainSettings

RUNGS = 8  # steps in which the holes grow
SIDES = (1 / 2, 3 / 4, 1)  # of mixed crops, as shares of the setting


def at_sample(settings: TrainSettings, sample: int) -> TrainSettings:
    """Return the settings of one sample: its crop, and the holes that belong to it.

    They depend on the sample number alone. All samples of a batch have crops of one size.

    :param sample: number of the sample in the run.
    """
    batch = sample // settings.batch
    grown = _progress(settings, batch)
    share = float(np.random.default_rng((settings.seed, 2, batch)).choice(SIDES)) if settings.mixed_crops else 1.0
    largest = settings.hole_smallest + grown * (settings.hole_largest - settings.hole_smallest)
    return replace(
        settings,
        crop=round(share * settings.crop),
        hole_smallest=max(round(share * settings.hole_smallest), 1),
        hole_largest=max(round(share * largest), 1),
    )


def _progress(settings: TrainSettings, batch: int) -> float:
    """Return how far the holes have grown: 1/RUNGS at the start, 1 after `hole_ramp` steps."""
    if settings.hole_ramp == 0:
        return 1.0
    step = batch / (settings.critic_steps + 1)
    return min((math.floor(RUNGS * step / settings.hole_ramp) + 1) / RUNGS, 1.0)
