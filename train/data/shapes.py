"""Draw holes with the outlines of things: blobs, and silhouettes of several joined parts."""

from __future__ import annotations

import math

import cv2
import numpy as np

from gi_plugin.arrays import Bools, Reals

CORNERS = 48  # of an outline
WAVES = (2, 3, 4, 5)  # of a blob's outline, per turn
PARTS = (2, 5)  # smallest and largest number of parts of a silhouette


def box(random: np.random.Generator, size: int, smallest: int, largest: int) -> tuple[int, int, int, int]:
    """Draw a box with sides of `smallest` to `largest` pixels, both included: top, left, height, width."""
    height, width = random.integers(smallest, largest + 1, 2)
    top, left = random.integers(0, size - height + 1), random.integers(0, size - width + 1)
    return int(top), int(left), int(height), int(width)


def blob(random: np.random.Generator, size: int, smallest: int, largest: int) -> Bools:
    """Draw a mask [size, size] with one rounded blob; the sides of its bounding box have `smallest` to `largest` pixels."""
    angle = np.linspace(0, 2 * math.pi, CORNERS, endpoint=False)
    waves = [random.uniform(0, 0.7 / wave) * np.cos(wave * angle + random.uniform(0, 2 * math.pi)) for wave in WAVES]
    return _filled(size, box(random, size, smallest, largest), [_around(angle, 1 + np.sum(waves, axis=0))])


def silhouette(random: np.random.Generator, size: int, smallest: int, largest: int) -> Bools:
    """Draw a mask [size, size] with the outline of a thing: ellipses and polygons, each attached to the edge of an earlier one.

    The sides of its bounding box have `smallest` to `largest` pixels.
    """
    parts = [_part(random, 1.0)]
    for _ in range(int(random.integers(*PARTS))):
        carrier = parts[random.integers(len(parts))]
        parts.append(_part(random, random.uniform(0.3, 0.9)) + carrier[random.integers(len(carrier))])
    return _filled(size, box(random, size, smallest, largest), parts)


def _part(random: np.random.Generator, scale: float) -> Reals:
    """Draw an ellipse, or a polygon of 3 to 6 corners, around the origin: corners [n, 2]."""
    count = CORNERS if random.random() < 0.5 else int(random.integers(3, 7))
    angle = np.linspace(0, 2 * math.pi, count, endpoint=False)
    corners = _around(angle, np.ones(count)) * scale * np.array((1, random.uniform(0.25, 1)))
    turn = random.uniform(0, math.pi)
    turned: Reals = corners @ np.array(((math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))))
    return turned


def _around(angle: Reals, radius: Reals) -> Reals:
    return np.stack((np.cos(angle), np.sin(angle)), axis=1) * radius[:, None]


def _filled(size: int, box: tuple[int, int, int, int], parts: list[Reals]) -> Bools:
    """Scale outlines so that together they just fit into a box, and fill them."""
    top, left, height, width = box
    low, high = (edge(np.concatenate(parts), axis=0) for edge in (np.min, np.max))
    canvas = np.zeros((size, size), np.uint8)
    for corners in parts:
        places = (corners - low) / (high - low) * (width - 1, height - 1) + (left, top)
        cv2.fillPoly(canvas, [np.rint(places).astype(np.int32)], 1)
    return canvas.astype(np.bool_)
