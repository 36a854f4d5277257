"""The first fill of thin holes: a push-pull pyramid.

Means of the known pixels are taken over squares of 2, 4, 8, … px; a missing pixel gets the value of the finest level that knows it, blended
with the coarser levels where few of its pixels are known (Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4.2).
"""

from __future__ import annotations

import numpy as np

from ..arrays import Bools, Reals

FULL = 0.25  # share of known pixels from which a level no longer needs the coarser one
TINY = 1e-6  # keeps the division by a share of zero finite


def first_fill(pixels: Reals, missing: Bools) -> Reals:
    """Fill the missing pixels of tiles smoothly.

    :param pixels: [N, C, S, S] float, 0 at missing pixels; S is even.
    :param missing: [N, 1, S, S].
    :return: [N, C, S, S], equal to `pixels` where they are known; 0 in tiles without a known pixel.
    """
    sums, shares = [pixels], [(~missing).astype(pixels.dtype)]  # mean of known pixels times their share, and that share, per level
    while sums[-1].shape[-1] % 2 == 0:
        sums.append(_halved(sums[-1]))
        shares.append(_halved(shares[-1]))
    value = sums[-1] / np.maximum(shares[-1], TINY)
    for total, share in zip(sums[-2::-1], shares[-2::-1], strict=True):
        weight = np.minimum(share / FULL, 1)
        value = _doubled(value) * (1 - weight) + total * (weight / np.maximum(share, TINY))
    return np.where(missing, value, pixels)


def _halved(values: Reals) -> Reals:
    """Means [N, C, S/2, S/2] of 2 x 2 pixels."""
    rows = values[:, :, ::2] + values[:, :, 1::2]
    return np.asarray((rows[..., ::2] + rows[..., 1::2]) * values.dtype.type(0.25))


def _doubled(values: Reals) -> Reals:
    """Twice as many rows and columns [N, C, 2 S, 2 S], interpolated linearly between the centres of the old pixels."""
    for axis in (2, 3):
        padded = np.pad(values, [(1, 1) if side == axis else (0, 0) for side in range(4)], "edge")
        before, after = (np.moveaxis(padded, axis, 0)[part] for part in (slice(None, -2), slice(2, None)))
        centre = np.moveaxis(values, axis, 0) * values.dtype.type(0.75)
        doubled = np.empty((*values.shape[:axis], 2 * values.shape[axis], *values.shape[axis + 1 :]), values.dtype)
        lines = np.moveaxis(doubled, axis, 0)
        lines[::2], lines[1::2] = centre + before * values.dtype.type(0.25), centre + after * values.dtype.type(0.25)
        values = doubled
    return values
