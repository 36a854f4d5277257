"""Draws the sources of a fill: every missing pixel is coloured by direction and distance to its source."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .arrays import CELL, Array
from .files.sheet import sheet
from .filling import Piece
from .image import Picture, check_image
from .inpainter import Inpainting

DIM = 0.5  # brightness of the known region
Steps = Callable[[Piece], Array | None]  # returns the step [h, w, 2] from each pixel of a piece to its source
CAPTIONS = ("sources of the pixels", "attention of the network")


def draw(inpainting: Inpainting, channel_axis: int | None = -1) -> Array:
    """Draw the sources of the pixels; if they come from the transfer, draw the network's attention next to them.

    :return: [H', W', 3] uint8.
    """
    attention = draw_attention(inpainting, channel_axis)
    if all(piece.sources is None for piece in inpainting.pieces):
        return attention
    return sheet([[draw_sources(inpainting, channel_axis), attention]], CAPTIONS)


def draw_sources(inpainting: Inpainting, channel_axis: int | None = -1) -> Array:
    """Colour the hole by direction (hue: right red, then clockwise) and distance (saturation) to the pixel that was copied.

    :return: [H, W, 3] uint8; known pixels and pixels of the network are the picture in dimmed grey.
    """
    return _drawn(inpainting, channel_axis, _source_steps)


def draw_attention(inpainting: Inpainting, channel_axis: int | None = -1) -> Array:
    """Colour the hole by direction and distance to the cell that the network's attention matched, as in `draw_sources`."""
    return _drawn(inpainting, channel_axis, _matched_steps)


def draw_hole(inpainting: Inpainting) -> Array:
    """Colour the hole as `draw_sources` does, or as `draw_attention` if the network made all pixels.

    :return: [H, W, 4] uint8, transparent where nothing is known about a pixel.
    """
    steps_of = _matched_steps if all(piece.sources is None for piece in inpainting.pieces) else _source_steps
    canvas = np.zeros((*inpainting.hole.shape, 4), np.uint8)  # untouched zeros take no memory
    for piece in inpainting.pieces:
        if (steps := steps_of(piece)) is not None:
            own = piece.window.own.slices
            missing = inpainting.hole[own]
            canvas[own][missing, :3] = _colours(steps[missing], piece.window.side / 2).clip(0, 255)
            canvas[own][missing, 3] = 255
    return canvas


def _drawn(inpainting: Inpainting, channel_axis: int | None, steps_of: Steps) -> Array:
    """Draw the picture in dimmed grey, and colour the hole by the steps of each piece."""
    pixels = check_image(inpainting.image, channel_axis)
    grey = _grey(Picture(pixels, np.zeros(inpainting.hole.shape, bool), *inpainting.data_range))
    canvas = np.repeat((grey * DIM)[..., None], 3, axis=2)
    for piece in inpainting.pieces:
        steps = steps_of(piece)
        if steps is not None:
            missing = inpainting.hole[piece.window.own.slices]
            canvas[piece.window.own.slices][missing] = _colours(steps[missing], piece.window.side / 2)
    return np.asarray(canvas.clip(0, 255), dtype=np.uint8)


def _source_steps(piece: Piece) -> Array | None:
    """Pixels down and right [h, w, 2] from each pixel of the piece to its source."""
    if piece.sources is None:
        return None
    own = piece.window.own
    return np.asarray(piece.sources - np.moveaxis(np.mgrid[own.slices], 0, -1))


def _matched_steps(piece: Piece) -> Array:
    """Pixels down and right [h, w, 2] from the cell of each pixel to the cell that the attention matched."""
    window, own = piece.window, piece.window.own
    cells, step = window.size // CELL, CELL * window.scale
    places = np.stack(np.divmod(np.arange(cells * cells), cells), axis=1)
    moves = (np.stack(np.divmod(piece.matches, cells), axis=1) - places).reshape(cells, cells, 2) * step
    return np.asarray(
        moves[np.ix_((np.arange(own.top, own.bottom) - window.top) // step, (np.arange(own.left, own.right) - window.left) // step)]
    )


def _colours(steps: Array, reach: float) -> Array:
    """Colours [K, 3] from 0 to 255 of steps [K, 2]; the saturation is highest from a distance of `reach` pixels on."""
    down, right = steps[:, 0], steps[:, 1]
    hue = np.arctan2(down, right) / (2 * np.pi) % 1
    saturation = np.minimum(np.hypot(down, right) / reach, 1)
    away = np.abs((6 * hue[:, None] + np.array([0, 4, 2])) % 6 - 3) - 1  # of red, green and blue on the circle of hues
    return np.asarray(255 * (1 - saturation[:, None] * (1 - away.clip(0, 1))))


def _grey(picture: Picture) -> Array:
    """Grey values [H, W] from 0 to 255, computed in strips to save memory."""
    kind = np.result_type(picture.pixels.dtype, np.float32).type
    strips = (picture.pixels[start : start + 256, :, :3] for start in range(0, len(picture.pixels), 256))
    rows = [(strip.astype(kind, copy=False) - kind(picture.low)).mean(axis=2, dtype=np.float32) for strip in strips]
    grey: Array = np.concatenate(rows) * np.float32(255 / (picture.high - picture.low))
    return grey
