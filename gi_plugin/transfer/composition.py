"""The fill from the sources found: low frequencies from the votes, high ones copied from one patch, no step at the hole's border."""

from __future__ import annotations

import numpy as np

from . import kernels
from .arrays import KNOWN, ONE, SIDE, Bools, Floats
from .interpolation import smooth_fill
from .matching import Match
from .pyramid import Level

BAND = 2.0  # sigma that parts low frequencies, which are voted, from high ones, which are copied
GRAIN = 1.05  # gain of the high frequencies: the search is a little in favour of smooth patches
FADE, FADE_HIGH = 8.0, 3.0  # the border's corrections have fallen to 1 / e so many pixels inside the hole
HALO = 3 * int(BAND)


def compose(image: Floats, source: Level, found: Match, threads: int) -> Floats:
    """The box of `found`, filled: [h, w, 3]; known pixels as in `image` [H, W, 3]."""
    border = _next_to(found.missing) & (found.estimate.weight == KNOWN)
    known = found.box.cut(image)
    distance = kernels.distance(found.missing | (found.estimate.weight == 0), threads)
    voted = found.estimate.planes.copy()
    kernels.vote(source.planes, found.field, found.weight, border, voted, threads)
    low: Floats = voted[..., :3] * np.float32(1 / ONE)
    low += _carried_in(known - low, border, found.missing, distance, FADE)
    low = _smoothed(image, np.where(found.missing[..., None], low, known), found, threads)
    high = _copied(image, source, found, found.missing | border, threads)
    high += _carried_in(known - low - high, border, found.missing, distance, FADE_HIGH)
    return np.where(found.missing[..., None], (low + high).clip(-1, 1), known)


def _carried_in(lack: Floats, border: Bools, missing: Bools, distance: Floats, reach: float) -> Floats:
    """What is lacking [h, w, 3] at the border, carried into the hole; it fades by 1 / e every `reach` pixels."""
    spread = smooth_fill(np.where(border[..., None], lack, 0), border)
    return np.where(missing[..., None], spread * np.exp(-distance / np.float32(reach))[..., None], 0)


def _copied(image: Floats, source: Level, found: Match, where: Bools, threads: int) -> Floats:
    """High frequencies [h, w, 3] of the picture at the source of each pixel of `where`."""
    pixel = kernels.heaviest(found.field, found.weight, _window(), where, threads)[where]  # [n, 2]
    first, last = max(int(pixel[:, 0].min()) - HALO, 0), int(pixel[:, 0].max()) + HALO + 1
    rows, place = slice(first, last), (pixel[:, 0] - first, pixel[:, 1])
    high = np.zeros((*where.shape, 3), np.float32)
    high[where] = np.float32(GRAIN) * (image[rows][place] - kernels.blur(image[rows], ~source.missing[rows], BAND, threads)[place])
    return high


def _window() -> Floats:
    line = np.hanning(SIDE + 2)[1:-1]
    return np.outer(line, line).astype(np.float32)


def _smoothed(image: Floats, filled: Floats, found: Match, threads: int) -> Floats:
    wide = found.box.grown(HALO)
    around_it = wide.cut(image)
    around_it[found.box.within(wide)] = filled
    inside = wide.cut(np.ones(image.shape[:2], np.bool_))
    return kernels.blur(around_it, inside, BAND, threads)[found.box.within(wide)]


def _next_to(mask: Bools) -> Bools:
    """Pixels of [h, w] that touch `mask` by a side or corner."""
    padded = np.pad(mask, 1)
    height, width = mask.shape
    near = [padded[dy : dy + height, dx : dx + width] for dy, dx in np.ndindex(3, 3)]
    return np.asarray(np.logical_or.reduce(near))
