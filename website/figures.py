"""Draws the figures of docs/method.md with the product itself: python -m website.figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gi_plugin import files
from gi_plugin.arrays import Array, Bools
from gi_plugin.attention_map import draw_attention, draw_sources
from gi_plugin.config import Config
from gi_plugin.files.sheet import sheet
from gi_plugin.inpainter import Inpainter
from gi_plugin.options import Options
from gi_plugin.photos import cat
from gi_plugin.planning import Window

DOCS = Path(__file__).parents[1] / "docs"
HOLE = np.s_[150:230, 300:400]  # in the fur beside the cat's nose
SCRATCH = np.s_[40:280, 60:64]
CAPTIONS = ("the hole", "windows that the network sees", "the network's own pixels", "its attention", "sources of the pixels", "result")


def main() -> None:
    """Write docs/method.png: the steps of filling a photo with a large hole and a scratch."""
    photo = cat()
    mask: Bools = np.zeros(photo.shape[:2], np.bool_)
    mask[HOLE] = mask[SCRATCH] = True
    damaged = np.where(mask[..., None], np.uint8(255), photo)
    inpainter = Inpainter(Config())
    own, result = (inpainter.run(damaged, mask, Options(detail=detail)) for detail in ("network", "transfer"))
    windows = inpainter.plan(mask, (mask.shape[0], mask.shape[1]), Options()).windows
    panels = (damaged, _with_frames(damaged, windows), own.image, draw_attention(result), draw_sources(result), result.image)
    files.write_array(sheet([panels[:3]], CAPTIONS[:3]), DOCS / "method-network.png")
    files.write_array(sheet([panels[3:]], CAPTIONS[3:]), DOCS / "method-transfer.png")


def _with_frames(image: Array, windows: tuple[Window, ...]) -> Array:
    """Draw the edges of windows in red."""
    framed = image.copy()
    for window in windows:
        rows, columns = (np.arange(start, start + window.side) for start in (window.top, window.left))
        for row, column in ((rows[[0, 1, -2, -1]], columns), (rows, columns[[0, 1, -2, -1]])):
            framed[np.ix_(row.clip(0, image.shape[0] - 1), column.clip(0, image.shape[1] - 1))] = (255, 0, 0)
    return framed


if __name__ == "__main__":
    main()
