"""The image pyramid: a picture at 1, 1/2, 1/4, … of its size. A reduced pixel is the mean of the known pixels in its block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..box import Box, around
from . import kernels, texture
from .arrays import KNOWN, MARGIN, MISSING, REACH, Bools, Bytes, Counts, Floats, Shorts, go_on


@dataclass(frozen=True)
class Level:
    """A picture at 1/`factor` of its size."""

    factor: int
    planes: Shorts  # [h, w, 5]; 0 where nothing is known
    count: Counts  # [h, w] number of known full-size pixels in the block of each pixel
    missing: Bools  # [h, w], True = more than half of the block is unknown; at full size: the pixel is unknown

    @cached_property
    def valid(self) -> Bools:
        """See `valid_sources`."""
        return valid_sources(self.missing)


@dataclass(frozen=True)
class BoxMasks:
    """The masks of the box around the hole at one level."""

    box: Box  # may reach beyond the level
    weight: Bytes  # [h, w]: 0 outside the picture, MISSING or KNOWN
    target: Bools  # [h, w], True = a patch with its centre here touches the hole


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
    valid = np.zeros(missing.shape, np.bool_)
    valid[REACH:-REACH, REACH:-REACH] = True
    if missing.any():
        near = around(missing).grown(REACH).inside(missing.shape)
        valid[near.slices] &= ~spread(missing[near.slices])
    return valid


def box_masks(missing: Bools) -> BoxMasks:
    """Return the masks of the box around the missing pixels of a level [H, W], of which there must be some."""
    box = around(missing).grown(MARGIN)
    weight = np.zeros(box.shape, np.uint8)
    inside = box.inside(missing.shape)
    weight[inside.within(box)] = np.where(missing[inside.slices], np.uint8(MISSING), np.uint8(KNOWN))
    return BoxMasks(box, weight, spread(weight == MISSING) & (weight > 0))


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
