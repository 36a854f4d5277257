"""Compose the fill from the sources: low frequencies from the votes, high frequencies copied from one patch, no step at the border."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import kernels
from .arrays import KNOWN, ONE, SIDE, Bools, Floats, go_on
from .interpolation import smooth_fill
from .matching import Match
from .pyramid import Level, spread

BAND = 2.0  # sigma in pixels: a Gaussian blur separates low frequencies (voted) from high ones (copied)
GRAIN = 1.05  # gain of the high frequencies, because the search slightly prefers smooth patches
FADE, FADE_HIGH = 8.0, 3.0  # distance from the border, in pixels, at which a correction has fallen to 1 / e
HALO = 3 * int(BAND)  # radius of the blur in pixels
STRIP = 128  # rows that are blurred at a time, to keep temporary arrays small


def compose(image: Floats, source: Level, found: Match, threads: int, check: Callable[[], None] = go_on) -> Floats:
    """Fill the box of `found`.

    :param image: [H, W, 3] float32 in [-1, 1].
    :param source: level 0 of the pyramid, from which the pixels come.
    :param check: called between the steps; what it raises ends the work.
    :return: the box [h, w, 3] in [-1, 1]; known pixels are those of `image`.
    """
    border = spread(found.missing, 1) & (found.estimate.weight == KNOWN)
    known = found.box.cut(image)
    distance = kernels.distance(found.missing | (found.estimate.weight == 0), threads)
    voted = found.estimate.planes.copy()
    kernels.vote(source.planes, found.field, found.weight, border, voted, threads, check)
    check()
    low: Floats = voted[..., :3] * np.float32(1 / ONE)
    low += _faded_inwards(known - low, border, found.missing, distance, FADE, check)
    check()
    low = _smoothed(image, np.where(found.missing[..., None], low, known), found, threads, check)
    high = _copied(image, source, found, found.missing | border, threads, check)
    check()
    high += _faded_inwards(known - low - high, border, found.missing, distance, FADE_HIGH, check)
    check()
    return np.where(found.missing[..., None], (low + high).clip(-1, 1), known)


def _faded_inwards(correction: Floats, border: Bools, missing: Bools, distance: Floats, fade: float, check: Callable[[], None]) -> Floats:
    """Spread the correction [h, w, 3] at the border into the hole. It falls to 1 / e every `fade` pixels."""
    check()
    everywhere = smooth_fill(np.where(border[..., None], correction, 0), border, check)
    check()
    return np.where(missing[..., None], everywhere * np.exp(-distance / np.float32(fade))[..., None], 0)


def _copied(image: Floats, source: Level, found: Match, where: Bools, threads: int, check: Callable[[], None]) -> Floats:
    """Copy high frequencies [h, w, 3] of the picture from the source of each pixel of `where`; 0 elsewhere."""
    pixel = kernels.best_source(found.field, found.weight, _window(), where, threads)[where]  # [n, 2]
    values = np.empty((len(pixel), 3), np.float32)
    for top in range(0, image.shape[0], STRIP):
        check()
        chosen = (pixel[:, 0] >= top) & (pixel[:, 0] < top + STRIP)
        if chosen.any():
            start = max(top - HALO, 0)
            near, place = slice(start, top + STRIP + HALO), (pixel[chosen, 0] - start, pixel[chosen, 1])
            values[chosen] = image[near][place] - kernels.blur(image[near], ~source.missing[near], BAND, threads)[place]
    high = np.zeros((*where.shape, 3), np.float32)
    high[where] = np.float32(GRAIN) * values
    return high


def _window() -> Floats:
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
