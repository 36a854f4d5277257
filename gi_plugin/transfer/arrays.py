"""Array types, constants and data classes that all steps of the transfer share.

A target is a pixel whose patch touches the hole. Its source is the centre of a known patch; a field holds the source of every target.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..arrays import Bools, Bytes, Field, Floats
from ..inputs.control import go_on

Shorts = npt.NDArray[np.int16]  # planes of a picture in fixed point: 1024 means 1.0
Counts = npt.NDArray[np.uint16]

ONE = 1024  # the value that means 1.0 in planes
REACH = 2  # radius of a patch in pixels: a patch has 5 x 5 pixels
SIDE = 2 * REACH + 1
MARGIN = 2 * REACH  # border of a box around the hole, in pixels: the patches of all targets fit into the box
CHANNELS = 5  # three of colour and two of texture
MISSING, KNOWN = 1, 2  # weights of the pixels of an estimate; outside the picture the weight is 0

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
    "go_on",
]


@dataclass(frozen=True)
class Sources:
    """The picture from which patches may be taken, at one level of the pyramid."""

    planes: Shorts  # [H, W, 5]
    valid: Bools  # [H, W], True = a patch may be taken with its centre here
    low: Shorts | None  # [H, W, 3] low frequencies of the colours; None: the cost ignores the guide
    pull: float  # weight of the guide's low frequencies in the cost


@dataclass(frozen=True)
class Estimate:
    """The box around the hole with its current fill, at one level of the pyramid."""

    planes: Shorts  # [h, w, 5]; every round writes its votes here
    weight: Bytes  # [h, w]: 0 outside the picture, 1 missing, 2 known
    goal: Shorts | None  # [h, w, 3] low frequencies of the guide; None: the cost ignores the guide
