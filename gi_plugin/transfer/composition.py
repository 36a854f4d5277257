"""Compose the fill from the sources: low frequencies from the votes, high frequencies copied from one patch, no step at the border."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..box import Box
from . import kernels
from .arrays import KNOWN, MISSING, ONE, SIDE, Bools, Bytes, Floats, go_on
from .interpolation import smooth_fill
from .matching import Match
from .pyramid import Level, spread

BAND = 2.0  # sigma in pixels: a Gaussian blur separates low frequencies (voted) from high ones (copied)
GRAIN = 1.05  # gain of the high frequencies, because the search slightly prefers smooth patches
FADE, FADE_HIGH = 8.0, 3.0  # distance from the border, in pixels, at which a correction has fallen to 1 / e
HALO = 3 * int(BAND)  # radius of the blur in pixels
STRIP = 1 << 19  # pixels that are blurred at a time, to keep temporary arrays small


def compose(image: Floats, source: Level, found: Match, threads: int, check: Callable[[], None] = go_on) -> Floats:
    """Fill the box of `found`.

    :param image: [H, W, 3] float32 in [-1, 1].
    :param source: level 0 of the pyramid, from which the pixels come.
    :param check: called between the steps; what it raises ends the work.
    :return: the box [h, w, 3] in [-1, 1]; known pixels are those of `image`.
    """
    edge = border(found.estimate.weight)
    known = found.box.cut(image)
    distance = kernels.distance(found.missing | (found.estimate.weight == 0), threads)
    hole = np.repeat(found.missing[..., None], 3, axis=2)  # [h, w, 3]; numpy is slow if it has to repeat a mask itself
    voted = found.estimate.planes.copy()
    kernels.vote(source.planes, found.field, found.weight, edge, voted, threads, check)
    check()
    low: Floats = voted[..., :3] * np.float32(1 / ONE)
    low += _faded_inwards(known - low, edge, found.missing, distance, FADE, threads, check)
    check()
    low = _smoothed(image, np.where(hole, low, known), found, threads, check)
    high = _copied(image, source, found, found.missing | edge, threads, check)
    check()
    high += _faded_inwards(known - low - high, edge, found.missing, distance, FADE_HIGH, threads, check)
    check()
    return np.where(hole, (low + high).clip(-1, 1), known)


def _faded_inwards(
    correction: Floats, edge: Bools, missing: Bools, distance: Floats, fade: float, threads: int, check: Callable[[], None]
) -> Floats:
    """Spread the correction [h, w, 3] at the edge of the hole into the hole. It falls to 1 / e every `fade` pixels."""
    check()
    everywhere = smooth_fill(correction, edge, check, threads)
    check()
    everywhere *= np.where(missing, np.exp(-distance / np.float32(fade)), np.float32(0))[..., None]
    return everywhere


def _copied(image: Floats, source: Level, found: Match, where: Bools, threads: int, check: Callable[[], None]) -> Floats:
    """Copy high frequencies [h, w, 3] of the picture from the source of each pixel of `where`; 0 elsewhere."""
    places, high = np.flatnonzero(where), np.zeros((where.size, 3), np.float32)
    pixel = kernels.best_source(found.field, found.weight, patch_window(), where, threads).reshape(-1, 2)
    row, column = (np.ascontiguousarray(numbers) for numbers in pixel.take(places, 0).T)
    step = max(STRIP // image.shape[1], HALO)
    for top in range(int(row.min()), int(row.max()) + 1, step):
        check()
        strip = Box(top, int(column.min()), top + step, int(column.max()) + 1).grown(HALO).inside(image.shape)
        chosen = np.flatnonzero((row >= top) & (row < top + step))
        if chosen.size:
            near = np.ascontiguousarray(image[strip.slices])
            low = kernels.blur(near, ~source.missing[strip.slices], BAND, threads, check)
            there = (row.take(chosen) - strip.top) * near.shape[1] + column.take(chosen) - strip.left
            high[places.take(chosen)] = np.float32(GRAIN) * (near.reshape(-1, 3).take(there, 0) - low.reshape(-1, 3).take(there, 0))
    return high.reshape(*where.shape, 3)


def border(weight: Bytes) -> Bools:
    """Mark the known pixels that touch a missing one by a side or corner, [h, w], from the weights of an estimate."""
    return np.asarray(spread(weight == MISSING, 1) & (weight == KNOWN))


def patch_window() -> Floats:
    """Weights [5, 5] of the pixels of a patch: a Hann window."""
    line = np.hanning(SIDE + 2)[1:-1]
    return np.outer(line, line).astype(np.float32)


def _smoothed(image: Floats, filled: Floats, found: Match, threads: int, check: Callable[[], None]) -> Floats:
    """Low frequencies of the filled box [h, w, 3]; the blur also reads the picture around the box."""
    wide = found.box.grown(HALO)
    surrounded = wide.cut(image)
    surrounded[found.box.within(wide)] = filled
    inside = wide.cut(np.ones(image.shape[:2], np.bool_))
    check()
    return kernels.blur(surrounded, inside, BAND, threads, check)[found.box.within(wide)]
