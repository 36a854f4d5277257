"""Scores that compare a filled picture with its original: the metrics of the paper's Table 1 and newer ones.

x is the original and y the completed picture, both in [0, 1]. As in the paper, means are taken over all pixels and channels, including
the known pixels: l1 = mean |x - y|, l2 = mean (x - y)^2, PSNR = -10 log10(l2), TV = mean |difference of neighbouring pixels of y|. The
paper gives relative l1 and l2 percentages but no formula for them. The percentages here are absolute: 100 % is the difference between
black and white.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from skimage.metrics import structural_similarity

from gi_plugin.arrays import Bools, Indices, Reals

from ..psnr import decibel

PATCH, DIRECTIONS, PATCHES = 7, 64, 4096  # of the texture distance: side of a patch in pixels, projections, most patches per picture


@dataclass(frozen=True)
class Scores:
    """Scores of one picture, or means over pictures; l1, l2 and tv in percent, psnr and hole_psnr in dB."""

    l1: float
    l2: float
    psnr: float
    tv: float
    ssim: float
    hole_psnr: float
    texture: float  # sliced Wasserstein distance of patches in the hole, in percent; lower is better


def score(completed: Reals, original: Reals, hole: Bools) -> Scores:
    """Compute the scores of one completed picture.

    :param completed: [H, W, 3] in [0, 1].
    :param original: [H, W, 3] in [0, 1].
    :param hole: [H, W] bool.
    """
    difference = completed.astype(np.float64) - original
    l2 = float(np.square(difference).mean())
    hole_l2 = float(np.square(difference[hole]).mean())
    tv = np.mean([np.abs(np.diff(completed, axis=axis)).mean() for axis in (0, 1)])
    ssim = structural_similarity(
        original, completed, data_range=1.0, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    return Scores(
        l1=100 * float(np.abs(difference).mean()), l2=100 * l2, psnr=decibel(l2), tv=100 * float(tv), ssim=float(ssim),
        hole_psnr=decibel(hole_l2), texture=100 * texture_distance(completed, original, hole),
    )  # fmt: skip


def mean_scores(scores: list[Scores]) -> Scores:
    """Average each score over pictures."""
    return Scores(**{entry.name: float(np.mean([getattr(row, entry.name) for row in scores])) for entry in fields(Scores)})


def texture_distance(completed: Reals, original: Reals, hole: Bools, seed: int = 0) -> float:
    """Compute the sliced Wasserstein distance between the 7x7 patches of two pictures, for patches with their centre in the hole.

    Each patch minus its mean colour is projected onto random unit directions. For each direction, the projections of both pictures are
    sorted and compared by their mean absolute difference; the result is the mean over directions. A blurred picture has a small spread
    of projections and gets a large distance, although its PSNR may be high.
    """
    random = np.random.default_rng(seed)
    rows, columns = np.nonzero(hole)
    chosen = random.permutation(len(rows))[:PATCHES]
    directions = random.normal(size=(PATCH * PATCH * 3, DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    first, second = (np.sort(_patches(picture, rows[chosen], columns[chosen]) @ directions, axis=0) for picture in (completed, original))
    return float(np.abs(first - second).mean())


def _patches(picture: Reals, rows: Indices, columns: Indices) -> Reals:
    """Return the patches around K pixels, each minus its mean colour, as [K, PATCH * PATCH * 3]."""
    padded = np.pad(picture, ((PATCH // 2,) * 2, (PATCH // 2,) * 2, (0, 0)), mode="reflect")
    offsets = np.arange(PATCH)
    patches = padded[rows[:, None, None] + offsets[:, None], columns[:, None, None] + offsets]  # [K, 7, 7, 3]
    centred: Reals = patches - patches.mean(axis=(1, 2), keepdims=True)
    return centred.reshape(len(rows), -1)
