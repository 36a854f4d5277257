"""A picture of where the attention looked: every missing cell coloured by the way to its best match."""

from __future__ import annotations

import numpy as np

from .arrays import CELL, Array
from .image import Picture, check_image
from .inpainter import Inpainting
from .planning import Window

DIM = 0.5  # brightness of the known region


def draw(inpainting: Inpainting, channel_axis: int | None = -1, data_range: tuple[float, float] | None = None) -> Array:
    """Colour the hole by direction (hue: right red, then clockwise) and distance (saturation) to the matched cell.

    :return: [H, W, 3] uint8; outside the hole the picture in dimmed grey.
    """
    pixels, low, high = check_image(inpainting.image, channel_axis, data_range)
    picture = Picture(pixels, np.zeros(inpainting.hole.shape, bool), low, high)
    grey = _grey(picture)
    canvas = np.repeat((grey * DIM)[..., None], 3, axis=2)
    for window, matches in inpainting.matches:
        _draw_window(canvas, inpainting, window, matches)
    return np.asarray(canvas.clip(0, 255), dtype=np.uint8)


def _grey(picture: Picture) -> Array:
    height, width = picture.hole.shape
    rows = [picture.pixels[start : start + 256, :, :3].mean(axis=2, dtype=np.float32) for start in range(0, height, 256)]
    grey: Array = (np.concatenate(rows) - np.float32(picture.low)) * np.float32(255 / (picture.high - picture.low))
    return grey.reshape(height, width)


def _draw_window(canvas: Array, inpainting: Inpainting, window: Window, matches: Array) -> None:
    from skimage.color import hsv2rgb  # noqa: PLC0415  # heavy

    cells = window.size // CELL
    own_row, own_column = np.divmod(np.arange(cells * cells), cells)
    row, column = np.divmod(matches, cells)
    down, right = row - own_row, column - own_column
    hue = np.arctan2(down, right) / (2 * np.pi) % 1
    saturation = np.minimum(np.hypot(down, right) / (cells / 2), 1)
    colours = 255 * hsv2rgb(np.stack([hue, saturation, np.ones_like(hue)], axis=-1)).reshape(cells, cells, 3)
    own, step = window.own, CELL * window.scale
    area = slice(own.top, own.bottom), slice(own.left, own.right)
    painted = colours[np.ix_((np.arange(own.top, own.bottom) - window.top) // step, (np.arange(own.left, own.right) - window.left) // step)]
    missing = inpainting.hole[area]
    canvas[area][missing] = painted[missing]
