"""The guide: the network's completion of the picture at reduced size, and the matches of its attention."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from ..arrays import CELL, Integers, Matches
from .arrays import Field, Floats


@dataclass(frozen=True)
class Guide:
    """The network's completion of a window, at 1/`scale` of its size."""

    pixels: Floats  # [h, w, 3] in [-1, 1]
    matches: Matches  # [h / 8, w / 8] number of the best matching cell, counted row by row; -1 if there is none
    scale: int  # a power of two

    def at(self, factor: int, box: tuple[slice, slice]) -> Floats:
        """Cut a box out of the completion at 1/`factor` of the window's size.

        :param box: rows and columns in pixels of that size; the box may reach beyond the window.
        :return: [rows, columns, 3].
        """
        pixels = self.pixels
        for axis, part in enumerate(box):
            if factor > self.scale:
                pixels = _reduced(pixels.swapaxes(0, axis), factor // self.scale, part).swapaxes(0, axis)
            else:
                pixels = _enlarged(pixels, self.scale // factor, part, axis)
        return pixels

    def candidates(self, factor: int, targets: Integers) -> Integers:
        """Suggest sources for targets by the attention: move each target by the step from a cell to its best match.

        The cells are the target's own and its eight neighbours.

        :param targets: [n, 2] row and column at 1/`factor` of the window's size.
        :return: [9, n, 2] sources at the same size, or [0, n, 2] if there is no cell. A row with a negative number is no source; a source
            may lie outside the window.
        """
        if self.matches.size == 0:
            return np.empty((0, *targets.shape), np.int64)
        step, shape = CELL * self.scale, np.array(self.matches.shape)
        near = np.array([*np.ndindex(3, 3)])[:, None] - 1
        cells = (targets * factor // step + near).clip(0, shape - 1)
        matches = self.matches[cells[..., 0], cells[..., 1]]
        moved = np.stack(np.divmod(matches, shape[1]), -1) - cells
        return np.where(matches[..., None] < 0, -1, targets + moved * step // factor)


def _reduced(pixels: Floats, factor: int, part: slice) -> Floats:
    """Reduce a part of the rows by `factor`: means of blocks. The last block may be smaller; outside the picture the edge is repeated."""
    blocks = np.arange(part.start, part.stop).clip(0, (len(pixels) - 1) // factor)
    rows = pixels[blocks[0] * factor : (blocks[-1] + 1) * factor]
    whole = len(rows) // factor * factor
    full, last = [rows[start:whole:factor] for start in range(factor)], [row[None] for row in rows[whole:]]
    means = [reduce(np.add, parts) / np.float32(len(parts)) for parts in (full, last) if parts]
    return np.asarray(np.concatenate(means)[blocks - blocks[0]], dtype=np.float32)


def _enlarged(pixels: Floats, ratio: int, part: slice, axis: int) -> Floats:
    """Enlarge a part of an axis by cubic interpolation of four pixels; outside the picture the edge is repeated."""
    first, shares = cubic_shares(part, ratio)
    last = pixels.shape[axis] - 1
    if ratio == 1:
        return pixels.take((first + 1).clip(0, last), axis)
    columns = shares[:, :, None, None] if axis == 0 else shares[:, :, None]
    return np.asarray(sum(share * pixels.take((first + step).clip(0, last), axis) for step, share in enumerate(columns)), dtype=np.float32)


def cubic_shares(part: slice, ratio: int) -> tuple[Integers, Floats]:
    """For a part of an axis enlarged by `ratio`: the first of the four pixels to mix [n], and their Catmull-Rom shares [4, n]."""
    places = (np.arange(part.start, part.stop) + 0.5) / ratio - 0.5
    second = np.floor(places).astype(np.int64)
    t = (places - second).astype(np.float32)
    return second - 1, np.stack(
        [(-t + 2 * t**2 - t**3) / 2, (2 - 5 * t**2 + 3 * t**3) / 2, (t + 4 * t**2 - 3 * t**3) / 2, (t**3 - t**2) / 2]
    )


def no_sources(shape: tuple[int, ...]) -> Field:
    """Make a field [h, w, 2] without sources: -1 everywhere."""
    return np.full((*shape[:2], 2), -1, np.int32)
