"""The schedule of the search: number of levels, rounds per level, and weight of the guide. The constants were measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

ROUNDS = (16, 14, 10, 6, 3, 2, 1)  # rounds of search and vote at each level, coarse to fine
PULL = (2.0, 2.0, 1.0, 0.5, 0.0)  # weight of the guide's low frequencies in the cost, coarse to fine
PULL_IF_NARROW = (6.0, 6.0, 3.0, 0.75, 0.0)  # the same in a narrow hole, where the guide is more reliable
NARROW = 20  # largest depth of a narrow hole, in pixels: strokes of up to 40 px
GLOBAL_LEVELS = 4  # the coarsest levels search the whole picture
LOCAL_RADIUS = 8  # finer levels search around the sources found so far, in pixels


@dataclass(frozen=True)
class Step:
    """Settings of the search at one level."""

    rounds: int
    pull: float  # weight of the guide's low frequencies in the cost
    radius: int  # of the random search, in pixels of the level


def coarsest(shape: tuple[int, ...]) -> int:
    """Choose the number of the coarsest level, 4 to 7: it has 1/16 of the window's size; of large windows, about 32 pixels are left."""
    return min(max(4, round(math.log2(max(shape) / 32))), 7)


def step(number: int, shape: tuple[int, ...], depth: float) -> Step:
    """Settings of a level.

    :param number: 0 = the coarsest level.
    :param shape: of the level, (rows, columns).
    :param depth: of the hole: the largest distance from a missing pixel to a known one, in pixels at full size.
    """
    pull = PULL_IF_NARROW if depth <= NARROW else PULL
    radius = max(shape) // 2 if number < GLOBAL_LEVELS else LOCAL_RADIUS
    return Step(ROUNDS[min(number, len(ROUNDS) - 1)], pull[min(number, len(pull) - 1)], max(radius, 1))


def guide_sigma(depth: float) -> float:
    """Sigma, in pixels, of the blur that leaves the low frequencies taken from the guide.

    It grows with the depth of the hole, because the guide is less reliable in a thick hole.

    :param depth: see `step`.
    """
    return min(max(depth / 15, 1.5), 8.0 if depth < 200 else 32.0)
