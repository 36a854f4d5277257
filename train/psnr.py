"""The peak signal-to-noise ratio (PSNR), in dB."""

from __future__ import annotations

import math

import numpy as np

from gi_plugin.arrays import Reals


def hole_psnr(completed: Reals, original: Reals, mask: Reals) -> float:
    """Compute the PSNR in the hole in dB, averaged over a batch.

    :param completed: [N, 3, H, W] in [-1, 1].
    :param original: [N, 3, H, W] in [-1, 1].
    :param mask: [N, 1, H, W], 1 = hole.
    """
    squares = (np.square((completed - original) / 2, dtype=np.float64) * mask).sum(axis=(1, 2, 3)) / (3 * mask.sum(axis=(1, 2, 3)))
    return float(np.mean([decibel(square) for square in squares]))


def decibel(l2: float) -> float:
    """Convert a mean squared error of values in [0, 1] to PSNR."""
    return -10 * math.log10(max(l2, 1e-10))
