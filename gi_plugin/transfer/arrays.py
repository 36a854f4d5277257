"""Types and sizes that all steps of the transfer share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..arrays import Bools, Field, Floats

Shorts = npt.NDArray[np.int16]  # planes of a picture: 1024 stands for 1.0
Bytes = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.uint16]

ONE = 1024  # what 1.0 is in planes
REACH = 2  # a patch reaches so far from its centre: 5 x 5 pixels
SIDE = 2 * REACH + 1
MARGIN = 2 * REACH  # a box of targets is so much wider than the hole: patches of targets at the hole's edge fit in
CHANNELS = 5  # colour, and two of texture
MISSING, KNOWN = 1, 2  # weights of an estimate's pixels; 0 outside the picture

__all__ = [
    "CHANNELS",
    "KNOWN",
    "MARGIN",
    "MISSING",
    "ONE",
    "REACH",
    "SIDE",
    "Bools",
    "Bytes",
    "Counts",
    "Estimate",
    "Field",
    "Floats",
    "Shorts",
    "Sources",
]


@dataclass(frozen=True)
class Sources:
    """Where patches may come from at one level."""

    planes: Shorts  # [H, W, 5]
    valid: Bools  # [H, W], True = a whole patch may be taken from around here
    low: Shorts | None  # [H, W, 3] low frequencies of the colours; None: the guide is not asked
    pull: float  # weight of the guide's low frequencies


@dataclass(frozen=True)
class Estimate:
    """The box around the hole as it is filled so far, at one level."""

    planes: Shorts  # [h, w, 5]; the rounds write the votes into it
    weight: Bytes  # [h, w]: 0 outside the picture, 1 missing, 2 known
    goal: Shorts | None  # [h, w, 3] low frequencies that the guide wants
