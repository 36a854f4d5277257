"""Masks of thin holes for training: specks, scratches, blots, wires and dead rows, writing, blocks; 1 to 8 px thick."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from gi_plugin.arrays import Bools

THICKEST = 8  # pixels
MOST = 0.6  # largest share of a tile that is missing
Pen = ImageDraw.ImageDraw


def draw(random: np.random.Generator, size: int) -> Bools:
    """Draw a mask [size, size] with at least one missing pixel, of a random kind."""
    while True:
        canvas = Image.new("1", (size, size))
        KINDS[random.integers(len(KINDS))](ImageDraw.Draw(canvas), random, size)
        mask = np.asarray(canvas)
        if 0 < mask.mean() <= MOST:
            return mask


def _specks(pen: Pen, random: np.random.Generator, size: int) -> None:
    largest = random.integers(2, 7)
    for _ in range(random.integers(1, 2 + int(random.uniform(2, 18) * (size / 32) ** 2))):
        left, top = random.integers(0, size, 2)
        width, height = random.integers(1, largest, 2)
        pen.rectangle((left, top, left + width - 1, top + height - 1), fill=1)


def _scratches(pen: Pen, random: np.random.Generator, size: int) -> None:
    for _ in range(random.integers(1, 4)):
        angle, points = random.uniform(0, 2 * np.pi), [random.uniform(0, size, 2)]
        for _ in range(random.integers(1, 6)):
            angle += random.normal(0, 0.8)
            points.append(points[-1] + random.uniform(5, size) * np.array([np.cos(angle), np.sin(angle)]))
        pen.line([tuple(point) for point in points], fill=1, width=int(random.integers(1, 6)), joint="curve")


def _blots(pen: Pen, random: np.random.Generator, size: int) -> None:
    for _ in range(random.integers(1, 4)):
        (x, y), wide = random.uniform(0, size, 2), random.uniform(1, THICKEST / 2)
        high = wide * random.uniform(0.5, 1)
        pen.ellipse((x - wide, y - high, x + wide, y + high), fill=1)


def _lines(pen: Pen, random: np.random.Generator, size: int) -> None:
    """Wires in any direction; rows and columns of a sensor."""
    for _ in range(random.integers(1, 3)):
        width, place = int(random.integers(1, THICKEST + 1)), int(random.integers(0, size))
        kind = random.integers(4)
        if kind == 0:
            pen.rectangle((0, place, size, place + width - 1), fill=1)
        elif kind == 1:
            pen.rectangle((place, 0, place + width - 1, size), fill=1)
        else:
            start, end = random.integers(-size // 2, 3 * size // 2, 2)
            ends = [(-2, start), (size + 2, end)]
            pen.line([(y, x) for x, y in ends] if kind == 2 else ends, fill=1, width=width)


def _writing(pen: Pen, random: np.random.Generator, size: int) -> None:
    for _ in range(random.integers(1, 5)):
        left, top = random.integers(0, size, 2)
        width, height = random.integers(4, 14, 2)
        outline = pen.rectangle if random.random() < 0.4 else pen.ellipse
        outline((left, top, left + width, top + height), outline=1, width=int(random.integers(1, 5)))


def _blocks(pen: Pen, random: np.random.Generator, size: int) -> None:
    """Squares on a grid, as lost blocks of a compressed picture."""
    side = int(random.choice((2, 3, 4, 6, 8)))
    for _ in range(random.integers(1, 4)):
        left, top = random.integers(0, size // side + 1, 2) * side
        pen.rectangle((left, top, left + side - 1, top + side - 1), fill=1)


KINDS: tuple[Callable[[Pen, np.random.Generator, int], None], ...] = (_specks, _scratches, _blots, _lines, _writing, _blocks)
