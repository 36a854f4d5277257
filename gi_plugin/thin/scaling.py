"""Scales tiles by their own known values, so that a gradient of a few counts in 16 bits looks like any other gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Array, Bools, Floats, Reals
from .first_fill import first_fill

CORE, MARGIN = 8, 4  # side of the square that a tile fills, and the width of the context around it, in pixels
TILE = CORE + 2 * MARGIN  # side of a tile, in pixels
FURTHEST = 6.0  # values further from the mean are cut off for the network: a star beside a dead pixel


@dataclass(frozen=True, eq=False)
class ScaledTiles:
    """Tiles as the tiny network reads them, and how to scale its result back."""

    filled: Reals  # [N, 3, S, S] scaled values, with the first fill at missing pixels
    missing: Bools  # [N, 1, S, S]
    centre: Reals  # [N, 3, 1, 1] mean of the known values of each channel
    spread: Reals  # [N, 1, 1, 1] mean distance of the known values from `centre`; 0 in a flat tile

    def inputs(self) -> tuple[Floats, Floats]:
        """The network's inputs: image [N, 3, S, S] and mask [N, 1, S, S], 1 = missing."""
        return self.filled.clip(-FURTHEST, FURTHEST).astype(np.float32, copy=False), self.missing.astype(np.float32)

    def restored(self, correction: Floats) -> Reals:
        """Add the network's correction [N, 3, S, S] to the first fill, and scale back to the tiles' own values [N, 3, S, S]."""
        return (self.filled + correction) * self.spread + self.centre


def scaled(pixels: Array, missing: Bools) -> ScaledTiles:
    """Scale tiles and fill them a first time.

    :param pixels: [N, S, S, 3] of any number type; values at missing pixels may be anything. S is even.
    :param missing: [N, S, S]; every tile should have a known pixel.
    """
    missing = missing[:, None]
    values = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.result_type(pixels.dtype, np.float32))
    values[np.broadcast_to(missing, values.shape)] = 0
    count = np.maximum((~missing).sum(axis=(2, 3), keepdims=True, dtype=values.dtype), 1)
    centre = values.sum(axis=(2, 3), keepdims=True) / count
    values -= centre
    values *= ~missing
    spread = np.abs(values).sum(axis=(1, 2, 3), keepdims=True) / (3 * count)
    values /= np.where(spread > 0, spread, 1)
    return ScaledTiles(first_fill(values, missing), missing, centre, spread)
