"""Draw hole masks: the random rectangles of the paper, free-form strokes, outlines of things, and a fixed square in the middle."""

from __future__ import annotations

import math

import cv2
import numpy as np
from PIL import Image, ImageDraw

from gi_plugin.arrays import Bools, Floats
from gi_plugin.config import TrainSettings

from . import shapes

STROKES, JOINTS = (1, 5), (2, 8)  # smallest and largest number: strokes per mask, line segments per stroke
LARGEST_SHARE = 0.5  # largest share of the picture that free-form strokes cover


def draw(random: np.random.Generator, settings: TrainSettings) -> Bools:
    """Draw a mask [crop, crop] for training: strokes, blobs and silhouettes for their shares of the samples, else a rectangle."""
    kind, limits = random.random(), (settings.crop, settings.hole_smallest, settings.hole_largest)
    if kind < settings.free_form:
        return free_form(random, settings.crop, max(2, settings.crop // 40), settings.crop // 9)
    if kind < settings.free_form + settings.blobs:
        return shapes.blob(random, *limits)
    if kind < settings.free_form + settings.blobs + settings.shapes:
        return shapes.silhouette(random, *limits)
    return rectangle(random, *limits)


def center(size: int, side: int) -> Bools:
    """Return a mask [size, size] with a square hole of `side` pixels in the middle."""
    mask = np.zeros((size, size), np.bool_)
    start = (size - side) // 2
    mask[start : start + side, start : start + side] = True
    return mask


def rectangle(random: np.random.Generator, size: int, smallest: int, largest: int) -> Bools:
    """Draw a mask [size, size] with one rectangle at a random place.

    Its sides have `smallest` to `largest` pixels, both included (paper, section 4.1: up to 128 in a picture of 256).
    """
    mask = np.zeros((size, size), np.bool_)
    top, left, height, width = shapes.box(random, size, smallest, largest)
    mask[top : top + height, left : left + width] = True
    return mask


def free_form(random: np.random.Generator, size: int, thinnest: int, thickest: int) -> Bools:
    """Draw a mask [size, size] of random brush strokes that cover at most half of the picture.

    Each stroke is a chain of line segments. Its thickness is drawn from `thinnest` to `thickest` pixels, both included.
    """
    while True:
        canvas = Image.new("1", (size, size))
        pen = ImageDraw.Draw(canvas)
        for _ in range(random.integers(STROKES[0], STROKES[1] + 1)):
            _stroke(pen, random, size, int(random.integers(thinnest, thickest + 1)))
        mask = np.asarray(canvas)
        if 0 < mask.mean() <= LARGEST_SHARE:
            return mask


def distance_to_known(mask: Bools) -> Floats:
    """Compute the distance of each missing pixel to the nearest known pixel, in pixels; known pixels get 0."""
    return np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), dtype=np.float32)


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
