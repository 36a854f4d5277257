"""How many levels, rounds at each, and how much the guide is asked: constants that were measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

ROUNDS = (16, 14, 10, 6, 3, 2, 1)  # of search and vote per level, coarse to fine
PULL = (2.0, 2.0, 1.0, 0.5, 0.0)  # weight of the guide's low frequencies beside the patches
FULL = 4  # so many levels search everywhere, the finer ones NEAR the sources found so far
NEAR = 8


@dataclass(frozen=True)
class Step:
    """What is done at one level."""

    rounds: int
    pull: float
    radius: int


def depth(shape: tuple[int, ...]) -> int:
    """Number of the coarsest level: a sixteenth of the window; of large windows so small that 32 pixels are left."""
    return min(max(4, round(math.log2(max(shape) / 32))), 7)


def step(number: int, shape: tuple[int, ...]) -> Step:
    """What to do at the level of this number, 0 the coarsest, of this shape."""
    last = len(ROUNDS) - 1
    radius = max(shape) // 2 if number < FULL else NEAR
    return Step(ROUNDS[min(number, last)], PULL[min(number, len(PULL) - 1)], max(radius, 1))


def trust(thickness: float) -> float:
    """Sigma of the low frequencies that the guide decides: the thicker the hole (from border to middle), the less it is trusted."""
    return min(max(thickness / 15, 1.5), 8.0 if thickness < 200 else 32.0)
