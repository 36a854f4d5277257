"""A picture at 1, 1/2, 1/4, … of its size, each pixel the mean of the known ones that it stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import kernels, texture
from .arrays import REACH, SIDE, Bools, Counts, Floats, Shorts


@dataclass(frozen=True)
class Level:
    """A picture at 1/`factor` of its size."""

    factor: int
    planes: Shorts  # [h, w, 5]; 0 where nothing is known
    count: Counts  # [h, w] known pixels that each stands for
    missing: Bools  # [h, w] half or more of what it stands for is unknown, at full size: it is unknown


def pyramid(image: Floats, known: Bools, depth: int, threads: int) -> list[Level]:
    """`depth` + 1 levels of `image` [H, W, 3] in [-1, 1], full size first; values of unknown pixels are not looked at."""
    planes, count = texture.planes(image, known, threads), known.astype(np.uint16)
    levels = [Level(1, planes, count, ~known)]
    for step in range(1, depth + 1):
        planes, count = kernels.halve(planes, count, threads)
        levels.append(Level(2**step, planes, count, _missing(count, known.shape, 2**step)))
    return levels


def _missing(count: Counts, shape: tuple[int, ...], factor: int) -> Bools:
    """Which pixels of a level stand for more unknown pixels than known ones; those at the end of the picture stand for fewer."""
    rows, columns = (np.minimum(factor, size - factor * np.arange(length)) for size, length in zip(shape, count.shape, strict=True))
    return np.asarray(2 * count.astype(np.int32) < rows[:, None] * columns)


def valid_sources(missing: Bools) -> Bools:
    """Centres of patches that lie inside the picture and miss nothing, [h, w]."""
    valid = ~spread(missing)
    valid[:REACH] = valid[-REACH:] = False
    valid[:, :REACH] = valid[:, -REACH:] = False
    return valid


def spread(mask: Bools) -> Bools:
    """Centres of patches that touch `mask`, [h, w]."""
    for axis in (0, 1):
        length = mask.shape[axis]
        padded = np.pad(mask, [(REACH, REACH) if axis == other else (0, 0) for other in (0, 1)])
        parts = [padded[step : step + length] if axis == 0 else padded[:, step : step + length] for step in range(SIDE)]
        mask = np.logical_or.reduce(parts)
    return mask
