"""The demo picture: a photo, its mask, the filled result and the attention map, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .. import attention_map, files
from ..arrays import Array, Bools
from ..files.sheet import sheet
from ..inpainter import Inpainter
from ..options import Options
from . import cat

SPOTS = ((245, 60, 28), (70, 395, 30))  # row, column, radius in pixels
SCRATCHES = (((20, 30), (150, 110)), ((230, 190), (290, 330)), ((30, 250), (110, 330)), ((180, 330), (120, 440)))  # rows and columns
WIDTH = 7  # of a scratch
CAPTIONS = ("input", "mask", "result", "sources of the pixels")


def photo_and_hole() -> tuple[Array, Bools]:
    """Return the packaged photo [H, W, 3] uint8, and a hole [H, W] made of four scratches and two spots."""
    photo = cat()
    canvas = Image.new("1", photo.shape[1::-1])
    drawing = ImageDraw.Draw(canvas)
    for row, column, radius in SPOTS:
        drawing.circle((column, row), radius, fill=1)
    for (top, left), (bottom, right) in SCRATCHES:
        drawing.line((left, top, right, bottom), fill=1, width=WIDTH)
    return photo, np.asarray(canvas)


def write_demo(inpainter: Inpainter, path: Path) -> None:
    """Fill the demo photo and write input, mask, result and attention map as one picture.

    :raises GiError: if the file cannot be written or no engine is available.
    """
    photo, hole = photo_and_hole()
    damaged = np.where(hole[..., None], np.uint8(255), photo)
    result = inpainter.run(damaged, hole, Options())
    mask = np.repeat(hole[..., None] * np.uint8(255), 3, axis=2)
    files.write_array(sheet([[damaged, mask, result.image, attention_map.draw_sources(result)]], CAPTIONS), path)
