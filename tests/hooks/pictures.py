"""A small test picture with a hole, and its mask."""

from __future__ import annotations

import numpy as np

from gi_plugin.arrays import Bools, Bytes


def picture(seed: int = 0) -> tuple[Bytes, Bools]:
    """Return coloured squares [64, 80, 3] with a white hole of 12 x 16 pixels, and the mask [64, 80]; both depend on the seed."""
    random = np.random.default_rng(seed)
    image = random.integers(20, 200, (8, 10, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    mask = np.zeros(image.shape[:2], bool)
    top, left = random.integers(4, 44, 2)
    mask[top : top + 12, left : left + 16] = True
    image[mask] = 255
    return image, mask
