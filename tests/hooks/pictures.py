"""A small picture with a hole: what the tests of the hook hand to a plugin."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


def picture(seed: int = 0) -> tuple[Bytes, Bools]:
    """Soft colours [64, 80, 3] with a hole of 12 x 16 that is white, its place differing by seed, and its mask [64, 80]."""
    random = np.random.default_rng(seed)
    image = random.integers(20, 200, (8, 10, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    mask = np.zeros(image.shape[:2], bool)
    top, left = random.integers(4, 44, 2)
    mask[top : top + 12, left : left + 16] = True
    image[mask] = 255
    return image, mask
