"""Random holes: the paper's rectangles, free-form strokes, and fixed ones for evaluation; all seeded, all per sample."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from gi_plugin.arrays import Bools, Floats

STROKES, JOINTS = (1, 5), (2, 8)  # how many, both ends included
LARGEST_SHARE = 0.5  # of the picture that free-form strokes may cover


def center(size: int, side: int) -> Bools:
    """A square hole of `side` in the middle of `size` x `size`."""
    mask = np.zeros((size, size), np.bool_)
    start = (size - side) // 2
    mask[start : start + side, start : start + side] = True
    return mask


def rectangle(random: np.random.Generator, size: int, smallest: int, largest: int) -> Bools:
    """One rectangle with sides of `smallest` to `largest` pixels at any place (paper, section 4.1: up to 128 in 256)."""
    mask = np.zeros((size, size), np.bool_)
    height, width = random.integers(smallest, largest + 1, 2)
    top, left = random.integers(0, size - height + 1), random.integers(0, size - width + 1)
    mask[top : top + height, left : left + width] = True
    return mask


def free_form(random: np.random.Generator, size: int, thinnest: int, thickest: int) -> Bools:
    """Brush strokes that turn at joints, each of its own thickness, covering at most half of the picture."""
    while True:
        canvas = Image.new("1", (size, size))
        pen = ImageDraw.Draw(canvas)
        for _ in range(random.integers(STROKES[0], STROKES[1] + 1)):
            _stroke(pen, random, size, int(random.integers(thinnest, thickest + 1)))
        mask = np.asarray(canvas)
        if 0 < mask.mean() <= LARGEST_SHARE:
            return mask


def distance_to_known(mask: Bools) -> Floats:
    """Distance of every missing pixel to the nearest known one, in pixels; 0 where known."""
    return np.asarray(ndimage.distance_transform_edt(mask), dtype=np.float32)


def _stroke(pen: ImageDraw.ImageDraw, random: np.random.Generator, size: int, thickness: int) -> None:
    x, y = random.uniform(0, size, 2)
    angle = random.uniform(0, 2 * math.pi)
    for _ in range(random.integers(JOINTS[0], JOINTS[1] + 1)):
        angle += random.normal(0, 0.8)
        length = random.uniform(0, size / 4)
        next_x, next_y = np.clip((x + length * math.cos(angle), y + length * math.sin(angle)), 0, size - 1)
        pen.line((x, y, next_x, next_y), fill=1, width=thickness)
        radius = thickness / 2
        pen.ellipse((next_x - radius, next_y - radius, next_x + radius, next_y + radius), fill=1)
        x, y = next_x, next_y
