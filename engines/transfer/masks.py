"""What a transfer knows from its masks alone, level by level. It is computed on the CPU and uploaded with the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gi_plugin.arrays import Array, Bools
from gi_plugin.box import Box, around
from gi_plugin.transfer.arrays import Counts
from gi_plugin.transfer.pyramid import valid_sources
from gi_plugin.transfer.transfer import levels_to_search


@dataclass(frozen=True)
class LevelMasks:
    """The masks of a picture at 1/`factor` of its size."""

    factor: int
    known: Bools  # [H, W], True = patches may contain this pixel
    valid: Bools  # [H, W], True = a patch may be taken with its centre here
    missing: Bools  # [H, W], True = the pixel belongs to the hole

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.known.shape[0], self.known.shape[1]


def levels(hole: Bools, allowed: Bools | None, depth: int) -> list[LevelMasks]:
    """Return the masks of the levels that are searched, full size first; none if there is no valid source.

    :param hole: [H, W], True = missing; some pixel must be.
    :param allowed: [H, W], True = known, and pixels may come from here; None: every known pixel.
    :param depth: number of the coarsest level.
    """
    missing = list(_reduced(hole, depth))
    unknown = missing if allowed is None else list(_reduced(~allowed, depth))
    found = [LevelMasks(2**number, ~no, valid_sources(no), hole) for number, (no, hole) in enumerate(zip(unknown, missing, strict=True))]
    return found[: len(levels_to_search((level.valid, level.missing) for level in found))]


def _reduced(missing: Bools, depth: int) -> Iterator[Bools]:
    """Yield which pixels are missing at 1, 1/2, 1/4, … of the size; see `gi_plugin.transfer.pyramid`.

    Only the surroundings of the missing pixels are counted.
    """
    yield missing
    most = 2**depth
    top, left, bottom, right = around(missing)
    near = Box(top // most * most, left // most * most, -(-bottom // most) * most, -(-right // most) * most).inside(missing.shape)
    known = (~missing[near.slices]).astype(np.uint16)
    for step in range(1, depth + 1):
        known, size = _sum_of_four(known), 2**step
        rows, columns = (np.minimum(size, end - np.arange(start, end, size)) for start, end in zip(near[:2], near[2:], strict=True))
        reduced = np.zeros([-(-length // size) for length in missing.shape], np.bool_)
        place = Box(near.top // size, near.left // size, near.top // size + len(rows), near.left // size + len(columns))
        reduced[place.slices] = 2 * known.astype(np.int32) < rows[:, None] * columns
        yield reduced


def _sum_of_four(counts: Counts) -> Counts:
    """Reduce counts [h, w] by two, rounding the size up: sums of 2 x 2 pixels."""
    for axis in (0, 1):
        even, odd = (counts[0::2], counts[1::2]) if axis == 0 else (counts[:, 0::2], counts[:, 1::2])
        sums: Array = even.copy()
        part = sums[: len(odd)] if axis == 0 else sums[:, : odd.shape[1]]
        part += odd
        counts = sums
    return counts
