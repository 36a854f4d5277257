"""Contact sheets: several pictures in rows and columns, with a caption above each column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..arrays import Array

GAP, CAPTION_HEIGHT, CAPTION_SIZE, LINE = 12, 30, 18, 22  # pixels: height of a caption of one line, and of each further line


def sheet(rows: Sequence[Sequence[Array]], captions: Sequence[str]) -> Array:
    """Arrange pictures of equal size, [H, W, 3] uint8 each, in one picture [H', W', 3] uint8.

    Captions that are wider than a picture are broken into lines.
    """
    height, width = rows[0][0].shape[:2]
    font = ImageFont.load_default(CAPTION_SIZE)
    captions = [_wrapped(caption, font, width) for caption in captions]
    top = CAPTION_HEIGHT + LINE * max(caption.count("\n") for caption in captions)
    canvas = Image.new("RGB", (len(captions) * (width + GAP) + GAP, len(rows) * (height + GAP) + top), "white")
    pen = ImageDraw.Draw(canvas)
    for column, caption in enumerate(captions):
        pen.text((GAP + column * (width + GAP), 4), caption, fill="black", font=font)
    for index, row in enumerate(rows):
        for column, panel in enumerate(row):
            canvas.paste(Image.fromarray(panel), (GAP + column * (width + GAP), top + index * (height + GAP)))
    return np.asarray(canvas)


def _wrapped(caption: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Break a caption between words so that no line is wider than `width`; a longer word keeps its own line."""
    lines = [""]
    for word in caption.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)
