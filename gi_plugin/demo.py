"""The demo picture: a photo, its mask, the filled result and the attention map, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from skimage import data, draw

from . import attention_map, files
from .arrays import Array, Bools
from .files.sheet import sheet
from .inpainter import Inpainter
from .options import Options

CAPTIONS = ("input", "mask", "result", "sources of the pixels")


def photo_and_hole() -> tuple[Array, Bools]:
    """Return the cat photo of scikit-image (CC0) [H, W, 3] uint8, and a hole [H, W] made of four scratches and two spots."""
    photo = data.chelsea()
    hole = np.zeros(photo.shape[:2], bool)
    for row, column, radius in ((245, 60, 28), (70, 395, 30)):
        hole[draw.disk((row, column), radius, shape=hole.shape)] = True
    for start, end in (((20, 30), (150, 110)), ((230, 190), (290, 330)), ((30, 250), (110, 330)), ((180, 330), (120, 440))):
        line = np.stack(draw.line(*start, *end), axis=1)
        for offset in range(-3, 4):
            hole[line[:, 0].clip(0, hole.shape[0] - 1), (line[:, 1] + offset).clip(0, hole.shape[1] - 1)] = True
    return photo, hole


def write_demo(inpainter: Inpainter, path: Path) -> None:
    """Fill the demo photo and write input, mask, result and attention map as one picture.

    :raises GiError: if the file cannot be written or no engine is available.
    """
    photo, hole = photo_and_hole()
    damaged = np.where(hole[..., None], np.uint8(255), photo)
    result = inpainter.run(damaged, hole, Options())
    mask = np.repeat(hole[..., None] * np.uint8(255), 3, axis=2)
    files.write_array(sheet([[damaged, mask, result.image, attention_map.draw_sources(result)]], CAPTIONS), path)
