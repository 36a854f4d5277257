"""The fill from the sources found: low frequencies from the votes, high ones copied from one patch, no step at the hole's border."""

from __future__ import annotations

import numpy as np

from . import kernels
from .arrays import ONE, SIDE, Bools, Floats, Shorts
from .boxes import Box, around
from .interpolation import smooth_fill
from .matching import Match
from .pyramid import Level

BAND = 2.0  # sigma that parts low frequencies, which are voted, from high ones, which are copied
FADE = 8.0  # the border's correction has fallen to 1 / e so many pixels inside the hole
HALO = 3 * int(BAND)


def compose(image: Floats, source: Level, found: Match, threads: int) -> Floats:
    """The box of `found`, filled: [h, w, 3]; known pixels as in `image` [H, W, 3]."""
    pixel = kernels.heaviest(found.field, found.weight, _window(), found.missing, threads)[found.missing]  # [n, 2]
    copied = _high(image, source.missing, pixel, threads)  # [n, 3]
    filled = np.where(found.missing[..., None], np.float32(0), found.box.cut(image))
    filled[found.missing] = found.estimate.planes[found.missing][:, :3] / np.float32(ONE) + correction(image, source, found, threads)
    filled[found.missing] = _smoothed(image, filled, found, threads)[found.missing] + copied
    return filled.clip(-1, 1)


def correction(image: Floats, source: Level, found: Match, threads: int) -> Floats:
    """What the votes lack at the known pixels next to the hole, carried into it: [n, 3] for its pixels."""
    border = _next_to(found.missing) & (found.estimate.weight == 2)
    votes = np.zeros_like(found.estimate.planes)
    kernels.vote(source.planes, found.field, found.weight, border, votes, threads)
    lack = found.box.cut(image) - votes[..., :3] / np.float32(ONE)
    outside = found.estimate.weight == 0
    fade = np.exp(-kernels.distance(found.missing | outside, threads) / np.float32(FADE))
    return (smooth_fill(np.where(border[..., None], lack, 0), border) * fade[..., None])[found.missing]


def _window() -> Floats:
    line = np.hanning(SIDE + 2)[1:-1]
    return np.outer(line, line).astype(np.float32)


def _high(image: Floats, missing: Bools, pixel: Floats, threads: int) -> Floats:
    """High frequencies of the picture at the source pixels."""
    low = kernels.blur(image, ~missing, BAND, threads)
    place = tuple(pixel.T)
    return image[place] - low[place]


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
    return np.logical_or.reduce([padded[dy : dy + height, dx : dx + width] for dy, dx in np.ndindex(3, 3)])
