"""The image pyramid: a picture at 1, 1/2, 1/4, … of its size. A reduced pixel is the mean of the known pixels in its block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import kernels, texture
from .arrays import REACH, Bools, Counts, Floats, Shorts, go_on


@dataclass(frozen=True)
class Level:
    """A picture at 1/`factor` of its size."""

    factor: int
    planes: Shorts  # [h, w, 5]; 0 where nothing is known
    count: Counts  # [h, w] number of known full-size pixels in the block of each pixel
    missing: Bools  # [h, w], True = more than half of the block is unknown; at full size: the pixel is unknown


def pyramid(image: Floats, known: Bools, depth: int, threads: int, check: Callable[[], None] = go_on) -> list[Level]:
    """Make `depth` + 1 levels of `image` [H, W, 3] in [-1, 1], full size first; values of unknown pixels are ignored.

    :param check: called between the steps; what it raises ends the work.
    """
    planes, count = texture.planes(image, known, threads, check), known.astype(np.uint16)
    check()
    levels = [Level(1, planes, count, ~known)]
    for step in range(1, depth + 1):
        check()
        planes, count = kernels.halve(planes, count, threads, check)
        levels.append(Level(2**step, planes, count, _missing(count, known.shape, 2**step)))
    return levels


def _missing(count: Counts, shape: tuple[int, ...], factor: int) -> Bools:
    """Pixels of a level with more unknown than known pixels in their block; blocks at the end of the picture are smaller."""
    rows, columns = (np.minimum(factor, size - factor * np.arange(length)) for size, length in zip(shape, count.shape, strict=True))
    return np.asarray(2 * count.astype(np.int32) < rows[:, None] * columns)


def valid_sources(missing: Bools) -> Bools:
    """Mark the centres of patches that lie inside the picture and have no missing pixel, [h, w]."""
    valid = ~spread(missing)
    valid[:REACH] = valid[-REACH:] = False
    valid[:, :REACH] = valid[:, -REACH:] = False
    return valid


def spread(mask: Bools, reach: int = REACH) -> Bools:
    """Grow `mask` [h, w] by `reach` pixels in every direction; by default this marks the centres of all patches that touch it."""
    for axis in (0, 1):
        grown = mask.copy()
        near, far = mask.swapaxes(0, axis), grown.swapaxes(0, axis)
        for step in range(1, reach + 1):
            far[step:] |= near[:-step]
            far[:-step] |= near[step:]
        mask = grown
    return mask
