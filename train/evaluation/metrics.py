"""How near a filled picture is to the original: the columns of the paper's Table 1, and two of later work.

With x the original and y the completed picture on [0, 1], over all pixels and channels (as in the paper, known pixels included):
mean l1 = mean |x - y|; mean l2 = mean (x - y)^2; PSNR = -10 log10(mean l2); TV = mean |differences of neighbours of y|. The paper's l1 and
l2 percentages are relative, by a formula that it does not state; these are absolute, on a scale from black to white, in percent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from skimage.metrics import structural_similarity

from gi_plugin.arrays import Bools, Indices, Reals

PATCH, DIRECTIONS, PATCHES = 7, 64, 4096  # of the sliced Wasserstein distance


@dataclass(frozen=True)
class Scores:
    """One picture's, or the mean over pictures'; l1, l2 and tv in percent, psnr in dB."""

    l1: float
    l2: float
    psnr: float
    tv: float
    ssim: float
    hole_psnr: float
    texture: float  # sliced Wasserstein distance of patches in the hole, in percent; lower is nearer


def score(completed: Reals, original: Reals, hole: Bools) -> Scores:
    """Compare one picture with its original.

    :param completed: [H, W, 3] in [0, 1]; `original` likewise; `hole` [H, W].
    """
    difference = completed.astype(np.float64) - original
    l2 = float(np.square(difference).mean())
    hole_l2 = float(np.square(difference[hole]).mean())
    tv = np.mean([np.abs(np.diff(completed, axis=axis)).mean() for axis in (0, 1)])
    ssim = structural_similarity(
        original, completed, data_range=1.0, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    return Scores(
        l1=100 * float(np.abs(difference).mean()), l2=100 * l2, psnr=_decibel(l2), tv=100 * float(tv), ssim=float(ssim),
        hole_psnr=_decibel(hole_l2), texture=100 * texture_distance(completed, original, hole),
    )  # fmt: skip


def mean_scores(scores: list[Scores]) -> Scores:
    """The mean of every column."""
    return Scores(**{entry.name: float(np.mean([getattr(row, entry.name) for row in scores])) for entry in fields(Scores)})


def texture_distance(completed: Reals, original: Reals, hole: Bools, seed: int = 0) -> float:
    """Sliced Wasserstein distance between the 7x7 patches of both pictures whose centre is missing.

    Patches less their own mean colour are projected onto random unit directions; in each, the sorted projections are compared (mean
    absolute difference), and the mean over directions is taken. Blur, which PSNR rewards, loses the spread of the projections.
    """
    random = np.random.default_rng(seed)
    rows, columns = np.nonzero(hole)
    chosen = random.permutation(len(rows))[:PATCHES]
    directions = random.normal(size=(PATCH * PATCH * 3, DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    first, second = (np.sort(_patches(picture, rows[chosen], columns[chosen]) @ directions, axis=0) for picture in (completed, original))
    return float(np.abs(first - second).mean())


def hole_psnr(completed: Reals, original: Reals, mask: Reals) -> float:
    """Mean over a batch of the PSNR in the hole, in dB.

    :param completed: [N, 3, H, W] in [-1, 1]; `original` likewise; `mask` [N, 1, H, W], 1 = hole.
    """
    squares = (np.square((completed - original) / 2, dtype=np.float64) * mask).sum(axis=(1, 2, 3)) / (3 * mask.sum(axis=(1, 2, 3)))
    return float(np.mean([_decibel(square) for square in squares]))


def _patches(picture: Reals, rows: Indices, columns: Indices) -> Reals:
    """[K, PATCH * PATCH * 3] patches around the given pixels, each less its mean colour."""
    padded = np.pad(picture, ((PATCH // 2,) * 2, (PATCH // 2,) * 2, (0, 0)), mode="reflect")
    offsets = np.arange(PATCH)
    patches = padded[rows[:, None, None] + offsets[:, None], columns[:, None, None] + offsets]  # [K, 7, 7, 3]
    centred: Reals = patches - patches.mean(axis=(1, 2), keepdims=True)
    return centred.reshape(len(rows), -1)


def _decibel(l2: float) -> float:
    return -10 * math.log10(max(l2, 1e-10))
