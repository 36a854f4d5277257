"""What the network says: a small completion of the picture, and which cell looks like which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .arrays import Field, Floats

CELL = 8  # pixels of the guide per cell of its attention


@dataclass(frozen=True)
class Guide:
    """The network's completion of a window, at 1/`scale` of its size."""

    pixels: Floats  # [h, w, 3] in [-1, 1]
    matches: npt.NDArray[np.int64]  # [h / 8, w / 8] flat number of the best matching cell, or -1
    scale: int  # a power of two

    def at(self, factor: int, box: tuple[slice, slice]) -> Floats:
        """The completion [.., .., 3] at 1/`factor` of the window's size, in a box of that size's pixels."""
        if factor >= self.scale:
            pixels, ratio = _reduced(self.pixels, factor // self.scale), 1
        else:
            pixels, ratio = self.pixels, self.scale // factor
        for axis, part in enumerate(box):
            pixels = _enlarged(pixels, ratio, part, axis)
        return pixels

    def offers(self, factor: int, targets: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
        """Sources [n, 2] for `targets` [n, 2] at 1/`factor` of the window's size: moved as their cell's best match is, or a near one's."""
        if self.matches.size == 0:
            return
        step, shape = CELL * self.scale, np.array(self.matches.shape)
        cells = targets * factor // step
        for near in np.ndindex(3, 3):
            cell = (cells + near - 1).clip(0, shape - 1)
            match = self.matches[tuple(cell.T)]
            moved = np.stack(np.divmod(match, shape[1]), 1) - cell
            yield np.where(match[:, None] < 0, -1, targets + moved * step // factor)


def _reduced(pixels: Floats, factor: int) -> Floats:
    """Means of blocks; the last ones may be smaller."""
    if factor == 1:
        return pixels
    for axis in (0, 1):
        starts = np.arange(0, pixels.shape[axis], factor)
        sizes = np.diff(starts, append=pixels.shape[axis]).astype(np.float32)
        sums = np.add.reduceat(pixels, starts, axis)
        pixels = np.asarray(sums / sizes.reshape((-1, 1, 1) if axis == 0 else (-1, 1)), dtype=np.float32)
    return pixels


def _enlarged(pixels: Floats, ratio: int, part: slice, axis: int) -> Floats:
    """A part of an axis, enlarged by a cubic (Catmull-Rom) from four pixels; what lies outside repeats the edge."""
    places = (np.arange(part.start, part.stop) + 0.5) / ratio - 0.5
    first = np.floor(places).astype(np.int64)
    t = (places - first).astype(np.float32).reshape((-1, 1, 1) if axis == 0 else (-1, 1))
    shares = ((-t + 2 * t**2 - t**3) / 2, (2 - 5 * t**2 + 3 * t**3) / 2, (t + 4 * t**2 - 3 * t**3) / 2, (t**3 - t**2) / 2)
    last = pixels.shape[axis] - 1
    if ratio == 1:
        return pixels.take(first.clip(0, last), axis)
    parts = (share * pixels.take((first + step).clip(0, last), axis) for step, share in zip((-1, 0, 1, 2), shares, strict=True))
    return np.asarray(sum(parts), dtype=np.float32)


def nowhere(shape: tuple[int, ...]) -> Field:
    """A field [h, w, 2] without any target."""
    return np.full((*shape[:2], 2), -1, np.int32)
