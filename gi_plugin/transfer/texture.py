"""The planes of a picture: colours, and texture channels so that the search does not prefer smooth patches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import kernels
from .arrays import CHANNELS, ONE, Bools, Floats, Shorts, go_on

GAIN = 5.0  # weight of the texture relative to the colours
SPREAD = 2.0  # sigma of the neighbourhood in which gradients are averaged, in pixels
LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue in grey (ITU-R BT.601)
STRIP = 128  # rows that are computed at a time, to keep temporary arrays small
HALO = 8  # rows above and below a strip that the blur reads


def planes(image: Floats, known: Bools, threads: int, check: Callable[[], None] = go_on) -> Shorts:
    """Compute colour and texture [H, W, 5] of the known pixels of `image` [H, W, 3] in [-1, 1]; unknown pixels are ignored and become 0."""
    result = np.zeros((*known.shape, CHANNELS), np.int16)
    for top in range(0, known.shape[0], STRIP):
        check()
        start, end = max(top - HALO, 0), min(top + STRIP + HALO, known.shape[0])
        near = texture(image[start:end], known[start:end], threads)[top - start :][:STRIP]
        strip = slice(top, top + near.shape[0])
        for channels, values in ((slice(None, 3), image[strip]), (slice(3, None), near)):
            result[strip, :, channels] = _rounded(np.where(known[strip, :, None], values, np.float32(0)))
    return result


def _rounded(values: Floats) -> Floats:
    """Round to fixed point (1024 means 1) in place."""
    values *= ONE
    return np.rint(values.clip(-ONE, 2 * ONE, out=values), out=values)


def texture(image: Floats, known: Bools, threads: int) -> Floats:
    """Compute `GAIN` times the mean absolute gradient [H, W, 2] along x and y, at most 2, from pairs of known pixels near each pixel."""
    with np.errstate(over="ignore", invalid="ignore"):  # pixels of a hole may have any value
        red, green, blue = (np.float32(share) * image[..., channel] for channel, share in enumerate(LUMA))
        grey = np.where(known, red + green + blue, np.float32(0))
    means = [kernels.blur(*_gradient(grey, known, axis), SPREAD, threads) for axis in (1, 0)]
    return np.asarray(np.minimum(np.float32(GAIN) * np.concatenate(means, 2), np.float32(2)), dtype=np.float32)


def _gradient(grey: Floats, known: Bools, axis: int) -> tuple[Floats, Bools]:
    """Absolute difference [H, W, 1] to the previous pixel along an axis, and [H, W] whether both are known."""
    size, both = np.zeros_like(grey), np.zeros_like(known)
    this, last = (slice(1, None), slice(None, -1)) if axis == 0 else ((slice(None), slice(1, None)), (slice(None), slice(None, -1)))
    size[this] = np.abs(grey[this] - grey[last])
    both[this] = known[this] & known[last]
    return size[..., None], both
