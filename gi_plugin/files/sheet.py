"""Contact sheets: several pictures in rows and columns, with a caption above each column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..arrays import Array

GAP, CAPTION_HEIGHT, CAPTION_SIZE = 12, 30, 18  # pixels


def sheet(rows: Sequence[Sequence[Array]], captions: Sequence[str]) -> Array:
    """Arrange pictures of equal size, [H, W, 3] uint8 each, in one picture [H', W', 3] uint8."""
    height, width = rows[0][0].shape[:2]
    canvas = Image.new("RGB", (len(captions) * (width + GAP) + GAP, len(rows) * (height + GAP) + CAPTION_HEIGHT), "white")
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(CAPTION_SIZE)
    for column, caption in enumerate(captions):
        pen.text((GAP + column * (width + GAP), 4), caption, fill="black", font=font)
    for index, row in enumerate(rows):
        for column, panel in enumerate(row):
            canvas.paste(Image.fromarray(panel), (GAP + column * (width + GAP), CAPTION_HEIGHT + index * (height + GAP)))
    return np.asarray(canvas)
