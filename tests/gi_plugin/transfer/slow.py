"""The steps of the transfer as plain loops over pixels, in float64 or integers: slow, and independent of the product's code."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gi_plugin.transfer.arrays import Bools, Bytes, Field, Floats, Shorts

Doubles = npt.NDArray[np.float64]


def blurred(picture: Floats, known: Bools, sigma: float) -> Doubles:
    """Mean [H, W, C] of the known pixels around each pixel, weighted by a Gaussian that ends at three sigma."""
    radius = max(math.ceil(3 * sigma), 1)
    height, width, channels = picture.shape
    result = np.zeros((height, width, channels))
    for y, x in np.ndindex(height, width):
        total, weights = np.zeros(channels), 0.0
        for v in range(max(y - radius, 0), min(y + radius + 1, height)):
            for u in range(max(x - radius, 0), min(x + radius + 1, width)):
                if known[v, u]:
                    weight = math.exp(-((v - y) ** 2 + (u - x) ** 2) / (2 * sigma**2)) / (2 * math.pi * sigma**2)
                    total += weight * picture[v, u]
                    weights += weight
        result[y, x] = total / weights if weights > 0 else 0
    return result


def distances(inside: Bools) -> Doubles:
    """Distance [H, W] to the nearest pixel that is not inside."""
    outside = np.argwhere(~inside)
    result = np.zeros(inside.shape)
    for y, x in np.argwhere(inside):
        result[y, x] = min(math.hypot(y - v, x - u) for v, u in outside)
    return result


def cost(ours: Shorts, weight: Bytes, target: tuple[int, int], theirs: Shorts, source: tuple[int, int]) -> float:
    """Mean squared difference of two patches, weighted by the squared weight of each pixel."""
    total = weights = 0.0
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            share = float(weight[target[0] + dy, target[1] + dx]) ** 2
            difference = (ours[target[0] + dy, target[1] + dx].astype(float) - theirs[source[0] + dy, source[1] + dx]) / 1024
            total += share * float((difference**2).sum())
            weights += share
    return total / weights


def covering(field: Field, y: int, x: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield each target whose patch covers a pixel, with the source pixel of its patch at that place."""
    for v in range(y - 2, y + 3):
        for u in range(x - 2, x + 3):
            if field[v, u, 0] >= 0:
                yield (v, u), (int(field[v, u, 0]) + y - v, int(field[v, u, 1]) + x - u)


def votes(planes: npt.NDArray[np.generic], field: Field, weight: Floats, y: int, x: int) -> Doubles:
    """Weighted mean [C] of the source pixels of all patches that cover a pixel."""
    pairs = list(covering(field, y, x))
    weights = np.array([float(weight[target]) for target, _ in pairs])
    return np.asarray((weights[:, None] * np.array([planes[source].astype(float) for _, source in pairs])).sum(0) / weights.sum())
